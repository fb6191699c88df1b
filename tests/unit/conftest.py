"""No test shares a rate budget with another, or with the machine's own; none fails because the machine is busy.

And none waits a tenth of a second to see that a stream of pages has failed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def own_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATCHMENT_BUDGET_DIR", str(tmp_path / "budget"))


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catchment.extract.pipeline._LOOK", 0.005)
