"""Vendors that send a page again, or whose cursors lead in a circle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import VendorUnavailable
from catchment.extract.loops import BorderFilter, LoopGuard
from catchment.extract.splitter import Page

Record = tuple[int, str]


def page(*records: Record) -> Page:
    return Page([f"{key}:{text}".encode() for key, text in records], [key for key, _ in records], {})


def fresh(border: BorderFilter, *records: Record) -> list[str]:
    return [bytes(record).decode() for record in border.fresh(page(*records))]


@given(lead=st.integers(0, 200), circle=st.integers(1, 60))
def test_every_circle_is_found_within_a_few_rounds(lead: int, circle: int) -> None:
    guard = LoopGuard()
    steps = [f"lead {n}" for n in range(lead)] + [f"circle {n % circle}" for n in range(4 * (lead + circle) + 8)]
    with pytest.raises(VendorUnavailable, match=rf"circle: one came again after {circle} pages"):
        follow(guard, steps)


@given(st.lists(st.text(max_size=3), unique=True, max_size=300))
def test_cursors_that_differ_never_raise_an_alarm(cursors: list[str]) -> None:
    follow(LoopGuard(), cursors)


def follow(guard: LoopGuard, cursors: list[str]) -> None:
    for cursor in cursors:
        guard.step(cursor)


PAGES = st.lists(st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab")), min_size=1, max_size=5), max_size=8)


@given(PAGES)
def test_no_version_of_a_record_is_lost_at_a_border(pages: list[list[Record]]) -> None:
    """Whatever is dropped was on this page or the one before, byte for byte."""
    border = BorderFilter(most_repeats=100)
    before: list[Record] = []
    for records in pages:
        kept = fresh(border, *records)
        have = {f"{key}:{text}" for key, text in before} | set(kept)
        assert {f"{key}:{text}" for key, text in records} <= have
        texts = iter(f"{key}:{text}" for key, text in records)
        assert all(text in texts for text in kept), "what is kept stays in order"
        before = records


@given(PAGES)
def test_the_last_version_on_a_page_stays_the_last(pages: list[list[Record]]) -> None:
    border = BorderFilter(most_repeats=100)
    newest: dict[int, str] = {}
    for records in pages:
        for text in fresh(border, *records):
            newest[int(text.split(":")[0])] = text
        assert all(newest[key] == f"{key}:{text}" for key, text in dict(records).items())


def test_a_record_repeated_at_a_border_comes_once_and_a_changed_one_stays() -> None:
    border = BorderFilter()
    assert fresh(border, (1, "a"), (2, "a")) == ["1:a", "2:a"]
    assert fresh(border, (2, "a"), (1, "b"), (3, "a")) == ["1:b", "3:a"]


def test_a_circle_is_told_without_the_cursor() -> None:
    """apache/iceberg-go PR 1484: a cursor is opaque, and an address may hold a key: neither is for a log."""
    with pytest.raises(VendorUnavailable) as raised:
        follow(LoopGuard(), ["things?api_key=s3cret"] * 3)
    assert "s3cret" not in str(raised.value)


def test_empty_pages_without_end_are_an_error_and_a_thousand_are_not() -> None:
    """TestSprite/testsprite-cli PR 48: empty pages, each with a new cursor; a circle that no guard for circles finds.

    Vendors that filter a page after cutting it send many empty ones in a row. Right: an end, but a far one.
    """
    border = BorderFilter()
    for _ in range(1_000):
        border.fresh(page())
    border.fresh(page((1, "a")))
    with pytest.raises(VendorUnavailable, match="1001 empty pages in a row"):
        [border.fresh(page()) for _ in range(1_001)]


def test_a_record_that_stands_twice_on_one_page_comes_once() -> None:
    border = BorderFilter()
    assert fresh(border, (1, "a"), (1, "a"), (2, "a"), (1, "b")) == ["1:a", "2:a", "1:b"]


def test_a_page_may_come_eleven_times_and_no_more_unless_said_otherwise() -> None:
    border = BorderFilter()
    assert [fresh(border, (1, "a")) for _ in range(11)] == [["1:a"], *[[]] * 10]
    with pytest.raises(VendorUnavailable, match="the same page 12 times"):
        fresh(border, (1, "a"))


def test_a_page_that_brings_something_new_begins_the_count_again() -> None:
    border = BorderFilter(most_repeats=1)
    pages = [((1, "a"),), ((1, "a"), (2, "a")), ((1, "a"), (2, "a")), ((2, "a"), (3, "a")), ((2, "a"), (3, "a"))]
    assert [fresh(border, *records) for records in pages] == [["1:a"], ["2:a"], [], ["3:a"], []]


def test_the_same_page_without_end_is_an_error_and_not_a_hang() -> None:
    border = BorderFilter(most_repeats=3)
    border.fresh(page((1, "a")))
    with pytest.raises(VendorUnavailable, match="the same page"):
        [border.fresh(page((1, "a"))) for _ in range(5)]


def test_a_page_repeated_now_and_then_is_no_error() -> None:
    border = BorderFilter(most_repeats=1)
    for number in range(10):
        for _ in range(2):
            fresh(border, (number, "a"))
