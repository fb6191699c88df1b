"""Tasks are forks of a process that has imported our modules; one that begins after an edit imports them again.

apache/airflow #30796: a module that a plugin had imported into the scheduler was what LocalExecutor's tasks ran,
whatever was edited since, until a restart. Right: an edit counts for the next task.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local.airflow.environment import SITE
from local.settings import ROOT

SCRIPT = """
import os, sys
from pathlib import Path
import airflow_local_settings as ours

ours.OURS, ours.USED_BY_FORKS = Path(sys.argv[1]), ("boto3", "catchment.times")
ours.import_for_forks()

def known_in_a_fork():
    pid = os.fork()
    if pid == 0:
        os._exit("catchment.times" in sys.modules)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

module = ours.OURS / "module.py"
print(known_in_a_fork())
os.utime(module, ns=(1, 1))
print(known_in_a_fork())
print(int("catchment.times" in sys.modules))
"""


def test_a_fork_has_our_modules_until_one_is_edited(tmp_path: Path) -> None:
    (tmp_path / "module.py").touch()
    path = os.pathsep.join((str(ROOT / "plugins"), str(SITE)))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "AIRFLOW_HOME": str(tmp_path / "airflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-3:] == ["1", "0", "1"]
