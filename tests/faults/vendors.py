"""The three vendors, small but faithful: their addresses, sign-in, paging and envelopes, over a handful of records.

Every record has a `note`, the text `plain`, and `more`, an object, for tests to swap against something odd.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from catchment.connection import Connection
from tests.support.make import NO_LIMITS, QUICK
from tests.support.vendor import Reply, Request

PAGE = 2
BEGAN = 1_700_000_000
CHARTMOGUL_KEY, ZENDESK_TOKEN, GOOGLE_TOKEN = "cm-key", "zd-token", "google-token"
TARGETS = [
    ["month", "team", "metric", "target", "owner"],
    ["2026-01", "north", "mrr", "007", "plain"],
    ["2026-02", "south", "mrr", "1,234", "plain"],
]
NOTE = {"more": {"an": "object"}, "note": "plain"}
OWNERS = [["account_code", "account_id", "owner", "segment_override"], ["007", "a1", "Ann", ""]]


def healthy(request: Request) -> Reply:
    """What the vendors say when nothing is wrong."""
    name, _, path = request.path.removeprefix("/").partition("/")
    match name:
        case "chartmogul":
            return _chartmogul(path.removeprefix("v1/"), request)
        case "zendesk":
            return _zendesk(path.removeprefix("api/v2/"), request)
        case _:
            return _google(path, request)


def connections(url: str, **secrets: str) -> Mapping[str, Connection]:
    """A connection for each vendor at `url`, and the key for personal fields. `secrets` replaces a vendor's own."""
    quick = {"retry": QUICK, "rate_limits": NO_LIMITS}
    key = {"type": "service_account", "client_email": "robot@project.example", "private_key": _private_key()}
    token_uri = f"{url}/google/token?is={secrets.get('google_sheets', GOOGLE_TOKEN)}"
    google = {"keyfile_dict": {**key, "token_uri": token_uri}, "base_url": f"{url}/google", **quick}
    chartmogul, zendesk = secrets.get("chartmogul", CHARTMOGUL_KEY), secrets.get("zendesk", ZENDESK_TOKEN)
    all_of_them = (
        Connection(conn_id="chartmogul", host=f"{url}/chartmogul/v1", password=chartmogul, extra=quick),
        Connection(conn_id="zendesk", host=f"{url}/zendesk/api/v2", login="a@b.example", password=zendesk, extra=quick),
        Connection(conn_id="google_sheets", extra=google),
        Connection(conn_id="catchment_pii", password="pii"),
    )
    return {connection.conn_id: connection for connection in all_of_them}


def _chartmogul(path: str, request: Request) -> Reply:
    if request.headers.get("authorization") != f"Basic {b64encode(f'{CHARTMOGUL_KEY}:'.encode()).decode()}":
        return Reply.json({"error": "Invalid API key"}, 401)
    if path == "account":
        return Reply.json({"id": "acct_1", "currency": "EUR", "time_zone": "Europe/Berlin", **NOTE})
    if path.startswith("metrics/"):
        assert {"start-date", "end-date", "interval"} <= set(request.query)
        entries = [{"date": f"2026-0{n}-28", "mrr": 100 * n, **NOTE} for n in range(1, 4)]
        return Reply.json({"entries": entries, "summary": {"current": 1}})
    if path == "activities":
        records = [record for record in _records("act") if _lies_in_window(record["date"], request)]
        return _page("entries", records, request, extra={"per_page": 200})
    assert path in ("plans", "plan_groups", "plan_groups/plan_groups_1/plans")
    return _page(path.rpartition("/")[2], _records(path.replace("/", "_")), request, extra={})


def _records(of: str) -> list[dict[str, Any]]:
    return [{"uuid": f"{of}_{n}", "date": f"2021-01-0{n}T00:00:00+00:00", **NOTE} for n in range(1, 6)][
        : 1 if of == "plan_groups" else 5
    ]


def _lies_in_window(date: str, request: Request) -> bool:
    start, at, end = (text[:10] for text in (request.query["start-date"], date, request.query["end-date"]))
    return start <= at < end


def _page(name: str, records: list[Any], request: Request, extra: dict[str, Any]) -> Reply:
    at = int((request.query.get("cursor") or "p0")[1:])
    cursor, more = f"p{at + PAGE}", at + PAGE < len(records)
    return Reply.json({name: records[at : at + PAGE], "cursor": cursor, "has_more": more, **extra})


def _zendesk(path: str, request: Request) -> Reply:
    if (
        request.headers.get("authorization")
        != f"Basic {b64encode(f'a@b.example/token:{ZENDESK_TOKEN}'.encode()).decode()}"
    ):
        return Reply.json({"error": "Couldn't authenticate you"}, 401)
    records = [{"id": n, "generated_timestamp": BEGAN + 10 * n, **NOTE} for n in range(1, 6)]
    if path == "incremental/tickets/cursor.json":
        assert ("cursor" in request.query) != ("start_time" in request.query)
        return _cursor_export(records, request)
    if path == "incremental/organizations.json":
        return _time_export(int(request.query["start_time"]))
    name = path.removesuffix(".json")
    assert name in ("groups", "satisfaction_ratings", "organizations")
    if name == "organizations":  # the list that a flood of the export is read from
        return Reply.json({name: [_organization(n) for n in range(1, 6)], "meta": {"has_more": False}})
    if name == "satisfaction_ratings":
        records = [{**record, "created_at": "2021-01-01T00:00:00Z", "comment": "Thanks"} for record in records]
    at = int((request.query.get("page[after]") or "p0")[1:])
    meta = {"has_more": at + PAGE < len(records), "after_cursor": f"p{at + PAGE}"}
    return Reply.json({name: records[at : at + PAGE], "meta": meta})


def _cursor_export(records: list[Any], request: Request) -> Reply:
    at = int((request.query.get("cursor") or "p0")[1:])
    done = at + PAGE >= len(records)
    return Reply.json({"tickets": records[at : at + PAGE], "after_cursor": f"p{at + PAGE}", "end_of_stream": done})


def _time_export(start: int) -> Reply:
    assert start <= time.time() - 60
    rest = [n for n in range(1, 6) if BEGAN + 10 * n >= start]
    records = [_organization(n) for n in rest[:PAGE]]
    end = BEGAN + 10 * rest[:PAGE][-1] if rest else start
    return Reply.json({"organizations": records, "end_time": end, "end_of_stream": len(rest) <= PAGE})


def _organization(n: int) -> dict[str, Any]:
    return {"id": n, "updated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN + 10 * n)), **NOTE}


def _google(path: str, request: Request) -> Reply:
    if path == "token":
        if request.query["is"] == GOOGLE_TOKEN:
            return Reply.json({"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"})
        return Reply.json({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
    if request.headers.get("authorization") != f"Bearer {GOOGLE_TOKEN}":
        return Reply.json({"error": {"code": 401, "message": "Request had invalid authentication credentials."}}, 401)
    if path.startswith("drive/v3/files/"):
        return Reply.json({"id": "1", "name": "Sales", "modifiedTime": "2026-03-01T01:00:00.000Z"})
    if "ranges" not in request.query:
        tabs = [
            {"properties": {"title": title, "gridProperties": {"rowCount": 1000}}} for title in ("Targets", "Owners")
        ]
        return Reply.json({"properties": {"locale": "de_DE", "timeZone": "Europe/Berlin"}, "sheets": tabs})
    values = TARGETS if request.query["ranges"].startswith("'Targets'") else OWNERS
    rows = [{"values": [{"formattedValue": cell} if cell else {} for cell in row]} for row in values]
    return Reply.json({"sheets": [{"data": [{"rowData": rows}]}]})


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
