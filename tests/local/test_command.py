"""A step of the local profile that hangs is ended, and named."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from local.command import run
from local.errors import LocalError


def test_a_step_that_hangs_is_ended_and_named() -> None:
    began = time.monotonic()
    with pytest.raises(LocalError, match="Formatting was not over after 0 seconds and was ended"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], what="Formatting", seconds=0.2)
    assert time.monotonic() - began < 30


def test_what_a_step_says_goes_to_its_log_or_is_given_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"]
    captured = run(command, what="Speaking")
    assert (captured.stdout, captured.stderr) == ("out\n", "err\n")
    with (tmp_path / "log").open("w") as log:
        run(command, what="Speaking", output=log)
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]
