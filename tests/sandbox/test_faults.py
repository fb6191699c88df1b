"""Every kind of trouble, on demand and repeatable."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.sandbox.server import KEY, Server


def fault(server: Server, match: str, kind: str, **more: Any) -> None:
    server.control("POST", "/faults", {"match": match, "kind": kind, **more})


def plans(server: Server, **params: Any) -> requests.Response:
    return server.chartmogul("/plans", per_page=3, **params)


PLANS = "/chartmogul/v1/plans"
UNAUTHENTICATED = {"code": 401, "message": "The sandbox was told to answer 401.", "status": "UNAUTHENTICATED"}
EXPORT = "/zendesk/api/v2/incremental/users"


@pytest.mark.parametrize(
    ("kind", "more", "status"),
    [
        ("status", {"status": 502}, 502),
        ("status", {"status": 404}, 404),
        ("no_retry_after", {}, 429),
        ("retry_after", {"seconds": 7}, 429),
        ("revoke", {}, 401),
        ("revoke", {"status": 403}, 403),
        ("html", {"status": 200}, 200),
        ("html", {"status": 503}, 503),
    ],
)
def test_a_reply_can_be_replaced_by_a_refusal(server: Server, kind: str, more: dict[str, Any], status: int) -> None:
    fault(server, PLANS, kind, **more)
    reply = plans(server)
    assert reply.status_code == status
    assert reply.headers.get("Retry-After") == ("7" if kind == "retry_after" else None)
    assert plans(server).json()["plans"]


@pytest.mark.parametrize("status", [301, 302])
def test_an_account_that_moved_sends_to_the_same_place_elsewhere(server: Server, status: int) -> None:
    """What a renamed subdomain does. The query goes with it, and so would a token that a client sends on."""
    fault(server, "/zendesk", "redirect", status=status, to="http://127.0.0.1:9/moved/api/v2")
    reply = server.zendesk("/groups.json", allow_redirects=False, **{"page[size]": 5})
    assert reply.status_code == status
    assert reply.headers["Location"] == "http://127.0.0.1:9/moved/api/v2/groups.json?page%5Bsize%5D=5"


@pytest.mark.parametrize(
    ("path", "records"),
    [("/groups?page[size]=1", "groups"), ("/incremental/organizations.json?start_time=0", "organizations")],
)
def test_a_list_can_be_empty_once_with_all_the_signs_of_its_end(server: Server, path: str, records: str) -> None:
    fault(server, "/zendesk", "empty_list")
    first, second = (server.zendesk(path).json() for _ in range(2))
    assert first[records] == []
    assert first.get("end_of_stream", True) is True
    assert first.get("meta", {"has_more": False})["has_more"] is False
    assert second[records]


def test_a_refusal_can_have_any_body_and_422_quotes_the_record(server: Server) -> None:
    """Zendesk's RecordInvalid carries `details` with the values that it refuses: an address in an error message."""
    fault(server, "/zendesk", "status", status=422)
    body = server.zendesk("/groups").json()
    assert (body["error"], "jo.doe@customer.example" in str(body["details"])) == ("RecordInvalid", True)
    fault(server, "/zendesk", "status", status=400, body={"errors": [{"code": "QueryError"}]})
    assert server.zendesk("/groups").json() == {"errors": [{"code": "QueryError"}]}


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("/chartmogul/v1/account", {"code": 401, "message": "The sandbox was told to answer 401."}),
        ("/zendesk/api/v2/groups", {"error": "Couldn't authenticate you"}),
        ("/google/v4/spreadsheets/x", {"error": UNAUTHENTICATED}),
    ],
)
def test_a_refusal_has_the_vendor_s_own_body(server: Server, url: str, error: Any) -> None:
    fault(server, "/", "revoke", times=0)
    for _ in range(2):
        assert requests.get(server.url + url, timeout=10).json() == error


def test_html_comes_with_status_200(server: Server) -> None:
    fault(server, PLANS, "html", status=200)
    assert plans(server).text.startswith("<!DOCTYPE html>")


def test_a_rule_waits_for_its_turn_and_ends_after_it(server: Server) -> None:
    fault(server, PLANS, "status", after=2, times=3)
    assert [plans(server).status_code for _ in range(7)] == [200, 200, 500, 500, 500, 200, 200]


def test_a_rule_may_match_method_and_query_by_expression(server: Server) -> None:
    fault(server, r"^GET .*/plans\?.*cursor=", "status", times=0)
    first = plans(server)
    assert first.status_code == 200
    assert plans(server, cursor=first.json()["cursor"]).status_code == 500


def test_a_body_can_be_cut_in_the_middle(server: Server) -> None:
    fault(server, PLANS, "cut_body")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        plans(server)
    assert plans(server).json()["plans"]


@pytest.mark.parametrize("kind", ["truncated_json", "invalid_json"])
def test_a_whole_reply_can_hold_half_a_value(server: Server, kind: str) -> None:
    fault(server, PLANS, kind)
    reply = plans(server)
    assert reply.status_code == 200
    assert len(reply.content) == int(reply.headers["Content-Length"])
    with pytest.raises(requests.exceptions.JSONDecodeError):
        reply.json()


def test_a_timeout_ends_the_connection_without_a_reply(server: Server) -> None:
    fault(server, PLANS, "timeout", seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(requests.exceptions.RequestException):
        plans(server)
    assert time.monotonic() - begun >= 0.3


def test_a_slow_reply_is_whole(server: Server) -> None:
    fault(server, PLANS, "slow", seconds=0.3)
    reply = plans(server)
    assert reply.elapsed.total_seconds() >= 0.3
    assert reply.json()["plans"]


def test_a_page_can_come_twice(server: Server) -> None:
    fault(server, PLANS, "repeat_page", after=1)
    first = plans(server)
    again = plans(server, cursor=first.json()["cursor"])
    assert again.content == first.content
    assert plans(server, cursor=first.json()["cursor"]).content != first.content


def test_a_cursor_can_loop(server: Server) -> None:
    fault(server, PLANS, "cursor_loop", after=1)
    first = plans(server).json()
    second = plans(server, cursor=first["cursor"]).json()
    assert (second["cursor"], second["has_more"]) == (first["cursor"], True)


def test_an_export_can_loop(server: Server) -> None:
    first = server.zendesk("/incremental/users/cursor.json", start_time=0, per_page=10).json()
    fault(server, EXPORT, "cursor_loop")
    second = server.zendesk("/incremental/users/cursor.json", cursor=first["after_cursor"], per_page=10).json()
    assert (second["after_cursor"], second["end_of_stream"]) == (first["after_cursor"], False)


def test_rows_can_shift_between_pages(server: Server) -> None:
    fault(server, PLANS, "shift_rows", after=1)
    first = plans(server).json()
    second = plans(server, cursor=first["cursor"]).json()
    assert second["plans"][0] == first["plans"][-1]
    assert len(second["plans"]) == 4


def test_a_field_can_be_missing_added_or_of_another_type(server: Server) -> None:
    for kind, more in (
        ("drop_field", {"field": "email"}),
        ("extra_field", {}),
        ("string_for_object", {"field": "attributes"}),
    ):
        fault(server, "/chartmogul/v1/customers", kind, times=0, **more)
        record = server.chartmogul("/customers").json()["entries"][0]
        assert ("email" in record, "surprise" in record, isinstance(record["attributes"], str)) == (
            kind != "drop_field",
            kind == "extra_field",
            kind == "string_for_object",
        )
        server.control("DELETE", "/faults")


def test_a_field_of_the_envelope_can_be_missing(server: Server) -> None:
    fault(server, PLANS, "drop_field", field="has_more")
    assert "has_more" not in plans(server).json()


def test_the_same_requests_meet_the_same_trouble(server: Server) -> None:
    def run() -> list[tuple[int, bytes]]:
        server.control("DELETE", "/faults")
        fault(server, PLANS, "truncated_json", after=1, times=2, keep=0.3)
        return [(r.status_code, r.content) for r in (plans(server) for _ in range(4))]

    assert run() == run()


def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(server: Server) -> None:
    reply = requests.post(f"{server.url}/_sandbox/faults", json={"match": "/", "kind": "earthquake"}, timeout=10)
    assert reply.status_code == 400
    assert "earthquake" in reply.json()["error"]


def test_the_log_tells_method_path_status_and_fault(server: Server) -> None:
    fault(server, PLANS, "status", status=503)
    server.control("DELETE", "/requests")
    plans(server)
    requests.get(f"{server.url}/chartmogul/v1/ping", auth=(KEY, ""), timeout=10)
    assert server.control("GET", "/requests") == [
        {"method": "GET", "path": "/chartmogul/v1/plans?per_page=3", "status": 503, "fault": "status"},
        {"method": "GET", "path": "/chartmogul/v1/ping", "status": 200, "fault": None},
    ]
