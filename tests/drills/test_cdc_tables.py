"""What happens to whole tables, on the real parts: partitions come and go, a table is inherited from, values get lost.

Reports: a partition that is detached or dropped takes its rows along without a delete, and its rows stay downstream
(supabase etl PR 410, which decided the same; pg_partman 800: detaching is what its retention does); what is in a table
before it is attached was never a change of the partitioned one; Debezium has no `24:00` (debezium PR 7540), no
array of several dimensions and no BC in a snapshot.

Right: a row that Postgres sends no delete for stays in staging, one that it does not send is not there until the table
is read again, and the comparison names exactly those rows by their keys, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from bench.conformance_cdc import __main__ as conformance
from bench.conformance_cdc.matrix import Subject
from bench.conformance_cdc.run import Run
from bench.conformance_cdc.tables import Form, Trial
from catchment.cdc.compare.comparison import Comparison, Fault
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.setup import catalog
from catchment.cdc.setup.problems import problems
from catchment.connection import Connection
from local.cdc.stack import Stack, free_ports

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Situation(Trial):
    """A table, what is done to it while it streams, and what is right: notes in staging, faults that are named."""

    there: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    notes: Mapping[int, str] = field(default_factory=dict, hash=False)
    named: Mapping[int, Fault] = field(default_factory=dict, hash=False)

    def before(self) -> Iterator[str]:
        return iter(self.there)

    def stream(self) -> Iterator[Sequence[str]]:
        return ([statement] for statement in self.done)

    def end(self) -> str:
        return "SELECT"


def partitioned(name: str, *done: str, lost: Mapping[int, Fault], notes: Mapping[int, str] | None = None) -> Situation:
    """Rows 1 and 2 in a partition, 101 in another; what is `done` is followed by an update of 101."""
    parts = (
        f"{name}_1 PARTITION OF {name} FOR VALUES FROM (0) TO (100)",
        f"{name}_2 PARTITION OF {name} DEFAULT",
    )
    return Situation(
        name,
        (),
        form=Form(name, partition="PARTITION BY RANGE (id)", after=tuple(f"CREATE TABLE {part}" for part in parts)),
        there=(f"INSERT INTO {name} VALUES (1, 'initial', 'a'), (2, 'initial', 'a'), (101, 'initial', 'a')",),
        done=(*done, f"UPDATE {name} SET note = 'b' WHERE id = 101"),
        notes=notes or {1: "a", 2: "a", 101: "b"},
        named=lost,
    )


GONE = {1: Fault.EXTRA, 2: Fault.EXTRA}
SITUATIONS = (
    partitioned("dropped", "DROP TABLE dropped_1", lost=GONE),
    partitioned("emptied", "TRUNCATE emptied_1", lost=GONE),
    partitioned(
        *("detached", "ALTER TABLE detached DETACH PARTITION detached_1"),
        *("UPDATE detached_1 SET note = 'is no change of the table' WHERE id = 1",),
        lost=GONE,
    ),
    partitioned("cleared", "DELETE FROM cleared WHERE id < 100", "DROP TABLE cleared_1", lost={}, notes={101: "b"}),
    Situation(
        *("attached", ()),
        form=Form(
            *("attached",),
            partition="PARTITION BY LIST (id)",
            after=(
                "CREATE TABLE attached_1 PARTITION OF attached DEFAULT",
                "CREATE TABLE loose (LIKE attached INCLUDING ALL)",
            ),
        ),
        there=(
            "INSERT INTO attached VALUES (1, 'initial', 'a')",
            "INSERT INTO loose VALUES (201, 'initial', 'a'), (202, 'initial', 'a'), (203, 'incremental', 'a')",
        ),
        done=(
            "ALTER TABLE attached ATTACH PARTITION loose FOR VALUES IN (201, 202, 203, 204)",
            "UPDATE attached SET note = 'b' WHERE id = 202",
            "INSERT INTO attached VALUES (204, 'insert', 'b')",
        ),
        notes={1: "a", 202: "b", 203: "a", 204: "b"},  # 203 is read again by the incremental snapshot
        named={201: Fault.MISSING},
    ),
    Situation(
        *("nested", ()),
        form=Form(
            *("nested",),
            partition="PARTITION BY RANGE (id)",
            after=(
                "CREATE TABLE nested_1 PARTITION OF nested FOR VALUES FROM (0) TO (100) PARTITION BY HASH (id)",
                "CREATE TABLE nested_1_0 PARTITION OF nested_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
                "CREATE TABLE nested_2 PARTITION OF nested DEFAULT PARTITION BY LIST (id)",
                "CREATE TABLE nested_2_101 PARTITION OF nested_2 FOR VALUES IN (101)",
            ),
        ),
        there=("INSERT INTO nested VALUES (1, 'initial', 'a'), (101, 'initial', 'a')",),
        done=(
            "CREATE TABLE nested_2_102 PARTITION OF nested_2 FOR VALUES IN (102)",
            "UPDATE nested SET id = 102, note = 'b' WHERE id = 101",
            "DROP TABLE nested_1_0",
        ),
        notes={1: "a", 102: "b"},
        named={1: Fault.EXTRA},
    ),
    Situation(
        *("inherited", ()),
        there=("INSERT INTO inherited VALUES (1, 'initial', 'a')",),
        done=("CREATE TABLE child () INHERITS (inherited)", "INSERT INTO child VALUES (301, 'insert', 'a')"),
        notes={1: "a"},
        named={301: Fault.MISSING},
    ),
    Situation(
        *("limits", (Subject("clock", "time", ()), Subject("wholes", "integer[]", ()), Subject("day", "date", ()))),
        there=("INSERT INTO limits (id, day, note) VALUES (1, '1999-03-15 BC', 'a'), (2, '1999-03-15', 'a')",),
        done=(
            "INSERT INTO limits (id, clock, note) VALUES (3, '24:00', 'a'), (4, '00:00', 'a')",
            "INSERT INTO limits (id, wholes, note) VALUES (5, '{{1,2},{3,4}}', 'a'), (6, '{1,2}', 'a')",
        ),
        notes={1: "a", 2: "a", 3: "a", 4: "a", 5: "a", 6: "a"},
        named=dict.fromkeys((1, 3, 5), Fault.DIFFERENT),
    ),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("tables")
    with Stack(folder, free_ports(), parts=conformance.PARTS, rows=False) as stack:
        environment = stack.environment()
        run = Run(lambda name: Connection.from_env(name, environment), SITUATIONS, folder / "run", print)
        run.prepare()
        run.capture()
        run.finish()
        run.build()
        yield run


@pytest.fixture(scope="module")
def compared(run: Run) -> dict[str, Comparison | str]:
    found = Reconciliation(
        systems=run.systems, shard=run.shard, tables=run.shard.tables, run="tables", timeout=120
    ).results()
    return {result.table.name: result.outcome for result in found}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_staging_keeps_what_was_sent_and_the_comparison_names_the_rest(
    situation: Situation, run: Run, compared: dict[str, Comparison | str]
) -> None:
    with run.systems.warehouse(role="TRANSFORMER", warehouse="TRANSFORMING") as warehouse:
        cursor = warehouse.cursor()
        cursor.execute(
            f"SELECT ID, NOTE FROM ANALYTICS.STAGING.STG_APPLICATION__{situation.name} "
            "WHERE NOT _IS_DELETED AND NOTE IS NOT NULL"
        )
        assert {int(number): note for number, note in cursor.fetchall()} == situation.notes
    outcome = compared[situation.name]
    assert isinstance(outcome, Comparison), outcome
    faults = {int(difference.key[0]): difference.fault for difference in outcome.differences}
    assert faults == situation.named


def test_the_check_says_which_table_can_not_be_replicated_any_more(run: Run) -> None:
    with run.systems.owner(run.shard) as session:
        role = run.systems.look_up(run.shard.connection).login
        there = catalog.read(session, run.shard, run.shard.tables, role=role)
    assert [(each.table, each.subject) for each in problems(run.shard.tables, there)] == [("inherited", "inheritance")]
