"""What Cosmos tells dbt of the warehouse."""

from __future__ import annotations

import json

import pytest

from catchment.hooks.dbt_profile import profile_config


def test_statements_of_dbt_carry_the_name_of_the_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report (astronomer-cosmos 1722): dbt under Cosmos sent no query tag, so its cost could not be told apart."""
    connection = {"conn_type": "snowflake", "login": "ADA", "password": "x", "extra": {"account": "acme-eu1"}}
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(connection))
    mapping = profile_config("customer_metrics").profile_mapping
    assert mapping is not None
    assert json.loads(str(mapping.profile["query_tag"])) == {"dag": "customer_metrics", "task": "dbt"}


@pytest.mark.parametrize(
    ("dag", "warehouse"),
    [
        ("application_state", "CDC"),
        ("customer_metrics", "TRANSFORMING"),
        ("source_freshness", "TRANSFORMING"),
    ],
)
def test_what_is_built_every_few_minutes_has_another_warehouse_than_the_marts(dag: str, warehouse: str) -> None:
    mapping = profile_config(dag).profile_mapping
    assert mapping is not None
    assert mapping.profile_args["warehouse"] == warehouse
