"""OBJECT_DELETE takes any number of keys.

Upstream (fakesnow 0.12.1) does not know it. Values keep their text.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks, macros

WITHOUT = """
CREATE OR REPLACE MACRO ${catalog}._fs_object_without(o, names) AS
    CAST('{' || COALESCE(array_to_string(list_transform(
        list_filter(list_zip(json_keys(o), json_extract(o, '$$.*')), lambda _fs_e: NOT list_contains(names, _fs_e[1])),
        lambda _fs_e: to_json(_fs_e[1])::VARCHAR || ':' || _fs_e[2]::VARCHAR), ','), '') || '}' AS JSON)
"""


def _without(node: exp.Expr) -> exp.Expr:
    if not (isinstance(node, exp.Anonymous) and node.name.upper() == "OBJECT_DELETE" and len(node.expressions) > 1):
        return node
    value, *names = node.expressions
    return exp.Anonymous(this="_fs_object_without", expressions=[value, exp.Array(expressions=names)])


def apply() -> None:
    macros.add(WITHOUT)
    hooks.rewrite_node(hooks.BEFORE, _without)
