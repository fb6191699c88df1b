"""Whether the shard's text and the warehouse's mean the same value: the last word on rows whose digests differ.

Each text is read into a value exactly, whoever wrote it: Postgres, Debezium (`_special` keeps its spelling) or staging.
What can't be read equals nothing but itself.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from catchment.cdc.compare.texts import ColumnKind, base_of, double_of, kind_of

_DATE = re.compile(r"([+-]?\d+)-(\d\d)-(\d\d)(?:[T ](.+?))??(?:Z|([+-])(\d\d):?(\d\d)?)?( BC)?")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?Z?")
_PART = re.compile(r"(-?\d+(?:\.\d+)?)([YMDHS])")
_MONTHS = {"Y": 12, "M": 1}
_SECONDS = {"H": 3600, "M": 60, "S": 1}


def alike(pg_type: str, shard: str | None, warehouse: str | None) -> bool:
    """Whether both are the same value of the type."""
    if shard is None or warehouse is None or shard == warehouse:
        return shard == warehouse
    try:
        if kind_of(pg_type) is ColumnKind.ARRAY:
            return _elements_alike(base_of(pg_type), json.loads(shard), _json(warehouse))
        return bool(read(kind_of(pg_type), shard) == read(kind_of(pg_type), warehouse))
    except (ValueError, ArithmeticError, RecursionError):
        return False


def read(kind: ColumnKind, text: str) -> Any:
    """The value that a text stands for; equal values compare equal. Raises ValueError for what can't be read."""
    match kind:
        case ColumnKind.WHOLE | ColumnKind.NUMBER:
            return _number(text)
        case ColumnKind.FLOAT:
            value = double_of(text)
            return "NaN" if value != value else value  # NaN is unlike itself
        case ColumnKind.DATE | ColumnKind.TIMESTAMP | ColumnKind.TIMESTAMPTZ:
            return _moment(kind, text)
        case ColumnKind.TIME:
            return _seconds(text)
        case ColumnKind.INTERVAL:
            return _interval(text)
        case ColumnKind.JSON:
            return _json(text)
        case _:
            return text


def _number(text: str) -> Any:
    word = text.upper().replace("POSITIVE_", "").replace("NEGATIVE_", "-")
    return word if word in ("NAN", "INFINITY", "-INFINITY") else Decimal(text)


def _moment(kind: ColumnKind, text: str) -> Any:
    """(day, seconds) in UTC, in the calendar that Postgres prints; infinity as its word."""
    if text.lower().endswith("infinity"):
        return text.lower().lstrip("+")
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date")
    year, month, day, time, sign, hours, minutes, before_christ = found.groups()
    number = 1 - int(year) if before_christ else int(year)
    if number > (5_874_897 if kind is ColumnKind.DATE else 294_276):
        return "infinity"  # Debezium's spelling: a year that Postgres can't hold
    if number < -4713:
        return "-infinity"
    offset = (int(hours) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1) if sign else 0
    seconds = (_seconds(time) if time else Decimal(0)) - offset
    days, rest = divmod(seconds, 86_400)
    return _day(number, int(month), int(day)) + int(days), rest if rest >= 0 else rest + 86_400


def _day(year: int, month: int, day: int) -> int:
    """The days since a fixed one, in the Gregorian calendar carried back, as Postgres counts."""
    moved = year - (month <= 2)
    era, of_era = divmod(moved, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year


def _seconds(text: str) -> Decimal:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time")
    hours, minutes, seconds, fraction = found.groups()
    return Decimal(int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)) + Decimal(f"0.{fraction or 0}")


def _interval(text: str) -> tuple[int, int, Decimal]:
    """(months, days, seconds) of an ISO 8601 interval: none is a number of the other."""
    if not text.startswith("P"):
        raise ValueError(f"{text!r} is no interval")
    date, _, time = text[1:].partition("T")
    if _PART.sub("", date + time):
        raise ValueError(f"{text!r} is no interval")
    dates = _PART.findall(date)
    months = sum(int(number) * _MONTHS[unit] for number, unit in dates if unit != "D")
    days = sum(int(number) for number, unit in dates if unit == "D")
    return months, days, sum((Decimal(n) * _SECONDS[unit] for n, unit in _PART.findall(time)), Decimal(0))


def _elements_alike(of: str, shard: Any, warehouse: Any) -> bool:
    """Arrays element by element; the shard's are texts."""
    if isinstance(shard, list) and isinstance(warehouse, list):
        pairs = zip(shard, warehouse, strict=False)
        return len(shard) == len(warehouse) and all(_elements_alike(of, one, other) for one, other in pairs)
    if isinstance(shard, list) or isinstance(warehouse, list):
        return False
    if shard is None or warehouse is None:
        return shard is warehouse
    match warehouse:
        case str() if kind_of(of) is ColumnKind.BINARY:
            text = "\\x" + warehouse.removeprefix("\\x")
        case str():
            text = warehouse
        case bool():
            text = str(warehouse).lower()
        case ("number", Decimal() as number):
            text = str(number)
        case _:
            return kind_of(of) is ColumnKind.JSON and bool(_json(shard) == warehouse)
    return alike(of, shard, text)


def _json(text: str) -> Any:
    """A document with exact numbers, which are unlike true and false. The order of names does not matter."""
    return json.loads(text, parse_float=_exact, parse_int=_exact)


def _exact(text: str) -> tuple[str, Decimal]:
    return ("number", Decimal(text))
