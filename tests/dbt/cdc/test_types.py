"""What a type here can't hold as it is: NULL, and Postgres' own text in `_special`. As recorded from Debezium 3.7.

`make conformance-cdc` tries all of it on the real parts; these are the forms that once went wrong silently. Reports: a
snapshot's days before October 1582 came days late, and BC as AD, beside right ones from the stream (flink-cdc PR 4412,
debezium PR 8085, airbyte issue 14590); infinity as an ordinary far day (debezium PR 4865); a number that another
type or precision was declared for as NULL, with no word of it in the table (airbyte issue 38470); JSON with a name
twice is refused by Snowflake, the whole row with it (ingest-java PR 929, estuary PR 2357).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.records import WORD, Message, envelope
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
Run = Callable[..., None]
MS = 1_795_418_453_000
FORMS: list[tuple[str, str, Any, str | None]] = [
    ("c", "born", "-0043-03-15Z", "0044-03-15 BC"),
    ("c", "born", "0000-12-31Z", "0001-12-31 BC"),
    ("c", "born", "+20222-03-01Z", "20222-03-01"),
    ("c", "born", "0022-03-01Z", None),
    ("r", "born", "0022-03-01Z", "0022-03-01 (uncertain)"),
    ("r", "born", "1582-10-20Z", "1582-10-20 (uncertain)"),
    ("r", "born", "1990-01-02Z", None),
    ("c", "created_at", "+294276-12-31T23:59:59.999999Z", "294276-12-31 23:59:59.999999+00"),
    ("c", "created_at", "-0043-03-15T12:34:56.789000Z", "0044-03-15 12:34:56.789+00 BC"),
    ("c", "updated_at", "+10000-01-01T00:00:00Z", "10000-01-01 00:00:00"),
    ("c", "updated_at", "-0043-03-15T12:00:00Z", "0044-03-15 12:00:00 BC"),
    ("c", "account_id", "1.5", "1.5"),  # a migration made the column a number with decimals
    ("c", "account_id", "A-7", "A-7"),  # or text
    ("c", "health_score", "high", "high"),
    ("c", "profile", '{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
    ("c", "profile", '{"a": 1}', None),
    ("c", "tags", "{1,2}", "{1,2}"),
]


def row(key: int, **values: Any) -> dict[str, Any]:
    names = ("account_id", "external_id", "email", "contact_name", "born", "country", "city", "health_score", "tags")
    others = ("profile", "biography", "created_at", "updated_at")
    return {"id": key, **dict.fromkeys(names + others), **values}


def put(warehouse: Warehouse, changes: list[tuple[str, int, dict[str, Any]]], *, since: int = 0) -> None:
    raw.put(
        warehouse,
        [
            Message(
                *("customers", "s0", 0, since + number, {"id": key}),
                envelope(op, row(key, **values), lsn=100 + since + number, commit=99, ms=MS, transaction=1),
            )
            for number, (op, key, values) in enumerate(changes)
        ],
    )


def test_a_value_that_its_column_can_not_hold_is_in_special_as_postgres_prints_it(
    warehouse: Warehouse, run_models: Run
) -> None:
    raw.begin_again(warehouse, "customers")
    put(warehouse, [(op, key, {column: value}) for key, (op, column, value, _) in enumerate(FORMS)])
    run_models("stg_application__customers")
    columns = ", ".join(f"{column} IS NULL" for _, column, _, _ in FORMS)
    found = warehouse.rows(
        f"SELECT _SPECIAL, {columns} FROM ANALYTICS.STAGING.STG_APPLICATION__CUSTOMERS ORDER BY ID".upper()
    )
    said = [(json.loads(special or "{}"), nulls[key]) for key, (special, *nulls) in enumerate(found)]
    assert said == [({column: text} if text else {}, text is not None) for _, column, _, text in FORMS]


def test_a_large_value_that_is_carried_forward_keeps_its_word_in_special(warehouse: Warehouse, run_models: Run) -> None:
    raw.begin_again(warehouse, "customers")
    put(warehouse, [("c", 1, {"profile": '{"a": 1, "a": 2}'}), ("u", 1, {"profile": WORD, "city": "Köln"})])
    run_models("stg_application__customers")
    found = warehouse.rows("SELECT PROFILE, _SPECIAL FROM ANALYTICS.STAGING.STG_APPLICATION__CUSTOMERS")
    assert [(value, json.loads(special)) for value, special in found] == [(None, {"profile": '{"a": 1, "a": 2}'})]
