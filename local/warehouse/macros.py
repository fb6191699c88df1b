"""DuckDB macros that patches need, made beside upstream's own in every database and for sessions without one."""

from __future__ import annotations

from string import Template

from fakesnow import macros as upstream

_UPSTREAM = upstream.creation_sql
_TEMPLATES: list[Template] = []


def add(sql: str) -> None:
    """Register `CREATE OR REPLACE MACRO ${catalog}.name(...) ...`; call it before the storage is opened."""
    _TEMPLATES.append(Template(sql))


def creation_sql(catalog: str) -> str:
    ours = ";\n".join(template.substitute(catalog=catalog) for template in _TEMPLATES)
    return f"{_UPSTREAM(catalog)};\n{ours};"


upstream.creation_sql = creation_sql
