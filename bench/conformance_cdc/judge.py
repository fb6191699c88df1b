"""What Postgres says beside what staging says, value by value. Nothing here knows how a value was cast."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.chaos_cdc.texts import text
from bench.conformance_cdc.matrix import Subject, Way
from bench.conformance_cdc.tables import Trial, way_of

_MOMENT = "YYYY-MM-DD HH24:MI:SS.FF6"
_FORMATS = {"date": "YYYY-MM-DD", "timestamp": _MOMENT, "timestamptz": f"{_MOMENT}TZH:TZM"}
AS_SHOWN = ("inet", "cidr")
"""Types whose cast to text adds what Postgres does not show."""
SNAPSHOT = (Way.INITIAL, Way.INCREMENTAL)
EXACT, SPECIAL, REFUSED, WRONG = "exact", "special", "refused", "wrong"


MOST = 16_000_000
"""Bytes of a record that the loader takes."""


@dataclass(frozen=True)
class Row:
    """A row of staging: its values, what `_special` says of them, and which were in a record that was set aside."""

    values: list[Any]
    special: dict[str, str]
    set_aside: frozenset[str] = frozenset()


Staged = dict[int, list[Row]]
"""Rows by id."""


@dataclass(frozen=True)
class Cell:
    """One value that came by one way."""

    subject: str
    is_key: bool
    way: Way | None
    value: str | None
    got: str | None
    verdict: str


def truth(session: Any, trial: Trial) -> dict[int, list[str | None]]:
    """Each row's values by its id, as Postgres prints them."""
    columns = ", ".join(_printed(subject) for subject in trial.subjects)
    with session.cursor() as cursor:
        cursor.execute(f'SELECT id, {columns} FROM "{trial.name}"')
        return {row[0]: list(row[1:]) for row in cursor.fetchall()}


def staged(cursor: Any, trial: Trial) -> Staged:
    """Staging's rows by id. Deleted rows are those of the way that deletes, and no others."""
    columns = ", ".join(_fetched(subject) for subject in trial.subjects)
    rejects = f"FILE LIKE 'kafka://%.{trial.name}/%' AND ROW_NUMBER = _REJECTED_OFFSET"
    cursor.execute(
        f"SELECT ID, _IS_DELETED, TO_JSON(_SPECIAL), _UNRESOLVED, "
        f"(SELECT COUNT(*) FROM RAW.CATCHMENT.REJECTS WHERE {rejects}), {columns} "
        f"FROM ANALYTICS.STAGING.STG_APPLICATION__{trial.name.upper()}"
    )
    found: Staged = {}
    for number, is_deleted, special, unresolved, is_rejected, *values in cursor.fetchall():
        if is_deleted == (way_of(int(number)) is Way.DELETE):
            set_aside = frozenset((unresolved or "").split(",")) if is_rejected else frozenset[str]()
            row = Row(values, json.loads(special) if special else {}, set_aside)
            found.setdefault(int(number), []).append(row)
    return found


def as_postgres_reads(session: Any, trial: Trial, found: Staged) -> None:
    """Intervals come as ISO 8601: Postgres itself prints what it takes them for."""
    with session.cursor() as cursor:
        for place, subject in enumerate(trial.subjects):
            if not subject.declared.startswith("interval"):
                continue
            for values in (row.values for rows in found.values() for row in rows):
                if values[place] is not None:
                    cursor.execute("SELECT %s::interval::text", (values[place],))
                    values[place] = cursor.fetchone()[0]


def cells(trial: Trial, wanted: dict[int, list[str | None]], found: Staged) -> Iterator[Cell]:
    """Each value of each way once: wrong if any of its rows is."""
    for place, subject in enumerate(trial.subjects):
        name = f"{trial.form.name} {subject.name}".strip()
        once: dict[tuple[Way, str | None], Cell] = {}
        for number, values in sorted(wanted.items()):
            way, value = way_of(number), values[place]
            verdict, got = _judged(subject, way, value, place, found.get(number, ()))
            if verdict == WRONG or (way, value) not in once:
                once[way, value] = Cell(name, trial.is_key, way, value, got, verdict)
        yield from once.values()
    for number in sorted(found.keys() - wanted.keys()):
        yield Cell(trial.name, trial.is_key, way_of(number), None, f"stranger {number}", WRONG)


def _judged(subject: Subject, way: Way, value: str | None, place: int, rows: Sequence[Row]) -> tuple[str, str]:
    if len(rows) != 1:
        return WRONG, f"{len(rows)} rows"
    (row,) = rows
    got, special = row.values[place], row.special.get(subject.name)
    if got is None and row.set_aside & {subject.name, "*"}:
        return SPECIAL if value is not None and len(value) > MOST else WRONG, "set aside"
    shown = str(got) if special is None else f"{got} with {special!r} in _special"
    return _verdict(subject, way, value, got, special), shown


def _verdict(subject: Subject, way: Way, value: str | None, got: Any, special: str | None) -> str:
    if got is None and special is not None and subject.special:
        uncertain = way in SNAPSHOT and subject.declared == "date" and special.endswith(" (uncertain)")
        return SPECIAL if value == special or uncertain else WRONG
    if special is not None:
        return WRONG
    return EXACT if _same(subject, value, got) else WRONG


def _same(subject: Subject, value: str | None, got: Any) -> bool:
    if value is None or got is None:
        return value is None and got is None
    base = subject.declared.partition("(")[0]
    if base == "time":
        return _micros(value) == _micros(got)
    if base == "real":
        return _single(value) == _single(got)
    return text(subject.declared, value) == text(subject.declared, got)


def _single(number: str) -> bytes:
    """A real's own bits: Postgres and Java print the same number with other digits."""
    return struct.pack("f", float(number))


def _micros(clock: str) -> str:
    whole, _, fraction = clock.partition(".")
    return f"{whole}.{fraction:0<6}"


def _printed(subject: Subject) -> str:
    name = f'"{subject.name}"'
    if subject.declared.endswith("[]"):
        return f"array_to_json({name})::text"
    return (
        f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"
        if subject.declared in AS_SHOWN
        else f"{name}::text"
    )


def _fetched(subject: Subject) -> str:
    name = f'"{subject.name.upper()}"'
    base = subject.declared.partition("(")[0]
    if subject.declared.endswith("[]") or base in ("json", "jsonb"):
        return f"TO_JSON({name})"
    if base == "time":
        return f"{name}::VARCHAR"
    return f"TO_VARCHAR({name}, '{_FORMATS[base]}')" if base in _FORMATS else name


def counted(found: Iterable[Cell]) -> dict[str, int]:
    counts = Counter(cell.verdict for cell in found)
    return {word: counts[word] for word in (EXACT, SPECIAL, REFUSED, WRONG)}
