"""What happens at a vendor while somebody reads: floods, drift, deletions, records that no parser likes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from local.company.truth import truth
from tests.sandbox.server import NOW, TOKEN, Server
from tests.sandbox.test_zendesk import expected, export, time_export

FLOOD = NOW - 600


def edit(server: Server, stream: str, do: str = "change", **more: Any) -> int:
    return int(server.control("POST", "/edits", {"stream": stream, "do": do, **more})["records"][0])


@pytest.mark.parametrize("stream", ["organizations", "ticket_events", "ticket_metric_events"])
def test_a_flood_of_one_second_stops_a_time_export_where_it_is(server: Server, stream: str) -> None:
    """singer-io/tap-zendesk PR 103, zendesk_api_client_rb 168, estuary/connectors PR 2007: `end_time` does not move."""
    assert edit(server, f"zendesk.{stream}", "add", count=250, at=FLOOD) == 250
    server.settings(zendesk_export_page=100)
    page = server.zendesk(f"/incremental/{stream}.json", start_time=FLOOD).json()
    assert (page["count"], page["end_time"], page["end_of_stream"]) == (100, FLOOD, False)
    again = server.zendesk(f"/incremental/{stream}.json", start_time=page["end_time"]).json()
    assert again[stream] == page[stream]


@pytest.mark.parametrize("stream", ["tickets", "users"])
def test_a_cursor_export_goes_through_a_flood(server: Server, stream: str) -> None:
    _, cursor = export(server, stream, start_time=0)
    edit(server, f"zendesk.{stream}", count=250, at=NOW - 60)
    server.settings(zendesk_export_page=100)
    found, _ = export(server, stream, cursor=cursor)
    assert len({r["id"] for r in found}) == len(found) == 250


def test_what_is_edited_is_the_truth_and_reset_takes_it_back(server: Server) -> None:
    before = expected(server, "organizations")
    edit(server, "zendesk.organizations", count=3, at=FLOOD, fields={"notes": "edited"})
    found, _ = time_export(server, "organizations")
    assert {o["id"]: o for o in found} == {o["id"]: o for o in expected(server, "organizations")}
    assert sum(o["notes"] == "edited" for o in found) >= 3
    server.control("POST", "/reset")
    server.control("POST", "/clock", {"now": NOW})
    assert expected(server, "organizations") == before


def test_edits_outlive_the_year_that_was_built_ahead(server: Server) -> None:
    edit(server, "zendesk.macros", fields={"title": "edited"})
    server.control("POST", "/clock", {"advance": 500 * 86_400})
    assert "edited" in {m["title"] for m in server.zendesk("/macros").json()["macros"]}


def ids_of_pages(server: Server, path: str, records: str, params: dict[str, Any], rule: dict[str, Any]) -> list[int]:
    """The ids of a list's pages, read by its links, while a rule is in force."""
    server.control("POST", "/faults", rule)
    page = server.zendesk(path, **params).json()
    found = [r["id"] for r in page[records]]
    while link := (page["links"]["next"] if "links" in page else page["next_page"]):
        page = requests.get(link, auth=("data@catchment.example/token", TOKEN), timeout=10).json()
        found += [r["id"] for r in page[records]]
    return found


REMOVED = {
    "match": "/zendesk/api/v2/organization_memberships", "kind": "edit", "after": 1,
    "edit": {"stream": "zendesk.organization_memberships", "do": "remove", "count": 5},
}  # fmt: skip


def test_a_list_by_number_drifts_when_records_vanish_while_it_is_read(server: Server) -> None:
    """Zendesk, "Comparing cursor pagination and offset pagination": by number, records are skipped without a word."""
    all_ids = [m["id"] for m in expected(server, "organization_memberships")]
    found = ids_of_pages(server, "/organization_memberships", "organization_memberships", {"per_page": 50}, REMOVED)
    assert set(all_ids[5:]) - set(found) == set(all_ids[50:55])


def test_a_list_by_cursor_does_not_drift(server: Server) -> None:
    all_ids = [m["id"] for m in expected(server, "organization_memberships")]
    found = ids_of_pages(server, "/organization_memberships", "organization_memberships", {"page[size]": 50}, REMOVED)
    assert found == all_ids


def test_a_list_by_number_repeats_a_record_when_another_comes_before_it(server: Server) -> None:
    edit(server, "zendesk.organization_memberships", "remove", count=1)
    rule = {**REMOVED, "edit": {"stream": "zendesk.organization_memberships", "do": "restore", "count": 1}}
    found = ids_of_pages(server, "/organization_memberships", "organization_memberships", {"per_page": 50}, rule)
    assert len(found) == len(set(found)) + 1


def test_a_customer_is_removed_with_its_subscriptions_and_restored_with_them(server: Server) -> None:
    subscription = next(s for s in records(server, "subscriptions") if s["status"] == "active")
    uuid = subscription["customer_uuid"]
    edit(server, "chartmogul.customers", "remove", keys=[uuid])
    assert uuid not in {c["uuid"] for c in records(server, "customers")}
    assert subscription not in records(server, "subscriptions")
    assert server.chartmogul(f"/customers/{uuid}/subscriptions").status_code == 404
    server.control("POST", "/clock", {"advance": 60})
    edit(server, "chartmogul.customers", "restore", keys=[uuid])
    edit(server, "chartmogul.subscriptions", "restore", keys=[subscription["uuid"]])
    assert uuid in {c["uuid"] for c in records(server, "customers")}
    assert server.chartmogul(f"/customers/{uuid}/subscriptions").json()["entries"] == [subscription]


def records(server: Server, stream: str) -> list[dict[str, Any]]:
    at = server.control("GET", "/clock")["now"]
    return [json.loads(body) for body in truth(server.company, "chartmogul", stream, at).values()]


def test_a_system_update_moves_the_generated_timestamp_alone(server: Server) -> None:
    """dlt-hub/verified-sources 621, airbyte PR 81640: automations move it and nothing else."""
    ticket = expected(server, "tickets")[-1]
    edit(server, "zendesk.tickets", keys=[str(ticket["id"])], at=NOW - 60, system=True, fields={"status": "solved"})
    found = next(t for t in export(server, "tickets", start_time=NOW - 120)[0] if t["id"] == ticket["id"])
    changed = {name for name in found if found[name] != ticket[name]}
    assert changed - {"status"} == {"generated_timestamp"}


def test_a_user_erased_for_good_is_in_no_export(server: Server) -> None:
    user = next(u for u in expected(server, "users") if not u["active"])
    edit(server, "zendesk.users", "remove", keys=[str(user["id"])], at=NOW - 120)
    assert user["id"] not in {u["id"] for u in export(server, "users", start_time=0)[0]}


def test_half_an_emoji_comes_as_the_vendor_would_send_it(server: Server) -> None:
    """A subject cut in the middle of a pair is valid JSON that no UTF-8 can hold."""
    edit(server, "zendesk.tickets", at=NOW - 60, json={"subject": '"cut \\ud83e"'})
    body = server.zendesk("/incremental/tickets/cursor.json", start_time=NOW - 120).content
    assert b'"subject":"cut \\ud83e"' in body
    with pytest.raises(UnicodeEncodeError):
        json.loads(body)["tickets"][0]["subject"].encode()


def test_a_record_can_be_too_big_for_a_variant(server: Server) -> None:
    edit(server, "zendesk.tickets", at=NOW - 60, pad={"description": 17 << 20})
    assert len(server.zendesk("/incremental/tickets/cursor.json", start_time=NOW - 120).content) > 16 << 20


def test_a_child_of_a_ticket_has_ids_beyond_53_bits_also_when_added(server: Server) -> None:
    edit(server, "zendesk.organizations", "add", count=2, at=FLOOD)
    added = [o for o in expected(server, "organizations") if o["created_at"] == o["updated_at"] and o["id"] > 10**12]
    assert {o["external_id"] for o in added} == {None}
    assert len({o["id"] for o in added}) == 2


@pytest.mark.parametrize("stream", ["chartmogul.activities", "zendesk.sheep", "google_sheets.targets"])
def test_what_is_derived_or_not_there_can_t_be_edited(server: Server, stream: str) -> None:
    reply = requests.post(f"{server.url}/_sandbox/edits", json={"stream": stream}, timeout=10)
    assert (reply.status_code, stream in reply.json()["error"]) == (400, True)
