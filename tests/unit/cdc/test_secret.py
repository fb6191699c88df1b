"""Secrets by reference: read, replaced, never anything else of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from catchment.cdc.secret import Reference, resolved
from catchment.errors import NeedsPerson


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shards.properties"
    path.write_text("# the role cdc\ns0.password=old-0\ns1.password = old\\\\1\n")
    path.chmod(0o640)
    return path


def test_a_reference_is_read_and_other_text_is_itself(file: Path) -> None:
    assert resolved(f"${{file:{file}:s0.password}}") == "old-0"
    assert resolved(f"${{file:{file}:s1.password}}") == "old\\1"
    assert resolved("plain$text") == "plain$text"


def test_writing_replaces_one_entry_and_leaves_the_rest_and_the_rights(file: Path) -> None:
    Reference(file, "s0.password").write("new=0:#")
    assert resolved(f"${{file:{file}:s0.password}}") == "new=0:#"
    assert resolved(f"${{file:{file}:s1.password}}") == "old\\1"
    assert "# the role cdc" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_an_entry_can_be_taken_out_and_again(file: Path) -> None:
    Reference(file, "s0.password").remove()
    Reference(file, "s0.password").remove()
    assert file.read_text() == "# the role cdc\ns1.password = old\\\\1\n"


def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    before = file.read_text()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        Reference(file, "s0.password").write("new")
    assert file.read_text() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_missing_entry_or_file_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match=r"no entry s9\.password"):
        Reference(file, "s9.password").read()
    with pytest.raises(NeedsPerson, match="can't be read"):
        Reference(tmp_path / "nowhere", "x").read()
