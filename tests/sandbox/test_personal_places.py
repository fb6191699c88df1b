"""Personal data is where the vendors keep it, so that a test downstream can see it leak.

An audit of the platform found senders' names and addresses, ratings' comments inside tickets and IP addresses below
`metadata` and `child_events` in the clear, and no test had seen it: the sandbox sent these places empty.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.server import Server
from tests.sandbox.test_zendesk import expected

PLACES = {
    "tickets": (
        "via.source.from.address", "via.source.from.name", "via.source.from.original_recipients",
        "via.source.from.phone",
        "via.source.to.address", "recipient", "satisfaction_rating.comment", "description",
    ),
    "ticket_events": (
        "system.ip_address", "metadata.system.ip_address", "metadata.system.location", "metadata.system.latitude",
        "child_events.metadata.system.ip_address", "child_events.via.source.from.address", "child_events.body",
    ),
    "users": ("name", "email", "phone", "signature", "notes"),
    "satisfaction_ratings": ("comment",),
    "deleted_users": ("name", "email", "phone"),
    "deleted_tickets": ("actor.name",),
}  # fmt: skip


def values(value: Any, path: list[str]) -> list[Any]:
    """What stands at a path, in every element of the lists on the way."""
    if isinstance(value, list):
        return [found for element in value for found in values(element, path)]
    if not path:
        return [value]
    return values(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


@pytest.mark.parametrize(("stream", "path"), [(stream, path) for stream, paths in PLACES.items() for path in paths])
def test_the_place_is_filled(server: Server, stream: str, path: str) -> None:
    assert any(v not in (None, "") for record in expected(server, stream) for v in values(record, path.split(".")))


def test_a_scrubbed_ticket_forgets_its_sender(server: Server) -> None:
    scrubbed = [t for t in expected(server, "tickets") if t["subject"] == "SCRUBBED"]
    assert scrubbed
    assert {str(t["via"]["source"]["from"]) for t in scrubbed} == {"{}"}
