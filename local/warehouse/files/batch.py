"""What a reader of staged files gives: good rows as Arrow, a few megabytes at a time, and the bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa


@dataclass(frozen=True)
class Rejected:
    """A record that can't be loaded. `line` counts from 1, `character` is where the parser stopped."""

    line: int
    character: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Good rows, with ROW_NUMBER that counts the file's records from 1, and the rejected ones.

    A row of JSON or Parquet has the one column RECORD, of type JSON; one of CSV has $1, $2, … of type text.
    """

    rows: pa.Table
    rejected: tuple[Rejected, ...] = ()


Read = Callable[[BinaryIO, int], Iterator[Batch]]
"""Reads a file; the number is how many columns of a CSV file are wanted."""


@dataclass(frozen=True)
class Format:
    """A file format: how its files are read, and their compression as Snowflake names it."""

    kind: str
    read: Read
    compression: str = "AUTO"

    @property
    def has_columns(self) -> bool:
        """Whether $2 and more exist; otherwise $1 is the whole record."""
        return self.kind == "CSV"


def records(texts: Sequence[str], numbers: Sequence[int]) -> pa.Table:
    """JSON texts as rows. Arrow's JSON type is what DuckDB takes for JSON as it stands, without parsing it again."""
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))
    return pa.table({"RECORD": column, "ROW_NUMBER": pa.array(numbers, pa.int64())})
