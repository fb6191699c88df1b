"""Constraints that Snowflake does not enforce are not enforced, and options without a meaning here are dropped.

Upstream (fakesnow 0.12.1) hands PRIMARY KEY, UNIQUE and FOREIGN KEY to DuckDB, which enforces them (and refuses to
delete and insert a key again in one transaction), and fails on WITH MANAGED ACCESS, retention and change tracking.
A statement that has only such parts left does nothing.
"""

from __future__ import annotations

import re

from fakesnow.transforms import SUCCESS_NOP
from sqlglot import exp

from local.warehouse import hooks

COLUMN_KINDS = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
TABLE_KINDS = (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)
DROPPED_PROPERTIES = {
    "DATA_RETENTION_TIME_IN_DAYS",
    "MAX_DATA_EXTENSION_TIME_IN_DAYS",
    "CHANGE_TRACKING",
    "ENABLE_SCHEMA_EVOLUTION",
    "DEFAULT_DDL_COLLATION",
}
SCHEMA_OPTIONS = re.compile(
    r"\s+(?:with\s+managed\s+access|(?:data_retention|max_data_extension)_time_in_days\s*=\s*\d+|comment\s*=\s*'(?:[^'\\]|\\.|'')*')",
    re.I | re.S,
)


def _unenforced(part: exp.Expr) -> bool:
    if isinstance(part, exp.Constraint):
        return any(isinstance(e, TABLE_KINDS) for e in part.expressions)
    return isinstance(part, TABLE_KINDS)


def _strip(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Create) and isinstance(node.this, exp.Schema):
        node.this.set("expressions", [e for e in node.this.expressions if not _unenforced(e)])
    if isinstance(node, exp.ColumnDef):
        kept = [c for c in node.args.get("constraints") or [] if not isinstance(c.args.get("kind"), COLUMN_KINDS)]
        node.set("constraints", kept)
    actions = node.args.get("actions") if isinstance(node, exp.Alter) else None
    if actions and all(isinstance(a, exp.AddConstraint) and all(map(_unenforced, a.expressions)) for a in actions):
        return SUCCESS_NOP.copy()
    if isinstance(node, exp.Create) and (properties := node.args.get("properties")):
        properties.set("expressions", [p for p in properties.expressions if p.name.upper() not in DROPPED_PROPERTIES])
    return node


def _schema(call: hooks.Call) -> hooks.Answer | None:
    stripped = SCHEMA_OPTIONS.sub("", call.text)
    if stripped == call.text:
        return None
    call.run(stripped)
    return hooks.Answer(rows=(("Schema successfully created.",),))


def apply() -> None:
    hooks.rewrite_node(hooks.BEFORE, _strip)
    hooks.handle(r"create\s+(?:or\s+replace\s+)?(?:transient\s+)?schema\b", _schema)
