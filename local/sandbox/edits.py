"""Changes by hand: what happens at the vendor while somebody reads, and records that the company never writes.

An edit is applied to the company's tables, so that what `/truth` says stays true. `POST /_sandbox/edits` applies one at
once, a fault of the kind `edit` just before a request is answered: records that change while a list is being paged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from local.company.company import Company
from local.company.dice import uuid
from local.company.moments import FOREVER, utc
from local.company.table import Row, Table

EXPORTS = ("tickets", "users", "organizations", "ticket_events", "ticket_metric_events")
DERIVED = ("activities", "account", "schedules")
ADDED_ID = 7_000_000_000_000


class Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of one stream (`zendesk.organizations`) at one moment, which is now unless `at` (Unix) is another.

    `change` gives records new values and moves their clock; with `system` only `generated_timestamp` moves. `add` makes
    copies of records under new ids. `remove` takes records away, and what hangs on them, as a permanent deletion or a
    merge does; `restore` brings back those that went last. More records than one page holds, changed or added at one
    moment, are a flood.

    `keys` names the records by the text of their own key; without it they are `count` of those shown, after `skip`.

    `fields` are new values, `json` new values as JSON text (half an emoji is `"\\ud83e"`), `pad` the lengths of fields
    to be filled with text (a record of 16 MB and more).
    """

    stream: str
    do: Literal["change", "add", "remove", "restore"] = "change"
    keys: tuple[str, ...] = ()
    count: int = 1
    skip: int = 0
    at: int | None = None
    system: bool = False
    fields: dict[str, Any] = {}
    json: dict[str, str] = {}
    pad: dict[str, int] = {}

    def values(self) -> dict[str, Any]:
        texts = {name: msgspec.Raw(text.encode()) for name, text in self.json.items()}
        return {**self.fields, **texts, **{name: "x" * length for name, length in self.pad.items()}}


class Editor:
    """Applies edits to a company; `undo` takes all of them back."""

    def __init__(self) -> None:
        self.applied: list[Edit] = []
        self._before: list[tuple[dict[str, Table], str, Table]] = []

    def apply(self, company: Company, edit: Edit, now: int) -> int:
        """Apply an edit; the number of records that it met. Raises ValueError for a stream that can't be edited."""
        edit = msgspec.structs.replace(edit, at=now if edit.at is None else edit.at)
        tables, stream = _tables(company, edit)
        at = edit.at or 0
        chosen = (_gone if edit.do == "restore" else _chosen)(tables[stream], edit, at)
        self._write(tables, stream, chosen, edit, at)
        self.applied.append(edit)
        return len(chosen)

    def again(self, company: Company) -> None:
        """Apply everything to a company that was just built."""
        edits, self.applied = self.applied, []
        self._before.clear()
        for edit in edits:
            self.apply(company, edit, 0)

    def undo(self) -> None:
        for tables, stream, table in reversed(self._before):
            tables[stream] = table
        self._before.clear()
        self.applied.clear()

    def _write(self, tables: dict[str, Table], stream: str, chosen: list[Row], edit: Edit, at: int) -> None:
        table, place = tables[stream], _place(stream)
        if edit.do == "remove":
            self._end(tables, stream, {row.key for row in chosen}, at)
            for child in tables:
                hanging = {r.key for r in tables[child].live(at) if r.parent in {str(row.key[-1]) for row in chosen}}
                if hanging and child != stream:
                    self._end(tables, child, hanging, at)
            return
        if edit.do == "add":
            new = [_copy(table, row, edit, number, at) for number, row in enumerate(chosen)]
        elif edit.do == "restore":
            new = [_version(row, place(row, at), at, FOREVER, table.body(row)) for row in chosen]
        else:
            new = [_version(r, place(r, at), at, r.until, _changed(stream, table.body(r), edit, at)) for r in chosen]
            self._end(tables, stream, {row.key for row in chosen}, at, later=True)
        self._put(tables, stream, [*tables[stream].rows, *new])

    def _end(self, tables: dict[str, Table], stream: str, keys: set[Any], at: int, later: bool = False) -> None:
        """End the versions shown at a moment; those to come are dropped unless the record lives on."""
        kept = []
        for row in tables[stream].rows:
            if row.key not in keys or row.until <= at:
                kept.append(row)
            elif row.since < at:
                kept.append(_version(row, row.order, row.since, at, row.body))
            elif later and row.since > at:
                kept.append(row)
        self._put(tables, stream, kept)

    def _put(self, tables: dict[str, Table], stream: str, rows: Iterable[Row]) -> None:
        self._before.append((tables, stream, tables[stream]))
        tables[stream] = Table(rows, tables[stream].render)


def _tables(company: Company, edit: Edit) -> tuple[dict[str, Table], str]:
    source, _, stream = edit.stream.partition(".")
    tables = {"zendesk": company.zendesk.tables, "chartmogul": company.chartmogul.tables}.get(source, {})
    if stream not in tables or stream in DERIVED:
        raise ValueError(f"{edit.stream} can't be edited: name a list of zendesk or chartmogul that is not derived.")
    return tables, stream


def _chosen(table: Table, edit: Edit, at: int) -> list[Row]:
    """The records that an edit means, as they are shown at its moment; `add` takes them round and round."""
    shown = [r for r in table.live(at) if not edit.keys or str(r.key[-1]) in edit.keys]
    if edit.do == "add" and shown:
        return [shown[number % len(shown)] for number in range(edit.count)]
    return shown if edit.keys else shown[edit.skip : edit.skip + edit.count]


def _gone(table: Table, edit: Edit, at: int) -> list[Row]:
    """The last version of each record that is shown no longer; what vanished last comes first."""
    live = {row.key for row in table.live(at)}
    last: dict[Any, Row] = {}
    for row in sorted(table.rows, key=lambda r: r.since):
        if row.key not in live and row.until <= at and (not edit.keys or str(row.key[-1]) in edit.keys):
            last[row.key] = row
    newest = sorted(last.values(), key=lambda r: r.until, reverse=True)
    return newest if edit.keys else newest[: edit.count]


def _place(stream: str) -> Any:
    """Where a new version is listed: exports are in order of change, lists keep a record where it is."""
    if stream in EXPORTS:
        return lambda row, at: (at, row.order[1])
    return lambda row, at: (*row.order[:2], at)


def _version(row: Row, order: Any, since: int, until: int, body: bytes | None) -> Row:
    made = Row(order, row.key, since, until, row.data, row.parent)
    made.body = body
    return made


def _changed(stream: str, body: bytes, edit: Edit, at: int) -> bytes:
    record: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    clocks = {"generated_timestamp": at} | ({} if edit.system else {"updated_at": utc(at)})
    record |= {name: value for name, value in clocks.items() if name in record}
    return msgspec.json.encode(record | edit.values())


def _copy(table: Table, row: Row, edit: Edit, number: int, at: int) -> Row:
    """A new record like another one; it belongs to nobody whom another vendor knows."""
    record: dict[str, Any] = msgspec.json.decode(table.body(row), type=dict[str, msgspec.Raw])
    old, identity = str(row.key[-1]), ADDED_ID + (at % 10**7) * 100_000 + number
    made_up = uuid(at, edit.stream, number)
    keys = {"id": identity, "uuid": f"{old.partition('_')[0]}_{made_up}", "task_uuid": made_up}
    if "id" not in record and "uuid" not in record:
        keys["name"] = f"{old} {number}"
    clocks = {"generated_timestamp": at, "created_at": utc(at), "updated_at": utc(at), "timestamp": at, "time": utc(at)}
    record |= {name: value for name, value in {**keys, "external_id": None, **clocks}.items() if name in record}
    key = next(keys[name] for name in ("task_uuid", "uuid", "id", "name") if name in record)
    exported = edit.stream.partition(".")[2] in EXPORTS
    first = at if exported or not isinstance(key, int) else row.order[0]
    order = first, key if isinstance(key, type(row.order[1])) else identity, at
    made = Row(order, (*row.key[:-1], key), at, FOREVER, row.data, row.parent)
    made.body = msgspec.json.encode(record | edit.values())
    return made
