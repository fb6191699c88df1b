"""How the demo looks in a terminal: progress, tables, the last line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.demo.figures import MrrRow, StreamRow
from local.demo.runs import Failure, Run, failures

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
QUIET_SECONDS = 15


class Progress:
    """Runs as they go: redrawn in a terminal, a line now and then and at the end where there is none.

    A task that is to be tried again is named once for each reason, with what it said.
    """

    def __init__(self, task_logs: Path) -> None:
        self._task_logs = task_logs
        self._reasons: set[tuple[str, str]] = set()
        self._began = time.monotonic()
        self._live = Live(console=OUT, refresh_per_second=4) if OUT.is_terminal else None
        self._said = 0.0
        self._last = self._shown = ""

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        elif self._last != self._shown:
            self._print()

    def show(self, runs: Iterable[Run]) -> None:
        runs = list(runs)
        self._say_why(runs)
        lines = [line(run) for run in runs]
        seconds = time.monotonic() - self._began
        if self._live:
            table = Table(box=None, pad_edge=False, show_header=False)
            for text in lines:
                table.add_row(text)
            table.add_row(f"{seconds:.0f} s")
            self._live.update(table)
            return
        self._last = "   ".join(lines)
        if seconds - self._said >= QUIET_SECONDS:
            self._said = seconds
            self._print()

    def _print(self) -> None:
        self._shown = self._last
        OUT.print(f"{time.monotonic() - self._began:4.0f} s  {self._last}")

    def _say_why(self, runs: Sequence[Run]) -> None:
        for retry in failures(runs, self._task_logs, state="up_for_retry"):
            if (retry.dag_id, retry.sentence) not in self._reasons:
                self._reasons.add((retry.dag_id, retry.sentence))
                OUT.print(
                    f"{retry.dag_id}.{retry.task_id} will be tried again: {retry.sentence} (its log: {retry.log})"
                )


def line(run: Run) -> str:
    """`zendesk: running, 14 of 38 done, 3 running, 1 failed`."""
    counts = run.counts
    done = counts["success"] + counts["skipped"]
    parts = [f"{done} of {counts.total()} done"]
    parts += [
        f"{counts[state]} {state}" for state in ("running", "deferred", "up_for_retry", "failed") if counts[state]
    ]
    return f"{run.dag_id}: {run.state}, {', '.join(parts)}"


def streams_table(rows: Sequence[StreamRow]) -> Table:
    table = Table(title="Streams: this run, and what stands in raw and staging", box=None, pad_edge=False)
    table.add_column("STREAM", no_wrap=True)
    table.add_column("OUTCOME")
    for column in ("EXTRACTED", "LANDED", "REJECTED", "IN RAW", "IN STAGING", "SECONDS"):
        table.add_column(column, justify="right")
    for row in rows:
        staging = "-" if row.staging is None else f"{row.staging:,}"
        counts = (f"{n:,}" for n in (row.extracted, row.landed, row.rejected, row.raw))
        table.add_row(f"{row.source}.{row.stream}", row.outcome, *counts, staging, f"{row.seconds:.1f}")
    return table


def mrr_table(rows: Sequence[MrrRow]) -> Table:
    table = Table(title="MRR at the end of each month, in the account's currency", box=None, pad_edge=False)
    table.add_column("MONTH")
    for column in ("OURS (dbt)", "CHARTMOGUL (API)"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(row.month, _money(row.ours), _money(row.vendor), "equal" if row.equal else "[red]differs[/red]")
    return table


def failure_lines(failed: Iterable[Failure]) -> list[str]:
    """One line for each reason: its first task, where its log is, and how many others said the same."""
    by_reason: dict[tuple[str, str], list[Failure]] = {}
    for failure in failed:
        by_reason.setdefault((failure.dag_id, failure.sentence), []).append(failure)
    return [_failure_line(alike[0], others=len(alike) - 1) for alike in by_reason.values()]


def _failure_line(failure: Failure, *, others: int) -> str:
    more = f"; {others} other tasks of {failure.dag_id} failed alike" if others else ""
    return f"{failure.dag_id}.{failure.task_id} failed: {failure.sentence} (its log: {failure.log}{more})"


def summary(streams: Sequence[StreamRow], mrr: Sequence[MrrRow], *, failed: bool, seconds: float) -> dict[str, object]:
    """The last line. `ok` needs every task to have worked and every month to be equal."""
    equal = sum(row.equal for row in mrr)
    return {
        "ok": not failed and bool(mrr) and equal == len(mrr),
        "streams": sum(row.outcome in ("loaded", "unchanged", "skipped") for row in streams),
        "rows_raw": sum(row.raw for row in streams),
        "rejected": sum(row.rejected for row in streams),
        "mrr_months_compared": len(mrr),
        "mrr_months_equal": equal,
        "seconds": round(seconds),
    }


def as_line(outcome: dict[str, object]) -> str:
    return json.dumps(outcome, separators=(",", ":"))


def _money(cents: int | None) -> str:
    return "-" if cents is None else f"{cents / 100:,.2f}"
