"""The loader is a small process that stays: it loads no library that it has no use for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOADER = """
import re
from pathlib import Path
from catchment.cdc.loader import command
command.leave_out_unused()
import kafka
import snowflake.connector
from catchment.warehouse.session import make_ready_for_threads
make_ready_for_threads()
from snowflake.connector.options import installed_pandas
print(installed_pandas, int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_snowflakes_connector_reads_rows_without_pandas_and_the_loader_begins_below_110_mb() -> None:
    """Seen: 157 MB with pandas, pyarrow and numpy, of which frames would be made that nobody asks for; 80 without.

    The connector takes pandas and pyarrow where they are installed, and does without where they are not: users asked
    for that to keep functions small (snowflake-connector-python, pull request 214).
    """
    done = subprocess.run(
        [sys.executable, "-c", LOADER], capture_output=True, text=True, cwd=ROOT / "plugins", check=False, timeout=120
    )
    pandas, megabytes = (done.stdout.split() or [done.stderr, "0"])[:2]
    assert (pandas, 0 < int(megabytes) < 110) == ("False", True), done.stdout + done.stderr
