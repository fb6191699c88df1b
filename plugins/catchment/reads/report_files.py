"""The file of a report, as pages of records: JSON whole, JSON Lines and CSV a thousand rows at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import TextIOWrapper
from itertools import islice
from typing import BinaryIO

import msgspec

from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.splitter import Page, Reject, Splitter

ROWS = 1_000
LONGEST_CELL = 16 * 1024 * 1024


class FileFormat(StrEnum):
    """JSON: one document, the list at the download's `records`. JSON_LINES: a record a line.

    CSV: UTF-8 with a header (RFC 4180); each row becomes an object of texts, by the names of the header.
    """

    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"


def read_file(file: BinaryIO, format: FileFormat, records: str, key: tuple[str, ...]) -> Iterator[Page]:
    """The pages of a file.

    Raises:
        VendorUnavailable: It is not of that format.
        ContractBroken: A CSV's header lacks the key, or names a column twice.
    """
    match format:
        case FileFormat.JSON:
            yield Splitter(records, key).split(file.read().removeprefix(b"\xef\xbb\xbf"))
        case FileFormat.JSON_LINES:
            yield from _pages(_lines(file), key)
        case FileFormat.CSV:
            yield from _csv(file, key)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for number, line in enumerate(file):
        text = (line if number else line.removeprefix(b"\xef\xbb\xbf")).strip()
        if text:
            yield text


def _pages(lines: Iterable[bytes], key: tuple[str, ...]) -> Iterator[Page]:
    splitter, lines = Splitter("[]", key), iter(lines)
    while chunk := list(islice(lines, ROWS)):
        yield _page(chunk, splitter)


def _page(lines: list[bytes], splitter: Splitter) -> Page:
    """Lines read as one JSON list; one by one where that is not what comes out."""
    try:
        page = splitter.split(b"[" + b",".join(lines) + b"]")
    except VendorUnavailable:
        page = None
    if page is not None and len(page.records) + len(page.rejects) == len(lines):
        return page
    if len(lines) == 1:
        reject = Reject("is not one JSON value", lines[0].decode("utf-8", "backslashreplace"))
        return Page(records=[], keys=[], fields={}, rejects=(reject,))
    pages = [_page([line], splitter) for line in lines]
    return Page(
        records=[record for page in pages for record in page.records],
        keys=[key for page in pages for key in page.keys],
        fields={},
        rejects=tuple(reject for page in pages for reject in page.rejects),
    )


def _csv(file: BinaryIO, key: tuple[str, ...]) -> Iterator[Page]:
    csv.field_size_limit(LONGEST_CELL)
    text = TextIOWrapper(file, "utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    splitter = Splitter("[]", key)
    try:
        header = next(rows, [])
        _check(header, key)
        while chunk := list(islice(rows, ROWS)):
            lines = [msgspec.json.encode(dict(zip(header, row, strict=True))) for row in chunk if _fits(row, header)]
            torn = tuple(_torn(row, header) for row in chunk if row and not _fits(row, header))
            page = _page(lines, splitter) if lines else Page([], [], {})
            yield Page(page.records, page.keys, {}, (*page.rejects, *torn))
    except (csv.Error, UnicodeDecodeError) as error:
        raise VendorUnavailable(f"the report is no CSV in UTF-8 (line {rows.line_num + 1}: {error})") from error
    finally:
        text.detach()


def _check(header: list[str], key: tuple[str, ...]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ContractBroken(f"The report's CSV has columns of one name: {', '.join(twice)}. Ask for other columns.")
    lacking = [name for name in key if name not in header]
    if lacking:
        raise ContractBroken(
            f"The report's CSV has no column {', '.join(lacking)} in its header, by which its rows are known: compare "
            "the stream's spec with the vendor's reference."
        )


def _fits(row: list[str], header: list[str]) -> bool:
    return len(row) == len(header)


def _torn(row: list[str], header: list[str]) -> Reject:
    """As a text that is no JSON: whose field is whose is not known, so that personal ones could not be found."""
    return Reject(f"has {len(row)} fields, and the header has {len(header)}", f"row: {','.join(row)}")
