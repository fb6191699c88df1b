"""`cdc-check` on a real shard: each way in which a table or the publication can differ from what is declared.

PeerDB PRs 1110 and 1773 and issue 2799: a mirror was made of a table that is not published, that the role may not
read, or without replica identity; it failed in a loop later. Right: all of it is named before, with a cure.
A publication narrowed to inserts and updates was "healthy" while deletes never came (yugabyte 19250); a renamed column
or a changed type was NULL in staging at once, and reported a day later; a table with REPLICA IDENTITY NOTHING refuses
the application's updates from the moment that it is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg2
import psycopg2.errors
import pytest

from bench.conformance_cdc import refused
from bench.conformance_cdc.judge import REFUSED
from bench.conformance_cdc.tables import PREPARATION
from catchment.cdc import shard as database
from catchment.cdc.declared import application
from catchment.cdc.setup import catalog, check
from catchment.cdc.systems import Systems
from catchment.connection import Connection
from catchment.errors import ContractBroken
from local.cdc import shards
from local.cdc.stack import Stack, free_ports

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("check"), free_ports(), parts=("shard_s0",), rows=False) as stack:
        yield stack


@pytest.fixture
def systems(stack: Stack) -> Systems:
    environment, declared = stack.environment(), application()
    return Systems(
        lambda name: Connection.from_env(name, environment), replace(declared, shards=(declared.shard("s0"),))
    )


DRIFT = {
    "ALTER TABLE users REPLICA IDENTITY NOTHING": ("users", "replica identity", "is NOTHING"),
    "ALTER TABLE customers RENAME city TO town": ("customers", "city", "it may be renamed: town"),
    "ALTER TABLE invoices ALTER number TYPE text": ("invoices", "number", "is text, declared as integer"),
    "ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_pkey CASCADE": ("subscriptions", "primary key", "none"),
    "ALTER PUBLICATION catchment SET (publish = 'insert, update')": ("users", "publication", "delete, truncate"),
    "ALTER PUBLICATION catchment SET (publish_via_partition_root = off)": ("events", "publication", "via_partition"),
    "ALTER PUBLICATION catchment DROP TABLE accounts": ("accounts", "publication", "does not hold it"),
    "ALTER PUBLICATION catchment DROP TABLE users; ALTER PUBLICATION catchment ADD TABLE users (id, email)": (
        *("users", "column list"),
        "does not send account_id",
    ),
    "ALTER PUBLICATION catchment DROP TABLE users; ALTER PUBLICATION catchment ADD TABLE users WHERE (id > 5)": (
        *("users", "row filter"),
        "(id > 5)",
    ),
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY": ("users", "row security", "would miss rows"),
    "REVOKE SELECT ON users FROM cdc": ("users", "grants", "may not read it"),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_what_differs_is_one_problem_with_its_cure(systems: Systems, drift: str) -> None:
    (shard,) = systems.application.shards
    table, subject, words = DRIFT[drift]
    with systems.owner(shard) as session:
        session.autocommit = False
        database.rows(session, drift)
        there = catalog.read(session, shard, shard.tables, role=systems.look_up(shard.connection).login)
        session.rollback()
    found = [*check.problems(shard.tables, there), *check.publication_problems(shard.tables, there)]
    assert any((p.table, p.subject) == (table, subject) and words in p.wrong and p.cure for p in found), found


def test_a_shard_as_it_is_declared_has_no_problems(systems: Systems, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(systems) == 0
    assert "what is declared can be replicated as it is, on s0" in capsys.readouterr().out


def test_a_table_that_does_not_fit_is_refused_with_all_that_is_wrong(systems: Systems) -> None:
    application_database = systems.application.database("application")
    users = application_database.table("users")
    wrong = replace(users, name="users", key=("email",), columns={**users.columns, "email": "integer", "since": "date"})
    with pytest.raises(ContractBroken, match="nothing was changed") as refusal:
        check.require(systems, application_database, wrong)
    assert all(f"users  {word}" in str(refusal.value) for word in ("primary key", "email", "since"))


def test_every_form_of_table_that_can_not_be_replicated_is_refused_and_no_other(stack: Stack) -> None:
    cluster = shards.cluster(stack.settings, stack.credentials, "s0")
    with closing(psycopg2.connect(cluster.dsn("postgres"))) as session:
        database.rows(session, PREPARATION)
        assert {(cell.subject, cell.verdict) for cell in refused.by_check(session) if cell.verdict != REFUSED} == set()


def test_postgres_refuses_updates_of_a_published_table_with_a_deferrable_primary_key(stack: Stack) -> None:
    """wal2json issue 62: such a key is no replica identity, so updates and deletes were missing without a word.

    Since Postgres asks publications, the application's own updates fail from the moment the table is published. Right:
    the check refuses the table before that, and its cure helps.
    """
    cluster = shards.cluster(stack.settings, stack.credentials, "s0")
    with closing(psycopg2.connect(cluster.dsn("postgres"))) as session:
        session.autocommit = True
        database.rows(session, "CREATE TABLE late (id integer PRIMARY KEY DEFERRABLE); INSERT INTO late VALUES (1)")
        database.rows(session, "CREATE PUBLICATION late FOR TABLE late")
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="does not have a replica identity"):
            database.rows(session, "UPDATE late SET id = 2")
        database.rows(session, "ALTER TABLE late REPLICA IDENTITY FULL; UPDATE late SET id = 2")
        assert database.rows(session, "SELECT id FROM late") == [(2,)]
