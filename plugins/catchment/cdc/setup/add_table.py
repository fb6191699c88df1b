"""Start replicating a newly declared table: on every shard, in raw, in the connectors.

The table is declared first, in a commit (in `include/connectors`). Then, in an order in which no step
depends on a later one: publication and grants, raw tables, connector configs. A snapshot of the table follows.
"""

from __future__ import annotations

from functools import partial

from catchment.cdc.connectors.configs import declared_connectors
from catchment.cdc.connectors.plan import differences
from catchment.cdc.connectors.waiting import is_running, retry_on_rebalance, wait_until
from catchment.cdc.declared import Database, Table
from catchment.cdc.loader import tables
from catchment.cdc.setup import catalog
from catchment.cdc.setup.check import require
from catchment.cdc.setup.migrate import migrate
from catchment.cdc.systems import Systems


def plan(systems: Systems, database: Database, table: Table) -> list[str]:
    """The steps still to do, in sentences. Raises ContractBroken with a table of all that is wrong on any shard."""
    application = systems.application
    shards = application.shards_of(database)
    require(systems, database, table)
    steps = []
    for shard in shards:
        with systems.shard(shard) as session:
            publication = catalog.read(session, shard, [table], role="").publication
        done = "is in" if publication and table.name in publication.tables else "is added to"
        steps.append(f"{shard.name}: {table.name} {done} the publication {shard.of.publication}; cdc may read it")
        steps.append(f"{shard.raw_table(table)} is made if it is not there")
    configs = declared_connectors(application, systems.look_up)
    with systems.connect() as connect:
        running = connect.connectors()
    for shard in shards:
        changed = differences(configs[shard.connector], running[shard.connector].config)
        what = "; ".join(difference.text for difference in changed) or "is as declared"
        steps.append(f"{shard.connector}: {what}")
    return steps


def prepare(systems: Systems, database: Database, table: Table) -> None:
    """Carry out the plan. Idempotent. A snapshot of the table is all that remains."""
    application = systems.application
    shards = application.shards_of(database)
    require(systems, database, table)
    for shard in shards:
        migrate(shard.of, systems.look_up(shard.owner_connection), systems.look_up(shard.connection))
    wanted = tables.targets(application)
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        for statement in tables.statements(wanted[shard.topic(table)] for shard in shards):
            cursor.execute(statement)
    configs = declared_connectors(application, systems.look_up)
    with systems.connect() as connect:
        for name in (shard.connector for shard in shards):
            if differences(configs[name], retry_on_rebalance(partial(connect.config, name))):
                retry_on_rebalance(partial(connect.put, name, configs[name]))
            did_not = f"{name} did not run with its new config"
            wait_until(partial(is_running, connect, name), seconds=120, otherwise=did_not)
