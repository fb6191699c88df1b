"""Requests to a vendor, over real HTTP: signed in, tried again as the vendor asks, errors as sentences."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from catchment.errors import NeedsPerson, RateLimited, Refused, VendorUnavailable
from catchment.extract.splitter import Splitter
from catchment.http.actions import INVALID_CURSOR, Action, Do, PlanGated, Skipped
from catchment.http.auth import ApiKeyParam, OAuth2ClientCredentials
from catchment.http.client import Cancelled, retry_rule
from catchment.http.client import Reply as Accepted
from catchment.http.paginators import PageNumber
from catchment.http.request import Request
from catchment.http.retry import RetryRule
from catchment.reads.http_pages import list_pages
from tests.support.vendor import Reply, Scripted
from tests.support.vendor import Request as Asked
from tests.unit.http.fakes import Budget, client, connection

THINGS = Request("things", params={"a": "1"})


@pytest.fixture
def vendor() -> Iterator[Scripted]:
    with Scripted(lambda request: Reply(b"fine")).running() as server:
        yield server


def script(server: Scripted, *replies: Reply) -> None:
    """Each reply once, the last one from then on."""
    left = list(replies)
    server.handler = lambda request: left.pop(0) if len(left) > 1 else left[0]


def body(reply: Accepted) -> bytes:
    return reply.body


def ask(server: Scripted, request: Request = THINGS, **more: Any) -> bytes:
    return client(f"{server.url}/base/v1", **more).send(request, accept=body)


def refusal(server: Scripted, request: Request = THINGS, **more: Any) -> str:
    with pytest.raises(Refused) as raised:
        ask(server, request, **more)
    return str(raised.value)


def test_a_request_says_who_asks_and_what_it_takes(vendor: Scripted) -> None:
    ask(vendor, headers={"Api-Version": "2026-01-01"})
    asked = vendor.requests[0]
    assert (asked.path, asked.query) == ("/base/v1/things", {"a": "1"})
    assert asked.headers["user-agent"].startswith("catchment/")
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.headers["authorization"] == "Bearer key"
    assert asked.headers["api-version"] == "2026-01-01"


def test_a_search_by_post_sends_its_body_as_json(vendor: Scripted) -> None:
    ask(vendor, Request("search", "POST", json={"after": "é"}))
    asked = vendor.requests[0]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert asked.body == '{"after":"é"}'.encode()


def test_an_accept_sees_headers_whatever_their_case(vendor: Scripted) -> None:
    script(vendor, Reply(b"", 200, {"X-Next-Page": "2"}))
    assert client(vendor.url).send(THINGS, accept=lambda reply: reply.headers["x-next-page"]) == "2"


# --- tried again ---


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 524])
def test_a_passing_status_is_tried_again(vendor: Scripted, status: int) -> None:
    script(vendor, Reply(b"", status), Reply(b"fine"))
    assert ask(vendor) == b"fine"
    assert len(vendor.requests) == 2


def test_a_wait_that_the_token_endpoint_asks_for_is_waited(vendor: Scripted) -> None:
    """Its limits are the vendor's too, and often lower. Ours came again after a second, and was refused six times."""
    waits: list[float] = []
    token = Reply.json({"access_token": "t"})
    script(vendor, Reply(b"", 429, {"Retry-After": "9"}), token, Reply(b"fine"))
    auth = OAuth2ClientCredentials(f"{vendor.url}/token")
    assert (
        ask(vendor, auth=auth, of=connection(vendor.url, login="c"), retry=RetryRule(), sleep=waits.append) == b"fine"
    )
    assert waits == [9.0]


def test_no_content_is_an_empty_page(vendor: Scripted) -> None:
    """MeltanoLabs/tap-github #140, dlt-hub/dlt #1849: 204 for an empty repository was read as JSON, and failed.

    A 200 without a body is a reply that broke off: it is asked for again.
    """
    script(vendor, Reply.json({"data": [{"id": 1}]}), Reply(b"", 200), Reply(b"", 204))
    splitter = Splitter("data", ("id",))
    read = list(list_pages(client(vendor.url).send, THINGS, PageNumber(start=0), splitter))
    assert [len(page.records) for page in read] == [1, 0]
    assert [asked.query["page"] for asked in vendor.requests] == ["0", "1", "1"]


@pytest.mark.parametrize("reply", [Reply(b"0123456789", cut=4), Reply(b"0123456789", cut=0)])
def test_a_connection_cut_in_mid_body_is_tried_again(vendor: Scripted, reply: Reply) -> None:
    script(vendor, reply, Reply(b"fine"))
    assert ask(vendor) == b"fine"


def test_a_reply_that_is_not_accepted_is_asked_for_again_and_then_named(vendor: Scripted) -> None:
    def refuse(reply: Accepted) -> bytes:
        raise VendorUnavailable("the reply is not JSON")

    with pytest.raises(
        VendorUnavailable, match=r"GET /things failed 3 times, at last with: HTTP 200, but the reply is"
    ):
        client(vendor.url).send(THINGS, accept=refuse)
    assert len(vendor.requests) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_vendor_asks_for_is_waited(vendor: Scripted, status: int) -> None:
    """apache/iggy #4168: Retry-After was read with a 429 only, and a 503's was thrown away. Right: with both."""
    waits: list[float] = []
    script(vendor, Reply(b"", status, {"Retry-After": "7"}), Reply(b"fine"))
    assert ask(vendor, retry=RetryRule(), sleep=waits.append) == b"fine"
    assert waits == [7.0]


def test_a_wait_longer_than_a_slot_should_be_held_ends_the_attempt(vendor: Scripted) -> None:
    """CAMEL-23345 and conda PR 13050: `Retry-After: 3600`, or 24 hours, and the client seemed to hang.

    Right: the task gives its slot back at once, and says for how long.
    """
    script(vendor, Reply(b"", 429, {"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="wants us to wait 3600 s") as raised:
        ask(vendor)
    assert raised.value.after == timedelta(hours=1)
    assert len(vendor.requests) == 1


def test_a_vendor_that_is_always_over_its_limit_ends_after_the_declared_waits(vendor: Scripted) -> None:
    """Waits short enough to be honoured still have an end: tries × timeout seconds at most."""
    waits: list[float] = []
    script(vendor, Reply(b"", 429, {"Retry-After": "100"}))
    with pytest.raises(RateLimited, match="6 times") as raised:
        ask(vendor, retry=RetryRule(), sleep=waits.append)
    assert waits == [100.0] * 5
    assert raised.value.after == timedelta(seconds=100)


def test_googles_403_for_too_many_requests_is_a_limit_and_no_refusal(vendor: Scripted) -> None:
    reply = {"error": {"errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}], "code": 403}}
    script(vendor, Reply.json(reply, 403), Reply(b"fine"))
    assert ask(vendor) == b"fine"
    script(vendor, Reply.json(reply, 403))
    with pytest.raises(RateLimited):
        ask(vendor)


def test_a_limit_that_is_told_with_200_is_a_limit(vendor: Scripted) -> None:
    """Shopify/cli PR 8317: GraphQL answers 200 with `THROTTLED`, and it failed at once, or was taken for a failure.

    Right: a spec can say that it is a limit: waited for, told to the other callers, and deferred as a 429 is.
    """
    throttled = Reply.json({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]})
    script(vendor, throttled, Reply(b"fine"))
    budget = Budget()
    opened = client(vendor.url, limits=budget, api_limits=("points",), error_field="errors")
    action = Action(200, Do.LIMIT, contains='"throttled"')
    assert opened.send(THINGS, accept=body, actions=(action,)) == b"fine"
    assert budget.learned == [("points", 429), ("points", 200)]
    script(vendor, throttled)
    with pytest.raises(RateLimited):
        ask(vendor, error_field="errors", actions=(action,))


def test_a_record_that_looks_like_an_error_is_none(vendor: Scripted) -> None:
    """Shopify/cli PR 8317: what users write must not look like a limit. A record's text made a good page a bad one."""
    page = {"data": {"products": [{"name": "Throttled"}]}, "errors": []}
    script(vendor, Reply.json(page))
    actions = (Action(200, Do.LIMIT, contains='"throttled"'),)
    assert json.loads(ask(vendor, error_field="errors", actions=actions)) == page


def test_a_limit_without_retry_after_is_waited_for_until_its_window_ends(vendor: Scripted) -> None:
    """mvanhorn/last30days-skill PR 1048, meltano/sdk PR 3672: only the window's end is named, and was not read.

    Right: the task gives its slot back, and says for how long.
    """
    script(vendor, Reply(b"", 429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 900)}))
    with pytest.raises(RateLimited) as raised:
        ask(vendor)
    assert raised.value.after is not None
    assert 890 < raised.value.after.total_seconds() <= 901
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\xef\xbb\xbf[1]",
        gzip.compress(b"[1]", mtime=0),
        gzip.compress(b"\xef\xbb\xbf[1]", mtime=0),
        gzip.compress(b"[", mtime=0) + gzip.compress(b"1]", mtime=0),
    ],
)
def test_a_body_is_plain_whatever_its_headers_say(vendor: Scripted, sent: bytes) -> None:
    """airbytehq/airbyte #56988, amzn/selling-partner-api-docs #1583: gzip, and no Content-Encoding that says so.

    home-assistant/core #48032, dgtlmoon/changedetection.io #2945: a byte order mark before the JSON.
    """
    script(vendor, Reply(sent))
    assert ask(vendor) == b"[1]"


def test_a_body_whose_gzip_is_cut_short_is_asked_for_again(vendor: Scripted) -> None:
    """pydantic/pydantic-ai #7159: a gzip stream that ends before its trailer was taken for the whole document."""
    whole = gzip.compress(json.dumps(list(range(500))).encode())
    script(vendor, Reply(whole[:-9]), Reply(whole))
    assert json.loads(ask(vendor)) == list(range(500))


def test_a_vendor_that_is_not_there_may_come_back() -> None:
    with pytest.raises(VendorUnavailable, match="GET /things failed 3 times"):
        client("http://127.0.0.1:9").send(THINGS, accept=body)


def test_the_tally_counts_requests_retries_and_waits(vendor: Scripted) -> None:
    script(vendor, Reply(b"", 500), Reply(b"", 500), Reply(b"fine"))
    opened = client(vendor.url)
    opened.send(THINGS, accept=body)
    assert (opened.tally.requests, opened.tally.retries) == (3, 2)
    assert opened.tally.waited > 0


# --- refused ---


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (400, "Compare the stream's spec"),
        (401, 'Renew them in the connection "vendor"'),
        (402, "the plan does not pay"),
        (403, "Grant the scope"),
        (404, "base URL in the connection"),
        (422, "Compare the stream's spec"),
        (304, "Compare the stream's spec"),
    ],
)
def test_what_a_person_must_fix_is_asked_once_and_says_how(vendor: Scripted, status: int, cure: str) -> None:
    script(vendor, Reply.json({"error": {"title": "Sorry", "message": "not you"}}, status))
    with pytest.raises(Refused, match=cure) as raised:
        ask(vendor)
    assert raised.value.status == status
    assert len(vendor.requests) == 1
    assert f"{status} from GET /things" in str(raised.value)


class Robot:
    """Signs in as somebody with a name, as Google's service accounts do."""

    identity = "robot@project.example"

    def sign_in(self, _: Any) -> Robot:
        return self

    def __call__(self) -> dict[str, str]:
        return {}


@pytest.mark.parametrize(
    ("status", "cure"),
    [(403, "Share it with that address, or grant the scope"), (404, "or not shared with robot@project.example")],
)
def test_what_is_not_shared_with_a_service_account_names_the_account(vendor: Scripted, status: int, cure: str) -> None:
    """googleapis/google-api-ruby-client #461, node-google-spreadsheet #164: 403 on every sheet, and nothing says why.

    The cure was to share the sheet with the key's `client_email`. Right: the message prints that address.
    """
    script(vendor, Reply.json({"error": {"code": status, "message": "The caller does not have permission"}}, status))
    told = refusal(vendor, auth=Robot())
    assert cure in told
    assert "robot@project.example" in told


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_account_that_moved_is_named_and_gets_no_token(vendor: Scripted, status: int) -> None:
    """urllib3 #1316 and python/cpython #77842: the token went along with the redirect to another host.

    Right: nothing is sent there, and the message says which base URL to put into the connection.
    """
    with Scripted(lambda request: Reply(b"fine")).running() as other:
        there = other.url.replace("127.0.0.1", "localhost")
        script(vendor, Reply(b"", status, {"Location": f"{there}/base/v1/things?token=s3cret"}))
        told = refusal(vendor)
        assert 'the account has moved to localhost: change the base URL in the connection "vendor"' in told
        assert "s3cret" not in told
        assert other.requests == []


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("https://127.0.0.1/base/v1/things", "the API is at https://127.0.0.1 now: change the base URL"),
        ("/base/v1/things/", "the vendor redirects to /base/v1/things/"),
        ("", "does not say where to"),
        ("https://[x", "does not say where to"),
    ],
)
def test_other_redirects_say_what_to_change(vendor: Scripted, location: str, says: str) -> None:
    script(vendor, Reply(b"", 301, {"Location": location}))
    assert says in refusal(vendor)


def test_a_next_page_on_another_host_gets_no_token(vendor: Scripted) -> None:
    with Scripted(lambda request: Reply(b"fine")).running() as other:
        there = other.url.replace("127.0.0.1", "localhost")
        with pytest.raises(NeedsPerson, match="no credentials were sent there"):
            ask(vendor, THINGS.follow(f"{there}/things?page=2"))
        assert other.requests == []


def test_a_download_elsewhere_carries_no_credentials(vendor: Scripted) -> None:
    with Scripted(lambda request: Reply(b"csv")).running() as other:
        assert ask(vendor, Request(f"{other.url}/report.csv?signature=x", signed=False)) == b"csv"
        assert "authorization" not in other.requests[0].headers
        script(other, Reply(b"<Error/>", 403))
        assert "download address is refused or has expired" in refusal(
            vendor, Request(f"{other.url}/report.csv", signed=False)
        )


def test_a_key_in_the_query_is_sent_with_every_page_and_to_no_other_host(vendor: Scripted) -> None:
    """FDA/openfda #107: the next link lacks the key. dlt-hub/dlt #1514: where it has it, it was sent twice."""
    with Scripted(lambda request: Reply(b"fine")).running() as other:
        opened = client(vendor.url, auth=ApiKeyParam("api_key"), of=connection(vendor.url, password="s3 cret"))
        for request in (THINGS, THINGS.follow("/things?page=2"), THINGS.follow("/things?api_key=s3%20cret&page=3")):
            opened.send(request, accept=body)
        opened.send(Request(f"{other.url}/report?signature=x", signed=False), accept=body)
    assert [asked.query for asked in vendor.requests] == [
        {"a": "1", "api_key": "s3 cret"},
        {"page": "2", "api_key": "s3 cret"},
        {"page": "3", "api_key": "s3 cret"},
    ]
    assert other.requests[0].query == {"signature": "x"}
    script(vendor, Reply(b"", 403))
    with pytest.raises(Refused) as raised:
        opened.send(THINGS, accept=body)
    assert "s3" not in str(raised.value)


# --- downloads ---


def download(server: Scripted, request: Request, **more: Any) -> bytes:
    file = BytesIO(b"what an earlier try wrote, which is longer than what comes")
    client(server.url, **more).download(request, file)
    return file.read()


def test_a_download_is_written_to_a_file_and_begun_again_when_it_breaks_off(vendor: Scripted) -> None:
    script(vendor, Reply(b"a,b\n1,2\n", cut=5), Reply(b"", 503), Reply(b"a,b\n1,2\n"))
    assert download(vendor, Request("report.csv")) == b"a,b\n1,2\n"
    assert vendor.requests[0].headers["accept"] == "*/*"


def test_a_download_is_unzipped_and_one_that_is_cut_short_is_begun_again(vendor: Scripted) -> None:
    whole = gzip.compress(b"line\n" * 100_000)
    script(vendor, Reply(whole[:-20]), Reply(whole))
    assert download(vendor, Request("report.csv.gz")) == b"line\n" * 100_000


def test_a_download_that_is_redirected_to_a_storage_carries_no_credentials_there(vendor: Scripted) -> None:
    """nasa/harmony-service-lib-py PR 55, request/request #860: S3 refuses a signed address that comes with a token.

    Right: the redirect is followed, once, and nothing of ours is sent along; an API's own headers neither.
    """
    with Scripted(lambda request: Reply(b"csv")).running() as storage:
        there = storage.url.replace("127.0.0.1", "localhost")
        script(vendor, Reply(b"", 302, {"Location": f"{there}/r.csv?X-Amz-Signature=s3cret"}))
        budget = Budget()
        more: dict[str, Any] = {"headers": {"Developer-Token": "s3cret"}, "limits": budget, "api_limits": ("account",)}
        assert download(vendor, Request("report"), **more) == b"csv"
        (asked,) = storage.requests
        assert asked.path == "/r.csv"
        assert not {"authorization", "developer-token"} & set(asked.headers)
        assert budget.learned == [("account", 302)]
        script(vendor, Reply(b"", 307, {"Location": "/other"}), Reply(b"here"))
        assert download(vendor, Request("report")) == b"here"
        assert vendor.requests[-1].headers["authorization"] == "Bearer key"
        script(vendor, Reply(b"", 302, {"Location": f"{there}/r.csv?X-Amz-Signature=s3cret"}))
        storage.handler = lambda request: Reply(b"", 302, {"Location": f"{there}/again"})
        with pytest.raises(Refused, match=r"302 from GET /r\.csv") as raised:
            download(vendor, Request("report"))
        assert "s3cret" not in str(raised.value)


def test_no_secret_is_in_an_error(vendor: Scripted) -> None:
    script(vendor, Reply.json({"error": "no"}, 401))
    secret = connection(vendor.url, password="s3cret-key")
    told = refusal(vendor, Request("things", params={"token": "s3cret-param"}), of=secret)
    assert "s3cret" not in told


# --- actions ---


def test_what_an_error_means_to_an_api_comes_before_the_clients_own_rules(vendor: Scripted) -> None:
    script(vendor, Reply.json({"error": "RecordNotFound"}, 404))
    with pytest.raises(Skipped) as raised:
        ask(vendor, actions=(Action(404, Do.SKIP, contains="recordnotfound"),))
    assert raised.value.status == 404
    script(vendor, Reply.json({"error": "Upgrade"}, 403))
    with pytest.raises(PlanGated):
        ask(vendor, actions=(Action((402, 403), Do.GATED),))


def test_people_in_a_vendors_error_are_not_shown(vendor: Scripted) -> None:
    """A 422 quotes what it refused; an error goes to logs, mails and tickets."""
    script(vendor, Reply.json({"error": "RecordInvalid", "description": "Email: ann@x.example is taken"}, 422))
    told = refusal(vendor)
    assert "RecordInvalid: Email: <e-mail> is taken" in told
    assert "ann@" not in told


def test_an_action_may_retry_what_is_final_and_fail_what_passes(vendor: Scripted) -> None:
    script(vendor, Reply.json({"error": "still indexing"}, 400), Reply(b"fine"))
    assert ask(vendor, actions=(Action(400, Do.RETRY, contains="indexing"),)) == b"fine"
    script(vendor, Reply.json({"error": "monthly quota used up"}, 429))
    told = refusal(vendor, actions=(Action(429, Do.FAIL, contains="monthly quota", cure="wait for the new month"),))
    assert told.endswith("wait for the new month")


def test_an_error_that_comes_with_a_200_is_an_error(vendor: Scripted) -> None:
    """Slack and GraphQL answer errors with 200: without an action it would be a page without its list."""
    script(vendor, Reply.json({"ok": False, "error": "invalid_auth"}))
    assert "200 from GET /things" in refusal(vendor, actions=(Action(200, Do.FAIL, contains='"ok": false', cure="x"),))


def test_data_beside_errors_is_no_data(vendor: Scripted) -> None:
    """meltano/sdk PR 3684: GraphQL sends `data` with holes beside `errors`, and the tap read on.

    Right: it is refused with the vendor's words, unless an action says that it passes.
    """
    holes = {"data": {"things": [{"id": 1}, None]}, "errors": [{"message": "Internal server error", "path": [1]}]}
    script(vendor, Reply.json(holes))
    assert '200 from GET /things ("Internal server error")' in refusal(vendor, error_field="errors")
    script(vendor, Reply.json(holes), Reply.json({"data": {}, "errors": []}))
    passes = Action(200, Do.RETRY, contains="internal server error")
    assert ask(vendor, error_field="errors", actions=(passes,)) == b'{"data": {}, "errors": []}'
    empty = (Reply.json({"data": 1, "errors": none}) for none in (None, [], {}, "", False))
    for whole in (Reply.json({"data": {"errors": 1}}), Reply.json([1]), Reply(b"no JSON"), *empty):
        script(vendor, whole)
        assert ask(vendor, error_field="errors") == whole.body


def test_a_streams_actions_come_before_its_apis(vendor: Scripted) -> None:
    script(vendor, Reply(b"", 404))
    opened = client(vendor.url, actions=(Action(404, Do.FAIL, cure="api"),))
    with pytest.raises(Skipped):
        opened.send(THINGS, accept=body, actions=(Action(404, Do.SKIP),))


def test_a_cursor_that_is_no_longer_valid_says_that_a_full_run_recovers(vendor: Scripted) -> None:
    script(vendor, Reply.json({"error": "InvalidCursor", "description": "The cursor is not valid"}, 400))
    told = refusal(vendor, actions=(INVALID_CURSOR,))
    assert '("InvalidCursor: The cursor is not valid")' in told
    assert "Trigger the DAG with *Full*" in told


# --- limits, and being told to stop ---


def test_every_try_waits_for_the_limits_and_tells_them_what_it_learned(vendor: Scripted) -> None:
    script(vendor, Reply(b"", 429), Reply(b"fine"))
    budget = Budget()
    client(vendor.url, limits=budget, api_limits=("account",)).send(THINGS, accept=body, limits=("slow",))  # type: ignore[arg-type]
    assert budget.asked == [("account", "slow")] * 2
    assert budget.learned == [("slow", 429), ("account", 200), ("slow", 200)]


def test_limits_are_closed_with_their_client(vendor: Scripted) -> None:
    budget = Budget()
    client(vendor.url, limits=budget).close()
    assert budget.closed


def test_a_cancelled_client_asks_for_nothing_more(vendor: Scripted) -> None:
    opened = client(vendor.url)
    opened.cancel()
    with pytest.raises(Cancelled):
        opened.send(THINGS, accept=body)
    assert vendor.requests == []


def test_a_wait_ends_when_the_task_is_told_to_stop(vendor: Scripted) -> None:
    """A sibling's back-off of a minute must not hold up the end of the task."""
    script(vendor, Reply(b"", 503, {"Retry-After": "60"}))
    opened = client(vendor.url, retry=RetryRule())
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(opened.send, THINGS, accept=body)
        while not vendor.requests:
            time.sleep(0.01)
        opened.cancel()
        assert isinstance(sent.exception(timeout=10), Cancelled)
    assert time.monotonic() - begun < 10
    assert opened.tally.waited < 10


def test_a_pause_ends_when_the_task_is_told_to_stop(vendor: Scripted) -> None:
    opened = client(vendor.url)
    opened.pause(0.01)
    assert opened.tally.waited >= 0.01
    opened.cancel()
    with pytest.raises(Cancelled):
        opened.pause(60)


# --- settings ---


@pytest.mark.parametrize("rule", [{"tires": 3}, {"tries": "3"}, {"timeout": None}, {"first": -1}, "often", [1]])
def test_a_retry_rule_that_is_none_needs_a_person(rule: Any) -> None:
    """A number as text was taken, and the first failed request ended in a Python error."""
    with pytest.raises(NeedsPerson, match="tries, first, longest, timeout, to numbers"):
        retry_rule(connection(extra={"retry": rule}))


def test_a_retry_rule_keeps_what_is_not_set() -> None:
    assert retry_rule(connection(extra={"retry": {"tries": 3}})) == RetryRule(tries=3)


def test_a_token_that_is_refused_before_its_time_is_replaced_once(vendor: Scripted) -> None:
    class Tokens:
        def __init__(self) -> None:
            self.number = 1

        def sign_in(self, _: Any) -> Tokens:
            return self

        def __call__(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {self.number}"}

        def forget(self, refused: Mapping[str, str]) -> None:
            assert refused["Authorization"] == f"Bearer {self.number}"
            self.number += 1

    def handler(request: Asked) -> Reply:
        return Reply(b"fine") if request.headers["authorization"] == "Bearer 2" else Reply(b"", 401)

    vendor.handler = handler
    assert ask(vendor, auth=Tokens()) == b"fine"
    vendor.handler = lambda request: Reply(b"", 401)
    asked = len(vendor.requests)
    refusal(vendor, auth=Tokens())
    assert len(vendor.requests) - asked == 2
