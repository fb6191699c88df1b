"""Files of JSON lines as batches of Arrow rows: decompressed, split, checked, nothing altered.

A line that is not JSON is set aside with its reason. A string may hold half of a surrogate pair as an escape
(`"\\ud83d"`), which vendors do send and DuckDB's JSON functions refuse: such an escape is parked as the escape pair
of a code point of the last private-use plane (U+10F800 + n), and `unpark` gives the text back as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import duckdb
import pyarrow as pa

CHUNK = 16 * 1024 * 1024
PARKED_FROM = 0x10F800
BOM = b"\xef\xbb\xbf"
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_PARKED = re.compile(r"\\(?:u[dD][bB]([fF][eEfF])\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.S)


@dataclass(frozen=True)
class Rejected:
    """A line that can't be loaded. `line` counts from 1, `character` is where the parser stopped."""

    line: int
    character: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Good rows (`RECORD` of type JSON, `ROW_NUMBER` counting the file's records from 1) and the bad lines."""

    rows: pa.Table
    rejected: tuple[Rejected, ...]


def park(text: str) -> str:
    """Replace each escape of half a surrogate pair by the escape pair of its private-use stand-in."""

    def one(match: re.Match[str]) -> str:
        if not (half := match[3]):
            return match[0]
        code = PARKED_FROM + int(half, 16) - 0xD800 - 0x10000
        pair = f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
        return pair if half[0] == "d" else pair.upper().replace("\\U", "\\u")

    return _ESCAPE.sub(one, text)


def unpark(text: str) -> str:
    """The inverse of `park`, on JSON text."""

    def one(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0]
        high, low = int("db" + match[1], 16), int(match[2], 16)
        code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        if code < PARKED_FROM:
            return match[0]
        half = f"{code - PARKED_FROM + 0xD800:04x}"
        return "\\u" + (half if match[2][0] == "d" else half.upper())

    return _PARKED.sub(one, text)


def batches(file: BinaryIO, duck: duckdb.DuckDBPyConnection) -> Iterator[Batch]:
    """The file's lines, about CHUNK bytes at a time. Blank lines count as lines but not as records."""
    lines_before = rows_before = 0
    for lines in _chunks(file):
        kept = [(i, line) for i, line in enumerate(lines) if line and not line.isspace()]
        numbers = [lines_before + 1 + i for i, _ in kept]
        yield _checked([line for _, line in kept], numbers, rows_before, duck)
        lines_before += len(lines)
        rows_before += len(kept)


def _chunks(file: BinaryIO) -> Iterator[list[bytes]]:
    rest, first = b"", True
    while chunk := file.read(CHUNK):
        if first and chunk.startswith(BOM):
            chunk = chunk[len(BOM) :]
        first = False
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _checked(lines: list[bytes], numbers: list[int], rows_before: int, duck: duckdb.DuckDBPyConnection) -> Batch:
    texts, broken = _decoded(lines, numbers)
    rows = pa.table(
        {"RECORD": texts, "ROW_NUMBER": pa.array(range(rows_before + 1, rows_before + 1 + len(lines)), pa.int64())}
    )
    suspects = duck.execute('SELECT "ROW_NUMBER" FROM rows WHERE NOT json_valid("RECORD")').fetchall()
    if suspects:
        values = rows.column("RECORD").to_pylist()
        rejected = []
        for (row_number,) in suspects:
            i = row_number - rows_before - 1
            values[i] = park(values[i])
            if i in broken or not duck.execute("SELECT json_valid(?)", [values[i]]).fetchone()[0]:
                rejected.append((i, broken.get(i) or _why(values[i], numbers[i])))
        bad = {i for i, _ in rejected}
        keep = [i for i in range(len(values)) if i not in bad]
        texts = pa.array([values[i] for i in keep], pa.string())
        rows = pa.table({"RECORD": texts, "ROW_NUMBER": rows.column("ROW_NUMBER").take(pa.array(keep, pa.int64()))})
        return Batch(_typed(rows), tuple(r for _, r in rejected))
    return Batch(_typed(rows), ())


def _decoded(lines: list[bytes], numbers: list[int]) -> tuple[pa.Array, dict[int, Rejected]]:
    try:
        return pa.array(lines, pa.binary()).cast(pa.string()), {}
    except pa.ArrowInvalid:
        broken, texts = {}, []
        for i, line in enumerate(lines):
            try:
                texts.append(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                texts.append("?")  # not JSON: comes back as a suspect
                broken[i] = Rejected(numbers[i], error.start + 1, "Invalid UTF8 detected in the line")
        return pa.array(texts, pa.string()), broken


def _typed(rows: pa.Table) -> pa.Table:
    """RECORD as Arrow's JSON type, which DuckDB takes for JSON as it stands, without parsing it again."""
    record = pa.chunked_array(
        [pa.ExtensionArray.from_storage(pa.json_(), chunk) for chunk in rows.column("RECORD").chunks], pa.json_()
    )
    return rows.set_column(0, "RECORD", record)


def _why(text: str, line: int) -> Rejected:
    try:
        json.loads(text)
    except ValueError as error:
        position = getattr(error, "pos", 0) + 1
        return Rejected(line, position, f"Error parsing JSON: {getattr(error, 'msg', error)}, pos {position}")
    return Rejected(line, 1, "Error parsing JSON: malformed JSON")
