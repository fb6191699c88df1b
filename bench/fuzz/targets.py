"""What is fuzzed: each target takes any bytes, and raises unless the core did right by them.

What is right is said by Python's `json` and by plain loops, which share no code with the core. An error of ours (a
sentence for a person) is right; any other exception is a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from catchment.connection import Connection
from catchment.errors import CatchmentError, ContractBroken, NeedsPerson, VendorUnavailable
from catchment.extract.privacy import Privacy
from catchment.extract.sheets import check_header, rows_of
from catchment.extract.sheets_api import Cell, Shape, cells
from catchment.extract.splitter import Splitter
from catchment.http.client import HttpClient, Reply
from catchment.landing import LandedFile, Manifest, RecordFormat, Store, read_manifest
from catchment.reads.sheet_tab import SheetTab
from catchment.spec import Current, Stream
from catchment.warehouse.copies import check_names
from catchment.warehouse.load import raw_copy

SPLITTER = Splitter("data.entries", ("id",), ("data.more",))
TAB = SheetTab(spreadsheet_id="s", tab="T", header=("code",))
STREAM = Stream(name="tab", key=("code",), read=TAB, owner="sales")
PERSONAL, SECRET = ("email", "who.name", "lines.to"), ("token", "who.pin")
UNHASHED = (None, "")


def splitter(body: bytes) -> None:
    """No record is lost, split, merged or out of order; a list that Python finds is a page."""
    listed = _listed(body)
    try:
        page = SPLITTER.split(body)
    except VendorUnavailable:
        _check(listed is None, "a page with its list was refused")
        return
    _check(len(page.records) == len(page.keys), "keys and records differ in number")
    _check(all(b"\n" not in bytes(record) for record in page.records), "a record has two lines")
    if listed is None:
        return
    _check(len(page.records) + len(page.rejects) == len(listed), "records were lost or made")
    rest = iter([_text(record) for record in listed])
    for record, key in zip(page.records, page.keys, strict=True):
        value = json.loads(bytes(record))
        _check(_text(value) in rest, "a record is not the vendor's, or out of order")
        _check(value["id"] == key, "a key is not its record's")


def privacy(record: bytes) -> None:
    """No personal leaf is left plain, no secret field at all, and whatever else there was is as it was."""
    line = record.replace(b"\n", b" ").replace(b"\r", b" ")
    for personal, secret in ((PERSONAL, SECRET), (PERSONAL, ()), (PERSONAL[:1], ())):
        lines, _, rejects = Privacy(secret=secret, personal=personal, key=b"key").apply([line, line])
        done = lines.splitlines()
        _check(len(done) + len(rejects) == 2, "a record was lost or made")
        before = _pairs(line)
        if done and before is not None:
            for after in done:
                _compare(before, _pairs(after), (), personal, secret)


def manifest(data: bytes) -> None:
    """What is read is whole, and none of its names can end the literal in which it stands."""

    class One:
        uri = "s3://bucket/"

        def get(self, key: str) -> bytes:
            return data

    try:
        found = read_manifest(cast(Store, One()), "key")
        check_names(found)
    except ContractBroken:
        return
    _check(msgspec.json.decode(msgspec.json.encode(found), type=Manifest) == found, "a manifest does not come back")
    _check(len(found.content) == 64 and found.bytes == sum(f.bytes for f in found.files), "its digest or size is wrong")
    for file in (*found.files, *found.rejects):
        _check(not set(file.key) & set("'\\\n\r\0"), f"{file.key!r} can't stand in a literal")
    if found.files and found.source.isidentifier() and found.stream.isidentifier():
        try:
            statement = raw_copy(found).statement(found.files)
        except ValueError:
            return
        _check(statement.count("FILES = (") == 1, "a name is more than a name")


def connection(data: bytes) -> None:
    """Texts are texts and the port a number, as Python's own reader has them; a secret is in no repr."""
    text = data.decode("utf-8", "ignore").replace("\0", "")
    try:
        found = Connection.from_env("x", {"AIRFLOW_CONN_X": text})
    except NeedsPerson:
        return
    texts = (found.host, found.login, found.password, found.schema)
    _check(all(isinstance(value, str) for value in texts), "a field is no text")
    _check(found.port is None or isinstance(found.port, int), "the port is no number")
    _check(all(isinstance(name, str) for name in found.extra), "a name in extra is no text")
    if len(found.password) > 8 and found.password not in (found.host + found.login + found.schema):
        _check(found.password not in repr(found), "the password is shown")
    if text.lstrip().startswith("{"):
        said = json.loads(text)
        _check((said.get("password") or "") == found.password, "the password is another one")


def sheet(data: bytes) -> None:
    """Every cell that was typed is in its row's record, and every row that has any is there."""
    lines = data.decode("utf-8", "ignore").split("\n")
    grid = [[Cell(cell) for cell in line.split("\t")] for line in lines]
    try:
        check_header(STREAM, TAB, grid)
    except ContractBroken:
        return
    rows = rows_of(STREAM, TAB, Shape("en", "UTC", {"T": len(grid)}), grid)
    typed = [[cell.shown for cell in row] for row in grid[1:] if any(cell.shown.strip() for cell in row)]
    _check(len(rows) == len(typed), "rows were lost or made")
    for row, shown in zip(rows, typed, strict=True):
        values = list(json.loads(row.record).values())
        _check(values[: len(shown)] == shown, "a cell was lost or moved")
        _check(not any(values[len(shown) :]), "a cell was made")


def sheet_reply(body: bytes) -> None:
    """Any reply of Google's is a grid or the vendor's trouble; no cell that shows something is lost."""

    class Google:
        def send(self, request: Any, *, accept: Callable[[Reply], Any], **_: Any) -> Any:
            return accept(Reply(200, {}, body))

    try:
        grid = cells(cast(HttpClient, Google()), "s", "T", 10)
    except CatchmentError:
        return
    _check(not grid or bool(grid[-1]), "empty rows at the end")
    try:
        reply = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # what nobody reads of a reply may be broken
        return
    shown = sum(bool(cell.shown) for row in grid for cell in row)
    _check(shown == sum(map(bool, _shown(reply))), "cells were lost or made")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (splitter, privacy, manifest, connection, sheet, sheet_reply)
}


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, so that the fuzzer need not guess what JSON is."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    whole = Manifest(
        batch_id="b",
        batch="b",
        checkpoint=0,
        complete=True,
        attempt="a",
        source="s",
        stream="t",
        kind="scheduled",
        mode="full",
        current=Current.NEWEST_LIST,
        key=("id",),
        record_format=RecordFormat.RECORDS,
        interval_start=at,
        interval_end=at,
        extracted_at=at,
        as_of=at,
        files=(LandedFile(key="a/b", bytes=1, rows=1, sha256="0"),),
    )
    record = b'{"id":1,"email":"a@b.c","who":{"name":"N","pin":1},"lines":[{"to":"x"},{"to":null}],"token":"t"}'
    reply = b'{"sheets":[{"data":[{"startRow":0,"rowData":[{"values":[{"formattedValue":"a","effectiveValue":'
    return {
        "splitter": [
            b'{"data":{"entries":[{"id":1},{"id":"a","x":[1,"]}"]}],"more":true}}',
            b'{"data":{"more":null,"entries":[{"id":1e400},{"id":NaN},{"id":"\\ud800"},\n{"id":2}]}}',
            b'{"data":{"entries":[],"entries":[{"id":1}]},"data":{"entries":[{"id":2}]}}',
        ],
        "privacy": [record, b'{"email":{"a":["\\u00e9",1,true]},"em\\u0061il":"x","who":[{"name":2}],"email":"y"}'],
        "manifest": [msgspec.json.encode(whole)],
        "connection": [
            b'{"conn_type":"http","host":"h","login":"l","password":"a secret text","port":1,"extra":{"a":1}}',
            b'{"host":"h","extra":"{\\"a\\":1}"}',
            b"http://user:p%40ss@host:80/schema?a=b&__extra__=%7B%22c%22%3A1%7D",
        ],
        "sheet": [b"code\towner\n007\tAnn\n\n\tb\tc", b"code\t(C)\nx\ty\tz"],
        "sheet_reply": [reply + b'{"numberValue":1.5},"effectiveFormat":{"numberFormat":{"type":"DATE"}}}]},{}]}]}]}'],
    }


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def _listed(body: bytes) -> list[Any] | None:
    """The list in a reply as Python reads it; None where it finds none, or reads what JSON does not allow."""
    try:
        found = json.loads(body.decode("utf-8"))
        listed = found["data"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _text(value: Any) -> str:
    return json.dumps(value)


class _Object(list[tuple[str, Any]]):
    """An object as the pairs in its text: a name may come twice."""


def _pairs(record: bytes) -> Any:
    try:
        return json.loads(record.decode("utf-8"), object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return None


def _compare(
    before: Any, after: Any, path: tuple[str, ...], personal: tuple[str, ...], secret: tuple[str, ...]
) -> None:
    where = ".".join(path)
    if where in personal:
        _hidden(before, after)
    elif isinstance(before, _Object):
        kept = [(name, value) for name, value in before if ".".join((*path, name)) not in secret]
        _check(isinstance(after, _Object) and [n for n, _ in kept] == [n for n, _ in after], f"fields differ: {where}")
        for (name, old), (_, new) in zip(kept, after, strict=True):
            _compare(old, new, (*path, name), personal, secret)
    elif isinstance(before, list):
        _check(isinstance(after, list) and len(before) == len(after), f"lists differ: {where}")
        for old, new in zip(before, after, strict=True):
            _compare(old, new, path, personal, secret)
    else:
        _check(_text(before) == _text(after), f"a plain value differs: {where}")


def _hidden(before: Any, after: Any) -> None:
    old, new = list(_leaves(before)), list(_leaves(after))
    _check(len(old) == len(new), "leaves were lost or made")
    for plain, hidden in zip(old, new, strict=True):
        if plain in UNHASHED and not isinstance(plain, int | float):
            _check(hidden == plain, "nothing became something")
        else:
            _check(isinstance(hidden, str) and hidden.startswith("hmac-sha256:"), "a personal value is plain")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, _Object):
        for _, inner in value:
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _shown(reply: Any) -> Iterator[str]:
    """What the cells of a reply show, as a plain loop finds it: the text, or what a cell without one holds."""
    for tab in reply.get("sheets", []):
        for block in tab.get("data", []):
            for row in block.get("rowData", []):
                for cell in row.get("values", []):
                    held = cell.get("effectiveValue", {})
                    values = [held.get(name) for name in ("numberValue", "boolValue", "errorValue")]
                    yield cell.get("formattedValue", "") or ("held" if any(v is not None for v in values) else "")
