"""What a shard is compared with: dbt's current state of it in the warehouse.

`stg_application__<table>` has a row for each shard and key, deleted ones too, with `_shard`, `_is_deleted` and `_lsn`:
the LSN of the newest change, NULL for a row that an incremental snapshot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catchment.cdc.compare.comparison import LSN
from catchment.cdc.compare.table_view import TableView, literal
from catchment.cdc.compare.texts import Dialect
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition

STAGING = "ANALYTICS.STAGING"
WATERMARKS = "RAW.CATCHMENT.WATERMARKS"


@dataclass(frozen=True)
class CurrentState:
    """One shard's rows in staging (`compare.WarehouseState`)."""

    cursor: Any
    shard: Shard

    def changed(self, table: Table, lsn: int) -> list[str]:
        view = self.everything(table)
        return [
            str(key)
            for (key,) in view.query(f"SELECT {view.key} FROM {view.relation} WHERE {view.where} AND {LSN} > {lsn}")
        ]

    def view(self, table: Table, until: int) -> TableView:
        return self._view(table, f"NOT _IS_DELETED AND ({LSN} IS NULL OR {LSN} <= {until})")

    def everything(self, table: Table) -> TableView:
        return self._view(table, "TRUE")

    def _view(self, table: Table, where: str) -> TableView:
        shard = literal(self.shard.name, Dialect.WAREHOUSE)
        return TableView(
            Dialect.WAREHOUSE,
            self._query,
            relation(self.shard, table),
            table,
            f"_SHARD = {shard} AND {where}",
        )

    def _query(self, sql: str) -> Iterable[tuple[Any, ...]]:
        self.cursor.execute(sql)
        rows: Iterable[tuple[Any, ...]] = self.cursor.fetchall()
        return rows


def relation(shard: Shard, table: Table) -> str:
    """Production's relation with a table's current state."""
    return f"{STAGING}.{shard.of.staging(table)}".upper()


def not_merged(cursor: Any, shard: Shard, table: Table, ends: Mapping[Partition, int]) -> dict[Partition, int]:
    """For each partition of a table's topic: how many offsets of raw before `ends` dbt has not merged yet."""
    topic = shard.topic(table)
    offset = "COALESCE(KAFKA_OFFSET, RECORD_METADATA:offset::NUMBER)"
    partition = "COALESCE(KAFKA_PARTITION, RECORD_METADATA:partition::NUMBER)"
    until = " OR ".join(
        f"({partition} = {p.number} AND {offset} < {end})" for p, end in ends.items() if p.topic == topic
    )
    if not until:
        return {}
    cursor.execute(
        "SELECT part, newest + 1 - COALESCE(w.NEXT_OFFSET, 0) FROM ("
        f"SELECT {partition} AS part, MAX({offset}) AS newest "
        f"FROM {shard.raw_table(table)} WHERE {until} GROUP BY 1) AS r LEFT JOIN {WATERMARKS} AS w "
        "ON w.MODEL = %(relation)s AND w.TOPIC = %(topic)s AND w.KAFKA_PARTITION = r.part "
        "WHERE newest >= COALESCE(w.NEXT_OFFSET, 0)",
        {"topic": topic, "relation": relation(shard, table).lower()},
    )
    return {Partition(topic, int(number)): int(behind) for number, behind in cursor.fetchall()}
