"""docs/streams.md says what the specs say, and leads to pages that exist."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catchment import stream_docs
from catchment.__main__ import main
from catchment.http.request import Request
from catchment.reads.http_export import TimeExport
from catchment.reads.http_list import Dates, HttpList, Window
from catchment.reads.http_report import Download, HttpReport, Poll
from catchment.reads.s3_files import S3Files
from catchment.sources import SOURCES
from catchment.spec import Current, SourceSpec, Stream

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/streams.md").read_text(encoding="utf-8")
EVERY_READ = [stream.read for spec in SOURCES.values() for stream in spec.streams]


def row(stream: Stream) -> str:
    page = stream_docs.render([SourceSpec(name="vendor", title="Vendor", streams=(stream,))])
    (found,) = re.findall(rf"^\| \*\*{stream.name}\*\* .*$", page, re.MULTILINE)
    return str(found)


def test_the_committed_page_is_what_the_specs_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream-docs", "--check"]) == 0, "run `python -m catchment stream-docs`"
    assert "as the specs say" in capsys.readouterr().out


def test_a_page_that_differs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "streams.md"
    old.write_text(PAGE.replace("26 hours", "27 hours", 1), encoding="utf-8")
    monkeypatch.setattr("catchment.__main__.STREAM_DOCS", old)
    assert main(["stream-docs", "--check"]) == 1
    assert main(["stream-docs"]) == 0
    assert old.read_text(encoding="utf-8") == PAGE


def test_every_stream_has_one_row() -> None:
    names = [stream.name for spec in SOURCES.values() for stream in spec.streams]
    assert re.findall(r"^\| \*\*([a-z_]+)\*\* \|", PAGE, re.MULTILINE) == names


def test_every_link_leads_somewhere() -> None:
    pages = set(re.findall(r"\]\(([\w/]+\.md)\)", PAGE))
    anchors = set(re.findall(r"\]\(#([\w-]+)\)", PAGE))
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^### (.+)$", PAGE, re.M)
    }
    assert len(pages) > 4
    assert [page for page in pages if not (ROOT / "docs" / page).exists()] == []
    assert anchors - headings == set()


def test_no_title_stands_for_two_behaviours() -> None:
    ways = {stream_docs.behaviour(read) for read in EVERY_READ}
    assert len({way.title for way in ways}) == len(ways)


@pytest.mark.parametrize("read", EVERY_READ, ids=lambda read: type(read).__name__)
def test_every_kind_in_use_is_described_by_its_own_words(read: object) -> None:
    assert stream_docs.behaviour(read).title != type(read).__name__


def test_a_window_is_named_by_the_field_that_the_vendor_filters_by() -> None:
    read = HttpList(
        path="x", records="x", dates=Dates("from", "to"), window=Window("created_at", lookback=timedelta(days=90))
    )
    assert "`created_at`, 90 days back" in row(Stream(name="ratings", key=("id",), read=read))
    assert stream_docs.behaviour(read).title == "Window, with a look-back"


def test_an_export_without_a_list_for_floods_says_that_its_load_fails() -> None:
    plain = TimeExport(path="x", records="x")
    with_list = replace(plain, flood=HttpList(path="all", records="x"))
    assert "load task fails" in stream_docs.behaviour(plain).flood
    assert "`all`" in stream_docs.behaviour(with_list).flood
    assert "fails" not in stream_docs.behaviour(with_list).flood


@pytest.mark.parametrize(
    ("keep_share", "said"), [(0.0, "| when empty |"), (0.5, "| at 50% of what it had, or less |"), (None, "| never |")]
)
def test_a_list_says_when_it_is_held_back(keep_share: float | None, said: str) -> None:
    read = HttpList(path="x", records="x")
    assert said in row(Stream(name="plans", key=("id",), read=read, keep_share=keep_share))


def test_a_report_and_files_of_others_are_described_too() -> None:
    report = HttpReport(ask=Request("reports"), poll=Poll(path="reports/{report}"), download=Download(url_field="url"))
    assert "30 minutes" in stream_docs.behaviour(report).how
    assert "`exports/`" in row(Stream(name="exports", key=("id",), read=S3Files(prefix="exports/")))


def test_a_kind_that_is_not_known_is_described_by_its_rule() -> None:
    class Feed:
        current = Current.NEWEST_VERSION

    assert stream_docs.behaviour(Feed()).counts == stream_docs.NEWEST_VERSION
    assert stream_docs.where(Feed()) == "–"
