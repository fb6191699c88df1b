"""An archive from elsewhere is unpacked on the oldest Python that is supported, and writes only below its folder."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from local.errors import LocalError
from local.java.unpack import unpack


def archive(folder: Path, *members: tarfile.TarInfo) -> Path:
    """A tar.gz of these members; a plain file's content is its name."""
    file = folder / "thing.tar.gz"
    with tarfile.open(file, "w:gz") as out:
        for member in members:
            content = member.name.encode() if member.isfile() else b""
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_files_and_folders_arrive_with_their_content(tmp_path: Path) -> None:
    file = archive(tmp_path, member("debezium", tarfile.DIRTYPE), member("debezium/a.jar"), member("other/b.jar"))
    unpack(file, tmp_path / "out")
    assert (tmp_path / "out/debezium/a.jar").read_text() == "debezium/a.jar"
    assert (tmp_path / "out/other/b.jar").read_text() == "other/b.jar"


def test_an_archives_modes_are_not_taken_over(tmp_path: Path) -> None:
    odd = member("a.sh")
    odd.mode = 0o6777
    unpack(archive(tmp_path, odd), tmp_path / "out")
    assert not (tmp_path / "out/a.sh").stat().st_mode & 0o7111


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: member("../out-of-it"), id="parent"),
        pytest.param(lambda: member("a/../../out-of-it"), id="parent in the middle"),
        pytest.param(lambda: member("/absolute"), id="absolute"),
        pytest.param(lambda: member("link", tarfile.SYMTYPE, "/etc"), id="symbolic link"),
        pytest.param(lambda: member("link", tarfile.LNKTYPE, "../out-of-it"), id="hard link"),
        pytest.param(lambda: member("pipe", tarfile.FIFOTYPE), id="pipe"),
        pytest.param(lambda: member("disk", tarfile.BLKTYPE), id="device"),
    ],
)
def test_a_member_that_could_write_elsewhere_is_named_and_nothing_is_written(
    tmp_path: Path, bad: Callable[[], tarfile.TarInfo]
) -> None:
    """CPython's PEP 706 (gh-102950) lists these ways out of the folder; each is refused, as its data filter does."""
    refused = bad()
    file = archive(tmp_path, member("good.jar"), refused)
    with pytest.raises(LocalError, match=r"thing\.tar\.gz was not unpacked") as error:
        unpack(file, tmp_path / "out")
    assert repr(refused.name) in str(error.value)
    assert not (tmp_path / "out").exists()
