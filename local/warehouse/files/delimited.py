"""CSV files as Snowflake reads them: records may span lines inside enclosed fields.

A field is NULL when it is empty and not enclosed (EMPTY_FIELD_AS_NULL), or one of NULL_IF. A record that ends inside
an enclosed field, has text after one, or is blank, is rejected.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from local.warehouse import errors, json_text
from local.warehouse.files.batch import Batch, Rejected

CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Field:
    """One field of a record, without its quotes."""

    text: str
    enclosed: bool


@dataclass(frozen=True)
class Record:
    """One record: its fields, the lines of the file that it takes, and what is wrong with it."""

    fields: tuple[Field, ...]
    lines: int
    error: str | None = None

    @property
    def blank(self) -> bool:
        return self.fields == (Field("", enclosed=False),)


class Grammar:
    """Splits text into records. A delimiter or quote of None stands for NONE."""

    def __init__(self, delimiter: str | None, quote: str | None) -> None:
        self._delimiter = delimiter
        q, d = re.escape(quote or ""), re.escape(delimiter or "")
        enclosed = rf"{q}(?P<enclosed>[^{q}]*(?:{q}{q}[^{q}]*)*){q}"
        plain = rf"(?P<plain>[^{d}\n]*?)"
        end = rf"(?P<end>{d}|\r?\n|\Z)" if delimiter else r"(?P<end>\r?\n|\Z)"
        self._field = re.compile((rf"(?:{enclosed}|(?!{q}){plain})" if quote else plain) + end)
        self._text_after = re.compile(rf"{enclosed}(?=[^{q}{d}\r\n])[^\n]*\n?") if quote else None
        self._doubled = (quote or "") * 2

    def records(self, texts: Iterable[str]) -> Iterator[list[Record]]:
        """The records of a file that comes in pieces; one list a piece."""
        rest = ""
        for text in texts:
            found, rest = self._split(rest + text, last=False)
            yield found
        yield self._split(rest, last=True)[0]

    def _split(self, text: str, *, last: bool) -> tuple[list[Record], str]:
        found, at = [], 0
        while at < len(text) and (next_one := self._record(text, at, last)) is not None:
            record, at = next_one
            found.append(record)
        return found, text[at:]

    def _record(self, text: str, begin: int, last: bool) -> tuple[Record, int] | None:
        """The record at `begin` and where the next one begins; None if its end is not in the text."""
        fields, at = [], begin
        while match := self._field.match(text, at):
            at = match.end()
            if at == len(text) and not last and not match["end"].endswith("\n"):
                return None
            fields.append(self._value(match))
            if match["end"] != self._delimiter:
                return Record(tuple(fields), text.count("\n", begin, at)), at
        if self._text_after and (match := self._text_after.match(text, at)):
            at, error = match.end(), "Found text after the closing quote of a field instead of the field delimiter"
        elif last:
            at, error = len(text), "End of file reached while expected the closing quote of a field"
        else:
            return None
        return Record((), text.count("\n", begin, at), error), at

    def _value(self, match: re.Match[str]) -> Field:
        groups = match.groupdict()
        if (enclosed := groups.get("enclosed")) is not None:
            return Field(enclosed.replace(self._doubled, self._doubled[:1]), enclosed=True)
        return Field(groups["plain"], enclosed=False)


@dataclass(frozen=True)
class Dialect:
    """The options of a CSV file format that change what is read; `delimiter` and `quote` are None for NONE."""

    delimiter: str | None = ","
    quote: str | None = None
    skip_header: int = 0
    null_if: tuple[str, ...] = ("\\N",)
    empty_is_null: bool = True
    skip_blank: bool = False
    escapes: bool = True
    one_width: bool = True
    """A record with another number of fields than are wanted is rejected (a COPY without a SELECT)."""

    def read(self, file: BinaryIO, columns: int) -> Iterator[Batch]:
        """The file's records, about CHUNK bytes at a time, as text columns $1, $2, …"""
        number = line = 0
        grammar = Grammar(self.delimiter, self.quote)
        pieces = codecs.iterdecode(iter(lambda: file.read(CHUNK), b""), "utf-8-sig", "surrogateescape")
        for found in grammar.records(pieces):
            rows: list[list[str | None]] = []
            numbers: list[int] = []
            rejected: list[Rejected] = []
            for record in found:
                first_line, line = line + 1, line + record.lines
                if line <= self.skip_header or (record.blank and self.skip_blank):
                    continue
                number += 1
                if reason := self._why_not(record, columns):
                    rejected.append(Rejected(first_line, 1, reason))
                else:
                    rows.append([self._value(f) for f in record.fields[:columns]])
                    numbers.append(number)
            yield Batch(_table(rows, numbers, columns), tuple(rejected))

    def _why_not(self, record: Record, columns: int) -> str | None:
        if record.error:
            return record.error
        if record.blank:
            return "End of record reached while expected to parse a column"
        if any(not _is_utf8(field.text) for field in record.fields):
            return "Invalid UTF8 detected in the record"
        if any(json_text.size(field.text) > json_text.LIMIT for field in record.fields):
            return f"Max LOB size ({json_text.LIMIT}) exceeded"
        if self.one_width and len(record.fields) != columns:
            return f"Number of columns in file ({len(record.fields)}) does not match that of the table ({columns})"
        return None

    def _value(self, field: Field) -> str | None:
        if field.text in self.null_if or (not field.text and not field.enclosed and self.empty_is_null):
            return None
        if self.escapes and not field.enclosed and "\\" in field.text:
            raise errors.unsupported(
                "a backslash in a field that is not enclosed, which Snowflake takes for an escape: say "
                "ESCAPE_UNENCLOSED_FIELD = NONE in the file format"
            )
        return field.text


def _is_utf8(text: str) -> bool:
    """Bytes that are no UTF-8 were decoded as halves of surrogate pairs."""
    return text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text)


def _table(rows: list[list[str | None]], numbers: list[int], columns: int) -> pa.Table:
    texts = {
        f"${i + 1}": pa.array([row[i] if i < len(row) else None for row in rows], pa.string()) for i in range(columns)
    }
    return pa.table(texts | {"ROW_NUMBER": pa.array(numbers, pa.int64())})
