"""The platform's own commands, as the local profile runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from local.errors import LocalError
from local.settings import ROOT


def catchment(*arguments: str, environment: Mapping[str, str]) -> None:
    """`python -m catchment …` with the connections of `environment`.

    Raises:
        LocalError: it failed; the message has its last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", "catchment", *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise LocalError(f"`python -m catchment {' '.join(arguments)}` failed: {said}")
