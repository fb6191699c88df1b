"""The sandbox's Zendesk: exports, lists, limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
import requests

from local.company.truth import truth
from local.company.zendesk import BULK_EDIT
from tests.sandbox.server import NOW, TOKEN, Server

LISTS = {
    "groups": "groups",
    "group_memberships": "group_memberships",
    "organization_memberships": "organization_memberships",
    "ticket_fields": "ticket_fields",
    "ticket_forms": "ticket_forms",
    "brands": "brands",
    "tags": "tags",
    "macros": "macros",
    "sla_policies": "slas/policies",
    "deleted_tickets": "deleted_tickets",
    "deleted_users": "deleted_users",
    "satisfaction_ratings": "satisfaction_ratings",
}


def expected(server: Server, stream: str, at: int = NOW) -> list[Any]:
    return [msgspec.json.decode(body) for body in truth(server.company, "zendesk", stream, at).values()]


def export(server: Server, stream: str, **start: Any) -> tuple[list[dict[str, Any]], str]:
    """All records of a cursor export and the cursor to go on from."""
    found: list[dict[str, Any]] = []
    params = start
    while True:
        page = server.zendesk(f"/incremental/{stream}/cursor.json", include="metric_sets", **params).json()
        found += page[stream]
        if page["end_of_stream"]:
            return found, page["after_cursor"]
        params = {"cursor": page["after_cursor"]}


def time_export(server: Server, stream: str, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """All records of a time export, as often as they come, and the time to go on from."""
    found: list[dict[str, Any]] = []
    while True:
        page = server.zendesk(f"/incremental/{stream}.json", start_time=start, include="comment_events").json()
        found += page[stream]
        if page["end_of_stream"]:
            return found, page["end_time"]
        start = page["end_time"]


@pytest.mark.parametrize("stream", ["tickets", "users"])
def test_a_cursor_export_gives_every_current_record_once(server: Server, stream: str) -> None:
    server.settings(zendesk_export_page=150)
    assert export(server, stream, start_time=0)[0] == expected(server, stream)


@pytest.mark.parametrize("stream", ["tickets", "users"])
def test_a_saved_cursor_goes_on_with_exactly_what_changed(server: Server, stream: str) -> None:
    first, cursor = export(server, stream, start_time=0)
    server.control("POST", "/clock", {"advance": 40 * 86_400})
    changed, _ = export(server, stream, cursor=cursor)
    held = {r["id"]: r for r in first} | {r["id"]: r for r in changed}
    assert held == {r["id"]: r for r in expected(server, stream, NOW + 40 * 86_400)}
    assert 0 < len(changed) < len(first)


@pytest.mark.parametrize("stream", ["organizations", "ticket_events", "ticket_metric_events"])
def test_a_time_export_gives_every_record_and_repeats_those_at_its_borders(server: Server, stream: str) -> None:
    server.settings(zendesk_export_page=200)
    found, _ = time_export(server, stream)
    wanted = expected(server, stream)
    assert {r["id"]: r for r in found} == {r["id"]: r for r in wanted}
    assert len(found) > len(wanted)


def test_a_time_export_goes_on_with_the_last_second_again(server: Server) -> None:
    found, end = time_export(server, "ticket_events")
    again, _ = time_export(server, "ticket_events", end)
    assert again
    assert {e["timestamp"] for e in again} == {end} == {found[-1]["timestamp"]}


def test_a_page_whose_rows_share_one_second_does_not_move_on(server: Server) -> None:
    server.control("POST", "/clock", {"now": BULK_EDIT + 3600})
    server.settings(zendesk_export_page=100)
    page = server.zendesk("/incremental/organizations.json", start_time=BULK_EDIT).json()
    assert (page["count"], page["end_time"], page["end_of_stream"]) == (100, BULK_EDIT, False)
    assert {o["updated_at"] for o in page["organizations"]} == {"2025-12-01T02:00:00Z"}


def test_the_last_minute_is_left_out_and_may_not_be_asked_for(server: Server) -> None:
    event = expected(server, "ticket_events")[-1]
    server.control("POST", "/clock", {"now": event["timestamp"] + 59})
    assert event not in time_export(server, "ticket_events", event["timestamp"] - 3600)[0]
    reply = server.zendesk("/incremental/ticket_events.json", start_time=event["timestamp"])
    assert (reply.status_code, reply.json()["error"]) == (400, "StartTimeTooRecent")
    server.control("POST", "/clock", {"advance": 1})
    assert event in time_export(server, "ticket_events", event["timestamp"])[0]


def test_a_system_update_moves_the_generated_timestamp_only(server: Server) -> None:
    at = BULK_EDIT + 200 * 86_400 + 3600  # when every third ticket was reindexed
    server.control("POST", "/clock", {"now": at + 120})
    found, _ = export(server, "tickets", start_time=at)
    assert len(found) > 50
    assert {t["generated_timestamp"] for t in found} == {at}
    assert all(t["updated_at"] < "2026-06-19" for t in found)


def test_deleted_tickets_stay_in_the_export_unless_excluded(server: Server) -> None:
    assert "deleted" in Counter(t["status"] for t in export(server, "tickets", start_time=0)[0])
    assert "deleted" not in Counter(
        t["status"] for t in export(server, "tickets", start_time=0, exclude_deleted="true")[0]
    )


def test_comments_come_with_their_sideload_only(server: Server) -> None:
    page = server.zendesk("/incremental/ticket_events.json", start_time=0).json()
    comment = page["ticket_events"][0]["child_events"][0]
    assert (comment["comment_present"], "body" in comment) == (True, False)


@pytest.mark.parametrize("stream", LISTS)
def test_lists_page_by_cursor_to_their_end(server: Server, stream: str) -> None:
    server.settings(gated=[], zendesk_list_page=7 if stream != "organization_memberships" else 60)
    found: list[Any] = []
    params: dict[str, Any] = {"page[size]": 100}
    while True:
        page = server.zendesk(f"/{LISTS[stream]}.json", **params).json()
        found += page[stream]
        if not page["meta"]["has_more"]:
            break
        params["page[after]"] = page["meta"]["after_cursor"]
    assert found == expected(server, stream)


def test_the_next_link_leads_to_the_next_page(server: Server) -> None:
    page = server.zendesk("/deleted_users", **{"page[size]": 5}).json()
    auth = ("data@catchment.example/token", TOKEN)
    follows = requests.get(page["links"]["next"], auth=auth, timeout=10).json()
    assert [u["id"] for u in page["deleted_users"] + follows["deleted_users"]] == [
        u["id"] for u in expected(server, "deleted_users")[:10]
    ]


def test_lists_page_by_number_without_a_page_size(server: Server) -> None:
    pages = [server.zendesk("/organization_memberships.json", page=n).json() for n in (1, 2)]
    assert [len(p["organization_memberships"]) for p in pages] == [100, 100]
    assert pages[0]["count"] == len(expected(server, "organization_memberships"))
    assert server.zendesk("/organization_memberships.json", page=101).status_code == 400


@pytest.mark.parametrize("field", ["created_at", "updated_at"])
def test_ratings_are_filtered_by_their_creation_or_if_so_set_by_their_last_change(server: Server, field: str) -> None:
    """singer-io/tap-zendesk PR 37: the filter is about creation, so a late change is in no window asked for later."""
    server.settings(zendesk_ratings_by=field)
    found = []
    for month in range(12):
        start = NOW - (month + 1) * 30 * 86_400
        window = {"start_time": start, "end_time": start + 30 * 86_400 - 1, "page[size]": 100}
        page = server.zendesk("/satisfaction_ratings", **window).json()
        assert page["meta"]["has_more"] is False
        found += [r["id"] for r in page["satisfaction_ratings"]]
    wanted = [r for r in expected(server, "satisfaction_ratings") if r[field] >= "2025-11-28T09:30:00Z"]
    assert sorted(found) == sorted(r["id"] for r in wanted)
    other = "updated_at" if field == "created_at" else "created_at"
    assert [r["id"] for r in expected(server, "satisfaction_ratings") if r[other] >= "2025-11-28T09:30:00Z"] != found


@pytest.mark.parametrize("status", [400, 422])
def test_a_start_in_the_last_minute_is_refused_with_either_status(server: Server, status: int) -> None:
    """airbyte PR 23246: 400 with the word StartTimeTooRecent; other notes say 422."""
    server.settings(zendesk_too_recent=status)
    for path in ("/incremental/organizations.json", "/incremental/tickets/cursor.json"):
        reply = server.zendesk(path, start_time=NOW - 30)
        assert (reply.status_code, reply.json()["error"]) == (status, "StartTimeTooRecent")


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("word", {"error": "InvalidCursor", "description": "The cursor is not valid"}),
        ("object", {"error": {"title": "InvalidCursor", "message": "The cursor is not valid"}}),
        ("list", {"errors": [{"code": "InvalidCursor", "title": "The cursor is not valid"}]}),
    ],
)
def test_errors_come_in_each_of_the_vendor_s_shapes(server: Server, shape: str, body: Any) -> None:
    """The exports' pages show a word, 403 an object, the organizations' OpenAPI file a list."""
    server.settings(zendesk_errors=shape)
    reply = server.zendesk("/incremental/tickets/cursor.json", cursor="nonsense")
    assert (reply.status_code, reply.json()) == (400, body)


def test_deleted_groups_are_left_out_unless_asked_for(server: Server) -> None:
    """estuary/connectors PR 2007: groups went missing, for the list leaves deleted ones out by default."""
    shown, all_of_them = (
        [g["name"] for g in server.zendesk("/groups", **more).json()["groups"]]
        for more in ({}, {"exclude_deleted": "false"})
    )
    assert set(all_of_them) - set(shown) == {"Fax & Post"}


def test_a_list_s_cursor_has_a_plus_in_it_and_is_refused_when_the_plus_was_lost(server: Server) -> None:
    """dust-tt/dust PR 8702: a cursor sent without encoding earned InvalidPaginationParameter."""
    cursor = server.zendesk("/tags", **{"page[size]": 2}).json()["meta"]["after_cursor"]
    assert "+" in cursor
    assert server.zendesk("/tags", **{"page[size]": 2, "page[after]": cursor}).status_code == 200
    reply = server.zendesk("/tags", **{"page[size]": 2, "page[after]": cursor.replace("+", " ")})
    assert (reply.status_code, reply.json()["error"]) == (400, "InvalidPaginationParameter")


def test_lists_tell_when_the_limit_resets_and_exports_do_not(server: Server) -> None:
    """Zendesk, "Best practices for avoiding rate limiting": these headers come with the ticketing API's lists."""
    server.settings(zendesk_per_minute=700)
    headers = server.zendesk("/groups").headers
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("700", "699")
    assert 0 < int(headers["ratelimit-reset"]) <= 60
    assert "ratelimit-limit" not in server.zendesk("/incremental/organizations.json", start_time=0).headers


@pytest.mark.parametrize("counting", ["sliding", "fixed", "bucket"])
def test_an_export_too_many_must_wait_however_the_vendor_counts(server: Server, counting: str) -> None:
    server.settings(zendesk_exports_per_minute=2, counting=counting)
    replies = [server.zendesk("/incremental/organizations.json", start_time=0) for _ in range(4)]
    assert 429 in [r.status_code for r in replies]
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 60


def test_metric_events_can_be_paged_by_cursor_too(server: Server) -> None:
    page = server.zendesk("/incremental/ticket_metric_events", start_time=0, **{"page[size]": 100}).json()
    assert page["ticket_metric_events"] == expected(server, "ticket_metric_events")[:100]
    assert page["meta"]["has_more"] is True


def test_schedules_come_on_one_page(server: Server) -> None:
    server.settings(gated=[])
    assert server.zendesk("/business_hours/schedules.json").json()["schedules"] == expected(server, "schedules")


@pytest.mark.parametrize("path", ["/ticket_forms.json", "/slas/policies.json", "/business_hours/schedules.json"])
def test_what_the_plan_lacks_is_forbidden_with_an_object_for_an_error(server: Server, path: str) -> None:
    reply = server.zendesk(path)
    assert (reply.status_code, reply.json()["error"]["title"]) == (403, "Forbidden")


def test_any_stream_can_be_gated(server: Server) -> None:
    server.settings(gated=["satisfaction_ratings", "tickets"])
    assert server.zendesk("/satisfaction_ratings").status_code == 403
    assert server.zendesk("/incremental/tickets/cursor.json", start_time=0).status_code == 403
    assert server.zendesk("/tags").status_code == 200


def test_a_wrong_token_is_refused_and_a_bearer_accepted(server: Server) -> None:
    url = f"{server.url}/zendesk/api/v2/groups"
    refused = requests.get(url, auth=("data@catchment.example/token", "wrong"), timeout=10)
    assert (refused.status_code, refused.json()) == (401, {"error": "Couldn't authenticate you"})
    assert requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).status_code == 200


def test_the_eleventh_export_of_a_minute_must_wait(server: Server) -> None:
    server.settings(zendesk_exports_per_minute=10)
    for _ in range(10):
        assert server.zendesk("/incremental/organizations.json", start_time=0).status_code == 200
    refused = server.zendesk("/incremental/organizations.json", start_time=0)
    assert refused.status_code == 429
    assert 50 <= int(refused.headers["Retry-After"]) <= 60
    assert server.zendesk("/groups").status_code == 200


def test_every_reply_tells_the_account_s_limit(server: Server) -> None:
    server.settings(zendesk_per_minute=3)
    replies = [server.zendesk("/groups") for _ in range(4)]
    assert [r.headers["X-Rate-Limit-Remaining"] for r in replies] == ["2", "1", "0", "0"]
    assert [r.status_code for r in replies] == [200, 200, 200, 429]
    assert "Retry-After" in replies[3].headers


@pytest.mark.parametrize("params", [{}, {"start_time": "soon"}, {"cursor": "nonsense"}])
def test_an_export_needs_a_start_or_a_cursor(server: Server, params: dict[str, str]) -> None:
    assert server.zendesk("/incremental/tickets/cursor.json", **params).status_code == 400


def test_an_empty_page_keeps_the_cursor(server: Server) -> None:
    _, cursor = export(server, "tickets", start_time=0)
    assert export(server, "tickets", cursor=cursor) == ([], cursor)


def test_the_list_of_organizations_shows_the_living_ones(server: Server) -> None:
    """What closes the gap that a flood leaves in the incremental export; OpenAPI `GET /organizations`, cursor pages."""
    found, after = [], None
    while True:
        params = {"page[size]": "100", **({"page[after]": after} if after else {})}
        page = server.zendesk("/organizations.json", **params).json()
        found += page["organizations"]
        if not page["meta"]["has_more"]:
            break
        after = page["meta"]["after_cursor"]
    living = [record for record in expected(server, "organizations") if record["deleted_at"] is None]
    assert sorted(found, key=lambda record: record["id"]) == sorted(living, key=lambda record: record["id"])
