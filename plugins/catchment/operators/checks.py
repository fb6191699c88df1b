"""Try every connection, from where tasks run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from catchment.errors import NeedsPerson
from catchment.hooks.connections import look_up

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckConnectionsOperator(BaseOperator):
    """Try every connection, or what `only` names, with one harmless request each; red when any fails.

    The log shows a table; what was found is also pushed as the XCom `checks`. It runs on a worker, whose network and
    secrets back end are those of the other tasks: Airflow's own "Test" button runs elsewhere, and is off by default.
    """

    template_fields: Sequence[str] = ("only", "bucket")

    def __init__(
        self,
        *,
        only: Collection[str] | str = (),
        bucket: str | None = None,
        timeout: timedelta = timedelta(seconds=60),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.only = only
        self.bucket = bucket
        self.timeout = timeout

    def execute(self, context: Context) -> str:
        from catchment import check

        results = check.check_all(look_up, bucket=self.bucket, only=self.only, timeout=self.timeout)
        context["ti"].xcom_push("checks", [asdict(result) for result in results])
        self.log.info("\n%s", check.table(results))
        if failed := check.failures(results):
            sentences = "\n".join(f"  {result.name}: {result.said}" for result in failed)
            raise NeedsPerson(f"{len(failed)} of {len(results)} checks failed:\n{sentences}")
        return f"{len(results)} checks, none failed."
