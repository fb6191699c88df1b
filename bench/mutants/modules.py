"""Which tests stand for which module: quick ones first, for the first failure ends a run.

`last` are histories and properties that take long; only a mutant that outlives the others meets them.
"""

from __future__ import annotations

from dataclasses import dataclass

_TRUTH = "tests/unit/test_truth.py::test_never_absent_and_stale_at_most_until_the_next_run"
_REPORTS = ("tests/unit/http/test_reports.py",)


@dataclass(frozen=True)
class Module:
    """A module below `plugins/catchment`, and its tests below `tests/unit` (without `test_` and `.py`)."""

    path: str
    tests: tuple[str, ...]
    last: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "catchment." + self.path.removesuffix(".py").replace("/", ".")

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(f"tests/unit/test_{name}.py" for name in self.tests)


MODULES = (
    Module("landing.py", ("landing", "s3_store")),
    Module("warehouse/load.py", ("load", "session")),
    Module("warehouse/copies.py", ("load", "session")),
    Module("warehouse/by_line.py", ("load",)),
    Module("warehouse/ledger.py", ("ledger",)),
    Module("warehouse/formats.py", ("load", "session")),
    Module("warehouse/names.py", ("load", "ledger")),
    Module("reads/http_list.py", ("windows", "lists", "asked", "extraction")),
    Module("reads/http_pages.py", ("lists", "asked")),
    Module(
        "reads/http_export.py", ("exports", "checkpoints", "asked"), last=(f"{_TRUTH}[times]", f"{_TRUTH}[cursors]")
    ),
    Module("reads/http_report.py", ("reports",), last=_REPORTS),
    Module("reads/report_files.py", (), last=_REPORTS),
    Module("reads/s3_files.py", ("files_of_others",)),
    Module("reads/sheet_tab.py", ("sheets",)),
    Module("reads/protocol.py", ("lists", "exports", "windows", "extraction", "asked")),
    Module("extract/run.py", ("checkpoints", "lists", "extraction", "files_of_others"), last=(f"{_TRUTH}[windows]",)),
    Module("extract/progress.py", ("checkpoints",)),
    Module(
        "extract/splitter.py", ("splitter",), last=("tests/unit/test_lists.py", "tests/unit/http/test_paginators.py")
    ),
    Module("extract/privacy.py", ("privacy",)),
    Module("extract/spans.py", ("privacy",)),
    Module("extract/loops.py", ("loops",), last=("tests/unit/test_lists.py",)),
    Module("extract/pipeline.py", ("pipeline",)),
    Module("extract/sheets.py", ("sheets", "sheets_api")),
    Module("extract/sheets_api.py", ("sheets_api", "sheets")),
    Module("spec.py", ("sources", "lists")),
    Module("times.py", ("windows",)),
    Module("cursor.py", ("ledger", "checkpoints")),
    Module("runs.py", ("runs",)),
)
