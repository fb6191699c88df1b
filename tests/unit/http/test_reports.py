"""Reports: whole or not at all, in whatever file they come, and never with our credentials in another's house."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.batch import Batch
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, Refused, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.http.actions import Action, Do
from catchment.http.request import Request as Ask
from catchment.landing import Manifest, read_manifest
from catchment.reads.http_report import Download, HttpReport, Poll
from catchment.reads.report_files import FileFormat, read_file
from catchment.spec import SourceSpec, Stream
from catchment.times import SECOND
from tests.support.make import moment
from tests.support.store import MemoryStore
from tests.support.vendor import Reply, Request, Scripted
from tests.unit.http.fakes import client

ROWS = [{"id": "1", "name": "Ann, O'Neil"}, {"id": "2", "name": 'the "second"\nline'}]
CSV = b'id,name\r\n1,"Ann, O\'Neil"\r\n2,"the ""second""\nline"\r\n'
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


class Vendor:
    """Makes one report at once. `state` is what a poll says; `file` what the download's address answers."""

    def __init__(self, file: Reply) -> None:
        self.server = Scripted(self.reply)
        self.file = file
        self.state: dict[str, Any] = {"status": "completed", "url": f"{self.server.url}/files/r?signature=s3cret"}
        self.poll_replies: list[Reply] = []

    def reply(self, request: Request) -> Reply:
        match request.path:
            case "/reports":
                return Reply.json({"id": 7})
            case "/reports/7":
                return self.poll_replies.pop(0) if self.poll_replies else Reply.json(self.state)
            case "/files/r":
                return self.file
        return Reply(status=404)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor(Reply(LINES))
    with vendor.server.running():
        yield vendor


def read(vendor: Vendor, download: Download, waits: Callable[[float], Any] = lambda seconds: None, **more: Any) -> Any:
    """The records of the report as they were landed, and its manifest."""
    poll = Poll("reports/{report}", every=SECOND, timeout=timedelta(minutes=5))
    report = HttpReport(ask=Ask("reports", method="POST", json={}), poll=poll, download=download, **more)
    spec = SourceSpec(name="ads", title="Ads", api=None, streams=(Stream(name="calls", key=("id",), read=report),))
    store = MemoryStore()
    opened = client(vendor.server.url, sleep=waits)
    extraction = Extraction(
        source=spec, client=opened, store=store, history_start=spec.history_start, load=lambda key: None
    )
    try:
        batch = Batch(source="ads", stream="calls", start=moment(1), end=moment(2))
        extracted = extraction.run(batch, CursorState())
    finally:
        opened.close()
    assert extracted.key
    manifest: Manifest = read_manifest(store, extracted.key)
    return [json.loads(line) for line in store.rows(manifest)], manifest


JSON_LINES = Download(url_field="url", format=FileFormat.JSON_LINES)


@pytest.mark.parametrize(
    ("format", "file"),
    [
        (FileFormat.JSON_LINES, LINES),
        (FileFormat.JSON_LINES, b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n").rstrip()),
        (FileFormat.JSON_LINES, gzip.compress(LINES, mtime=0)),
        (FileFormat.CSV, CSV),
        (FileFormat.CSV, b"\xef\xbb\xbf" + CSV.rstrip()),
        (FileFormat.CSV, gzip.compress(CSV, mtime=0)),
        (FileFormat.JSON, gzip.compress(json.dumps({"rows": ROWS}).encode(), mtime=0)),
    ],
)
def test_a_report_is_read_from_whatever_file_it_comes_in(vendor: Vendor, format: FileFormat, file: bytes) -> None:
    """airbytehq/airbyte #69765 and #56988: `.csv.gz` and `.json.gz` from a storage that names no Content-Encoding."""
    vendor.file = Reply(file)
    assert read(vendor, Download(url_field="url", format=format, records="rows"))[0] == ROWS
    assert "authorization" not in vendor.server.requests[-1].headers


def test_a_report_without_rows_is_empty(vendor: Vendor) -> None:
    vendor.file = Reply(b"id,name\r\n")
    assert read(vendor, Download(url_field="url", format=FileFormat.CSV))[0] == []


@pytest.mark.parametrize("state", [{"status": "completed"}, {"status": "completed", "url": None}])
def test_a_report_that_is_made_and_has_no_address_is_not_taken_for_an_empty_one(
    vendor: Vendor, state: dict[str, Any]
) -> None:
    """MicrosoftDocs/Advertising-docs #605 and #718: the status is Success and the URL nil, for there are no rows.

    adzerk/adzerk-management-sdk-ruby #20: elsewhere it is only not there yet. Ours asked for an address "None". Right:
    it is said and tried again; a spec can say that the vendor means no rows.
    """
    vendor.state = state
    with pytest.raises(VendorUnavailable, match='is made, and has no address at "url"'):
        read(vendor, JSON_LINES)
    assert read(vendor, Download(url_field="url", format=FileFormat.JSON_LINES, may_be_empty=True))[0] == []


def test_a_file_of_no_bytes_is_no_empty_report(vendor: Vendor) -> None:
    """elastic/kibana #280608: a download answers 200 with nothing while the report's content is being written."""
    vendor.file = Reply(b"")
    with pytest.raises(VendorUnavailable, match="its file is empty"):
        read(vendor, JSON_LINES)
    assert read(vendor, Download(url_field="url", format=FileFormat.JSON_LINES, may_be_empty=True))[0] == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_address_that_has_expired_is_tried_again_with_a_new_report(vendor: Vendor, status: int) -> None:
    """CurrencyCloud/currencycloud-swagger PR 397: an address lives for 15 minutes. demisto/content PR 34437: a fetch
    that stuck to an expired export. Ours said that a person must act. Right: the task's next try asks for a new one.
    """
    vendor.file = Reply(b"<Error><Code>AccessDenied</Code></Error>", status)
    with pytest.raises(VendorUnavailable, match=f"{status} from GET /files/r: .* asks for a new report") as raised:
        read(vendor, JSON_LINES)
    assert "s3cret" not in str(raised.value)


def test_an_address_of_the_vendors_own_may_want_our_credentials(vendor: Vendor) -> None:
    vendor.state["url"] = "/files/r"
    assert read(vendor, Download(url_field="url", with_credentials=True, format=FileFormat.JSON_LINES))[0] == ROWS
    assert vendor.server.requests[-1].headers["authorization"] == "Bearer key"


def test_a_vendor_that_does_not_know_its_report_yet_is_asked_again_where_the_spec_says_so(vendor: Vendor) -> None:
    vendor.poll_replies = [Reply(b"", 404)]
    with pytest.raises(Refused, match="404"):
        read(vendor, JSON_LINES)
    vendor.poll_replies = [Reply(b"", 404)]
    assert read(vendor, JSON_LINES, actions=(Action(404, Do.RETRY),))[0] == ROWS


def test_a_poll_waits_as_long_as_the_vendor_asks(vendor: Vendor) -> None:
    waits: list[float] = []
    vendor.poll_replies = [Reply(b'{"status": "running"}', 200, {"Retry-After": "42"})]
    assert read(vendor, JSON_LINES, waits=waits.append)[0] == ROWS
    assert waits == [42.0]


def test_a_line_that_is_cut_is_a_reject_and_the_others_land(vendor: Vendor) -> None:
    vendor.file = Reply(LINES + b'{"id": "3", "na')
    rows, manifest = read(vendor, JSON_LINES)
    assert rows == ROWS
    assert manifest.rejected == 1


def test_a_row_with_a_field_too_many_is_a_reject_and_not_moved_by_a_column(vendor: Vendor) -> None:
    vendor.file = Reply(b"id,name\r\n1,a,b\r\n2\r\n\r\n3,c\r\n")
    rows, manifest = read(vendor, Download(url_field="url", format=FileFormat.CSV))
    assert rows == [{"id": "3", "name": "c"}]
    assert manifest.rejected == 2


@pytest.mark.parametrize(
    ("file", "kind", "says"),
    [
        (b"<html><body>Sign in</body></html>", ContractBroken, "no column id"),
        (b"id,name,name\r\n1,a,b\r\n", ContractBroken, "of one name: name"),
        (b"id,name\r\n1,\xff\r\n", VendorUnavailable, "no CSV in UTF-8"),
        (b'id,name\r\n1,"cut in a', VendorUnavailable, "no CSV in UTF-8"),
        (gzip.compress(CSV * 100, mtime=0)[:-9], VendorUnavailable, "its gzip is not whole"),
    ],
)
def test_what_is_not_the_file_that_was_declared_is_no_batch(
    vendor: Vendor, file: bytes, kind: type[Exception], says: str
) -> None:
    vendor.file = Reply(file)
    with pytest.raises(kind, match=says):
        read(vendor, Download(url_field="url", format=FileFormat.CSV))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), CELLS), max_size=20))
def test_every_cell_comes_back_as_it_was_written(cells: list[tuple[int, str]]) -> None:
    """Written by hand after RFC 4180: quotes doubled, each cell quoted."""
    quoted = [f'"{number}","{text.replace(chr(34), chr(34) * 2)}"' for number, text in cells]
    file = "\r\n".join(['"id","text"', *quoted, ""]).encode()
    pages = list(read_file(BytesIO(file), FileFormat.CSV, "", ("id",)))
    read = [json.loads(bytes(record)) for page in pages for record in page.records]
    assert read == [{"id": str(number), "text": text} for number, text in cells]


@pytest.mark.parametrize("format", [FileFormat.CSV, FileFormat.JSON_LINES])
def test_memory_does_not_grow_with_the_file(format: FileFormat, tmp_path: Any) -> None:
    head, line = (b"id,text\r\n", b"%d,%s\r\n") if format is FileFormat.CSV else (b"", b'{"id": %d, "text": "%s"}\n')
    path = tmp_path / "report"
    with path.open("wb") as out:
        out.write(head)
        for number in range(16_000):
            out.write(line % (number, b"x" * 500))
    with path.open("rb") as file:
        tracemalloc.start()
        rows = sum(len(page.records) for page in read_file(file, format, "", ("id",)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == 16_000
    assert peak < path.stat().st_size / 2


def test_a_report_takes_no_longer_than_its_timeout_however_slow_its_polls_are(vendor: Vendor) -> None:
    """The wait is counted by the clock: polls that take a minute each would else make hours of five minutes."""
    vendor.state = {"status": "running"}
    clock = iter(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(100))
    poll = Poll("reports/{report}", every=SECOND, timeout=timedelta(minutes=5))
    report = HttpReport(ask=Ask("reports", method="POST", json={}), poll=poll, download=JSON_LINES)
    spec = SourceSpec(name="ads", title="Ads", api=None, streams=(Stream(name="calls", key=("id",), read=report),))
    extraction = Extraction(
        source=spec,
        client=client(vendor.server.url, sleep=lambda seconds: None),
        store=MemoryStore(),
        history_start=spec.history_start,
        load=lambda key: None,
        now=lambda: next(clock),
    )
    with pytest.raises(VendorUnavailable, match="was not ready"):
        extraction.run(Batch(source="ads", stream="calls", start=moment(1), end=moment(2)), CursorState())
    assert len(vendor.server.requests) < 10
