"""The raw tables of the declared topics: their names, and the statements that make them."""

from __future__ import annotations

from collections.abc import Iterable

from catchment.cdc.declared import Application
from catchment.cdc.loader.write import Target
from catchment.warehouse.provision import TEMPLATES
from catchment.warehouse.provision_template import read

STEP = "cdc_raw_tables"


def targets(application: Application) -> dict[str, Target]:
    """Where the rows of each declared topic go, by topic."""
    return {
        shard.topic(table): Target(shard.topic(table), shard.raw_table(table), f"{shard.name}.{table.name}")
        for shard, table in application.replicated()
    }


def statements(wanted: Iterable[Target]) -> list[str]:
    """What makes these tables where they are missing, as `snowflake-apply` does."""
    template = next(t for t in read(TEMPLATES) if t.step == STEP)
    names = (target.table.split(".") for target in wanted)
    return [sql for _, schema, table in names for sql in template.fill({"source": schema, "table": table})]
