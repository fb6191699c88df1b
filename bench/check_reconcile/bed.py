"""What is damaged and compared: a shard, its warehouse, and how to make both right again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench.check_reconcile import edges
from bench.check_reconcile.damages import Damage
from catchment.cdc.compare.comparison import Comparison
from catchment.cdc.compare.reconcile import Reconciliation
from catchment.cdc.compare.results import Result, described
from catchment.cdc.compare.warehouse import relation
from catchment.cdc.declared import Application, Shard, Table, application
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from local.cdc.stack import Stack

WAIT_SECONDS = 180.0


class NotWaiting(Reconciliation):
    """A comparison where nothing flows, so that there is nothing to wait for."""

    def wait_until_passed(self, lsn: int, tables: Sequence[Table]) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class Outcome:
    """Whether a damage was named, and what was said."""

    damage: Damage
    named: bool
    said: str

    @property
    def word(self) -> str:
        if self.damage is FALSE_ALARM:
            return "FALSE ALARM"
        return ("named" if self.named else "NOT NAMED") if self.damage.keys else "compared"


class Bed:
    """The table of edges beside the application's own, on the first shard."""

    def __init__(self, stack: Stack, reconciliation: type[Reconciliation] = Reconciliation) -> None:
        environment = stack.environment()
        before = application().database("application")
        wider = replace(before, tables=(*before.tables, edges.EDGES))
        self.application = Application(tuple(replace(shard, of=wider) for shard in application().shards))
        self.shard: Shard = self.application.shards[0]
        self.systems = Systems(lambda name: Connection.from_env(name, environment), self.application)
        self._reconciliation = reconciliation
        with self.systems.warehouse() as session, self.systems.owner(self.shard) as owner:
            cursor = session.cursor()
            cursor.execute("CREATE SCHEMA IF NOT EXISTS ANALYTICS.STAGING")
            edges.make(owner, cursor, self.shard)
            for name in self.relations().values():
                cursor.execute(f"CREATE OR REPLACE TABLE {name}_RIGHT AS SELECT * FROM {name}")

    def relations(self) -> dict[str, str]:
        return {
            "staging": relation(self.shard, edges.EDGES),
            "raw": self.shard.raw_table(edges.EDGES),
        }

    def compared(self, shard: Shard, tables: Sequence[Table]) -> list[Result]:
        """The comparison, as the DAG's task runs it."""
        return self._reconciliation(
            systems=self.systems, shard=shard, tables=tables, run="check", timeout=WAIT_SECONDS
        ).results()

    def outcomes(self, damages: Sequence[Damage]) -> list[Outcome]:
        """Do them all at once, which spoil different rows, compare, undo them."""
        with self._damaged(damages):
            (result,) = self.compared(self.shard, [edges.EDGES])
        return judged(damages, result)

    @contextmanager
    def _damaged(self, damages: Sequence[Damage]) -> Iterator[None]:
        names = self.relations()
        with self.systems.warehouse() as session:
            cursor: Any = session.cursor()
            try:
                for statement in (each for damage in damages for each in damage.statements):
                    cursor.execute(statement.replace("{staging}", names["staging"]).replace("{raw}", names["raw"]))
                yield
            finally:
                for name in names.values():
                    cursor.execute(f"DELETE FROM {name}")
                    cursor.execute(f"INSERT INTO {name} SELECT * FROM {name}_RIGHT")


def together(damages: Iterable[Damage]) -> list[list[Damage]]:
    """Damages that may be done at once: of each row there is one."""
    batches: list[list[Damage]] = []
    for damage in damages:
        for batch in batches:
            if not any(damage.rows & other.rows for other in batch):
                batch.append(damage)
                break
        else:
            batches.append([damage])
    return batches


def judged(damages: Sequence[Damage], result: Result) -> list[Outcome]:
    """Each damage is named when all its rows are; what else is named comes last, as harmless."""
    found = result.outcome
    if not isinstance(found, Comparison):
        return [Outcome(each if each.keys else FALSE_ALARM, named=False, said=result.sentence) for each in damages]
    said = {difference.key: described(result.table, difference) for difference in found.differences}
    lost = found.keyless == sum(damage.keyless for damage in damages)
    outcomes = [
        Outcome(
            damage,
            named=damage.keys <= said.keys() and (lost or not damage.keyless) and not result.equal,
            said="; ".join(said.get(key, f"{key} is not named") for key in sorted(damage.keys)) or result.sentence,
        )
        for damage in damages
    ]
    if strangers := said.keys() - {key for damage in damages for key in damage.keys}:
        outcomes += [Outcome(FALSE_ALARM, named=True, said=said[key]) for key in sorted(strangers)]
    if not result.equal and not any(damage.keys for damage in damages) and not strangers:
        outcomes.append(Outcome(FALSE_ALARM, named=True, said=result.sentence))
    return outcomes


FALSE_ALARM = Damage("no damage", "a false alarm", ())
