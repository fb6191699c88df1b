"""Bad input and trouble, as one table over every source and every way of reading.

Each row says what goes wrong and how it ends: the batch recovers with exactly these rows, or it fails with an error
that names the stream, the interval and the request and says what to do; then nothing is a batch, siblings go on, and
the same batch works once the trouble is over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import urllib3

from catchment.batch import Batch
from catchment.connection import Connection, NoConnection
from catchment.cursor import CursorState
from catchment.errors import (
    CatchmentError,
    ContractBroken,
    LandingUnavailable,
    NeedsPerson,
    RateLimited,
    Refused,
    VendorUnavailable,
)
from catchment.http import client
from catchment.landing import manifest_key, read_manifest
from catchment.platform import NotInPlan, Platform
from catchment.warehouse.load import Loaded
from tests.faults.spoiling import (
    CHILD,
    CURSOR,
    EXPORT,
    GROUPS,
    JSON_RECORDS,
    LIST,
    METRIC,
    PAGED,
    RATINGS,
    RECORD,
    SHEET,
    WAYS,
    WINDOW,
    Fault,
    Way,
    a_string,
    always,
    body,
    circling,
    cut,
    empty,
    html,
    invalid,
    no_list,
    once,
    page,
    repeated,
    repeated_always,
    says,
    shifted,
    silent,
    swapped,
    truncated,
    without_key,
)
from tests.faults.vendors import connections, healthy
from tests.support.store import MemoryStore
from tests.support.vendor import Reply, Request, Scripted

# --- outcomes ---


@dataclass(frozen=True)
class Recovers:
    """The batch lands with the rows of a healthy day, `swap` made in the first record of the page that was hit."""

    swap: tuple[bytes, bytes] | None = None
    rejected: int = 0


@dataclass(frozen=True)
class Fails:
    """The batch fails with this error, whose sentence has all of `words`."""

    kind: type[CatchmentError]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Trouble:
    """A row of the table."""

    name: str
    ways: tuple[Way, ...]
    fault: Fault
    ends: Recovers | Fails


CURSORED = (LIST, WINDOW, CHILD, CURSOR, GROUPS, RATINGS)


def down(*words: str) -> Fails:
    """The vendor's trouble lasted longer than our tries."""
    return Fails(VendorUnavailable, ("failed 3 times", "It is tried again later", *words))


TABLE = (
    Trouble("revoked scope", (*CURSORED[:-1], EXPORT, METRIC), always(says(403)), Fails(Refused, ("403", "Grant"))),
    Trouble("not shared with us", (SHEET,), always(says(403)), Fails(Refused, ("403", "Share it with that address"))),
    Trouble("not in the plan", (RATINGS,), always(says(403)), Fails(NotInPlan, ("plan does not include it",))),
    Trouble("the request is refused", WAYS, always(says(422)), Fails(Refused, ("422", "Compare the stream's spec"))),
    Trouble("no such address", (LIST, CURSOR, SHEET), always(says(404)), Fails(Refused, ("404", "base URL"))),
    Trouble("429 with Retry-After", WAYS, once(says(429, Retry_After="0.01")), Recovers()),
    Trouble("429 without Retry-After", WAYS, once(says(429)), Recovers()),
    Trouble("429 for ever", WAYS, always(says(429)), Fails(RateLimited, ("over the vendor's rate limit", "3 times"))),
    Trouble("429 for long", WAYS, always(says(429, Retry_After="600")), Fails(RateLimited, ("wait 600 s",))),
    *(Trouble(f"{status}", WAYS, once(says(status)), Recovers()) for status in (500, 502, 503, 504)),
    Trouble("5xx for ever", WAYS, always(says(503)), down("HTTP 503")),
    Trouble("silence", WAYS, once(silent), Recovers()),
    Trouble("silence for ever", (LIST, EXPORT, SHEET), always(silent), down("timed out")),
    Trouble("cut in mid-body", WAYS, once(cut), Recovers()),
    Trouble("cut for ever", WAYS, always(cut), down()),
    Trouble("truncated JSON", WAYS, once(truncated), Recovers()),
    Trouble("truncated for ever", WAYS, always(truncated), down("the reply is not")),
    Trouble("invalid JSON", WAYS, once(invalid), Recovers()),
    Trouble("invalid for ever", WAYS, always(invalid), down("the reply is not")),
    Trouble("HTML with 200", WAYS, once(html), Recovers()),
    Trouble("HTML for ever", JSON_RECORDS, always(html), down("Back soon")),
    Trouble("HTML for ever instead of a sheet", (SHEET,), always(html), down("not what Google's API sends")),
    Trouble("nothing with 200", WAYS, once(empty), Recovers()),
    Trouble("a repeated page", PAGED, repeated, Recovers()),
    Trouble("a page repeated for ever", PAGED, repeated_always, down("the page")),
    Trouble("rows that shift between pages", CURSORED, shifted, Recovers()),
    Trouble("a cursor that loops", CURSORED, circling, Fails(VendorUnavailable, ("circle", "tell the vendor"))),
    Trouble("a time that goes back", (EXPORT,), circling, down("before the page's own start")),
    Trouble("no list", (*PAGED, METRIC), page(no_list), Recovers()),
    Trouble("no list for ever", (*PAGED, METRIC), always(body(lambda text: b"{}")), down("has no list")),
    Trouble("no rows", (SHEET,), page(no_list), Recovers()),
    Trouble(
        "no header", (SHEET,), always(body(lambda text: b"{}")), Fails(ContractBroken, ("missing: month", "sales"))
    ),
    Trouble("a missing column", (SHEET,), swapped(b'"owner"', b'"who"'), Fails(ContractBroken, ("missing: owner",))),
    Trouble("a missing key", (*PAGED, METRIC), page(without_key), Recovers(rejected=1)),
    Trouble("a missing key in the one record", (RECORD,), always(body(lambda text: b'{"note": 1}')), down()),
    Trouble("a string where a record was", (*PAGED, METRIC), page(a_string), Recovers(rejected=1)),
    *(
        Trouble(name, ways, swapped(old, odd), Recovers(swap=(old, odd)))
        for name, ways, old, odd in (
            ("an unknown field", JSON_RECORDS, b'"plain"', b'"plain","unknown":{"a":[1,null]}'),
            ("a field that is not there", JSON_RECORDS, b', "note": "plain"', b""),
            ("a string where an object was", JSON_RECORDS, b'{"an": "object"}', b'"text"'),
            ("an object where a string was", JSON_RECORDS, b'"plain"', b'{"a":{"b":[]}}'),
            ("null where a string was", JSON_RECORDS, b'"plain"', b"null"),
            ("an integer beyond 2^53", JSON_RECORDS, b'"plain"', b"9007199254740993"),
            ("an integer beyond 2^64", JSON_RECORDS, b'"plain"', b"123456789012345678901234567890"),
            ("emoji", WAYS, b'"plain"', '"🚰 é"'.encode()),
            ("an emoji as an escaped pair", JSON_RECORDS, b'"plain"', rb'"\ud83d\udeb0"'),
            ("an escaped NUL", WAYS, b'"plain"', rb'"a\u0000b"'),
        )
    ),
)
CASES = [pytest.param(row, way, id=f"{row.name}-{way.stream}") for row in TABLE for way in row.ways]


# --- the bench that they run on ---


class NothingLoaded(Platform):
    """A platform whose ledger is empty, and stays so."""

    def cursor_state(self, batch: Batch, *, query_tag: str = "") -> CursorState:
        return CursorState()

    def load(self, key: str, **_: Any) -> Loaded:
        return Loaded(rows=0, rejected=0)


class Bench:
    """A platform in memory before a scripted vendor."""

    def __init__(self, vendor: Scripted, **secrets: str) -> None:
        self.vendor = vendor
        self.store = MemoryStore()
        known = connections(vendor.url, **secrets)

        def look_up(conn_id: str) -> Connection:
            if conn_id not in known:
                raise NoConnection(conn_id)
            return known[conn_id]

        self.platform = NothingLoaded(self.store, lambda tag: pytest.fail("no session"), look_up)

    def spoil(self, way: Way, fault: Fault) -> None:
        numbers = count(1)

        def handler(request: Request) -> Reply:
            reply = healthy(request)
            spoilt = request.query.get("ranges", request.path).endswith(way.path) and not _is_empty(way, reply)
            return fault(way, next(numbers), request, reply) if spoilt else reply

        self.vendor.handler = handler

    def extract(self, way: Way, stream: str | None = None) -> tuple[list[bytes], int]:
        """The lines and the number of rejects of the way's batch."""
        if way.parent and stream is None:
            self.platform.extract(way.batch(way.parent))
        batch = way.batch(stream)
        key = self.platform.extract(batch).key
        assert key is not None
        manifest = read_manifest(self.store, key)
        return self.store.rows(manifest), manifest.rejected

    def is_batch(self, way: Way) -> bool:
        """Whether the batch was landed whole; an export may have sealed what it read before the trouble."""
        key = manifest_key(way.batch())
        return key in self.store.objects and read_manifest(self.store, key).complete


def _is_empty(way: Way, reply: Reply) -> bool:
    """A page without records, as most slices of a window are."""
    return way.records != "" and not json.loads(reply.body).get(way.records)


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", urllib3.Timeout(connect=2, read=0.2))


@pytest.fixture(scope="module")
def running() -> Iterator[Scripted]:
    with Scripted(healthy).running() as server:
        yield server


@pytest.fixture
def bench(running: Scripted) -> Bench:
    running.handler = healthy
    running.requests.clear()
    return Bench(running)


@pytest.mark.parametrize(("row", "way"), CASES)
def test_trouble(row: Trouble, way: Way, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good, rejected = bench.extract(way)
    assert good
    assert rejected == 0
    bench.store.objects.clear()
    bench.spoil(way, row.fault)
    match row.ends:
        case Recovers() as ends:
            rows, rejected = bench.extract(way)
            assert rejected == ends.rejected
            assert rows == expected(good, way, ends)
        case Fails(kind, words):
            with pytest.raises(kind) as raised:
                bench.extract(way)
            sentence = str(raised.value)
            interval = f"{way.stream} 2026-03-01T02:00:00+00:00 to 2026-03-02T02:00:00+00:00: "
            assert sentence.startswith(interval)
            assert [word for word in words if word not in sentence] == []
            assert type(raised.value) is kind
            assert not bench.is_batch(way)
            if kind is RateLimited:  # the whole account waits as long as the vendor asked
                monkeypatch.setenv("CATCHMENT_BUDGET_DIR", str(tmp_path / "when the wait is over"))
            assert bench.extract(way, way.sibling)[0]
    bench.vendor.handler = healthy
    assert bench.extract(way) == (good, 0)


def expected(good: list[bytes], way: Way, ends: Recovers) -> list[bytes]:
    """The healthy rows, but for the first record of the page that was hit.

    Pages of a time export begin with the record that ended the page before, so there the odd record is one more version
    of a record that is here already.
    """
    at = 0 if way.hit == 1 else 2
    before, hit, after = good[:at], good[at], good[at + 1 :]
    if way is EXPORT and (ends.swap or ends.rejected):
        before, hit, after = good[:at], good[at - 1], good[at:]
    if ends.rejected:
        return [*before, *after]
    if ends.swap:
        old, new = ends.swap
        return [*before, hit.replace(old if old in hit else old.replace(b" ", b""), new), *after]
    return good


@pytest.mark.parametrize("way", [LIST, CURSOR, EXPORT, SHEET], ids=lambda way: way.stream)
def test_wrong_credentials_name_the_connection(way: Way, running: Scripted) -> None:
    running.handler = healthy
    wrong = Bench(running, chartmogul="wrong", zendesk="wrong", google_sheets="wrong")
    with pytest.raises(NeedsPerson, match=f'the connection "{way.source}"') as raised:
        wrong.extract(way)
    assert str(raised.value).startswith(f"{way.stream} 2026-03-01")
    assert "docs/runbooks/credentials.md" in str(raised.value)
    assert wrong.store.objects == {}


@pytest.mark.parametrize("status", [500, 503])
def test_a_token_endpoint_that_fails_may_come_back(status: int, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    bench.spoil(Way("google_sheets.team_targets", "/token", hit=1), always(says(status)))
    with pytest.raises(VendorUnavailable, match="token endpoint"):
        bench.extract(SHEET)
    bench.vendor.handler = healthy
    assert bench.extract(SHEET)


@pytest.mark.parametrize("key", [None, "", "{", "[]", {}, {"client_email": "a@b"}, 5])
def test_a_service_account_key_that_is_none_needs_a_person(key: Any, bench: Bench) -> None:
    broken = Connection(conn_id="google_sheets", extra={"keyfile_dict": key})
    platform = NothingLoaded(bench.store, bench.platform.open_session, lambda conn_id: broken)
    with pytest.raises(NeedsPerson, match="keyfile_dict"):
        platform.extract(SHEET.batch())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stream)
@pytest.mark.parametrize("verb", ["put"])
@pytest.mark.parametrize("object_name", ["part-0.jsonl.zst", "manifest.json"])
def test_an_s3_outage_leaves_no_batch_and_a_later_run_the_whole_one(
    way: Way, verb: str, object_name: str, bench: Bench
) -> None:
    good = bench.extract(way)
    bench.store.objects.clear()
    if way.parent:
        bench.platform.extract(way.batch(way.parent))
    prefix = way.batch().prefix
    bench.store.fails = lambda called, key: called == verb and key.startswith(prefix) and key.endswith(object_name)
    with pytest.raises(
        LandingUnavailable, match=r"What was loaded before stays; the stream has no cursor yet"
    ) as raised:
        bench.platform.extract(way.batch())
    assert object_name in str(raised.value)
    assert not bench.is_batch(way)
    bench.store.fails = lambda called, key: False
    assert bench.extract(way, way.sibling)[0]
    assert bench.extract(way) == good
