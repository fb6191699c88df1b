"""The Postgres types that can be declared, as people write them and as Postgres prints them, and why others can't be.

Pure. What each type becomes in the warehouse is dbt's (`include/dbt/macros/cdc/types.sql`); that every one of them
arrives as it was, is what `make conformance-cdc` tries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LARGEST_PRECISION = 38  # of Snowflake's NUMBER

_ALIASES = {
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float": "double precision",
    "float8": "double precision",
    "decimal": "numeric",
    "bool": "boolean",
    "character varying": "varchar",
    "character": "char",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "bit varying": "varbit",
}
_PRECISIONS = {"varchar": 1, "char": 1, "timestamp": 1, "timestamptz": 1, "time": 1, "interval": 1, "numeric": 2}
"""How many numbers may stand in brackets."""

SCALARS = frozenset(
    (
        *("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "text", "varchar", "char"),
        *("uuid", "enum", "date", "time", "timestamp", "timestamptz", "interval", "json", "jsonb", "bytea", "inet"),
        *("cidr", "macaddr", "macaddr8"),
    )
)
"""The types that can be declared, without their precision."""

_IN_ARRAYS = frozenset({"smallint", "integer", "bigint", "boolean", "text", "varchar", "uuid"})

_LEFT_OUT = "Leave the column out of the declaration: what arrives of it is in `_other`"
_REFUSED = {
    "serial": 'serial is no type but a default: declare "integer"',
    "smallserial": 'smallserial is no type but a default: declare "smallint"',
    "bigserial": 'bigserial is no type but a default: declare "bigint"',
    "money": f"money is printed as the server's locale has it, so its amount is not certain. {_LEFT_OUT}",
    "timetz": f"Debezium sends a time with a zone in UTC, its own zone is lost. {_LEFT_OUT}",
    "bit": f"Debezium sends bits as bytes, a single one as true or false. {_LEFT_OUT}",
    "varbit": f"Debezium sends bits as bytes, a single one as true or false. {_LEFT_OUT}",
    "citext": f"citext was never tried here. {_LEFT_OUT}",
    "xml": f"xml was never tried here. {_LEFT_OUT}",
    "hstore": f"Debezium sends hstore as JSON, not as Postgres prints it. {_LEFT_OUT}",
    "point": f"Debezium sends a point as an object of numbers and bytes, not as Postgres prints it. {_LEFT_OUT}",
}
_WRITTEN = re.compile(
    r'(?P<name>"?[a-z_][a-z0-9_. ]*?"?)\s*(\((?P<numbers>\s*\d+\s*(,\s*-?\d+\s*)?)\))?(?P<zone> with(out)? time zone)?'
    r"(?P<array>(\[\d*\])*)"
)
_FIELDS = re.compile(r"^interval (year|month|day|hour|minute|second)( to (month|hour|minute|second))?")

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
OWN_COLUMNS = frozenset(
    (
        *("valid_from", "valid_to", "is_current", "op_before", "digest_before", "last_op", "last_epoch", "last_order"),
        *("last_commit_lsn", "last_lsn", "last_partition", "last_offset", "last_changed_at"),
    )
)
"""Columns of dbt's models and of the queries that make them; the others begin with an underscore."""


@dataclass(frozen=True)
class PgType:
    """A type by its one name here: `timestamptz`, never `timestamp with time zone`. Prints as it is best declared."""

    name: str
    numbers: tuple[int, ...] = ()
    is_array: bool = False

    def __str__(self) -> str:
        numbers = f"({','.join(map(str, self.numbers))})" if self.numbers else ""
        return f"{self.name}{numbers}{'[]' if self.is_array else ''}"


def parse(text: str) -> PgType:
    """A type as a person writes it (`timestamptz(3)`) or as Postgres' `format_type` prints it."""
    written = " ".join(text.strip().lower().split())
    found = _WRITTEN.fullmatch(_FIELDS.sub("interval", written))
    if not found:
        return PgType(written)
    name = (found["name"].strip() + (found["zone"] or "")).rpartition(".")[2]
    numbers = tuple(int(number) for number in (found["numbers"] or "").split(",") if number.strip())
    name = _ALIASES.get(name, name)
    if name == "numeric" and len(numbers) == 1:
        numbers = (*numbers, 0)
    if name == "char" and not numbers and written.split("[")[0].split("(")[0] in ("char", "character"):
        numbers = (1,)  # SQL's char is char(1)
    return PgType(name, numbers, bool(found["array"]))


def refusal(kind: PgType) -> str | None:
    """Why a column of this type can't be replicated exactly, and what to do, in a sentence; None when it can."""
    if kind.is_array and kind.name == "enum":
        return f"Debezium sends NULL for an array of an enum that has a NULL in it. {_LEFT_OUT}"
    if kind.is_array and kind.name in SCALARS and kind.name not in _IN_ARRAYS:
        return f"the elements of a {kind} do not arrive as Postgres prints them. {_LEFT_OUT}"
    if kind.name in _REFUSED:
        return _REFUSED[kind.name]
    if kind.name not in SCALARS:
        return f"{kind} is not known here: docs/cdc_types.md has the types that can be declared. {_LEFT_OUT}"
    if len(kind.numbers) > _PRECISIONS.get(kind.name, 0):
        return f"{kind.name} takes no such numbers in brackets"
    if kind.name == "numeric" and kind.numbers:
        precision, scale = kind.numbers
        if precision > LARGEST_PRECISION:
            return (
                f"the warehouse has no numbers of more than {LARGEST_PRECISION} digits. Declare it as "
                '"text": the digits arrive as Postgres prints them'
            )
        if not 0 <= scale <= min(precision, LARGEST_PRECISION - 1):
            return f'the warehouse\'s NUMBER({precision}, {scale}) does not exist. Declare it as "text"'
    return None


def key_refusal(kind: PgType, *, has_surrogate: bool) -> str | None:
    """Why a column of this type can't be in a table's key, and what to do, in a sentence; None when it can."""
    if kind.is_array or kind.name == "json":
        return f"a {kind} can't tell rows from each other everywhere. Add a key of plain columns"
    if kind.name in ("time", "timestamp", "timestamptz") and not has_surrogate:
        return (
            f"Debezium's incremental snapshots fail or silently skip rows where {kind.name} is in the key. "
            "Name a unique column as surrogate_key"
        )
    return None


def column_refusal(name: str) -> str | None:
    """Why a column can't have this name in the warehouse, and what to do, in a sentence; None when it can."""
    if name.startswith("_"):
        return f"names that begin with an underscore are the platform's own. {_LEFT_OUT}"
    if not _COLUMN.fullmatch(name):
        return f"it needs a name of letters, digits and underscores to be a column in the warehouse. {_LEFT_OUT}"
    if name.lower() in OWN_COLUMNS:
        return f"{name.lower()} is a column of the platform's own models. {_LEFT_OUT}"
    return None


def can_be_read_as(declared: PgType, there: PgType) -> bool:
    """Whether a column that is `there` on a shard may be declared like this: the same, or a number's own digits."""
    return declared == there or (declared == PgType("text") and there.name == "numeric" and not there.is_array)
