"""COPY INTO a table from JSON lines is complete, and what is not done is an error.

Upstream (fakesnow 0.12.1, `copy_into`) answers PATTERN, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER and `$1` in a
transformed SELECT with HTTP 500, takes FORCE=FALSE for true, has ON_ERROR only as ABORT_STATEMENT, is not atomic over
several files, and reads JSON through a parser that refuses records above 16 MB and halves of surrogate pairs. JSON is
loaded by `local.warehouse.copying`; CSV and Parquet stay upstream's, without the options that it gets wrong.
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


def _is_true(value: Any) -> bool:
    return str(value).upper() in ("TRUE", "1")


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
    file_format = _file_format(options, call)
    if str(file_format.get("TYPE", "CSV")).upper() != "JSON":
        return _leave_to_upstream(options, call)
    for name, value in options.items():
        known = name in ("FILE_FORMAT", "FILES", "PATTERN", "FORCE", "ON_ERROR")
        neutral = (name in IGNORED_WHEN_FALSE and not _is_true(value)) or (
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
) -> copying.CopyJson:
    connection, cursor = call.session.connection, call.cursor
    source_select = copy.args["files"][0].this
    copy = cursor._transform(copy.copy(), None) if not isinstance(source_select, exp.Select) else copy
    target = _upper(upstream._extract_table(copy.this))
    catalog, schema = target.catalog or connection.database, target.db or connection.schema
    if not (catalog and schema):
        raise sf.ProgrammingError(
            msg="Cannot perform COPY. This session does not have a current database and schema; use a qualified name.",
            errno=90105,
            sqlstate="22000",
        )
    described = call.duck(f'DESCRIBE "{catalog}"."{schema}"."{target.name}"')
    types = {name: kind for name, kind, *_ in described}
    if isinstance(copy.this, exp.Schema):
        columns = tuple(_upper(column).name for column in copy.this.expressions)
    else:
        columns = tuple(types)
    values = _values(source_select, columns, call)
    if len(values) != len(columns):
        why = (
            f"Insert value list does not match column list expecting {len(columns)} but got {len(values)}"
            if isinstance(source_select, exp.Select)
            else "JSON file format can produce one and only one column of type variant, object, or array. Load data "
            "into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation."
        )
        raise sf.ProgrammingError(msg=f"SQL compilation error:\n{why}", errno=2019, sqlstate="0A000")
    location = upstream._from_source(copy)
    root = location
    if location.startswith("@"):
        resolve = lambda var: upstream.stage_url_from_var(  # noqa: E731
            var, cursor._duck_conn, connection.database, connection.schema, connection.table_stages, target
        )
        root, location = resolve(location[1:].split("/", 1)[0]), resolve(location[1:])
    if files := options.get("FILES"):
        urls = tuple(f"{location.rstrip('/')}/{name}" for name in files)
    else:
        urls = copying.matching((url for url, *_ in places.list_files(location)), options.get("PATTERN"), root)
    return copying.CopyJson(
        catalog=catalog,
        schema=schema,
        table=target.name,
        columns=columns,
        values=tuple(_fit(value, types[column], call) for value, column in zip(values, columns, strict=True)),
        urls=urls,
        named=bool(files),
        compression=copying.compression_of(file_format),
        force=_is_true(options.get("FORCE", False)),
        keep_going=keep_going,
    )


def _upper(node: exp.Expr) -> Any:
    return node.copy().transform(
        lambda n: (
            exp.to_identifier(n.name.upper(), quoted=True) if isinstance(n, exp.Identifier) and not n.quoted else n
        )
    )


def _values(select: exp.Expr, columns: tuple[str, ...], call: hooks.Call) -> list[exp.Expr]:
    """The COPY's SELECT list as DuckDB expressions over RECORD, ROW_NUMBER and FILENAME."""
    if not isinstance(select, exp.Select):
        return [exp.column("RECORD", quoted=True)]
    for clause in ("where", "joins", "group", "having", "qualify", "order", "limit", "distinct"):
        if select.args.get(clause):
            raise errors.unsupported(f"{clause.upper()} in the SELECT of a COPY")
    plain = exp.Select(expressions=[e.copy().transform(_source_column) for e in select.expressions]).from_("rows")
    return [e.unalias() for e in call.cursor._transform(plain, None).expressions]


def _source_column(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Parameter):
        node = node.this
    if isinstance(node, exp.Parameter):
        if node.name != "1":
            raise errors.unsupported(f"${node.name}: a JSON file has the one column $1")
        return exp.column("RECORD", quoted=True)
    if isinstance(node, exp.Column) and node.name.upper().startswith("METADATA$"):
        known = {"METADATA$FILENAME": "FILENAME", "METADATA$FILE_ROW_NUMBER": "ROW_NUMBER"}
        if node.name.upper() not in known:
            raise errors.unsupported(f"{node.name} in a COPY; it has {' and '.join(known)}")
        return exp.column(known[node.name.upper()], quoted=True)
    return node


def _fit(value: exp.Expr, wanted: str, call: hooks.Call) -> exp.Expr:
    """A VARIANT that goes into a column of another type becomes its plain value, without JSON's quotes."""
    if wanted == "JSON":
        return value
    typeless = '(SELECT NULL::JSON AS "RECORD", 1::BIGINT AS "ROW_NUMBER", \'\' AS "FILENAME")'
    ((_, kind, *_),) = call.duck(f"DESCRIBE SELECT {value.sql(dialect='duckdb')} FROM {typeless}")
    if kind != "JSON":
        return value
    plain = exp.Anonymous(this="json_extract_string", expressions=[value, exp.Literal.string("$")])
    return exp.cast(plain, wanted, dialect="duckdb")


def _leave_to_upstream(options: dict[str, Any], call: hooks.Call) -> None:
    wrong = [name for name in ("PATTERN", "RETURN_FAILED_ONLY", "VALIDATION_MODE", "SIZE_LIMIT") if name in options]
    if "METADATA$" in call.text.upper():
        wrong.append("METADATA$ columns")
    if options.get("FORCE") is not None and not _is_true(options["FORCE"]):
        wrong.append("FORCE = FALSE (leave it out: it is the default)")
    if wrong:
        raise errors.unsupported(f"{', '.join(wrong)} in a COPY that is not of JSON")


def apply() -> None:
    hooks.handle(r"copy\s+into\b", _copy)
