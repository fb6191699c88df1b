"""The findings of a comparison: rows of `RAW.CATCHMENT.CDC_COMPARISONS`, and sentences. No personal value."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catchment.cdc.compare.comparison import Comparison, Fault, RowDifference
from catchment.cdc.declared import Shard, Table
from catchment.errors import NeedsPerson
from catchment.warehouse.ledger import insert
from catchment.warehouse.names import COMPARISONS

NAMED = 100  # rows named in the table; all are counted
SHOWN = 80  # characters of a value
HIDDEN = "(personal)"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One table of one shard, compared in one run. `outcome`: the comparison, or the reason why there is none."""

    run: str
    shard: Shard
    table: Table
    lsn: int
    compared_at: datetime
    seconds: float
    outcome: Comparison | str

    @property
    def equal(self) -> bool:
        """Whether the table was compared and nothing differs."""
        return isinstance(self.outcome, Comparison) and self.outcome.equal

    @property
    def sentence(self) -> str:
        name, found = f"{self.shard.name}.{self.table.name}", self.outcome
        if isinstance(found, str):
            return f"{name}: could not be compared: {found}"
        moving = f"; {found.unsettled:,} rows changed every time they were read" if found.unsettled else ""
        if found.equal:
            return f"{name}: equal, {found.rows_shard:,} rows{moving}"
        faults = Counter(difference.fault for difference in found.differences)
        counts = [f"{faults[fault]:,} {fault}" for fault in Fault if faults[fault]]
        if found.keyless:
            counts.append(f"{found.keyless:,} without a key in the warehouse")
        if found.unexplained:
            counts.append(f"{found.unexplained:,} ranges differ and no row of them does")
        more = "; further ranges differ and were not read" if found.more else ""
        such = "; such as " + "; ".join(described(self.table, d) for d in found.differences[:3])
        return (
            f"{name}: {found.rows_shard:,} rows on the shard, {found.rows_warehouse:,} in the warehouse; "
            f"{', '.join(counts) or 'ranges differ'}{such if found.differences else ''}{more}{moving}"
        )


def described(table: Table, difference: RowDifference) -> str:
    """A row that differs: its key, what is wrong, and which columns."""
    key = ", ".join(f"{column}={value}" for column, value in _key(table, difference).items())
    columns = f" in {', '.join(difference.columns)}" if difference.columns else ""
    return f"{key} {difference.fault}{columns}"


def as_json(table: Table, difference: RowDifference) -> dict[str, Any]:
    """A row that differs, as the table keeps it: values of columns that are not personal, cut short."""
    return {
        "key": _key(table, difference),
        "fault": str(difference.fault),
        "columns": {
            column: {"shard": _shown(table, column, one), "warehouse": _shown(table, column, other)}
            for column, (one, other) in difference.columns.items()
        },
    }


def record(cursor: Any, result: Result) -> None:
    """Write the row of a table, in place of what an earlier try of the same run wrote."""
    found = result.outcome
    if isinstance(found, str):
        found = Comparison(rows_shard=0, rows_warehouse=0, ranges=0, ranges_different=0)
    place = {"RUN_ID": result.run, "SHARD": result.shard.name, "TABLE_NAME": result.table.name}
    cursor.execute(f"DELETE FROM {COMPARISONS} WHERE {' AND '.join(f'{c} = %({c})s' for c in place)}", place)
    row = {
        "COMPARED_AT": result.compared_at,
        "SECONDS": round(result.seconds, 3),
        "LSN": result.lsn,
        "ROWS_SHARD": found.rows_shard,
        "ROWS_WAREHOUSE": found.rows_warehouse,
        "RANGES": found.ranges,
        "RANGES_DIFFERENT": found.ranges_different,
        "ROWS_DIFFERENT": len(found.differences),
        "IS_EQUAL": result.equal,
        "IS_MORE": found.more,
        "UNSETTLED": found.unsettled,
        "SENTENCE": result.sentence,
        "DIFFERENCES": [as_json(result.table, difference) for difference in found.differences[:NAMED]],
    }
    insert(cursor, COMPARISONS, place | row)


def refuse_differences(results: Iterable[Result]) -> None:
    """Raise NeedsPerson, naming what differs and what could not be compared, unless every table is equal."""
    wrong = [result for result in results if not result.equal]
    if wrong:
        raise NeedsPerson(
            f"The warehouse is not known to equal {wrong[0].shard.name} in {len(wrong)} tables. "
            + ". ".join(result.sentence for result in wrong)
            + f". See {COMPARISONS}, and docs/runbooks/cdc_reconcile.md for what to do."
        )


def _key(table: Table, difference: RowDifference) -> dict[str, str | None]:
    parts = zip(table.key, difference.key, strict=True)
    return {column: _shown(table, column, value, hashed=True) for column, value in parts}


def _shown(table: Table, column: str, value: str | None, *, hashed: bool = False) -> str | None:
    if value is None:
        return None
    if column in table.personal:
        return hashlib.sha256(value.encode()).hexdigest()[:12] if hashed else HIDDEN
    return value if len(value) <= SHOWN else value[:SHOWN] + "…"
