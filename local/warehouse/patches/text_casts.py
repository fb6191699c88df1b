"""A value cast to VARCHAR reads as Snowflake writes it.

Upstream (fakesnow 0.12.1) leaves the cast to DuckDB but for direct paths (`v:a::varchar`): a VARIANT string in a column
keeps its JSON quotes, a timestamp has no milliseconds, and a whole FLOAT ends in `.0`.
"""

from __future__ import annotations

from sqlglot import exp

from local.warehouse import hooks, macros

TEXT = r"""
CREATE OR REPLACE MACRO ${catalog}._fs_text(x) AS
    CASE typeof(x)
        WHEN 'JSON' THEN json_extract_string(x::VARCHAR, '$$')
        WHEN 'TIMESTAMP' THEN strftime(x::VARCHAR::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g')
        WHEN 'TIMESTAMP WITH TIME ZONE' THEN strftime(x::VARCHAR::TIMESTAMPTZ, '%Y-%m-%d %H:%M:%S.%g +0000')
        WHEN 'DOUBLE' THEN regexp_replace(x::VARCHAR, '\.0$$', '')
        ELSE x::VARCHAR
    END
"""
TEXT_TYPES = (exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT, exp.DataType.Type.NVARCHAR)
PLAIN = (exp.Literal, exp.Null, exp.JSONExtractScalar, exp.Boolean)


def _as_text(node: exp.Expr) -> exp.Expr:
    if isinstance(node.args.get("this"), exp.Anonymous) and node.this.name == "TO_JSON":
        return node
    if type(node) is not exp.Cast or node.to.this not in TEXT_TYPES or isinstance(node.this.unnest(), PLAIN):
        return node
    return exp.Anonymous(this="_fs_text", expressions=[node.this])


def apply() -> None:
    macros.add(TEXT)
    hooks.rewrite_node(hooks.AFTER, _as_text)
