"""Sessions count in UTC, whatever the account's default is: Snowflake's is Los Angeles."""

from __future__ import annotations

from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

RAN = """SELECT SESSION_ID, QUERY_TEXT FROM TABLE(RAW.INFORMATION_SCHEMA.QUERY_HISTORY())
    WHERE QUERY_TEXT ILIKE 'alter session set timezone%' OR QUERY_TEXT ILIKE '%stg_chartmogul__plans%'
    ORDER BY START_TIME"""


def test_models_and_their_tests_run_in_sessions_that_were_set_to_utc(warehouse: Warehouse, dbt: Dbt) -> None:
    """Reports (dbt-snowflake 1256, dbt-external-tables 186): with dbt, times were off by the account's offset.

    Their cure is the time zone of the session, which dbt's profile can't give. The local warehouse is always in UTC, so
    what is asked is whether each thread's session was told before it ran anything of ours.
    """
    warehouse.empty()
    statuses = dbt.statuses("build", "--select", "stg_chartmogul__plans", "--exclude", "test_type:unit")
    assert set(statuses.values()) <= {"success", "pass"}
    told: set[int] = set()
    ran = []
    for session, text in warehouse.rows(RAN):
        if text.lower().startswith("alter session set timezone = 'utc'"):
            told.add(session)
        elif '"node": "' in text and "QUERY_HISTORY" not in text:
            ran.append((session in told, text))
    assert len(ran) >= len(statuses)
    assert [text for in_utc, text in ran if not in_utc] == []
