"""Whether a report is there yet: declared words end the wait, and so does its timeout."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.http.polling import Again, Failed, Finished, decide_poll

FACEBOOK: dict[str, Any] = {"done": ["Job Completed"], "failed": ["Job Failed", "Job Skipped"]}


def decide(status: Any, waited: float = 10, timeout: float = 3600, **more: Any) -> Finished | Again | Failed:
    return decide_poll(status, waited=waited, timeout=timeout, **{**FACEBOOK, **more})


def test_only_the_status_says_that_a_report_is_done() -> None:
    """facebook-python-business-sdk #293: 100 % complete and still "Job Running"; its download fails with a 400."""
    assert isinstance(decide("Job Running"), Again)
    assert decide("job completed ") == Finished()


def test_a_failed_report_ends_the_wait_at_once() -> None:
    """facebook-ads-performance-downloader PR 20: "Job Failed" at 0 % was waited for without end."""
    failed = decide("Job Failed")
    assert isinstance(failed, Failed)
    assert not failed.timed_out
    assert '"job failed"' in failed.sentence


@pytest.mark.parametrize("status", ["PENDING", None, 1, "NEW_WORD"])
def test_a_report_that_never_comes_ends_with_a_sentence_that_names_its_status(status: Any) -> None:
    """amzn/ads-advanced-tools-docs #338: PENDING for hours. Right: an end, and what it said last."""
    late = decide(status, waited=3600)
    assert isinstance(late, Failed)
    assert late.timed_out
    assert (str(status).lower() if status is not None else "nothing") in late.sentence


def test_numbers_and_truth_values_are_words_too() -> None:
    """adzerk-management-sdk-ruby #38: status 1 means that it is still in the making."""
    assert isinstance(decide(1, done=[2], failed=[3]), Again)
    assert decide(2, done=[2], failed=[3]) == Finished()
    assert decide(True, done=[True], failed=[]) == Finished()


@settings(deadline=None)
@given(timeout=st.floats(1, 100_000), asked=st.none() | st.floats(0, 1e6))
def test_polling_ends_at_its_timeout_and_is_no_storm(timeout: float, asked: float | None) -> None:
    """Waits of at least 5 s that grow to a minute: a day's wait is at most some 1,500 requests."""
    waited, polls = 0.0, 0
    while isinstance(verdict := decide("Job Running", waited, timeout, asked=asked), Again):
        assert verdict.seconds > 0
        waited += verdict.seconds
        polls += 1
    assert waited == pytest.approx(timeout)
    assert polls <= 30 + timeout / 60
