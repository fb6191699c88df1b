"""PARSE_JSON refuses an object that repeats a key, TRY_PARSE_JSON gives NULL for it, and numbers stay as written.

Upstream (fakesnow 0.12.1) makes them DuckDB's casts to JSON, which take such an object and find its first value.
Snowflake's reference: "duplicate keys are not allowed" is what both do unless told otherwise. What is bound to
PARSE_JSON(?) is looked at in Python, which is several times as fast as SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import snowflake.connector.errors as sf
from sqlglot import exp

from local.warehouse import errors, hooks, json_text, macros
from local.warehouse.copying import BAD_JSON

MACROS = {
    "texts_in(j)": r"""len(regexp_extract_all(CAST(j AS VARCHAR), '"(?:[^"\\]|\\.)*"'))""",
    # DuckDB's VARIANT keeps a key once, so that an object that repeats one has fewer texts afterwards.
    "repeats_key(j)": (
        "CASE WHEN contains(CAST(j AS VARCHAR), '{') "
        "THEN _fs_texts_in(CAST(CAST(j AS VARIANT) AS JSON)) < _fs_texts_in(j) ELSE false END"
    ),
    "parse_json(t)": (
        "CASE WHEN _fs_repeats_key(CAST(t AS JSON)) THEN error('Error parsing JSON: duplicate object attribute') "
        "ELSE CAST(t AS JSON) END"
    ),
    "try_parse_json(t)": (
        "CASE WHEN TRY_CAST(t AS JSON) IS NULL OR _fs_repeats_key(TRY_CAST(t AS JSON)) THEN NULL "
        "ELSE TRY_CAST(t AS JSON) END"
    ),
}
JSON = exp.DataType.build("JSON", dialect="duckdb")
TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | /\*.*?\*/
      | (?P<parsed>\bparse_json\s*\(\s*\?) | (?P<other>\?)""",
    re.S | re.X | re.I,
)


def _parsed(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.ParseJSON):
        return node
    if node.expression is not None:
        raise errors.unsupported(f"PARSE_JSON with the parameter {node.expression}")
    softly = bool(node.args.get("safe"))
    if isinstance(node.this, exp.Placeholder) and not softly:
        trimmed = exp.Anonymous(this="TRIM", expressions=[node.this])
        return exp.Cast(this=exp.func("NULLIF", trimmed, exp.Literal.string("")), to=JSON.copy())
    text = exp.func("TRIM", exp.cast(node.this, "VARCHAR"))
    macro = "_fs_try_parse_json" if softly else "_fs_parse_json"
    return exp.Anonymous(this=macro, expressions=[exp.func("NULLIF", text, exp.Literal.string(""))])


def bound(text: str, values: Any) -> Iterator[Any]:
    """The values that stand in PARSE_JSON(?)."""
    marks = [match for match in TOKEN.finditer(text) if match["parsed"] or match["other"]]
    return (value for match, value in zip(marks, values, strict=False) if match["parsed"])


def _check_bound(call: hooks.Call, work: Callable[[], None]) -> None:
    for value in bound(call.text, call.params or ()):
        refused = json_text.refusal(value) if isinstance(value, str) and value.strip() else None
        if refused:
            raise sf.ProgrammingError(msg=refused.reason, errno=BAD_JSON, sqlstate="22P02")
    work()


def apply() -> None:
    for signature, body in MACROS.items():
        macros.add(f"CREATE OR REPLACE MACRO ${{catalog}}._fs_{signature} AS {body.replace('$', '$$')}")
    hooks.AROUND.append(_check_bound)
    hooks.rewrite_node(hooks.BEFORE, _parsed)
