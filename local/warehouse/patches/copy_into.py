"""COPY INTO a table from JSON lines, CSV or Parquet is complete, and what is not done is an error.

Upstream (fakesnow 0.12.1, `copy_into`) answers METADATA$FILENAME, METADATA$FILE_ROW_NUMBER and `$1` in a transformed
SELECT with HTTP 500, has ON_ERROR only as ABORT_STATEMENT, is not atomic over
several files, and reads JSON through a parser that refuses records above 16 MB and halves of surrogate pairs. Files are
read by `local.warehouse.files` and loaded by `local.warehouse.copying`.
"""

# ruff: noqa: S608 (names in the SQL are quoted and values bound or written as literals)
from __future__ import annotations

from typing import Any

import snowflake.connector.errors as sf
from fakesnow import copy_into as upstream
from fakesnow.transforms.file_format import lookup_file_format
from fakesnow.transforms.options import parse_options
from sqlglot import exp

from local.warehouse import copying, errors, hooks, places
from local.warehouse.files import formats
from local.warehouse.files.batch import Format
from local.warehouse.files.formats import is_true

IGNORED_WHEN_FALSE = {"PURGE", "RETURN_FAILED_ONLY", "TRUNCATECOLUMNS", "LOAD_UNCERTAIN_FILES", "ALLOW_NESTED_FIELDS"}
ERROR_RULES = {"ABORT_STATEMENT": False, "CONTINUE": True}


def _options(copy: exp.Copy) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for param in copy.args.get("params") or []:
        name = param.this.name.upper()
        if name == "FILE_FORMAT":
            options[name] = parse_options([p.copy().transform(_name_as_text) for p in param.expressions])
        elif name == "FILES":
            options[name] = [literal.name for literal in param.find_all(exp.Literal)]
        else:
            options[name] = param.expression.name if param.expression.name else str(param.expression.this)
    return options


def _name_as_text(node: exp.Expr) -> exp.Expr:
    """FORMAT_NAME may be an identifier as well as a string."""
    return exp.Literal.string(node.sql(dialect="snowflake")) if isinstance(node, exp.Table) else node


def _file_format(options: dict[str, Any], call: hooks.Call) -> dict[str, Any]:
    given = dict(options.get("FILE_FORMAT") or {})
    if not given:
        raise errors.unsupported("COPY without FILE_FORMAT (a stage's own format is not kept): name it in the COPY")
    connection = call.session.connection
    if name := given.pop("FORMAT_NAME", None):
        named = lookup_file_format(call.cursor._duck_conn, str(name), connection.database, connection.schema)
        given = {**named, **given}
    return given


def _copy(call: hooks.Call) -> hooks.Answer | None:
    copy = call.expression
    if not isinstance(copy, exp.Copy):
        return None
    if isinstance(copy.this, exp.Table) and not isinstance(copy.this.this, exp.Identifier):
        raise errors.unsupported("COPY INTO a location (unload)")
    options = _options(copy)
    if not is_true(options.get("FORCE", False)):
        raise errors.unsupported("COPY without FORCE = TRUE (the load history is not kept)")
    file_format = _file_format(options, call)
    for name, value in options.items():
        known = name in ("FILE_FORMAT", "FILES", "FORCE", "ON_ERROR")
        neutral = (name in IGNORED_WHEN_FALSE and not is_true(value)) or (
            name == "MATCH_BY_COLUMN_NAME" and value.upper() == "NONE"
        )
        if not known and not neutral:
            raise errors.unsupported(f"COPY option {name} = {value}")
    rule = str(options.get("ON_ERROR", "ABORT_STATEMENT")).upper()
    if rule not in ERROR_RULES:
        raise errors.unsupported(f"ON_ERROR = {rule}; it has {' and '.join(ERROR_RULES)}")
    return copying.load(_plan(copy, options, file_format, ERROR_RULES[rule], call), call)


def _plan(
    copy: exp.Copy, options: dict[str, Any], file_format: dict[str, Any], keep_going: bool, call: hooks.Call
) -> copying.Copy:
    select = copy.args["files"][0].this
    select = select if isinstance(select, exp.Select) else None
    target = _target(copy, call)
    types = {name: kind for name, kind, *_ in call.duck(f"DESCRIBE {_quoted(target)}")}
    columns = (
        tuple(_upper(column).name for column in copy.this.expressions)
        if isinstance(copy.this, exp.Schema)
        else tuple(types)
    )
    form = formats.format_of(file_format, transformed=select is not None)
    values, width = _values(select, columns, form, call)
    if len(values) != len(columns):
        raise _does_not_fit(form, len(values), len(columns), transformed=select is not None)
    return copying.Copy(
        catalog=target.catalog,
        schema=target.db,
        table=target.name,
        columns=columns,
        values=tuple(_fit(v, types[c], form, width, call) for v, c in zip(values, columns, strict=True)),
        urls=_urls(copy if select else call.cursor._transform(copy.copy(), None), options, target, call),
        format=form,
        width=width,
        keep_going=keep_going,
    )


def _target(copy: exp.Copy, call: hooks.Call) -> exp.Table:
    """The table that is loaded, by its full name."""
    connection, table = call.session.connection, _upper(upstream._extract_table(copy.this))
    catalog, schema = table.catalog or connection.database, table.db or connection.schema
    if not (catalog and schema):
        raise sf.ProgrammingError(
            msg="Cannot perform COPY. This session does not have a current database and schema; use a qualified name.",
            errno=90105,
            sqlstate="22000",
        )
    return exp.table_(table.name, schema, catalog, quoted=True)


def _quoted(table: exp.Table) -> str:
    return table.sql(dialect="duckdb")


def _does_not_fit(form: Format, given: int, wanted: int, *, transformed: bool) -> sf.ProgrammingError:
    why = (
        f"Insert value list does not match column list expecting {wanted} but got {given}"
        if transformed
        else f"{form.kind} file format can produce one and only one column of type variant, object, or array. Load "
        "data into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation."
    )
    return sf.ProgrammingError(msg=f"SQL compilation error:\n{why}", errno=2019, sqlstate="0A000")


def _urls(copy: exp.Copy, options: dict[str, Any], target: exp.Table, call: hooks.Call) -> tuple[str, ...]:
    """The files that are loaded: those that FILES names, or all below the location."""
    connection = call.session.connection
    location = upstream._from_source(copy)
    if location.startswith("@"):
        location = upstream.stage_url_from_var(
            location[1:],
            call.cursor._duck_conn,
            connection.database,
            connection.schema,
            connection.table_stages,
            target,
        )
    if files := options.get("FILES"):
        return tuple(f"{location.rstrip('/')}/{name}" for name in files)
    return tuple(places.list_files(location))


def _upper(node: exp.Expr) -> Any:
    return node.copy().transform(
        lambda n: (
            exp.to_identifier(n.name.upper(), quoted=True) if isinstance(n, exp.Identifier) and not n.quoted else n
        )
    )


def _values(
    select: exp.Select | None, columns: tuple[str, ...], form: Format, call: hooks.Call
) -> tuple[list[exp.Expr], int]:
    """The COPY's SELECT list as DuckDB expressions over a batch's columns, and how many columns of CSV they need."""
    if select is None:
        names = [f"${i + 1}" for i in range(len(columns))] if form.has_columns else ["RECORD"]
        return [exp.column(name, quoted=True) for name in names], len(names)
    for clause in ("where", "joins", "group", "having", "qualify", "order", "limit", "distinct"):
        if select.args.get(clause):
            raise errors.unsupported(f"{clause.upper()} in the SELECT of a COPY")
    expressions = [e.copy().transform(lambda node: _source_column(node, form)) for e in select.expressions]
    plain = exp.Select(expressions=expressions).from_("rows")
    used = [int(c.name[1:]) for c in plain.find_all(exp.Column) if c.name.startswith("$")]
    return [e.unalias() for e in call.cursor._transform(plain, None).expressions], max(used, default=1)


def _source_column(node: exp.Expr, form: Format) -> exp.Expr:
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Parameter):
        node = node.this
    if isinstance(node, exp.Parameter):
        if form.has_columns and node.name.isdecimal():
            return exp.column(f"${node.name}", quoted=True)
        if node.name != "1":
            raise errors.unsupported(f"${node.name}: a {form.kind} file has the one column $1")
        return exp.column("RECORD", quoted=True)
    if isinstance(node, exp.Column) and node.name.upper().startswith("METADATA$"):
        known = {"METADATA$FILENAME": "FILENAME", "METADATA$FILE_ROW_NUMBER": "ROW_NUMBER"}
        if node.name.upper() not in known:
            raise errors.unsupported(f"{node.name} in a COPY; it has {' and '.join(known)}")
        return exp.column(known[node.name.upper()], quoted=True)
    return node


def _fit(value: exp.Expr, wanted: str, form: Format, width: int, call: hooks.Call) -> exp.Expr:
    """A VARIANT that goes into a column of another type becomes its plain value, without JSON's quotes."""
    names = [f"${i + 1}" for i in range(width)] if form.has_columns else []
    typeless = ", ".join(
        ['NULL::JSON AS "RECORD", 1::BIGINT AS "ROW_NUMBER", \'\' AS "FILENAME"', *(f"'' AS \"{n}\"" for n in names)]
    )
    ((_, kind, *_),) = call.duck(f"DESCRIBE SELECT {value.sql(dialect='duckdb')} FROM (SELECT {typeless})")
    if wanted == "JSON" and kind == "VARCHAR" and form.has_columns:
        raise errors.unsupported("text of a CSV file in a VARIANT column: say PARSE_JSON($1) or TO_VARIANT($1)")
    if kind != "JSON" or wanted == "JSON":
        return value
    plain = exp.Anonymous(this="json_extract_string", expressions=[value, exp.Literal.string("$")])
    return exp.cast(plain, wanted, dialect="duckdb")


def apply() -> None:
    formats.apply()
    hooks.handle(r"copy\s+into\b", _copy)
