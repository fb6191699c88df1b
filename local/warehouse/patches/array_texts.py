"""ARRAY_SORT, and ARRAY_TO_STRING of what it or SPLIT gives.

Upstream (fakesnow 0.12.1) has arrays as DuckDB's JSON, which `list_sort` and `array_to_string` refuse. Texts are sorted
by their bytes, as Snowflake does without a collation, numbers by their value; an array of both is refused.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks, macros

MACROS = {
    "array_sort(a)": (
        "CASE WHEN a IS NULL THEN NULL "
        "WHEN len(list_filter(CAST(to_json(a) AS JSON[]), lambda _fs_x: json_type(_fs_x) <> 'VARCHAR')) = 0 "
        "THEN to_json(list_sort(CAST(to_json(a) AS VARCHAR[]))) "
        "WHEN len(list_filter(CAST(to_json(a) AS JSON[]), lambda _fs_x: json_type(_fs_x) = 'VARCHAR')) = 0 "
        "THEN to_json(list_sort(CAST(to_json(a) AS DECIMAL(38, 9)[]))) "
        "ELSE error('Unsupported by the local warehouse: ARRAY_SORT of texts and other values') END"
    ),
    "array_join(a, s)": (
        "array_to_string(list_transform(CAST(to_json(a) AS VARCHAR[]), lambda _fs_x: COALESCE(_fs_x, '')), s)"
    ),
}


def _functions(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.SortArray) and not node.args.get("asc"):
        return exp.Anonymous(this="_fs_array_sort", expressions=[node.this])
    if isinstance(node, exp.ArrayToString):
        return exp.Anonymous(this="_fs_array_join", expressions=[node.this, node.expression])
    return node


def apply() -> None:
    for signature, body in MACROS.items():
        macros.add(f"CREATE OR REPLACE MACRO ${{catalog}}._fs_{signature} AS {body}")
    hooks.rewrite_node(hooks.BEFORE, _functions)
