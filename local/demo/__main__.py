"""`python -m local.demo`: start, load every source, build the marts, compare, report. Leaves everything running."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from catchment.errors import CatchmentError
from local.airflow.api import AirflowApi
from local.demo import runs, screen
from local.demo.figures import Figures, MrrRow, StreamRow
from local.demo.runs import Run
from local.errors import LocalError
from local.platform import PARSE_SECONDS
from local.profile import Profile
from local.settings import Settings

SOURCES = ("chartmogul", "zendesk", "google_sheets")
MARTS = "customer_metrics"
EXAMPLES = (
    "select table_schema, table_name from information_schema.tables where table_schema = 'MARTS' order by 2",
    "select month, mrr_cents, customers, new_customers, churned_customers from marts.fct_mrr_monthly order by 1",
)


def main() -> int:
    began = time.monotonic()
    streams: list[StreamRow] = []
    mrr: list[MrrRow] = []
    failed = True
    try:
        profile = Profile(Settings.load())
        profile.start(say=screen.OUT.print)
        since = datetime.now(UTC)
        try:
            ended = run_everything(profile.airflow_api(), profile.settings.log / "tasks")
        finally:
            profile.switch_on()  # not before: these schedules would work beside what is waited for
        failed = any(run.state != "success" for run in ended)
        for text in screen.failure_lines(runs.failures(ended, profile.settings.log / "tasks")):
            print(text, file=sys.stderr)
        streams, mrr = report(profile, since, ended)
    except (LocalError, CatchmentError) as error:
        failed = True
        print(f"demo failed: {error}", file=sys.stderr)
    outcome = screen.summary(streams, mrr, failed=failed, seconds=time.monotonic() - began)
    print(screen.as_line(outcome), flush=True)
    return 0 if outcome["ok"] else 1


def run_everything(api: AirflowApi, task_logs: Path) -> list[Run]:
    """Load the sources side by side, then wait for the marts that are built of it."""
    for dag_id in (MARTS, *SOURCES):
        api.wait_for_dag(dag_id, seconds=PARSE_SECONDS)
        api.unpause(dag_id)
    started = {dag_id: api.trigger(dag_id) for dag_id in SOURCES}
    with screen.Progress(task_logs) as progress:
        ended = runs.wait(api, started, progress.show)
        if (loaded := runs.loaded_at(ended)) is None:
            return ended
        return [*ended, runs.wait_for_run_after(api, MARTS, loaded, lambda seen: progress.show([*ended, *seen]))]


def report(profile: Profile, since: datetime, ended: Sequence[Run]) -> tuple[list[StreamRow], list[MrrRow]]:
    """Show the tables and where to look further."""
    figures = Figures(profile.airflow_environment())
    streams = figures.streams(since, ended)
    screen.OUT.print(screen.streams_table(streams))
    mrr = figures.mrr()
    screen.OUT.print(screen.mrr_table(mrr))
    for service in profile.services():
        if service.url:
            screen.OUT.print(f"{service.name:20} {service.url}", soft_wrap=True)
    for line in where_to_look(profile.settings.url("airflow", f"/dags/{MARTS}")):
        screen.OUT.print(line, soft_wrap=True, markup=False)
    return streams, mrr


def where_to_look(page: str) -> list[str]:
    """Where the marts are seen: how they are built, and what is in them. Each command can be pasted."""
    return [
        "",
        f"How the marts are built: {page}",
        "What is in them, for example:",
        *(f'  make query Q="{sql}"' for sql in EXAMPLES),
    ]


if __name__ == "__main__":
    sys.exit(main())
