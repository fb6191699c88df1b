"""The list of DAGs in the UI, which can be sorted by display name: what a newcomer looks for stands first.

apache/airflow #50600: people look for a DAG by its name, and the list is in another order until they sort it; #43231
made the display name the one to sort by, so the name's first sign is what gives the order.
"""

from __future__ import annotations

from typing import Any

from catchment.sources import SOURCES

Parsed = dict[str, Any]


def test_sources_stand_first_then_dbt_then_what_watches_then_what_people_run_then_what_asks_them(
    parsed: Parsed,
) -> None:
    """A newcomer's report: the list began with eleven DAGs of change data capture, most of them without a run."""
    listed = {serialized["dag"]["dag_display_name"]: dag_id for dag_id, serialized in parsed["serialized"].items()}
    assert len(listed) == len(parsed["dags"])
    order = [listed[name] for name in sorted(listed, key=str.lower)]
    assert set(order[:3]) == set(SOURCES)
    assert order[3:5] == ["application_state", "customer_metrics"]
    watching = {"cdc_audit", "cdc_connector_health", "cdc_reconcile", "cdc_snapshot_counts", "source_freshness"}
    assert set(order[5:10]) == watching
    assert all("on-call" in parsed["dags"][dag_id]["tags"] for dag_id in order[10:-1])
    assert order[-1] == "cdc_approval"


def test_the_question_to_a_person_does_not_look_like_something_to_start(parsed: Parsed) -> None:
    """A newcomer's report: `CDC: a proposal to approve` looked like something to trigger."""
    approval = parsed["serialized"]["cdc_approval"]["dag"]
    assert approval["description"].startswith("Never by hand")
    assert "not-by-hand" in parsed["dags"]["cdc_approval"]["tags"]
