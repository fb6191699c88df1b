"""Requests to a vendor, over real HTTP: signed in, tried again as the vendor asks, errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from catchment.errors import NeedsPerson, RateLimited, Refused, VendorUnavailable
from catchment.extract.http import Cancelled, Vendor
from catchment.extract.retry import RetryRule
from catchment.spec import SECOND, RateLimit
from tests.support.make import connection, source
from tests.support.vendor import Reply, Request, Scripted


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with Scripted(lambda request: Reply(b"fine")).running() as server:
        yield server


def vendor(server: Scripted, **more: Any) -> Vendor:
    return Vendor(source(), connection(f"{server.url}/base/v1"), **more)


def script(server: Scripted, *replies: Reply) -> None:
    """Each reply once, the last one from then on."""
    left = list(replies)
    server.handler = lambda request: left.pop(0) if len(left) > 1 else left[0]


def get(server: Scripted, **more: Any) -> bytes:
    return vendor(server, **more).get("things", {"a": "1"}, accept=bytes)


def test_a_request_says_who_asks_and_what_it_takes(scripted: Scripted) -> None:
    get(scripted)
    request = scripted.requests[0]
    assert (request.path, request.query) == ("/base/v1/things", {"a": "1"})
    assert request.headers["user-agent"].startswith("catchment/")
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["authorization"] == "Basic a2V5Og=="


def test_values_are_bound_and_never_part_of_the_address(scripted: Scripted) -> None:
    vendor(scripted).get("things", {"cursor": "a&b=c#d é", "none": None}, accept=bytes)
    assert scripted.requests[0].query == {"cursor": "a&b=c#d é"}


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 524])
def test_a_passing_status_is_tried_again(scripted: Scripted, status: int) -> None:
    script(scripted, Reply(b"", status), Reply(b"fine"))
    assert get(scripted) == b"fine"
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("reply", [Reply(b"0123456789", cut=4), Reply(b"0123456789", cut=0)])
def test_a_connection_cut_in_mid_body_is_tried_again(scripted: Scripted, reply: Reply) -> None:
    script(scripted, reply, Reply(b"fine"))
    assert get(scripted) == b"fine"


def test_a_reply_that_is_not_accepted_is_asked_for_again_and_then_named(scripted: Scripted) -> None:
    def refuse(body: bytes) -> bytes:
        raise VendorUnavailable("the reply is not JSON")

    with pytest.raises(
        VendorUnavailable, match=r"GET /things failed 3 times, at last with: HTTP 200, but the reply is"
    ):
        vendor(scripted).get("things", {}, accept=refuse)
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (400, "Compare the stream's spec"),
        (401, 'Renew them in the connection "vendor"'),
        (402, "the plan does not pay"),
        (403, "Grant the scope"),
        (404, "Check the base URL"),
        (422, "Compare the stream's spec"),
        (302, "Compare the stream's spec"),
    ],
)
def test_what_a_person_must_mend_is_asked_once_and_says_how(scripted: Scripted, status: int, cure: str) -> None:
    script(scripted, Reply.json({"error": {"title": "Sorry", "message": "not you"}}, status))
    with pytest.raises(Refused, match=cure) as raised:
        get(scripted)
    assert raised.value.status == status
    assert len(scripted.requests) == 1
    assert f"{status} from GET /things" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": "InvalidThing", "description": "no"}, '("InvalidThing")'),
        ({"errors": {"name": "Has already been taken."}}, '("name: Has already been taken.")'),
        ({"code": 400, "message": "Parameter is missing"}, '("Parameter is missing")'),
        ({"error": {"code": 403, "message": "The caller has no permission"}}, '("The caller has no permission")'),
    ],
)
def test_the_vendors_own_words_are_shown(scripted: Scripted, body: Any, shown: str) -> None:
    script(scripted, Reply.json(body, 400))
    with pytest.raises(Refused) as raised:
        get(scripted)
    assert shown in str(raised.value)


def test_a_wait_that_the_vendor_asks_for_is_waited(scripted: Scripted) -> None:
    waits: list[float] = []
    script(scripted, Reply(b"", 429, {"Retry-After": "7"}), Reply(b"fine"))
    assert get(scripted, retry=RetryRule(), sleep=waits.append) == b"fine"
    assert waits == [7.0]


def test_a_wait_longer_than_a_slot_should_be_held_ends_the_attempt(scripted: Scripted) -> None:
    script(scripted, Reply(b"", 429, {"Retry-After": "600"}))
    with pytest.raises(RateLimited, match="wants us to wait 600 s") as raised:
        get(scripted)
    assert raised.value.after is not None
    assert raised.value.after.total_seconds() == 600
    assert len(scripted.requests) == 1


def test_googles_403_for_too_many_requests_is_a_limit_and_no_refusal(scripted: Scripted) -> None:
    body = {"error": {"errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}], "code": 403}}
    script(scripted, Reply.json(body, 403), Reply(b"fine"))
    assert get(scripted) == b"fine"
    script(scripted, Reply.json(body, 403))
    with pytest.raises(RateLimited):
        get(scripted)


def test_a_vendor_that_is_not_there_may_come_back(scripted: Scripted) -> None:
    gone = Vendor(source(), connection("http://127.0.0.1:9"))
    with pytest.raises(VendorUnavailable, match="GET /things failed 3 times"):
        gone.get("things", {}, accept=bytes)


def test_the_tally_counts_requests_retries_and_waits(scripted: Scripted) -> None:
    script(scripted, Reply(b"", 500), Reply(b"", 500), Reply(b"fine"))
    opened = vendor(scripted)
    opened.get("things", {}, accept=bytes)
    assert (opened.tally.requests, opened.tally.retries) == (3, 2)
    assert opened.tally.waited > 0


def test_a_cancelled_vendor_asks_for_nothing_more(scripted: Scripted) -> None:
    opened = vendor(scripted)
    opened.cancel()
    with pytest.raises(Cancelled):
        opened.get("things", {}, accept=bytes)
    assert scripted.requests == []


def test_a_limit_holds_and_a_connection_may_change_it(scripted: Scripted) -> None:
    waits: list[float] = []
    limited = connection(scripted.url, extra={"rate_limits": {"account": 5000, "slow": 2}})
    opened = Vendor(source(), limited, sleep=waits.append)
    for _ in range(3):
        opened.get("things", {}, accept=bytes, limit=RateLimit(100, per=60 * SECOND, name="slow"))
    assert len(waits) == 1
    assert 55 < waits[0] <= 60


def test_a_limit_of_nothing_needs_a_person(scripted: Scripted) -> None:
    opened = Vendor(source(), connection(scripted.url, extra={"rate_limits": {"account": 0}}))
    with pytest.raises(NeedsPerson, match=r"rate_limits\.account"):
        opened.get("things", {}, accept=bytes)


def test_a_retry_rule_with_an_unknown_word_needs_a_person() -> None:
    with pytest.raises(NeedsPerson, match="tries, first, longest, patience"):
        Vendor(source(), connection(extra={"retry": {"tires": 3}}))


def test_no_secret_is_in_an_error(scripted: Scripted) -> None:
    def handler(request: Request) -> Reply:
        return Reply.json({"error": "no"}, 401)

    scripted.handler = handler
    secret = connection(scripted.url, login="s3cret-key")
    with pytest.raises(Refused) as raised:
        Vendor(source(), secret).get("things", {"token": "s3cret-param"}, accept=bytes)
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(secret.extra)
