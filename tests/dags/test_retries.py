"""Which failures are worth another try: the policy that tasks carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catchment import errors
from catchment.http.limits import QuotaSpent
from catchment.operators.retries import RetryByKind

POLICY = RetryByKind()


def subclasses(of: type[Exception]) -> list[type[Exception]]:
    return [of, *(deeper for kind in of.__subclasses__() for deeper in subclasses(kind))]


def made(kind: type[Exception]) -> Exception:
    if issubclass(kind, errors.Refused):
        return kind("no", status=401)
    return kind("spent", renews=datetime.now(UTC)) if issubclass(kind, QuotaSpent) else kind("a person must look")


def decided(error: BaseException) -> tuple[str, timedelta | None]:
    decision = POLICY.evaluate(error, try_number=1, max_tries=4)
    return str(decision.action.value), decision.retry_delay


@pytest.mark.parametrize("kind", subclasses(errors.NeedsPerson), ids=lambda kind: kind.__name__)
def test_what_a_person_must_fix_fails_at_once(kind: type[Exception]) -> None:
    assert decided(made(kind))[0] == "fail"


@pytest.mark.parametrize("kind", subclasses(errors.TryAgain), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("after", [None, timedelta(minutes=7)])
def test_what_passes_is_tried_again_when_the_vendor_asked_for_it(
    kind: type[errors.TryAgain], after: timedelta | None
) -> None:
    assert decided(kind("later", after=after)) == ("retry", after)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x"), MemoryError(), errors.CatchmentError("?")])
def test_anything_else_follows_the_tasks_own_retries(error: BaseException) -> None:
    assert decided(error)[0] == "default"


def test_a_policy_survives_being_serialized() -> None:
    again = RetryByKind.deserialize(POLICY.serialize())
    assert isinstance(again, RetryByKind)
    assert again.evaluate(errors.NeedsPerson("x"), 1, 4) == POLICY.evaluate(errors.NeedsPerson("x"), 1, 4)
