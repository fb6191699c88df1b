"""OBJECT_DELETE takes any number of keys.

Upstream (fakesnow 0.12.1) does not know it; `variants.py` has it for one key, as a subquery. With more keys it is one
expression here, for it is asked of every row of large tables. Values keep their text.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks, macros

WITHOUT = """
CREATE OR REPLACE MACRO ${catalog}._fs_object_without(o, names) AS
    CAST('{' || COALESCE(array_to_string(list_transform(
        list_filter(list_zip(json_keys(o), json_extract(o, '$$.*')), lambda e: NOT list_contains(names, e[1])),
        lambda e: to_json(e[1])::VARCHAR || ':' || e[2]::VARCHAR), ','), '') || '}' AS JSON)
"""


def _many_keys(node: exp.Expr) -> exp.Expr:
    if not (isinstance(node, exp.Anonymous) and node.name.upper() == "OBJECT_DELETE" and len(node.expressions) > 2):
        return node
    value, *names = node.expressions
    return exp.Anonymous(this="_fs_object_without", expressions=[value, exp.Array(expressions=names)])


def apply() -> None:
    macros.add(WITHOUT)
    hooks.rewrite_node(hooks.BEFORE, _many_keys)
