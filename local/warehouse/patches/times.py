"""TRY_ casts to timestamps give NULL, and a DATE truncated stays a DATE.

Upstream (fakesnow 0.12.1) lacks TRY_TO_TIMESTAMP, and TRY_TO_DATE of a number in quotes; it turns TRY_CAST(… AS
TIMESTAMP_NTZ) into a cast that fails (`transforms.to_timestamp` takes every subclass of Cast); DuckDB's DATE_TRUNC of a
DATE is a timestamp.
"""

from __future__ import annotations

import fakesnow.transforms as upstream
from sqlglot import exp

from local.warehouse import hooks

_to_timestamp = upstream.to_timestamp
NTZ = (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ)
TZ = exp.DataType.Type.TIMESTAMPTZ
TRY_FUNCTIONS = {
    "TRY_TO_DATE": exp.DataType.Type.DATE,
    "TRY_TO_TIMESTAMP": NTZ[1],
    "TRY_TO_TIMESTAMP_NTZ": NTZ[1],
    "TRY_TO_TIMESTAMP_TZ": TZ,
    "TRY_TO_TIMESTAMP_LTZ": TZ,
}
GIVE_DATES = (exp.CurrentDate, exp.LastDay, exp.DateFromParts, exp.TsOrDsToDate)


def _named_try(node: exp.Expr) -> exp.Expr:
    if (
        isinstance(node, exp.Anonymous)
        and (kind := TRY_FUNCTIONS.get(node.name.upper()))
        and len(node.expressions) == 1
    ):
        return exp.TryCast(this=node.expressions[0], to=exp.DataType(this=kind))
    return node


def to_timestamp(node: exp.Expr) -> exp.Expr:
    """Upstream's rule, with TRY_CAST left to fail softly."""
    if isinstance(node, exp.TryCast) and node.to.this in NTZ:
        return exp.Anonymous(this="TRY", expressions=[_to_timestamp(exp.Cast(this=node.this, to=node.to))])
    return _to_timestamp(node)


def _is_date(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.to.this == exp.DataType.Type.DATE
    if isinstance(node, exp.DateAdd):
        return _is_date(node.this) and node.text("unit").upper() in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    return isinstance(node, GIVE_DATES) or (
        isinstance(node, exp.TimestampTrunc | exp.DateTrunc) and _is_date(node.this)
    )


def _date_stays_date(tree: exp.Expr, session: object) -> exp.Expr:
    for node in list(tree.find_all(exp.TimestampTrunc, exp.DateTrunc)):
        if _is_date(node.this):
            node.replace(exp.Cast(this=node.copy(), to=exp.DataType.build("DATE")))
    return tree


def apply() -> None:
    upstream.to_timestamp = to_timestamp
    hooks.rewrite_node(hooks.BEFORE, _named_try)
    hooks.BEFORE.append(_date_stays_date)
