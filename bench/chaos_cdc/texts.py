"""One text for each value, whichever side it comes from: what Postgres prints, or what the warehouse's client gives.

Written apart from the platform's own comparison, which is among what is judged here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def text(kind: str, given: Any) -> str | None:
    """The value's one text. `kind` is the declared Postgres type; NULL stays None."""
    if given is None:
        return None
    base = kind.partition("(")[0]
    if base.endswith("[]"):
        return _document(given)
    return _TEXTS.get(base, str)(given)


def _number(number: Decimal) -> str:
    if not number.is_finite():
        return str(number)
    digits = f"{number:f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def _whole(given: Any) -> str:
    return str(int(given))


def _decimal(given: Any) -> str:
    return _number(Decimal(str(given)))


def _double(given: Any) -> str:
    return repr(float(given))


def _truth(given: Any) -> str:
    return str(given).lower()


def _day(given: str) -> str:
    """Words such as infinity, and years that Python does not know, stay as they are."""
    with suppress(ValueError):
        return date.fromisoformat(given).isoformat()
    return given


def _moment(given: str) -> str:
    """In UTC, without a zone: a `timestamp` is taken as it is."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(given)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat(" ", "microseconds")
    return given


def _document(given: str) -> str:
    """JSON with sorted keys and exact numbers; how many zeros end a fraction does not matter."""
    return json.dumps(_exact(json.loads(given, parse_float=Decimal, parse_int=Decimal)), sort_keys=True)


def _exact(part: Any) -> Any:
    match part:
        case Decimal():
            return {"number": _number(part)}
        case dict():
            return {name: _exact(value) for name, value in part.items()}
        case list():
            return [_exact(value) for value in part]
        case _:
            return part


def _bytes(given: str) -> str:
    return given.removeprefix("\\x").lower()


_TEXTS: dict[str, Callable[[Any], str]] = {
    "smallint": _whole,
    "integer": _whole,
    "bigint": _whole,
    "numeric": _decimal,
    "real": _double,
    "double precision": _double,
    "boolean": _truth,
    "date": _day,
    "timestamp": _moment,
    "timestamptz": _moment,
    "json": _document,
    "jsonb": _document,
    "bytea": _bytes,
}
