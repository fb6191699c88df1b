"""No test shares a rate budget with another, or with the machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATCHMENT_BUDGET_DIR", str(tmp_path / "budget"))
