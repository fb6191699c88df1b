"""Programs that the local profile runs to their end, and the platform's own commands among them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from local.errors import LocalError
from local.settings import ROOT

SECONDS = 600  # for a step that takes seconds on a quiet machine


def run(
    command: Sequence[str],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    output: IO[str] | None = None,
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it says is captured, or goes to `output`. `what` names the step for a person.

    Raises:
        LocalError: it was not over after `seconds`, and was ended.
    """
    try:
        return subprocess.run(
            command,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT if output else subprocess.PIPE,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise LocalError(
            f"{what} was not over after {seconds:.0f} seconds and was ended. Run it again: what is done stays done; "
            "on a busy machine, when it is quieter. See make status and make logs."
        ) from None


def catchment(*arguments: str, environment: Mapping[str, str]) -> None:
    """`python -m catchment …` with the connections of `environment`.

    Raises:
        LocalError: it failed, or was not over in time; the message has its last words.
    """
    what = f"`python -m catchment {' '.join(arguments)}`"
    done = run([sys.executable, "-m", "catchment", *arguments], what=what, environment={**os.environ, **environment})
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise LocalError(f"{what} failed: {said}")
