"""dbt in a process that stays: the project is parsed once, so that a run costs a second and not ten.

    python dbt_worker.py <project> <target>      then one JSON list of arguments a line; answers are one JSON line each

A process of its own, also because pytest knows the folder of these tests as `dbt`.
"""

from __future__ import annotations

import json
import os
import sys

from dbt.cli.main import dbtRunner


def main() -> None:
    project, target = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what dbt prints
    common = ["--quiet", "--project-dir", project, "--target", target]
    parsed = dbtRunner().invoke(["parse", *common])
    runner = dbtRunner(manifest=parsed.result)
    for line in sys.stdin:
        done = runner.invoke([*json.loads(line), *common]) if parsed.success else parsed
        results = getattr(done.result, "results", None) or []
        words = [f"{r.node.name}: {r.message}" for r in results if r.status not in ("success", "no-op")]
        if not done.success and not words:
            words = [str(done.exception)]
        print(json.dumps(words), file=answers, flush=True)


if __name__ == "__main__":
    main()
