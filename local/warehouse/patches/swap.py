"""ALTER TABLE … SWAP WITH exchanges two tables.

Upstream (fakesnow 0.12.1) fails on it. Here: three renames in one transaction.
"""

from __future__ import annotations

import re

from fakesnow.expr import normalise_ident
from sqlglot import exp

from local.warehouse import errors, hooks
from local.warehouse.sessions import Session

NAME = r'((?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))*)'
PATTERN = rf"alter\s+table\s+(?:if\s+exists\s+)?{NAME}\s+swap\s+with\s+{NAME}\s*;?\s*\Z"
PARKED = "_FS_SWAP"


def _parts(name: str, session: Session) -> tuple[str, str, str]:
    """Database, schema and table of a name, filled up from the session."""
    parts = [normalise_ident(p) for p in re.findall(r'[\w$]+|"[^"]+"', name)]
    full = [session.connection.database, session.connection.schema][: 3 - len(parts)] + parts
    return tuple(full)


def _quoted(*parts: str) -> str:
    return ".".join(exp.to_identifier(part, quoted=True).sql(dialect="duckdb") for part in parts)


def _swap(call: hooks.Call) -> hooks.Answer:
    left, right = (_parts(n, call.session) for n in re.match(PATTERN, call.text, re.I).groups())
    if left[:2] != right[:2]:
        raise errors.unsupported(f"SWAP WITH across schemas ({'.'.join(left)}, {'.'.join(right)})")
    renames = ((left, PARKED), (right, left[2]), ((*left[:2], PARKED), right[2]))
    duck = call.cursor._duck_conn
    duck.begin()
    try:
        for old, new in renames:
            duck.execute(f"ALTER TABLE {_quoted(*old)} RENAME TO {_quoted(new)}")
        duck.commit()
    except BaseException:
        duck.rollback()
        raise
    return hooks.Answer()


def apply() -> None:
    hooks.handle(PATTERN, _swap)
