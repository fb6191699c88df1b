"""FLATTEN keeps order and index, and knows `outer => true` and `path`.

Upstream (fakesnow 0.12.1, `transforms.flatten`, macro `_fs_flatten`) ignores every argument but `input`, so that rows
with nothing in them vanish under `outer => true`; it numbers elements by row_number() over an unordered set, and fails
on a value that is neither list nor object (Snowflake: no rows).
"""

from __future__ import annotations

import fakesnow.transforms as upstream
from sqlglot import exp

from local.warehouse import errors, macros

ITEMS = """
CREATE OR REPLACE MACRO ${catalog}._fs_flatten_items(input) AS
    CASE json_type(input)
        WHEN 'ARRAY' THEN list_transform(
            json_extract(input, '$$[*]'),
            lambda _fs_v, _fs_i:
                {'k': NULL::VARCHAR, 'p': '[' || (_fs_i - 1) || ']', 'i': (_fs_i - 1)::BIGINT, 'v': _fs_v})
        WHEN 'OBJECT' THEN list_transform(
            list_zip(json_keys(input), json_extract(input, '$$.*')),
            lambda _fs_e: {'k': _fs_e[1], 'p': _fs_e[1], 'i': NULL::BIGINT, 'v': _fs_e[2]})
    END
"""
# The items are found inside a lambda, for a macro's argument is put wherever its name stands, and planned again at each
# place. (A subquery would name it once as well, and lose the order of rows.) Names in a macro begin with _fs_, for its
# arguments are looked up among them: a caller's alias `e` would mean the macro's own.
ROWS = """
CREATE OR REPLACE MACRO ${catalog}.%s(input) AS TABLE
    SELECT
        hash(TO_JSON(input))::UBIGINT AS SEQ,
        _fs_e.k AS KEY, _fs_e.p AS PATH, _fs_e.i AS INDEX, _fs_e.v AS VALUE, TO_JSON(input) AS THIS
    FROM (SELECT unnest(list_transform([TO_JSON(input)], lambda _fs_t: %s)[1]) AS _fs_e)
"""
FOUND = "_fs_flatten_items(_fs_t)"
NOTHING = "[{'k': NULL::VARCHAR, 'p': NULL::VARCHAR, 'i': NULL::BIGINT, 'v': NULL::JSON}]"
FOUND_OR_ONE = f"CASE WHEN len({FOUND}) > 0 THEN {FOUND} ELSE {NOTHING} END"


def flatten(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Join) and node.side and not node.args.get("on") and isinstance(node.this, exp.Lateral):
        node.set("on", exp.true())  # DuckDB keeps the left rows only with a condition
    if not (isinstance(node, exp.Lateral | exp.TableFromRows) and isinstance(node.this, exp.Explode)):
        return node
    arguments = [node.this.this, *node.this.expressions]
    named = {a.this.name.lower(): a.expression for a in arguments if isinstance(a, exp.Kwarg)}
    value = named.pop("input", arguments[0])
    outer = _true(named.pop("outer", None))
    if path := named.pop("path", None):
        value = exp.Anonymous(this="json_extract", expressions=[value, exp.Literal.string(f"$.{path.name}")])
    if _true(named.pop("recursive", None)):
        raise errors.unsupported("FLATTEN(recursive => true)")
    if (mode := named.pop("mode", None)) and mode.name.upper() != "BOTH":
        raise errors.unsupported(f"FLATTEN(mode => '{mode.name}')")
    if named:
        raise errors.unsupported(f"FLATTEN({', '.join(named)})")
    macro = "_fs_flatten_outer" if outer else "_fs_flatten"
    return exp.Table(this=exp.Anonymous(this=macro, expressions=[value]), alias=node.args.get("alias"))


def _true(argument: exp.Expr | None) -> bool:
    return isinstance(argument, exp.Boolean) and bool(argument.this)


def apply() -> None:
    macros.add(ITEMS)
    macros.add(ROWS % ("_fs_flatten", FOUND))
    macros.add(ROWS % ("_fs_flatten_outer", FOUND_OR_ONE))
    upstream.flatten = flatten
