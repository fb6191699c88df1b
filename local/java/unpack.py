"""Unpack a tar archive from elsewhere without trusting what it says about paths, links, owners or modes.

`TarFile.extractall(filter="data")` does the same, but exists only from Python 3.11.4 on; Debian 12 has 3.11.2.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath

from local.errors import LocalError


def unpack(file: Path, folder: Path) -> None:
    """Write the archive's files and folders below `folder`. Nothing is written when one of its members is refused.

    Raises:
        LocalError: a member's path leads out of the folder, or it is neither a plain file nor a folder.
    """
    with tarfile.open(file) as archive:
        members = archive.getmembers()
        for member in members:
            if problem := _problem(member):
                raise LocalError(f"{file.name} was not unpacked: {member.name!r} {problem}.")
        for member in members:
            _write(archive, member, folder / member.name)


def _problem(member: tarfile.TarInfo) -> str:
    """Why the member can't be written; empty when it can."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the folder"
    return "" if member.isfile() or member.isdir() else "is neither a file nor a folder"


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    if content is None:  # a folder
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as out:
        shutil.copyfileobj(content, out)
