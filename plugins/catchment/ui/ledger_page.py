"""Two pages in Airflow's UI: what was loaded of a stream (the ledger), and what could not be (its rejects).

Airflow mounts a plugin's app beside its own API and signs nobody in for it (apache/airflow #72655): so the whole app
depends on the right to see the website. The record of a reject is not shown, for it may hold personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment, select_autoescape

from catchment.errors import CatchmentError
from catchment.sources import SOURCES
from catchment.warehouse.names import LEDGER, REJECTS

MOST_ROWS = 200
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
Page = Literal["ledger", "rejects"]
Ask = Callable[[str, Mapping[str, Any]], tuple[Sequence[str], Sequence[Sequence[Any]]]]


@dataclass(frozen=True)
class Wanted:
    """Which rows: "" is any."""

    source: str = ""
    stream: str = ""
    batch: str = ""


_COLUMNS = {
    "ledger": (
        "CHECKPOINT, COMPLETE, INTERVAL_START, INTERVAL_END, ROWS_LOADED, ROWS_REJECTED, CURSOR_FROM, CURSOR_TO, "
        "AS_OF, LOADED_AT, SAME_AS, MANIFEST, SOURCE, STREAM, COALESCE(BATCH, BATCH_ID) AS BATCH"
    ),
    "rejects": "REASON, FILE, ROW_NUMBER, REJECTED_AT, SOURCE, STREAM, BATCH_ID AS BATCH",
}
_FROM = {"ledger": (LEDGER, "LOADED_AT"), "rejects": (REJECTS, "REJECTED_AT")}


def statement(page: Page, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The query of a page, newest rows first, and its values, which are bound."""
    table, newest = _FROM[page]
    named = {"SOURCE": wanted.source, "STREAM": wanted.stream}
    values: dict[str, Any] = {name.lower(): value for name, value in named.items() if value}
    where = [f"{name} = %({name.lower()})s" for name, value in named.items() if value]
    if wanted.batch:
        # A reject names its checkpoint, `batch.N` from the second on.
        own = "COALESCE(BATCH, BATCH_ID)" if page == "ledger" else "BATCH_ID"
        later = "" if page == "ledger" else " OR STARTSWITH(BATCH_ID, %(later)s)"
        where.append(f"({own} = %(batch)s{later})")
        values |= {"batch": wanted.batch} | ({"later": f"{wanted.batch}."} if later else {})
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    sql = f"SELECT {_COLUMNS[page]} FROM {table} {condition}ORDER BY {newest} DESC LIMIT {MOST_ROWS}"  # noqa: S608
    return sql, values


def application(ask: Ask, dependencies: Sequence[Any]) -> FastAPI:
    """The app. `ask` runs a statement with bound values; `dependencies` guard every route."""
    app = FastAPI(title="Catchment", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[*dependencies])

    @app.get("/ledger", response_class=HTMLResponse)
    def ledger(source: str = "", stream: str = "", batch: str = "") -> HTMLResponse:
        return _page("ledger", Wanted(source, stream, batch), ask)

    @app.get("/rejects", response_class=HTMLResponse)
    def rejects(source: str = "", stream: str = "", batch: str = "") -> HTMLResponse:
        return _page("rejects", Wanted(source, stream, batch), ask)

    return app


def guarded() -> FastAPI:
    """The app as Airflow mounts it: for who may see the website, on the warehouse's connection."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view

    return application(_ask_warehouse, [Depends(requires_access_view(AccessView.WEBSITE))])


def _page(page: Page, wanted: Wanted, ask: Ask) -> HTMLResponse:
    problem, columns, rows = "", [], []
    try:
        names, found = ask(*statement(page, wanted))
        columns, rows = [name.lower() for name in names], [[_shown(value) for value in row] for row in found]
    except CatchmentError as error:
        problem = str(error)
    html = _TEMPLATES.get_template("page.html").render(
        page=page, wanted=wanted, columns=columns, rows=rows, problem=problem, sources=SOURCES, most=MOST_ROWS
    )
    return HTMLResponse(html, status_code=503 if problem else 200, headers=HEADERS)


def _shown(value: Any) -> str:
    """A value as text: NULL as nothing, a moment to the second."""
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _ask_warehouse(sql: str, values: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    from catchment.hooks.connections import look_up
    from catchment.warehouse import session

    opened = session.connect(look_up("snowflake_default"), query_tag="ledger page")
    try:
        with session.explained("read the ledger"):
            cursor = opened.cursor()
            cursor.execute(sql, dict(values))
            return [column[0] for column in cursor.description], cursor.fetchall()
    finally:
        opened.close()


_TEMPLATES = Environment(
    autoescape=select_autoescape(default=True),
    loader=DictLoader(
        {
            "page.html": """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ page | capitalize }}</title>
<style>
  :root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif; }
  body { margin: 1rem; }
  nav a { margin-right: 1rem; }
  form { margin: 1rem 0; display: flex; gap: .5rem; flex-wrap: wrap; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #8884;
           overflow-wrap: anywhere; min-width: 4rem; }
  th { position: sticky; top: 0; background: Canvas; }
  .problem { border-left: 4px solid #c33; padding: .5rem 1rem; }
</style>
<nav>
  {%- for other in ("ledger", "rejects") %}
  {%- set query = {"source": wanted.source, "stream": wanted.stream, "batch": wanted.batch} %}
  <a href="{{ other }}?{{ query | urlencode }}"{% if other == page %} aria-current="page"{% endif %}>
    {{- other | capitalize }}</a>
  {%- endfor %}
</nav>
<h1>{{ page | capitalize }}{% if wanted.source %} of {{ wanted.source }}{% if wanted.stream %}.{{ wanted.stream }}
  {%- endif %}{% endif %}</h1>
<form>
  <input name="source" value="{{ wanted.source }}" placeholder="source" list="sources" aria-label="Source">
  <datalist id="sources">{% for name in sources %}<option value="{{ name }}">{% endfor %}</datalist>
  <input name="stream" value="{{ wanted.stream }}" placeholder="stream" aria-label="Stream">
  <input name="batch" value="{{ wanted.batch }}" placeholder="batch" size="60" aria-label="Batch">
  <button>Show</button>
</form>
{%- if problem %}
<p class="problem" role="alert">{{ problem }}</p>
{%- elif not rows %}
<p>{{ "Nothing was rejected here." if page == "rejects" else "Nothing was loaded here yet." }}</p>
{%- else %}
<p>{{ rows | length }} rows{% if rows | length == most %}, the newest of more{% endif %}. Times are UTC.
  {%- if page == "rejects" %}
  The records themselves are in RAW.CATCHMENT.REJECTS: they may hold personal data.
  {%- endif %}
</p>
<table>
  <thead><tr>{% for column in columns %}<th>{{ column | replace("_", " ") }}</th>{% endfor %}</tr></thead>
  <tbody>
  {%- for row in rows %}
  <tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>
  {%- endfor %}
  </tbody>
</table>
{%- endif %}
</html>
"""
        }
    ),
)
