"""OBJECT_CONSTRUCT with literal keys is one expression a row, with its keys in order.

Upstream (fakesnow 0.12.1, macro `_fs_object_construct`) unnests keys and values in a correlated subquery for each row,
which takes most of the time of a COPY that builds metadata.
"""

from __future__ import annotations

import json

import fakesnow.transforms as upstream
from sqlglot import exp

_object_construct = upstream.object_construct


def _items(node: exp.Expr) -> list[tuple[exp.Expr, exp.Expr]] | None:
    """Keys and values; None when they are not listed (`OBJECT_CONSTRUCT(*)`)."""
    if isinstance(node, exp.Struct):
        return [(p.this, p.expression) for p in node.expressions if isinstance(p, exp.PropertyEQ)]
    if isinstance(node, exp.JSONObject):
        return [(p.this, p.expression) for p in node.expressions if isinstance(p, exp.JSONKeyValue)]
    return None


def object_construct(node: exp.Expr) -> exp.Expr:
    items = _items(node)
    if not items or not all(key.is_string or isinstance(key, exp.Identifier) for key, _ in items):
        return _object_construct(node)
    keep_nulls = isinstance(node, exp.JSONObject)
    members = [_member(key.name, value, keep_nulls) for key, value in items]
    joined = exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(","), *members])
    text = exp.DPipe(
        this=exp.DPipe(this=exp.Literal.string("{"), expression=joined), expression=exp.Literal.string("}")
    )
    return exp.cast(exp.paren(text), exp.DataType.build("JSON", dialect="duckdb"))


def _member(key: str, value: exp.Expr, keep_nulls: bool) -> exp.Expr:
    """`"key":value` as text; NULL, which concat_ws leaves out, for a value that is NULL."""
    as_json = exp.Anonymous(this="TO_JSON", expressions=[value.copy()])
    written = exp.cast(as_json, exp.DataType.build("TEXT"))
    if keep_nulls:
        written = exp.func("COALESCE", written, exp.Literal.string("null"))
    name = exp.Literal.string(json.dumps(key, ensure_ascii=False) + ":")
    return exp.DPipe(this=name, expression=written)


def apply() -> None:
    upstream.object_construct = object_construct
