"""Every state of the health check is in the page's table, beside a test that provokes it."""

from __future__ import annotations

import re
from pathlib import Path

from catchment.cdc.health.policy import State

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "runbooks" / "cdc_connector_health.md"


def test_every_state_is_provoked_by_the_test_that_the_page_names() -> None:
    table = re.findall(r"^\| `(tests/\S+\.py)`[^|]*\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    named = {state: file for file, states in table for state in re.findall(r"`(\w+)`", states)}
    assert set(named) == {str(state) for state in State}
    for state, file in named.items():
        assert f"State.{State(state).name}" in (ROOT / file).read_text(), (state, file)
