"""What the sandbox sends as Zendesk is what the vendor's OpenAPI file says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.sandbox.server import Server
from tests.sandbox.zendesk_schemas import BY_CURSOR, CURSOR_EXPORT, EXCEPTIONS, NUMBERED, RECORDS, TIME_EXPORT, reply

PATHS = {"sla_policies": "slas/policies"}
EXPORTS = [("tickets", "/cursor", CURSOR_EXPORT), ("users", "/cursor", CURSOR_EXPORT)]
EXPORTS += [(s, "", TIME_EXPORT) for s in ("tickets", "users", "organizations", "ticket_metric_events")]
LISTS = [s for s in RECORDS if s not in {e[0] for e in EXPORTS}]


def check(body: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(("stream", "kind", "envelope"), EXPORTS)
def test_exports_are_as_the_vendor_types_them(server: Server, stream: str, kind: str, envelope: Any) -> None:
    body = server.zendesk(f"/incremental/{stream}{kind}.json", start_time=0, include="metric_sets").json()
    check(body, reply(stream, envelope))
    assert len(body[stream]) > 100


@pytest.mark.parametrize("stream", LISTS)
@pytest.mark.parametrize("envelope", [NUMBERED, BY_CURSOR], ids=["by number", "by cursor"])
def test_lists_are_as_the_vendor_types_them(server: Server, stream: str, envelope: Any) -> None:
    server.settings(gated=[])
    params = {"page[size]": 100} if envelope is BY_CURSOR else {}
    body = server.zendesk(f"/{PATHS.get(stream, stream)}.json", **params).json()
    check(body, reply(stream, envelope))
    assert body[stream]


def test_a_record_with_a_wrong_type_would_not_pass(server: Server) -> None:
    body = server.zendesk("/incremental/organizations.json", start_time=0).json()
    body["organizations"][0]["group_id"] = "1"
    with pytest.raises(jsonschema.ValidationError):
        check(body, reply("organizations", TIME_EXPORT))


def test_every_exception_has_its_reason() -> None:
    assert all(len(reason) > 10 for _, reason in EXCEPTIONS.values())
