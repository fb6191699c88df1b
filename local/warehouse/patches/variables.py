"""A dollar sign inside a string, an identifier or a comment is text.

Upstream (fakesnow 0.12.1, `variables.Variables.inline_variables`) takes `$word` anywhere for a session variable, so
that `'paid $usd'` fails.
"""

from __future__ import annotations

import re

import snowflake.connector.errors as sf
from fakesnow.variables import Variables

TOKEN = re.compile(
    r"""(?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | /\*.*?\*/ )
      | (?<![\w$])\$(?P<name>[A-Za-z_]\w*)""",
    re.S | re.X,
)


def inline_variables(self: Variables, sql: str) -> str:
    if "$" not in sql:
        return sql
    values = {name.upper(): value for name, value in self._variables.items()}

    def one(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"]
        name = match["name"].upper()
        if name not in values:
            raise sf.ProgrammingError(
                msg=f"SQL compilation error: Session variable '${name}' does not exist. SET it first.",
                errno=2211,
                sqlstate="02000",
            )
        return str(values[name])

    return TOKEN.sub(one, sql)


def apply() -> None:
    Variables.inline_variables = inline_variables
