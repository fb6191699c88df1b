"""Files of JSON lines: split, checked, nothing altered.

Snowflake's reference (COPY INTO <table>, ON_ERROR) says that the records up to one with an error are loaded and the
rest of the file is skipped, with CONTINUE too. Some have seen it go on, so CATCHMENT_WAREHOUSE_JSON_AFTER_ERROR may be
`continue`: what is built on COPY has to be right either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from local.warehouse import json_text
from local.warehouse.files.batch import Batch, Rejected, records

CHUNK = 16 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
SKIPS_REST = os.environ.get("CATCHMENT_WAREHOUSE_JSON_AFTER_ERROR", "skip") != "continue"


def read(file: BinaryIO, _columns: int) -> Iterator[Batch]:
    """The file's lines, about CHUNK bytes at a time. Blank lines count as lines but not as records."""
    line_number = row_number = 0
    for lines in _chunks(file):
        texts: list[str] = []
        numbers: list[int] = []
        rejected: list[Rejected] = []
        for line in lines:
            line_number += 1
            if not line or line.isspace():
                continue
            row_number += 1
            text = _checked(line, line_number)
            if isinstance(text, Rejected):
                rejected.append(text)
                if SKIPS_REST:
                    yield Batch(records(texts, numbers), tuple(rejected))
                    return
            else:
                texts.append(text)
                numbers.append(row_number)
        yield Batch(records(texts, numbers), tuple(rejected))


def _checked(line: bytes, number: int) -> str | Rejected:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected(number, error.start + 1, "Invalid UTF8 detected in the line")
    if refused := json_text.refusal(text):
        return Rejected(number, refused.character, refused.reason)
    return json_text.park(text)


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
