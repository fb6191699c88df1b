"""Start replicating a newly declared table: on every shard, in raw, in the connectors.

The table is declared first, in a commit (in `include/connectors`). Then, in an order in which no step
depends on a later one: publication and grants, raw tables, connector configs. A snapshot of the table follows.
"""

from __future__ import annotations

from typing import Any

from catchment.cdc import shard as database
from catchment.cdc.connectors.client import Config, Connect
from catchment.cdc.connectors.configs import declared_connectors
from catchment.cdc.connectors.plan import differences
from catchment.cdc.connectors.waiting import is_running, retry_on_rebalance, wait_until
from catchment.cdc.declared import Database, Shard, Table
from catchment.cdc.loader import tables
from catchment.cdc.setup.migrate import migrate
from catchment.cdc.systems import Systems
from catchment.errors import ContractBroken

_SHORT = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "character varying": "varchar",
    "character": "char",
}


def plan(systems: Systems, database: Database, table: Table) -> list[str]:
    """The steps still to do, in sentences. Raises ContractBroken when a shard's table is not as declared."""
    application = systems.application
    shards = application.shards_of(database)
    steps = []
    for shard in shards:
        with systems.shard(shard) as session:
            check(session, shard, table)
            published = is_published(session, shard, table)
        done = "is in" if published else "is added to"
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
    for shard in shards:
        with systems.shard(shard) as session:
            check(session, shard, table)
        migrate(shard.of, systems.look_up(shard.owner_connection), systems.look_up(shard.connection))
    wanted = tables.targets(application)
    with systems.warehouse() as warehouse:
        cursor = warehouse.cursor()
        topics = [shard.topic(table) for shard in shards]
        for statement in tables.statements(wanted[topic] for topic in topics):
            cursor.execute(statement)
    configs = declared_connectors(application, systems.look_up)
    with systems.connect() as connect:
        for shard in shards:
            _configure(connect, shard.connector, configs[shard.connector])


def _configure(connect: Connect, name: str, config: Config) -> None:
    """Give a connector its declared config, if it has another, and wait until it runs."""
    if differences(config, retry_on_rebalance(lambda: connect.config(name))):
        retry_on_rebalance(lambda: connect.put(name, config))
    wait_until(lambda: is_running(connect, name), seconds=120, otherwise=f"{name} did not run with its new config")


def check(session: Any, shard: Shard, table: Table) -> None:
    """Raise ContractBroken unless the shard's table has the declared columns, types and primary key."""
    name = f"{shard.of.schema}.{table.name}"
    columns = shape(session, name)
    if not columns:
        raise ContractBroken(f"{shard.name} has no table {name}: make it there first (the application's migration).")
    wrong = [
        f"{column} is {columns.get(column, 'not there')}, declared as {kind}"
        for column, kind in table.columns.items()
        if columns.get(column) != kind
    ]
    key = _primary_key(session, name)
    if set(key) != set(table.key):
        wrong.append(f"the primary key is ({', '.join(key) or 'none'}), declared as ({', '.join(table.key)})")
    if wrong:
        raise ContractBroken(
            f"{shard.name}.{table.name} is not as declared in {shard.of.source}.toml: {'; '.join(wrong)}. Fix it."
        )


def shape(session: Any, name: str) -> dict[str, str]:
    """The columns of a table with their types as they are declared; empty when there is no such table."""
    sql = (
        "SELECT attname, CASE WHEN typtype = 'e' THEN 'enum' ELSE format_type(atttypid, atttypmod) END "
        "FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return {str(column): _declared(str(kind)) for column, kind in database.rows(session, sql, (name,))}


def is_published(session: Any, shard: Shard, table: Table) -> bool:
    sql = "SELECT 1 FROM pg_publication_tables WHERE pubname = %s AND schemaname = %s AND tablename = %s"
    return bool(database.rows(session, sql, (shard.of.publication, shard.of.schema, table.name)))


def _primary_key(session: Any, name: str) -> list[str]:
    sql = (
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) "
        "WHERE indrelid = to_regclass(%s) AND indisprimary"
    )
    return [str(column) for (column,) in database.rows(session, sql, (name,))]


def _declared(kind: str) -> str:
    for long, short in _SHORT.items():
        if kind.startswith(long):
            return kind.replace(long, short, 1)
    return kind
