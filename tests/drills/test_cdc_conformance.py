"""A few lines of the conformance matrix (`make conformance-cdc`), on the real parts.

Each line was a report of somebody who lost values silently: numbers rounded to nine decimals (kafka-connect-jdbc
1237), precisions that Rails and Prisma give their columns, keys that met in one because a type held less than Postgres'
(peerdb PR 3572), days before October 1582. Right is what Postgres prints: in the column, or in `_special` where the
column can't hold it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.conformance_cdc import __main__ as conformance
from bench.conformance_cdc import judge
from bench.conformance_cdc.matrix import SUBJECTS
from bench.conformance_cdc.run import Run
from bench.conformance_cdc.tables import trials
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports

pytestmark = pytest.mark.timeout(600)
TRIED = ("exact", "day", "moment3", "mood", "userId", "order")


def test_values_are_exact_or_in_special_as_postgres_prints_them(tmp_path: Path) -> None:
    subjects = [subject for subject in SUBJECTS if subject.name in TRIED]
    said: list[str] = []
    with Stack(tmp_path, free_ports(), parts=conformance.PARTS, rows=False) as stack:
        environment = stack.environment()
        run = Run(
            lambda name: Connection.from_env(name, environment), trials(subjects, {}), tmp_path / "run", said.append
        )
        found = list(conformance.tried(run))
    counts = judge.counted(found)
    assert list(conformance.examples(found)) == [], said
    assert all(counts[word] > 0 for word in (judge.EXACT, judge.SPECIAL, judge.REFUSED))
