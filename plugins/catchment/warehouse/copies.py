"""COPY: its statement over some files of a checkpoint, its result, and which names may stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catchment.errors import ContractBroken
from catchment.landing import LandedFile, Manifest
from catchment.warehouse.formats import literal
from catchment.warehouse.session import Cursor

FILES_PER_COPY = 1000  # Snowflake's limit for FILES = (…)
_OUR_KEY = re.compile(r"[A-Za-z0-9_.,=:/+@-]+")
_ANY_KEY = re.compile(r"[^'\\\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class CopiedFile:
    """What became of a file: its records, how many were loaded, and the first error.

    `rejected`: how many of the others are in the rejects already.
    """

    key: str
    parsed: int
    loaded: int
    first_error: str | None
    rejected: int = 0

    @property
    def missing(self) -> int:
        """How many records are neither loaded nor rejected."""
        return self.parsed - self.loaded - self.rejected


@dataclass(frozen=True)
class Copy:
    """A COPY of staged files: `into` a table and its columns, what to `select` of a record. Its values are bound later.

    FORCE, because a file's name may come again with a batch that is loaded again, or with other rows.
    """

    into: str
    select: str
    stage: str
    file_format: str
    on_error: str = "CONTINUE"

    def statement(self, files: Sequence[LandedFile]) -> str:
        prefix = common_folder(files)
        return self.of(prefix, names(files, prefix))

    def of(self, folder: str, files: str) -> str:
        """The statement over files of a folder of the stage, by their names as literals."""
        return f"""
COPY INTO {self.into}
FROM (
    SELECT
        {self.select}
    FROM @{self.stage}/{folder}
)
FILES = ({files})
FILE_FORMAT = (FORMAT_NAME = '{self.file_format}')
ON_ERROR = {self.on_error}
FORCE = TRUE
"""

    def run(
        self, cursor: Cursor, files: Sequence[LandedFile], values: Mapping[str, object]
    ) -> Iterator[tuple[Sequence[LandedFile], list[CopiedFile]]]:
        """Copy some files at a time: these, and what became of them."""
        for at in range(0, len(files), FILES_PER_COPY):
            some = files[at : at + FILES_PER_COPY]
            cursor.execute(self.statement(some), values)
            # One column: it found no file.
            yield some, [_copied(some, row) for row in cursor.fetchall() if len(row) > 1]


def _copied(files: Sequence[LandedFile], row: Sequence[Any]) -> CopiedFile:
    """A row of COPY's result: file, status, rows_parsed, rows_loaded, error_limit, errors_seen, first_error, …

    Snowflake names a file below the stage's location, or by its whole address: the landed key is its end.
    """
    name, _, parsed, loaded, _, errors, first_error = row[:7]
    said = str(name)
    known = {file.key for file in files}
    places = (said, common_folder(files) + said, said.partition("://")[2].partition("/")[2])
    key = next((place for place in places if place in known), said)
    # A file that is skipped for an error may count as one of no records.
    return CopiedFile(key, max(int(parsed), int(loaded) + int(errors or 0)), int(loaded), first_error)


def common_folder(files: Sequence[LandedFile]) -> str:
    """The longest prefix that ends in a slash and that all keys share."""
    folders = [file.key.split("/")[:-1] for file in files]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) != 1:
            break
        shared.append(parts[0] + "/")
    return "".join(shared) if shared and _OUR_KEY.fullmatch("".join(shared)) else ""


def names(files: Sequence[LandedFile], prefix: str = "") -> str:
    """The files' keys below `prefix` as literals, for FILES or IN."""
    return ", ".join(literal(file.key.removeprefix(prefix)) for file in files)


def check_names(manifest: Manifest) -> None:
    """Raise unless every name may stand in a COPY statement. Ours have few characters; others' may have any but quotes.

    A manifest is a file that somebody may have written to.
    """
    for file in (*manifest.files, *manifest.rejects):
        if not (_ANY_KEY if file.uri else _OUR_KEY).fullmatch(file.key):
            raise ContractBroken(
                f"{manifest.batch_id}: the manifest names a file {file.key!r}, which can't stand in a COPY statement. "
                "Nothing was loaded: see who wrote to the landing, and extract the batch again."
            )


def check_counts(manifest: Manifest, copied: Sequence[CopiedFile]) -> None:
    """Raise unless every file was read, ours with the rows that the manifest counts."""
    found = {file.key: file.parsed for file in copied}
    for file in manifest.files:
        if file.key not in found or (not file.uri and found[file.key] != file.rows):
            rows = "its rows" if file.uri else f"{file.rows} rows"
            raise ContractBroken(
                f"{manifest.batch_id}: {file.key} should hold {rows}, and the warehouse read "
                f"{found.get(file.key, 'none')}: the landing is not what the manifest says. Extract the batch again; "
                "the rows loaded before stay"
            )
