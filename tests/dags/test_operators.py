"""What operators tell Airflow beside their work: links to the ledger and rejects, and lineage."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from catchment import check
from catchment.check import CheckResult, Outcome
from catchment.errors import NeedsPerson
from catchment.landing import manifest_key
from catchment.operators import openlineage
from catchment.operators.checks import CheckConnectionsOperator
from catchment.operators.ingest import ExtractStreamOperator, LoadBatchOperator, alarm_of
from catchment.operators.links import batch_of_manifest
from catchment.operators.retries import RetryByKind
from catchment.platform import Platform
from catchment.sources import SOURCES
from catchment.warehouse.load import Loaded
from tests.support import make

BATCH = make.batch("tickets", source="zendesk")


def links(operator: Any) -> dict[str, str]:
    found = operator.operator_extra_links
    return {link.name: link.get_link(operator, ti_key=SimpleNamespace()) for link in found}


def wanted(url: str) -> tuple[str, dict[str, list[str]]]:
    parts = urlsplit(url)
    return parts.path, parse_qs(parts.query)


def test_a_load_links_to_the_ledger_and_the_rejects_of_its_batch() -> None:
    load = LoadBatchOperator(
        task_id="load", source="zendesk", stream="tickets", manifest_key=manifest_key(BATCH, checkpoint=3)
    )
    asked = {"source": ["zendesk"], "stream": ["tickets"], "batch": [BATCH.id]}
    assert {name: wanted(url) for name, url in links(load).items()} == {
        "Ledger": ("/catchment/ledger", asked),
        "Rejects": ("/catchment/rejects", asked),
    }


@pytest.mark.parametrize("key", ["None", "", "{{ ti.xcom_pull() }}", "landing/zendesk/manifest.json"])
def test_a_load_that_has_no_batch_links_to_its_stream(key: str) -> None:
    load = LoadBatchOperator(task_id="load", source="zendesk", stream="tickets", manifest_key=key)
    assert wanted(links(load)["Ledger"])[1] == {"source": ["zendesk"], "stream": ["tickets"]}


def test_an_extraction_that_was_skipped_links_to_its_stream() -> None:
    extract = ExtractStreamOperator(task_id="extract", source="zendesk", stream="tickets")
    assert wanted(links(extract)["Ledger"])[1] == {"source": ["zendesk"], "stream": ["tickets"]}


@pytest.mark.parametrize("checkpoint", [0, 12])
def test_a_manifests_key_names_its_batch(checkpoint: int) -> None:
    assert batch_of_manifest(manifest_key(BATCH, checkpoint)) == BATCH.id


# --- what a person accepts ---


@pytest.mark.parametrize("loaded", [Loaded(rows=5, rejected=2, new_rejects=2), Loaded(rows=5, rejected=1, gaps=("A",))])
def test_a_load_that_is_red_says_how_to_accept_it(monkeypatch: pytest.MonkeyPatch, loaded: Loaded) -> None:
    """mozilla/bigquery-etl #9213: a failed check holds the run until somebody clears it, which is how people answer a
    red task. Here clearing finds the same again; right: the task itself says that it is to be marked as success.
    """
    calls: list[str] = []

    def load(self: Platform, key: str, **_: Any) -> Loaded:
        calls.append(key)
        return loaded

    monkeypatch.setattr(Platform, "load", load)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws"}')
    operator = LoadBatchOperator(
        task_id="load", source="zendesk", stream="tickets", manifest_key=manifest_key(BATCH), outlets=[]
    )
    context: Any = {"ti": SimpleNamespace(dag_id="zendesk", task_id="load", run_id="r"), "outlet_events": {}}
    for _ in range(2):
        with pytest.raises(
            NeedsPerson, match="To accept it, mark this task as success: cleared, it loads the same and"
        ):
            operator.execute(context)
    assert calls == [manifest_key(BATCH)] * 2
    assert RetryByKind().evaluate(NeedsPerson("x"), try_number=1, max_tries=4).action.name == "FAIL"


def test_a_load_with_no_more_rejects_than_before_is_green() -> None:
    assert alarm_of("zendesk.tickets", Loaded(rows=5, rejected=2, new_rejects=0)) == ""


# --- lineage ---


def test_lineage_joins_dbts_at_the_raw_table() -> None:
    """OpenLineage's Snowflake names: dbt's integration and Airflow's must agree, or the graph falls in two.

    Right: the account as `organization-account`, never with the host's suffix (OpenLineage/OpenLineage #4024).
    """
    raw = openlineage.of_raw("RAW.ZENDESK.TICKETS", make.connection(extra={"account": "acme-eu1"}))
    assert (raw.namespace, raw.name) == ("snowflake://acme-eu1", "RAW.ZENDESK.TICKETS")


def test_a_stream_lands_in_one_data_set_whatever_its_batch() -> None:
    landed = openlineage.of_landing("acme-landing", "zendesk", "tickets")
    assert (landed.namespace, landed.name) == ("s3://acme-landing", "landing/zendesk/tickets")
    assert BATCH.prefix.startswith(f"{landed.name}/")


def test_no_credential_of_an_address_gets_into_lineage() -> None:
    vendor = openlineage.of_vendor(SOURCES["zendesk"], "tickets", make.connection("https://ada:secret@acme.example/v2"))
    assert (vendor.namespace, vendor.name) == ("https://acme.example", "tickets")


@pytest.mark.parametrize("kind", [ExtractStreamOperator, LoadBatchOperator])
def test_an_operator_without_the_provider_has_no_lineage_to_give(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_id in ("zendesk", "snowflake_default"):
        fields = {"conn_type": "http", "extra": {"account": "acme-eu1"}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
    more = {"manifest_key": manifest_key(BATCH)} if kind is LoadBatchOperator else {}
    operator = kind(task_id="t", source="zendesk", stream="tickets", **more)
    assert operator.get_openlineage_facets_on_complete(None) is None


# --- checks ---


class Instance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.mark.parametrize("failed", [False, True])
def test_a_failed_check_makes_the_task_red_and_names_it(monkeypatch: pytest.MonkeyPatch, failed: bool) -> None:
    results = [
        CheckResult("aws_default", Outcome.OK, "Well."),
        CheckResult("zendesk", Outcome.FAILED if failed else Outcome.SKIPPED, "The key was refused."),
    ]
    monkeypatch.setattr(check, "check_all", lambda *_, **__: results)
    instance = Instance()
    operator = CheckConnectionsOperator(task_id="check")
    if failed:
        with pytest.raises(NeedsPerson, match=r"1 of 2 checks failed:\n  zendesk: The key was refused\."):
            operator.execute({"ti": instance})
    else:
        operator.execute({"ti": instance})
    assert [found["name"] for found in instance.pushed["checks"]] == ["aws_default", "zendesk"]
    json.dumps(instance.pushed)
