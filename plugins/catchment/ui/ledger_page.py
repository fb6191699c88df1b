"""Two pages in Airflow's UI: what was loaded of a stream (the ledger), and what could not be (its rejects).

Airflow mounts a plugin's app beside its own API and signs nobody in for it (apache/airflow #72655): so the whole app
depends on the right to see the website. The record of a reject is not shown, for it may hold personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment, select_autoescape

from catchment.errors import CatchmentError
from catchment.sources import SOURCES
from catchment.warehouse.names import LEDGER, REJECTS

PAGE_ROWS = 200
MOST_PAGES = 10_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
Page = Literal["ledger", "rejects"]
PageNumber = Annotated[int, Query(ge=1, le=MOST_PAGES)]
Ask = Callable[[str, Mapping[str, Any]], tuple[Sequence[str], Sequence[Sequence[Any]]]]


@dataclass(frozen=True)
class Wanted:
    """Which rows: "" is any; `number` counts pages from 1."""

    source: str = ""
    stream: str = ""
    batch: str = ""
    number: int = 1

    def query(self, **changes: Any) -> str:
        """The query of the page with these rows, or with others."""
        asked = replace(self, **changes)
        values = {"source": asked.source, "stream": asked.stream, "batch": asked.batch}
        values |= {"page": str(asked.number)} if asked.number > 1 else {}
        return urlencode({name: value for name, value in values.items() if value})


_COLUMNS = {
    "ledger": (
        "SOURCE, STREAM, INTERVAL_START, INTERVAL_END, CHECKPOINT, COMPLETE, ROWS_LOADED, ROWS_REJECTED, AS_OF, "
        "LOADED_AT, COALESCE(BATCH, BATCH_ID) AS BATCH, SAME_AS, CURSOR_FROM, CURSOR_TO, MANIFEST"
    ),
    "rejects": "REASON, SOURCE, STREAM, REJECTED_AT, BATCH_ID AS BATCH, FILE, ROW_NUMBER",
}
_FROM = {
    "ledger": (LEDGER, "LOADED_AT DESC, BATCH_ID"),
    "rejects": (REJECTS, "REJECTED_AT DESC, BATCH_ID, FILE, ROW_NUMBER"),
}
_LONG = ("FILE", "REASON")


@dataclass(frozen=True)
class TableCell:
    """What a cell shows, how (`kind` is a class of the style sheet), and where it leads."""

    text: str
    kind: str = ""
    href: str = ""


def statement(page: Page, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The query of a page, newest rows first and one row more than it shows, and its values, which are bound."""
    table, newest_first = _FROM[page]
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
    rows = f"LIMIT {PAGE_ROWS + 1} OFFSET {(wanted.number - 1) * PAGE_ROWS}"
    return f"SELECT {_COLUMNS[page]} FROM {table} {condition}ORDER BY {newest_first} {rows}", values  # noqa: S608


def application(ask: Ask, dependencies: Sequence[Any]) -> FastAPI:
    """The app. `ask` runs a statement with bound values; `dependencies` guard every route."""
    app = FastAPI(title="Catchment", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[*dependencies])

    @app.get("/ledger", response_class=HTMLResponse)
    def ledger(source: str = "", stream: str = "", batch: str = "", page: PageNumber = 1) -> HTMLResponse:
        return _page("ledger", Wanted(source.strip(), stream.strip(), batch.strip(), page), ask)

    @app.get("/rejects", response_class=HTMLResponse)
    def rejects(source: str = "", stream: str = "", batch: str = "", page: PageNumber = 1) -> HTMLResponse:
        return _page("rejects", Wanted(source.strip(), stream.strip(), batch.strip(), page), ask)

    return app


def guarded() -> FastAPI:
    """The app as Airflow mounts it: for who may see the website, on the warehouse's connection."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view

    return application(_ask_warehouse, [Depends(requires_access_view(AccessView.WEBSITE))])


def _page(page: Page, wanted: Wanted, ask: Ask) -> HTMLResponse:
    problem, columns, rows, more = "", [], [], False
    try:
        names, found = ask(*statement(page, wanted))
        columns = [name.lower().replace("_", " ") for name in names]
        rows = [_cells(names, row, wanted) for row in found[:PAGE_ROWS]]
        more = len(found) > PAGE_ROWS
    except CatchmentError as error:
        problem = str(error)
    html = _TEMPLATES.get_template("page.html").render(
        page=page,
        wanted=wanted,
        columns=columns,
        rows=rows,
        problem=problem,
        sources=SOURCES,
        streams=sorted({s.name for spec in SOURCES.values() if wanted.source in ("", spec.name) for s in spec.streams}),
        first=(wanted.number - 1) * PAGE_ROWS + 1,
        newer=wanted.query(number=wanted.number - 1) if wanted.number > 1 else None,
        older=wanted.query(number=wanted.number + 1) if more else None,
    )
    return HTMLResponse(html, status_code=503 if problem else 200, headers=HEADERS)


def _cells(names: Sequence[str], row: Sequence[Any], wanted: Wanted) -> list[TableCell]:
    values = dict(zip(names, row, strict=True))
    return [_cell(name, values, wanted) for name in names]


def _cell(name: str, values: Mapping[str, Any], wanted: Wanted) -> TableCell:
    """NULL as nothing, a moment to the second, a count of rejects with the way to them."""
    match values[name]:
        case None:
            return TableCell("")
        case bool(value):
            return TableCell("yes" if value else "no")
        case datetime() as value:
            return TableCell(f"{value:%Y-%m-%d %H:%M:%S}", "short")
        case int(value):
            rejected = name == "ROWS_REJECTED" and value and "BATCH" in values
            to = (
                {"source": values.get("SOURCE") or "", "stream": values.get("STREAM") or "", "batch": values["BATCH"]}
                if rejected
                else {}
            )
            return TableCell(f"{value:,}", "number", f"rejects?{wanted.query(**to, number=1)}" if rejected else "")
        case value:
            return TableCell(str(value), "long" if name in _LONG else "cut")


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
  nav a[aria-current] { font-weight: 600; text-decoration: none; color: inherit; }
  h1 { font-size: 1.5rem; margin: 1rem 0; }
  form { margin: 1rem 0; display: flex; gap: .5rem; flex-wrap: wrap; }
  form input { font: inherit; padding: .25rem .5rem; min-width: 0; }
  form input[name=batch] { flex: 1; max-width: 40rem; }
  .table { overflow-x: auto; }
  table { border-collapse: collapse; }
  th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
  th, .short, .number { white-space: nowrap; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  .long { min-width: 16rem; max-width: 32rem; overflow-wrap: anywhere; }
  .cut { max-width: 28rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .problem { border-left: 4px solid #c33; padding: .5rem 1rem; }
</style>
<nav>
  {%- for other in ("ledger", "rejects") %}
  <a href="{{ other }}?{{ wanted.query(number=1) }}"{% if other == page %} aria-current="page"{% endif %}>
    {{- other | capitalize }}</a>
  {%- endfor %}
</nav>
<h1>{{ page | capitalize }}{% if wanted.source %} of {{ wanted.source }}{% if wanted.stream %}.{{ wanted.stream }}
  {%- endif %}{% endif %}</h1>
<form>
  <input name="source" value="{{ wanted.source }}" placeholder="source" list="sources" aria-label="Source">
  <datalist id="sources">{% for name in sources %}<option value="{{ name }}">{% endfor %}</datalist>
  <input name="stream" value="{{ wanted.stream }}" placeholder="stream" list="streams" aria-label="Stream">
  <datalist id="streams">{% for name in streams %}<option value="{{ name }}">{% endfor %}</datalist>
  <input name="batch" value="{{ wanted.batch }}" placeholder="batch" aria-label="Batch">
  <button>Show</button>
</form>
{%- macro pages() %}
{%- if newer is not none or older is not none %}
<nav aria-label="Pages">
  {%- if newer is not none %}<a href="{{ page }}?{{ newer }}" rel="prev">Newer</a>{% endif %}
  {%- if older is not none %}<a href="{{ page }}?{{ older }}" rel="next">Older</a>{% endif %}
</nav>
{%- endif %}
{%- endmacro %}
{%- if problem %}
<p class="problem" role="alert">{{ problem }}</p>
{%- elif not rows %}
<p>
  {%- if wanted.number > 1 %}There are no more rows.
  {%- elif wanted.source and wanted.source not in sources %}There is no source "{{ wanted.source }}". The sources are:
  {{ sources | join(", ") }}.
  {%- elif page == "rejects" %}Nothing was rejected here.
  {%- else %}Nothing was loaded here yet.
  {%- endif -%}
</p>
{{- pages() }}
{%- else %}
<p>Rows {{ "{:,}".format(first) }} to {{ "{:,}".format(first + rows | length - 1) }}, the newest first. Times are UTC.
  {%- if page == "rejects" %}
  The records themselves are in RAW.CATCHMENT.REJECTS: they may hold personal data.
  {%- endif %}
</p>
<div class="table">
<table>
  <thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
  <tbody>
  {%- for row in rows %}
  <tr>{% for cell in row %}<td class="{{ cell.kind }}"{% if cell.kind == "cut" %} title="{{ cell.text }}"{% endif %}>
    {%- if cell.href %}<a href="{{ cell.href }}">{{ cell.text }}</a>{% else %}{{ cell.text }}{% endif -%}
  </td>{% endfor %}</tr>
  {%- endfor %}
  </tbody>
</table>
</div>
{{- pages() }}
{%- endif %}
</html>
"""
        }
    ),
)
