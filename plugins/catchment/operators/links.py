"""Links from a task to what it left in the warehouse: the ledger rows and the rejects of its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

PAGES = "/catchment"
"""Where Airflow mounts the pages of `catchment.ui.ledger_page`."""


class LedgerLink(BaseOperatorLink):
    """The checkpoints of this task's batch, as the ledger has them."""

    name = "Ledger"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        return page_url("ledger", operator)


class RejectsLink(BaseOperatorLink):
    """The records of this task's batch that could not be loaded, with their reasons."""

    name = "Rejects"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        return page_url("rejects", operator)


def page_url(page: str, operator: Any) -> str:
    """The page about the operator's batch, or about its stream where the batch is not known: a task was skipped.

    It is made when a task ends, and kept as an XCom.
    """
    from airflow.sdk.configuration import conf

    wanted = {"source": operator.source, "stream": operator.stream, "batch": getattr(operator, "batch_id", "")}
    base = conf.get("api", "base_url", fallback="/").rstrip("/")
    return f"{base}{PAGES}/{page}?{urlencode({name: value for name, value in wanted.items() if value})}"


def batch_of_manifest(key: str) -> str:
    """The id of the batch that a manifest's key is in, "" for what is no such key."""
    parts = str(key).split("/")
    return parts[-3] if len(parts) >= 4 and parts[-1] == "manifest.json" else ""
