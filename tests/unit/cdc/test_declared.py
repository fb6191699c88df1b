"""The declaration: names that follow from it, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from catchment.cdc.declared import application, parse, read
from catchment.errors import ContractBroken, NeedsPerson

HEAD = 'source = "application"\ndatabase = "app"\nschema = "public"\npublication = "catchment"\n'
S0 = '[[shards]]\nname = "s0"\n'


def table(body: str, name: str = "t") -> str:
    return f'{HEAD}{S0}[[tables]]\nname = "{name}"\n{body}\n'


def test_one_entry_more_is_a_shard_more_with_all_its_names() -> None:
    before, after = parse(HEAD + S0), parse(HEAD + S0 + '[[shards]]\nname = "s1"\n')
    assert [shard.name for shard in after.shards if shard not in before.shards] == ["s1"]
    s1 = after.shard("s1")
    assert (s1.connection, s1.owner_connection) == ("application_s1", "application_s1_owner")
    assert (s1.connector, s1.slot) == ("application-s1", "debezium_s1")


def test_one_entry_more_is_a_table_more_on_every_shard() -> None:
    declared = parse(table('key = ["id"]\ncolumns = { id = "bigint" }', "orders") + '[[shards]]\nname = "s1"\n')
    topics = {shard.topic(table): shard.raw_table(table) for shard, table in declared.replicated()}
    assert topics == {"s0.public.orders": "RAW.APPLICATION.S0_ORDERS", "s1.public.orders": "RAW.APPLICATION.S1_ORDERS"}


def test_tables_whose_key_has_timestamptz_have_a_surrogate_key() -> None:
    """Debezium's incremental snapshots silently skip rows of the others."""
    keys = {t.name: [t.columns[c] for c in t.key] for _, t in application().replicated() if t.surrogate_key is None}
    assert not [name for name, types in keys.items() if "timestamptz" in types]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (table('columns = { id = "bigint" }'), "t has no key"),
        (table('key = ["id"]'), "names the column 'id'"),
        (table('key = ["id"]\npersonal = ["email"]\ncolumns = { id = "bigint" }'), "'email'"),
        (table('key = ["id"]\ncolumns = { id = "bigserial" }'), '"bigserial"'),
        (table('key = ["id"]\ncolums = { id = "bigint" }'), "mean nothing: colums"),
        (table('key = ["id", "at"]\ncolumns = { id = "bigint", at = "timestamptz" }'), "surrogate_key"),
        (table('key = ["id"]\ncolumns = { id = "bigint" }', "T-1"), "lower-case name"),
        (
            table('key = ["id"]\ncolumns = { id = "bigint", valid_from = "timestamptz" }'),
            "valid_from is a column",
        ),
        (table('key = ["id"]\ncolumns = { id = "bigint", userId = "text", userid = "text" }'), "declared twice"),
        (HEAD + S0 + S0, "declared twice: shard s0"),
    ],
)
def test_a_declaration_that_is_not_right_says_what_and_where(text: str, said: str) -> None:
    with pytest.raises(ContractBroken, match=said):
        parse(text)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[[shards")
    with pytest.raises(ContractBroken, match=r"broken\.toml"):
        read(tmp_path)


# Airbyte and Fivetran have one connection a database, each with names of its own: a second one is a file, no code.
BILLING = 'source = "billing"\ndatabase = "billing"\nschema = "public"\npublication = "catchment"\n'
ORDERS = '[[tables]]\nname = "orders"\nkey = ["id"]\ncolumns = { id = "bigint" }\n'


def test_one_file_more_is_a_database_more_and_one_without_shards_is_its_own_only_one(tmp_path: Path) -> None:
    (tmp_path / "application.toml").write_text(HEAD + S0 + ORDERS)
    (tmp_path / "billing.toml").write_text(BILLING + ORDERS)
    declared = read(tmp_path)
    assert [database.source for database in declared.databases] == ["application", "billing"]
    billing = declared.shard("billing")
    assert (billing.connection, billing.owner_connection) == ("billing", "billing_owner")
    assert (billing.connector, billing.slot, billing.of.sink) == ("billing", "debezium_billing", "snowflake-billing")
    names = {shard.topic(entry): shard.raw_table(entry) for shard, entry in declared.replicated()}
    assert names == {
        "s0.public.orders": "RAW.APPLICATION.S0_ORDERS",
        "billing.public.orders": "RAW.BILLING.BILLING_ORDERS",
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("billing", BILLING + S0, "declared twice: shard s0"),
        ("invoicing", BILLING, "the file is named after it"),
        ("application_s0", BILLING.replace('"billing"', '"application_s0"'), "twice: connection application_s0"),
    ],
)
def test_a_second_file_that_takes_names_of_others_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / "application.toml").write_text(HEAD + S0 + ORDERS)
    (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(ContractBroken, match=said):
        read(tmp_path)


def test_a_folder_without_a_declaration_is_no_empty_application(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="declares no database"):
        read(tmp_path)


def test_a_shard_that_is_not_declared_is_answered_with_those_that_are() -> None:
    with pytest.raises(NeedsPerson, match="s0, s1"):
        application().shard("s9")
    assert application().shard("s0").name == "s0"
