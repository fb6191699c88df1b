"""A VARIANT meets text, dates and functions as Snowflake lets it.

Upstream (fakesnow 0.12.1) makes VARIANT DuckDB's JSON, which is text: `v:status = 'open'` compares JSON with text
and fails, `v:status LIKE 'o%'` and `v:a || 'x'` see the quotes, LTRIM and RTRIM lose their characters and all take
every white space of Unicode (`trim_cast_varchar`), TYPEOF says JSON, `'x'::VARIANT` is parsed, and functions on
arrays give DuckDB lists.
"""

from __future__ import annotations

import fakesnow.transforms as upstream
from sqlglot import exp

from local.warehouse import errors, hooks, macros

TEXT = exp.DataType.build("VARCHAR")
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
TEXT_FUNCTIONS = (
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.RegexpReplace,
    exp.RegexpExtract,
    exp.DPipe,
    exp.Concat,
    exp.ConcatWs,
    exp.Length,
    exp.Left,
    exp.Right,
    exp.Substring,
    exp.StrPosition,
    exp.Split,
    exp.SplitPart,
    exp.GroupConcat,
    exp.MD5,
    exp.SHA2,
    exp.Initcap,
    exp.StartsWith,
    exp.EndsWith,
    exp.Contains,
    exp.Pad,
    exp.Trim,
    exp.Upper,
    exp.Lower,
    exp.ToChar,
)
TIMES = (
    exp.DataType.Type.DATE,
    exp.DataType.Type.TIMESTAMP,
    exp.DataType.Type.TIMESTAMPNTZ,
    exp.DataType.Type.TIMESTAMPTZ,
)

# Functions over arrays and objects as macros of JSON in, JSON out. Elements keep their text.
MACROS = {
    "object_keys(o)": "to_json(json_keys(o))",
    "is_null_value(v)": "json_type(v) = 'NULL'",
    "as_array(v)": "CASE WHEN json_type(v) = 'ARRAY' THEN v END",
    "strip_null_value(v)": "CASE WHEN json_type(v) <> 'NULL' THEN v END",
}
REFUSED = (
    exp.ArrayAppend, exp.ArrayPrepend, exp.ArrayDistinct, exp.ArrayCompact, exp.ArraySlice, exp.ArrayContains,
    exp.ArrayPosition, exp.Typeof,
)  # fmt: skip


def is_variant(node: exp.Expr | None) -> bool:
    """Whether an expression is a VARIANT for certain: a path into one, or FLATTEN's VALUE."""
    if isinstance(node, exp.Paren):
        return is_variant(node.this)
    if isinstance(node, exp.Column):
        return node.name.upper() == "VALUE" and bool((s := node.find_ancestor(exp.Select)) and s.find(exp.Explode))
    return isinstance(node, exp.JSONExtract | exp.ParseJSON) or (
        isinstance(node, exp.Bracket) and is_variant_path(node)
    )


def is_variant_path(node: exp.Bracket) -> bool:
    return len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Literal)


def _is_text(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return node.to.this in exp.DataType.TEXT_TYPES
    return node.is_string or isinstance(
        node, exp.Upper | exp.Lower | exp.Trim | exp.Concat | exp.DPipe | exp.MD5 | exp.SHA2
    )


def _cast_variants(node: exp.Expr) -> exp.Expr:
    if isinstance(node, COMPARISONS):
        sides = (node.this, node.expression)
    elif isinstance(node, exp.In):
        sides = (node.this, *node.expressions)
    elif isinstance(node, exp.Between):
        sides = (node.this, node.args["low"], node.args["high"])
    elif isinstance(node, TEXT_FUNCTIONS):
        for child in list(node.iter_expressions()):
            if is_variant(child):
                child.replace(exp.cast(child.copy(), TEXT))
        return node
    else:
        return node
    wanted = TEXT if any(_is_text(side) for side in sides) else next((s.to for s in sides if _is_time(s)), None)
    if wanted is not None:
        for side in sides:
            if is_variant(side):
                side.replace(exp.cast(side.copy(), wanted.copy()))
    return node


def _is_time(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.to.this in TIMES


def _functions(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.ToChar) and not node.args.get("format"):
        return exp.cast(node.this, TEXT)
    if type(node) is exp.Cast and node.to.this == exp.DataType.Type.VARIANT and not isinstance(node.this, exp.Null):
        return exp.ToVariant(this=node.this)
    if isinstance(node, REFUSED):
        raise errors.unsupported(node.sql_names()[0])
    if isinstance(node, exp.JSONKeys):
        return exp.Anonymous(this="_fs_object_keys", expressions=[node.this])
    if isinstance(node, exp.Anonymous) and node.name.lower() in _names():
        return exp.Anonymous(this=f"_fs_{node.name.lower()}", expressions=node.expressions)
    return node


def _names() -> set[str]:
    return {signature.split("(")[0] for signature in MACROS}


def trim_cast_varchar(node: exp.Expr) -> exp.Expr:
    """TRIM, LTRIM and RTRIM of anything as of text, with their characters: spaces (U+0020), unless others are named."""
    if isinstance(node, exp.Trim):
        if not isinstance(node.this, exp.Cast):
            node.set("this", exp.cast(node.this.copy(), TEXT))
        if node.expression is None:
            node.set("expression", exp.Literal.string(" "))
    return node


def apply() -> None:
    for signature, body in MACROS.items():
        macros.add(f"CREATE OR REPLACE MACRO ${{catalog}}._fs_{signature} AS {body}")
    upstream.trim_cast_varchar = trim_cast_varchar
    hooks.rewrite_node(hooks.BEFORE, _cast_variants)
    hooks.rewrite_node(hooks.BEFORE, _functions)
