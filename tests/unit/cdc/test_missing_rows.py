"""Deletes for rows that a snapshot did not bring, and when a shard's snapshot is over."""

from __future__ import annotations

import json

import pytest

from catchment.cdc.declared import application
from catchment.cdc.loader.batch import Partition
from catchment.cdc.repair.missing_rows import DeletedKey, find, record, since
from catchment.cdc.repair.rebuild import is_snapshot_over

S0 = application().shard("s0")
USERS = S0.table("users")


def test_a_delete_looks_like_debeziums_and_says_who_wrote_it() -> None:
    value = record(S0, USERS, DeletedKey(2, {"id": 7}), 500)
    assert (value["op"], value["before"], value["after"]) == ("d", {"id": 7}, None)
    source = value["source"]
    assert (source["connector"], source["name"], source["table"], source["lsn"]) == ("catchment", "s0", "users", 500)
    assert json.loads(source["sequence"]) == ["500", "500"]
    assert json.loads(json.dumps(value)) == value


def test_a_partition_that_came_later_is_new_as_a_whole() -> None:
    starts = {Partition("s0.public.users", 0): 10, Partition("s0.public.accounts", 1): 5}
    assert since("s0.public.users", starts).count("<") == 1
    assert since("s0.public.invoices", starts) == "TRUE"


class Pages:
    """A cursor whose rows come in pages, and that has no `fetchall`."""

    def __init__(self, *pages: list[tuple[str, int]]) -> None:
        self._pages = iter([*pages, []])

    def execute(self, sql: str) -> None:
        assert "GROUP BY" in sql

    def fetchmany(self, _: int) -> list[tuple[str, int]]:
        return next(self._pages)


def test_deleted_keys_come_in_pieces_so_that_memory_does_not_grow_with_them() -> None:
    pages = Pages([('{"id":1}', 0), ('{"id":2}', 1)], [('{"id":3}', 2)])
    found = find(pages, S0, USERS, {})
    assert [[(each.partition, each.key["id"]) for each in some] for some in found] == [[(0, 1), (1, 2)], [(2, 3)]]


@pytest.mark.parametrize(
    ("offsets", "over"),
    [
        pytest.param([], False, id="nothing is committed yet"),
        pytest.param([{"partition": {}, "offset": {"snapshot": "INITIAL", "lsn": 5}}], False, id="tables are read"),
        pytest.param([{"partition": {}, "offset": {"lsn": 9, "lsn_proc": 9}}], True, id="it streams"),
        pytest.param([{"partition": {}, "offset": None}], False, id="an offset that was deleted"),
    ],
)
def test_a_snapshot_is_over_once_the_offsets_no_longer_speak_of_it(offsets: list[dict], over: bool) -> None:
    assert is_snapshot_over(offsets) is over
