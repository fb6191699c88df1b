"""What a shard is compared with: dbt's current state of it in the warehouse.

`stg_application__<table>` has a row for each shard and key, deleted ones too, with `_shard`, `_is_deleted` and `_lsn`:
the LSN of the newest change, NULL or 0 for a row that an incremental snapshot read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catchment.cdc.compare.table_view import Key, TableView, as_keys
from catchment.cdc.compare.texts import ColumnKind, WarehouseTexts, kind_of
from catchment.cdc.declared import Shard, Table
from catchment.cdc.loader.batch import Partition
from catchment.warehouse.names import KAFKA_OFFSET, KAFKA_PARTITION, WATERMARKS

STAGING = "ANALYTICS.STAGING"
ROWS_AT_ONCE = 5_000
LSN = "_LSN"
TEXTS = WarehouseTexts()


@dataclass(frozen=True)
class CurrentState:
    """One shard's rows in staging."""

    cursor: Any
    shard: Shard

    def changed(self, table: Table, lsn: int) -> TableView:
        """The rows whose newest change is after the LSN, deleted ones too."""
        return self._view(table, f"{LSN} > {lsn}")

    def view(self, table: Table, until: int) -> TableView:
        """The living rows whose newest change is not after the LSN."""
        return self._view(table, f"NOT _IS_DELETED AND ({LSN} IS NULL OR {LSN} <= {until})")

    def everything(self, table: Table) -> TableView:
        """All rows, deleted ones too, with the columns `_IS_DELETED` and `_LSN`."""
        return self._view(table, "TRUE")

    def without_record(self, table: Table, limit: int) -> list[Key]:
        """The keys of rows whose newest change is no record of raw, or one of another key."""
        view = self.everything(table)
        keys = ", ".join(f"{text} AS k{number}" for number, text in enumerate(view.key))
        names = ", ".join(f"k{number}" for number in range(len(view.key)))
        there = " AND ".join(f"k{number} IS NOT NULL" for number in range(len(view.key)))
        # Whole numbers are spelled alike in raw and staging; a truncation's record has no key.
        whole = [n for n, column in enumerate(table.key) if kind_of(table.columns[column]) is ColumnKind.WHOLE]
        raw_key = "".join(f', RECORD_METADATA:key:"{table.key[n]}"::VARCHAR AS r{n}' for n in whole)
        same = "".join(f" AND (r{n} IS NULL OR r{n} = k{n})" for n in whole)
        rows = view.query(
            f"SELECT {names} FROM (SELECT {keys}, _PARTITION, _OFFSET FROM {view.relation} WHERE {view.where}) s "
            f"LEFT JOIN (SELECT {KAFKA_PARTITION} AS p, {KAFKA_OFFSET} AS o{raw_key} "
            f"FROM {self.shard.raw_table(table)} WHERE RECORD_CONTENT IS NOT NULL) r "
            f"ON p = _PARTITION AND o = _OFFSET{same} WHERE p IS NULL AND {there} ORDER BY {names} LIMIT {limit}"
        )
        return list(as_keys(rows))

    def records_twice(self, table: Table, limit: int) -> list[Key]:
        """The keys whose records are in raw more than once, as one and the same offset."""
        raw_key = [f'RECORD_METADATA:key:"{column}"::VARCHAR' for column in table.key]
        self.cursor.execute(
            f"SELECT DISTINCT {', '.join(f'r{n}' for n in range(len(raw_key)))} FROM ("
            f"SELECT {', '.join(f'{text} AS r{n}' for n, text in enumerate(raw_key))} "
            f"FROM {self.shard.raw_table(table)} WHERE RECORD_CONTENT IS NOT NULL "
            f"GROUP BY {KAFKA_PARTITION}, {KAFKA_OFFSET}, {', '.join(raw_key)}, RECORD_CONTENT:ts_ns::VARCHAR, "
            f"RECORD_CONTENT:ts_ms::VARCHAR HAVING COUNT(*) > 1) twice LIMIT {limit}"
        )
        return list(as_keys(self.cursor.fetchall()))

    def _view(self, table: Table, where: str) -> TableView:
        shard = TEXTS.literal(self.shard.name)
        return TableView(TEXTS, self._query, relation(self.shard, table), table, f"_SHARD = {shard} AND {where}")

    def _query(self, sql: str) -> Iterator[tuple[Any, ...]]:
        self.cursor.execute(sql)
        while some := self.cursor.fetchmany(ROWS_AT_ONCE):
            yield from some


def relation(shard: Shard, table: Table) -> str:
    """Production's relation with a table's current state."""
    return f"{STAGING}.{shard.of.staging(table)}".upper()


def not_merged(cursor: Any, shard: Shard, table: Table, ends: Mapping[Partition, int]) -> dict[Partition, int]:
    """For each partition of a table's topic: how many offsets of raw before `ends` dbt has not merged yet."""
    topic = shard.topic(table)
    until = " OR ".join(
        f"({KAFKA_PARTITION} = {p.number} AND {KAFKA_OFFSET} < {end})" for p, end in ends.items() if p.topic == topic
    )
    if not until:
        return {}
    cursor.execute(
        "SELECT part, newest + 1 - COALESCE(w.NEXT_OFFSET, 0) FROM ("
        f"SELECT {KAFKA_PARTITION} AS part, MAX({KAFKA_OFFSET}) AS newest "
        f"FROM {shard.raw_table(table)} WHERE {until} GROUP BY 1) AS r LEFT JOIN {WATERMARKS} AS w "
        "ON w.MODEL = %(relation)s AND w.TOPIC = %(topic)s AND w.KAFKA_PARTITION = r.part "
        "WHERE newest >= COALESCE(w.NEXT_OFFSET, 0)",
        {"topic": topic, "relation": relation(shard, table).lower()},
    )
    return {Partition(topic, int(number)): int(behind) for number, behind in cursor.fetchall()}
