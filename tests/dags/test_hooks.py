"""Hooks in a DAG of one's own: they need no operator, and their `test_connection` asks for something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from catchment.connection import NoConnection
from catchment.errors import ContractBroken
from catchment.hooks.connect import ConnectHook
from catchment.hooks.connections import look_up
from catchment.hooks.landing import LandingHook
from catchment.hooks.vendor import VendorHook
from catchment.http.request import Request
from tests.support.vendor import Reply, Scripted

GROUPS = {"groups": [{"id": 1}], "meta": {"has_more": False}}


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Scripted]:
    monkeypatch.setenv("CATCHMENT_BUDGET_DIR", str(tmp_path))
    with Scripted(lambda request: Reply.json(GROUPS)).running() as running:
        connect(monkeypatch, "zendesk", host=running.url, login="ada@acme.example", password="token")
        yield running


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "http", **fields}))


def test_a_vendor_is_asked_signed_in(vendor: Scripted) -> None:
    with closing(VendorHook("zendesk").get_conn()) as client:
        reply = client.send(Request("groups.json"), accept=lambda reply: msgspec.json.decode(reply.body))
    assert reply == GROUPS
    assert vendor.requests[0].headers["authorization"].startswith("Basic ")


def test_testing_a_vendors_connection_asks_for_one_page(vendor: Scripted) -> None:
    assert VendorHook("zendesk").test_connection()[0] is True
    assert len(vendor.requests) == 1


def test_testing_a_refused_key_says_so_and_does_not_raise(vendor: Scripted) -> None:
    vendor.handler = lambda request: Reply.json({}, status=401)
    worked, said = VendorHook("zendesk").test_connection()
    assert not worked
    assert "docs/runbooks/credentials.md" in said


def test_a_second_account_of_a_vendor_is_another_connection(vendor: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "zendesk_emea", host=f"{vendor.url}/emea", login="b@acme.example", password="other")
    assert VendorHook("zendesk", conn_id="zendesk_emea").test_connection()[0] is True
    assert vendor.requests[0].path.startswith("/emea/")


def test_a_missing_connection_is_told_from_one_that_is_not_right() -> None:
    with pytest.raises(NoConnection, match='no connection "nowhere"'):
        look_up("nowhere")


def test_connect_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "kafka_connect", host="127.0.0.1", port=9, schema="http")
    worked, said = ConnectHook().test_connection()
    assert not worked
    assert "docs/runbooks/cdc_connect_down.md" in said


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address, port = server.get_host_and_port()
    extra = {"endpoint_url": f"http://{address}:{port}", "region_name": "us-east-1"}
    connect(monkeypatch, "aws_default", login="test", password="test", extra=extra)
    client = boto3.client("s3", aws_access_key_id="test", aws_secret_access_key="test", **extra)
    client.create_bucket(Bucket="catchment-landing")
    yield client
    server.stop()


def test_the_landing_shows_its_manifests_and_no_half_written_batch(bucket: Any) -> None:
    for key in ("a/b.x/0000/manifest.json", "a/b.x/0000/1-part-0.jsonl.zst", "c/d.x/0000/1-part-0.jsonl.zst"):
        bucket.put_object(Bucket="catchment-landing", Key=f"landing/zendesk/tickets/{key}", Body=b"{}")
    hook = LandingHook()
    assert hook.test_connection()[0] is True
    keys = list(hook.manifest_keys("zendesk", "tickets"))
    assert keys == ["landing/zendesk/tickets/a/b.x/0000/manifest.json"]
    with pytest.raises(ContractBroken, match="is not a manifest"):
        hook.manifest(keys[0])
