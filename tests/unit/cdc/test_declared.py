"""The declaration: names that follow from it, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from catchment.cdc.declared import Shard, application, parse
from catchment.errors import ContractBroken

HEAD = 'source = "application"\ndatabase = "app"\nschema = "public"\npublication = "catchment"\n'
S0 = '[[shards]]\nname = "s0"\n'


def table(body: str, name: str = "t") -> str:
    return f'{HEAD}{S0}[[tables]]\nname = "{name}"\n{body}\n'


def test_one_entry_more_is_a_shard_more_with_all_its_names() -> None:
    before, after = parse(HEAD + S0), parse(HEAD + S0 + '[[shards]]\nname = "s1"\n')
    assert [s.name for s in after.shards if s not in before.shards] == ["s1"]
    s1 = after.shard("s1")
    assert (s1.connection, s1.owner_connection) == ("application_s1", "application_s1_owner")
    assert (s1.connector, s1.slot, s1.transaction_topic) == ("application-s1", "debezium_s1", "s1.transaction")


def test_one_entry_more_is_a_table_more_on_every_shard() -> None:
    declared = parse(table('key = ["id"]\ncolumns = { id = "bigint" }', "orders") + '[[shards]]\nname = "s1"\n')
    topics = {declared.topic(*entry): declared.raw_table(*entry) for entry in declared.replicated()}
    assert topics == {"s0.public.orders": "RAW.APPLICATION.S0_ORDERS", "s1.public.orders": "RAW.APPLICATION.S1_ORDERS"}


def test_a_topic_leads_back_to_its_shard_and_table_and_strangers_to_nothing() -> None:
    declared = application()
    for shard, entry in declared.replicated():
        assert declared.of_topic(declared.topic(shard, entry)) == (shard, entry)
    assert declared.of_topic("s0.cdc.heartbeat") is None


def test_tables_whose_key_has_timestamptz_have_a_surrogate_key() -> None:
    """Debezium's incremental snapshots silently skip rows of the others."""
    keys = {t.name: [t.columns[c] for c in t.key] for t in application().tables if t.surrogate_key is None}
    assert not [name for name, types in keys.items() if "timestamptz" in types]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (table('columns = { id = "bigint" }'), "t has no key"),
        (table('key = ["id"]'), "names the column 'id'"),
        (table('key = ["id"]\npersonal = ["email"]\ncolumns = { id = "bigint" }'), "'email'"),
        (table('key = ["id"]\ncolumns = { id = "bigserial" }'), "'bigserial'"),
        (table('key = ["id"]\ncolums = { id = "bigint" }'), "mean nothing: colums"),
        (table('key = ["id", "at"]\ncolumns = { id = "bigint", at = "timestamptz" }'), "surrogate_key"),
        (table('key = ["id"]\ncolumns = { id = "bigint" }', "T-1"), "lower-case name"),
        (HEAD + S0 + S0, "declared twice: shard s0"),
    ],
)
def test_a_declaration_that_is_not_right_says_what_and_where(text: str, said: str) -> None:
    with pytest.raises(ContractBroken, match=said):
        parse(text)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[[shards")
    with pytest.raises(ContractBroken, match=r"broken\.toml"):
        application(path)


def test_a_shard_that_is_not_declared_is_answered_with_those_that_are() -> None:
    with pytest.raises(KeyError, match="s0, s1"):
        application().shard("s9")
    assert application().shard("s0") == Shard("s0")
