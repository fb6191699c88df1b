"""Whatever the page size and however time moves on between pages and runs, nothing is lost."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from local.company.moments import DAY, FOUNDED
from local.company.truth import truth
from local.sandbox.chartmogul import ChartMogulApi
from local.sandbox.http import Request, url
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import Clock, World
from local.sandbox.zendesk import ZendeskApi

CREDENTIALS = Credentials()
NO_LIMITS = Settings(chartmogul_per_second=10**9, zendesk_per_minute=10**9, zendesk_exports_per_minute=10**9)
CLOCK = Clock()
CLOCK.set(FOUNDED + 900 * DAY)
WORLD = World(5, 0.3, CLOCK)
ZENDESK = ZendeskApi(WORLD, CREDENTIALS)
CHARTMOGUL = ChartMogulApi(WORLD, CREDENTIALS)

steps = st.lists(st.integers(0, 40 * DAY), min_size=1, max_size=6)
sizes = st.integers(5, 1000)


def ask(api: Any, path: str, user: str, password: str, *more: Any, **params: Any) -> Any:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = Request("GET", path, url("", "", **params)[1:], {"authorization": f"Basic {token}"})
    return msgspec.json.decode(api.handle(request, NO_LIMITS, 0.0, *more).body)


def zendesk(path: str, **params: Any) -> Any:
    return ask(ZENDESK, path, f"{CREDENTIALS.zendesk_email}/token", CREDENTIALS.zendesk_token, **params)


def chartmogul(path: str, **params: Any) -> Any:
    return ask(CHARTMOGUL, path, CREDENTIALS.chartmogul_key, "", 1, **params)


def current(source: str, stream: str) -> dict[Any, Any]:
    found = truth(WORLD.company, source, stream, CLOCK.now(), everything=False)
    return {key[-1]: msgspec.json.decode(body) for key, body in found.items()}


@settings(max_examples=25, deadline=None)
@given(stream=st.sampled_from(["tickets", "users"]), size=sizes, moves=steps)
def test_a_cursor_that_is_kept_from_run_to_run_misses_nothing(stream: str, size: int, moves: list[int]) -> None:
    CLOCK.set(FOUNDED + 700 * DAY)
    held: dict[int, Any] = {}
    params: dict[str, Any] = {"start_time": 0}
    for move in moves:
        CLOCK.advance(move)
        more = True
        while more:
            CLOCK.advance(1)
            page = zendesk(f"/incremental/{stream}/cursor", per_page=size, include="metric_sets", **params)
            held |= {r["id"]: r for r in page[stream]}
            params, more = {"cursor": page["after_cursor"]}, not page["end_of_stream"]
    assert held == current("zendesk", stream)


@settings(max_examples=25, deadline=None)
@given(stream=st.sampled_from(["organizations", "ticket_events", "ticket_metric_events"]), size=sizes, moves=steps)
def test_a_time_that_is_kept_from_run_to_run_misses_nothing(stream: str, size: int, moves: list[int]) -> None:
    CLOCK.set(FOUNDED + 710 * DAY)
    size += 100  # more than share one second
    held: dict[int, Any] = {}
    start = 0
    for move in moves:
        CLOCK.advance(move)
        more = True
        while more:
            CLOCK.advance(1)
            page = zendesk(f"/incremental/{stream}", per_page=size, include="comment_events", start_time=start)
            held |= {r["id"]: r for r in page[stream]}
            start, more = page["end_time"], not page["end_of_stream"]
    assert held == current("zendesk", stream)


@settings(max_examples=25, deadline=None)
@given(stream=st.sampled_from(["customers", "invoices", "contacts", "activities", "tasks"]), size=st.integers(1, 200))
def test_a_list_that_stands_still_is_the_same_by_any_page_size(stream: str, size: int) -> None:
    CLOCK.set(FOUNDED + 400 * DAY)
    found: list[Any] = []
    cursor: dict[str, str] = {}
    more = True
    while more:
        page = chartmogul(f"/{stream}", per_page=size, **cursor)
        found += page["invoices" if stream == "invoices" else "entries"]
        cursor, more = {"cursor": page["cursor"]}, page["has_more"]
    assert found == list(current("chartmogul", stream).values())
