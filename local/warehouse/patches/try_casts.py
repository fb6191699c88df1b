"""TRY_CAST takes text, and nothing else.

Upstream (fakesnow 0.12.1) casts whatever it is given. Snowflake's reference, "Conversion functions": those with a TRY_
prefix "only support string expressions"; with a VARIANT, a number or a time the statement does not compile.
"""

from __future__ import annotations

import snowflake.connector.errors as sf
from sqlglot import exp

from local.warehouse import hooks, macros
from local.warehouse.patches.variants import is_variant

# typeof() is known when the statement is planned. The argument is a column, so that naming it twice costs nothing.
TEXT = exp.DataType.TEXT_TYPES
# Times are cast inside DuckDB's TRY(), which takes no error().
CHECKED_COLUMNS = (*exp.DataType.NUMERIC_TYPES, exp.DataType.Type.DATE)
TEXT_ONLY = """
CREATE OR REPLACE MACRO ${catalog}._fs_text_only(x) AS
    CASE WHEN typeof(x) IN ('VARCHAR', '"NULL"') THEN x
        ELSE error('Function TRY_CAST cannot be used with an argument of the type ' || typeof(x)) END
"""


def _text_only(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.TryCast):
        return node
    value = node.this.unnest()
    if is_variant(value) or value.is_number or (isinstance(value, exp.Cast) and not value.is_type(*TEXT)):
        raise sf.ProgrammingError(
            msg="SQL compilation error:\nFunction TRY_CAST cannot be used with the argument "
            f"{value.sql(dialect='snowflake')}: it takes text alone. Cast it to VARCHAR first.",
            errno=1044,
            sqlstate="42P13",
        )
    if isinstance(value, exp.Column) and node.to.this in CHECKED_COLUMNS:
        node.set("this", exp.Anonymous(this="_fs_text_only", expressions=[value]))
    return node


def apply() -> None:
    macros.add(TEXT_ONLY)
    hooks.rewrite_node(hooks.BEFORE, _text_only)
