"""A session knows its role, warehouse, user, id and parameters.

Upstream (fakesnow 0.12.1) fails on ALTER SESSION (but for two parameters), has no CURRENT_ROLE(), CURRENT_WAREHOUSE(),
CURRENT_USER() or CURRENT_SESSION(), and forgets what USE ROLE and USE WAREHOUSE said.
"""

from __future__ import annotations

import re

from fakesnow.expr import normalise_ident
from sqlglot import exp

from local.warehouse import errors, hooks
from local.warehouse.sessions import Session

ASSIGNMENT = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.|'')*'|[^\s,;]+)", re.S)
LEFT_TO_UPSTREAM = {"AUTOCOMMIT", "QUOTED_IDENTIFIERS_IGNORE_CASE"}
KEPT = {
    "QUERY_TAG",
    "CLIENT_SESSION_KEEP_ALIVE",
    "JDBC_QUERY_RESULT_FORMAT",
    "LOCK_TIMEOUT",
    "USE_CACHED_RESULT",
    "MULTI_STATEMENT_COUNT",
}
ACCEPTED_VALUES = {
    "TIMEZONE": {"UTC", "ETC/UTC"},
    "WEEK_START": {"0", "1"},
    "TIMESTAMP_TYPE_MAPPING": {"TIMESTAMP_NTZ"},
    "ERROR_ON_NONDETERMINISTIC_MERGE": {"TRUE"},
}


def _alter_session(call: hooks.Call) -> hooks.Answer | None:
    set_or_unset, rest = re.match(r"alter\s+session\s+(set|unset)\s+(.*)\Z", call.text, re.I | re.S).groups()
    if set_or_unset.lower() == "unset":
        for name in re.split(r"[\s,;]+", rest.strip(" ;\n")):
            call.session.parameters.pop(name.upper(), None)
        return hooks.Answer()
    assignments = {name.upper(): _value(value) for name, value in ASSIGNMENT.findall(rest)}
    if set(assignments) <= LEFT_TO_UPSTREAM:
        return None
    for name, value in assignments.items():
        if name not in KEPT and value.upper() not in ACCEPTED_VALUES.get(name, set()):
            raise errors.unsupported(f"ALTER SESSION SET {name} = {value}")
        call.session.parameters[name] = value
    return hooks.Answer()


def _value(text: str) -> str:
    return text[1:-1].replace("''", "'").replace("\\'", "'") if text.startswith("'") else text


def _use(call: hooks.Call) -> hooks.Answer:
    kind, name = re.match(r"use\s+(role|warehouse)\s+(\S+?)\s*;?\s*\Z", call.text, re.I).groups()
    setattr(call.session, kind.lower(), normalise_ident(name))
    return hooks.Answer()


def _current(node: exp.Expr, session: Session) -> exp.Expr:
    values = {
        "CURRENT_ROLE": session.role,
        "CURRENT_WAREHOUSE": session.warehouse,
        "CURRENT_USER": session.user,
        "CURRENT_SESSION": str(session.id),
        "CURRENT_DATABASE": session.connection.database if session.connection.database_set else None,
        "CURRENT_SCHEMA": session.connection.schema if session.connection.schema_set else None,
    }
    name = (
        node.name.upper()
        if isinstance(node, exp.Anonymous)
        else (node.sql_names()[0] if isinstance(node, exp.Func) else "")
    )
    return _text(values[name]) if name in values else node


def _text(value: str | None) -> exp.Expr:
    return exp.cast(exp.Literal.string(value) if value is not None else exp.null(), "varchar")


def apply() -> None:
    hooks.handle(r"alter\s+session\s+(?:set|unset)\b", _alter_session)
    hooks.handle(r"use\s+(?:role|warehouse)\b", _use)
    hooks.BEFORE.append(lambda tree, session: tree.transform(lambda node: _current(node, session), copy=False))
