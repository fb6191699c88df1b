"""Which failures are worth another try, and when."""

from __future__ import annotations

from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from catchment.errors import NeedsPerson, TryAgain


class RetryByKind(RetryPolicy):
    """What needs a person fails at once; what passes is tried again, when the vendor asked for it if it did.

    Anything else (a killed worker, a bug) follows the task's own `retries` and `retry_delay`.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        match exception:
            case NeedsPerson():
                return RetryDecision.fail(reason=str(exception))
            case TryAgain(after=after):
                return RetryDecision.retry(delay=after, reason=str(exception))
            case _:
                return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RetryByKind:
        return cls()
