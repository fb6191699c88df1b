"""A step of the local profile that hangs is ended, and named.

python/cpython #81605, #76116: the timeout of `subprocess.run` ended the program and then waited for a child of it that
still held the pipe. Right: the wait ends with the timeout, whatever the program has started.
"""

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


def test_a_child_that_holds_the_pipe_does_not_hold_us() -> None:
    began = time.monotonic()
    with pytest.raises(LocalError, match="Formatting was not over"):
        run(["sh", "-c", "sleep 8 & wait"], what="Formatting", seconds=0.2)
    assert time.monotonic() - began < 6


def test_what_a_step_says_goes_to_its_log_or_is_given_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"]
    captured = run(command, what="Speaking")
    assert (captured.stdout, captured.stderr) == ("out\n", "err\n")
    with (tmp_path / "log").open("w") as log:
        run(command, what="Speaking", output=log)
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]
