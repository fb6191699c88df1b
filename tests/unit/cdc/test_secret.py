"""Secrets by reference: read where they are kept."""

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


def test_a_missing_entry_or_file_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match=r"no entry s9\.password"):
        Reference(file, "s9.password").read()
    with pytest.raises(NeedsPerson, match="can't be read"):
        Reference(tmp_path / "nowhere", "x").read()
