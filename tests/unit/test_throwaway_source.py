"""A source of another style is a literal: nothing here but its spec, and what such a vendor answers.

Its style: a search by POST whose body holds filter and offset, OAuth 2.0 with a refresh token, and a report that is
asked for, polled, and downloaded from an address with a signature of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from catchment.batch import Batch
from catchment.connection import Connection
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.http.auth import OAuth2RefreshToken
from catchment.http.client import HttpApi, HttpClient
from catchment.http.limits import RateLimit, open_limits
from catchment.http.paginators import Offset
from catchment.http.request import Request as Ask
from catchment.landing import Manifest, read_manifest
from catchment.reads.http_list import Dates, HttpList
from catchment.reads.http_report import Download, HttpReport, Poll
from catchment.spec import MINUTE, SECOND, SourceSpec, Stream
from tests.support.make import QUICK, moment
from tests.support.store import MemoryStore
from tests.support.vendor import Reply, Request, Scripted

CRM = SourceSpec(
    name="crm",
    title="A CRM",
    api=HttpApi(
        base_url="https://api.crm.example/v3",
        auth=OAuth2RefreshToken("https://login.crm.example/token", old_stays_valid=True),
        limits=(RateLimit(100_000, per=MINUTE),),
    ),
    streams=(
        Stream(
            name="deals",
            key=("id",),
            read=HttpList(
                path="deals/search",
                method="POST",
                json={"filter": {"archived": False}, "sort": ["id"]},
                records="results",
                paginator=Offset(param="paging.offset", size_param="paging.limit", size=2, total="total", in_body=True),
            ),
        ),
        Stream(
            name="calls",
            key=("id",),
            read=HttpReport(
                ask=Ask("reports", method="POST", json={"columns": ["id", "seconds"]}),
                id_field="report.id",
                poll=Poll("reports/{report}", every=SECOND, timeout=timedelta(minutes=5)),
                download=Download(url_field="result.url", records="rows"),
                dates=Dates("range.from", "range.to"),
                dates_in_body=True,
            ),
        ),
    ),
)
BATCH = Batch(source="crm", stream="deals", start=moment(1), end=moment(2))
DEALS = [{"id": number, "amount": 2**60 + number} for number in range(5)]
CALLS = [{"id": "a", "seconds": 61}, {"id": "b", "seconds": 0}]


class Vendor:
    """What such a vendor does. A token works `lasts` times; a report has the `states` one by one, then the last."""

    def __init__(self) -> None:
        self.server = Scripted(self.reply)
        self.lasts = 1_000
        self.states = ["queued", "running", "completed"]
        self.tokens = 0
        self._calls = 0
        self._polls = 0

    def reply(self, request: Request) -> Reply:
        match request.path:
            case "/token":
                assert b"grant_type=refresh_token&refresh_token=long-lived" in request.body
                self.tokens, self._calls = self.tokens + 1, 0
                return Reply.json({"access_token": f"token-{self.tokens}", "expires_in": 3600})
            case "/files/calls":
                return Reply.json({"rows": CALLS}) if request.query == {"signature": "s3cret"} else Reply(status=403)
        self._calls += 1
        if request.headers.get("authorization") != f"Bearer token-{self.tokens}" or self._calls > self.lasts:
            return Reply.json({"error": "expired"}, status=401)
        return self._api(request)

    def _api(self, request: Request) -> Reply:
        body = json.loads(request.body or b"{}")
        match request.method, request.path:
            case "POST", "/v3/deals/search":
                assert body["filter"] == {"archived": False}
                begin = body["paging"]["offset"]
                page = DEALS[begin : begin + body["paging"]["limit"]]
                return Reply.json({"results": page, "total": len(DEALS)})
            case "POST", "/v3/reports":
                assert body == {"columns": ["id", "seconds"], "range": {"from": "2000-01-01", "to": "2026-03-02"}}
                return Reply.json({"report": {"id": 77}}, status=202)
            case "GET", "/v3/reports/77":
                state = self.states[min(self._polls, len(self.states) - 1)]
                self._polls += 1
                url = f"{self.server.url}/files/calls?signature=s3cret"
                return Reply.json({"status": state, "result": {"url": url} if state == "completed" else None})
        return Reply(status=404)

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.server.requests]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    with vendor.server.running():
        yield vendor


def extract(vendor: Vendor, stream: str) -> tuple[list[Any], Manifest]:
    """The records of a batch as they were landed, and its manifest. Nobody really waits."""
    connection = Connection(
        conn_id="crm",
        host=f"{vendor.server.url}/v3",
        login="client",
        password="secret",
        extra={"refresh_token": "long-lived", "token_url": f"{vendor.server.url}/token", "retry": QUICK},
    )
    assert CRM.api
    limits = open_limits("crm", "account", None, overrides={}, sleep=lambda seconds: None)
    client = HttpClient(CRM.api, connection, limits=limits, sleep=lambda seconds: None)
    store = MemoryStore()
    extraction = Extraction(
        source=CRM, client=client, store=store, history_start=CRM.history_start, load=lambda key: None
    )
    try:
        extracted = extraction.run(replace(BATCH, stream=stream), CursorState())
    finally:
        client.close()
    assert extracted.key
    manifest = read_manifest(store, extracted.key)
    return [json.loads(line) for line in store.rows(manifest)], manifest


def test_a_search_by_post_pages_by_an_offset_in_its_body(vendor: Vendor) -> None:
    rows, manifest = extract(vendor, "deals")
    assert rows == DEALS
    assert vendor.asked == ["POST /token", *["POST /v3/deals/search"] * 3]
    assert manifest.requests == 3


def test_a_token_that_ends_before_its_time_is_replaced_and_no_page_is_lost(vendor: Vendor) -> None:
    vendor.lasts = 2
    assert extract(vendor, "deals")[0] == DEALS
    assert vendor.tokens == 2


def test_a_report_is_asked_for_polled_and_downloaded_without_our_credentials(vendor: Vendor) -> None:
    rows, _ = extract(vendor, "calls")
    assert rows == CALLS
    assert vendor.asked[1:] == ["POST /v3/reports", *["GET /v3/reports/77"] * 3, "GET /files/calls"]
    assert "authorization" not in vendor.server.requests[-1].headers


def test_a_report_that_the_vendor_gives_up_is_no_batch(vendor: Vendor) -> None:
    """facebook-ads-performance-downloader PR 20: "Job Failed" was not looked for, and the loop that waited for 100 %
    never ended. Right: the batch fails at once, and nothing is landed."""
    vendor.states = ["running", "failed"]
    with pytest.raises(
        ContractBroken, match=r'POST /reports was not made: the vendor says that the report is "failed"'
    ):
        extract(vendor, "calls")


def test_a_report_that_is_never_ready_ends_at_its_timeout_and_is_tried_again_later(vendor: Vendor) -> None:
    """amzn/selling-partner-api-models issue 1457: a report said IN_PROGRESS for more than 48 hours. Right: the wait has
    an end, and as there is nothing for a person to change, the task is tried again."""
    vendor.states = ["running"]
    with pytest.raises(VendorUnavailable, match=r'not ready after 300 s; its status is still "running"'):
        extract(vendor, "calls")
    assert "GET /files/calls" not in vendor.asked
