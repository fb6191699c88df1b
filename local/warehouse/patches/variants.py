"""A VARIANT meets text, dates and functions as Snowflake lets it.

Upstream (fakesnow 0.12.1) makes VARIANT DuckDB's JSON, which is text: `v:status = 'open'` compares JSON with text
and fails, `v:status LIKE 'o%'` and `v:a || 'x'` see the quotes, LTRIM and RTRIM lose their characters and all take
every white space of Unicode (`trim_cast_varchar`), TYPEOF says JSON, `'x'::VARIANT` is parsed, and functions on
arrays give DuckDB lists.
"""

from __future__ import annotations

import fakesnow.transforms as upstream
from sqlglot import exp

from local.warehouse import hooks, macros

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
    "array_append(a, x)": "to_json(list_append(CAST(to_json(a) AS JSON[]), to_json(x)))",
    "array_prepend(a, x)": "to_json(list_prepend(to_json(x), CAST(to_json(a) AS JSON[])))",
    "array_distinct(a)": "to_json(list_distinct(CAST(to_json(a) AS JSON[])))",
    "array_compact(a)": (
        "to_json(list_filter(CAST(to_json(a) AS JSON[]), lambda _fs_x: _fs_x IS NOT NULL AND _fs_x::VARCHAR <> 'null'))"
    ),
    "array_slice(a, f, t)": "to_json(list_slice(CAST(to_json(a) AS JSON[]), f + 1, t))",
    "array_contains(x, a)": "list_contains(CAST(CAST(to_json(a) AS JSON[]) AS VARCHAR[]), to_json(x)::VARCHAR)",
    "array_position(x, a)": "list_position(CAST(CAST(to_json(a) AS JSON[]) AS VARCHAR[]), to_json(x)::VARCHAR) - 1",
    "object_keys(o)": "to_json(json_keys(o))",
    "is_object(v)": "json_type(v) = 'OBJECT'",
    "is_array(v)": "json_type(v) = 'ARRAY'",
    "is_varchar(v)": "json_type(v) = 'VARCHAR'",
    "is_boolean(v)": "json_type(v) = 'BOOLEAN'",
    "is_integer(v)": "json_type(v) IN ('BIGINT', 'UBIGINT', 'HUGEINT')",
    "is_null_value(v)": "json_type(v) = 'NULL'",
    "as_varchar(v)": "CASE WHEN json_type(v) = 'VARCHAR' THEN json_extract_string(v, '$$') END",
    "as_array(v)": "CASE WHEN json_type(v) = 'ARRAY' THEN v END",
    "as_object(v)": "CASE WHEN json_type(v) = 'OBJECT' THEN v END",
    "strip_null_value(v)": "CASE WHEN json_type(v) <> 'NULL' THEN v END",
    "to_object(v)": "CASE WHEN json_type(v) = 'OBJECT' THEN v WHEN v IS NOT NULL THEN error('Not an object') END",
    "typeof(v)": (
        "CASE WHEN typeof(v) <> 'JSON' THEN typeof(v) ELSE CASE json_type(v::VARCHAR) WHEN 'UBIGINT' THEN 'INTEGER' "
        "WHEN 'BIGINT' THEN 'INTEGER' WHEN 'HUGEINT' THEN 'INTEGER' WHEN 'DOUBLE' THEN 'DECIMAL' "
        "WHEN 'NULL' THEN 'NULL_VALUE' ELSE json_type(v::VARCHAR) END END"
    ),
}
FUNCTIONS: dict[type[exp.Expr], str] = {
    exp.ArrayAppend: "array_append",
    exp.ArrayPrepend: "array_prepend",
    exp.ArrayDistinct: "array_distinct",
    exp.ArrayCompact: "array_compact",
    exp.ArraySlice: "array_slice",
    exp.ArrayContains: "array_contains",
    exp.ArrayPosition: "array_position",
    exp.JSONKeys: "object_keys",
    exp.Typeof: "typeof",
}


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
    if name := FUNCTIONS.get(type(node)):
        arguments = [a for a in node.iter_expressions() if isinstance(a, exp.Expr)]
        if isinstance(node, exp.ArrayContains | exp.ArrayPosition):
            arguments.reverse()  # Snowflake: (value, array); sqlglot keeps the array first
        return exp.Anonymous(this=f"_fs_{name}", expressions=arguments)
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
