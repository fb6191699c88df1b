"""The sandbox's own side: clock, truth, settings, start."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from local.company.truth import STREAMS, truth
from local.sandbox.world import Clock, World
from tests.sandbox.server import NOW, Server

ROOT = Path(__file__).parents[2]


def test_the_clock_stands_moves_and_runs(server: Server) -> None:
    assert server.control("GET", "/clock") == {"now": NOW, "iso": "2026-11-23T09:30:00+00:00", "running": False}
    assert server.control("POST", "/clock", {"advance": 3600})["now"] == NOW + 3600
    assert server.control("POST", "/clock", {"now": "2026-12-24T18:00:00+01:00"})["iso"] == "2026-12-24T17:00:00+00:00"
    assert server.control("POST", "/clock", {"now": NOW, "running": True})["running"] is True
    assert abs(server.control("POST", "/clock", {"real": True})["now"] - time.time()) < 5


def test_a_moment_without_an_offset_is_refused(server: Server) -> None:
    reply = requests.post(f"{server.url}/_sandbox/clock", json={"now": "2026-12-24T18:00:00"}, timeout=10)
    assert (reply.status_code, "no offset" in reply.json()["error"]) == (400, True)


def test_the_world_goes_on_beyond_the_year_that_was_built_ahead() -> None:
    clock = Clock(lambda: float(NOW))
    world = World(7, 0.1, clock)
    before = truth(world.company, "zendesk", "ticket_events", NOW)
    clock.advance(500 * 86_400)
    after = truth(world.company, "zendesk", "ticket_events", clock.now())
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_the_truth_is_json_lines_of_current_records(server: Server) -> None:
    for source, streams in STREAMS.items():
        for stream in streams:
            lines = requests.get(f"{server.url}/_sandbox/truth/{source}/{stream}", timeout=10).content.splitlines()
            assert lines == list(truth(server.company, source, stream, NOW).values())


def test_the_truth_tells_keys_counts_and_other_moments(server: Server) -> None:
    counts = server.control("GET", "/truth")
    assert counts["zendesk"]["tickets"] == len(truth(server.company, "zendesk", "tickets", NOW))
    url = f"{server.url}/_sandbox/truth/chartmogul/plan_group_plans?keys=true"
    line = json.loads(requests.get(url, timeout=10).text.splitlines()[0])
    assert line["key"][1] == line["record"]["uuid"]
    earlier = requests.get(f"{server.url}/_sandbox/truth/chartmogul/customers?at={NOW - 300 * 86_400}", timeout=10).text
    assert len(earlier.splitlines()) < counts["chartmogul"]["customers"]


@pytest.mark.parametrize("path", ["/truth/zendesk/sheep", "/sheep"])
def test_what_is_not_there_is_said(server: Server, path: str) -> None:
    reply = requests.get(f"{server.url}/_sandbox{path}", timeout=10)
    assert reply.status_code in (400, 404)
    assert "sheep" in reply.json()["error"]


def test_an_unknown_setting_is_refused(server: Server) -> None:
    reply = requests.post(f"{server.url}/_sandbox/settings", json={"zendesk_per_hour": 1}, timeout=10)
    assert (reply.status_code, "zendesk_per_hour" in reply.json()["error"]) == (400, True)


def test_replies_are_compressed_only_when_asked_for(server: Server) -> None:
    url, auth = f"{server.url}/chartmogul/v1/plans", ("the-chartmogul-key", "")
    plain, packed = (
        requests.get(url, auth=auth, headers={"Accept-Encoding": e}, timeout=10) for e in ("identity", "gzip")
    )
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.content == packed.content


def test_connections_are_kept_alive(server: Server) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    sockets = []
    for _ in range(2):
        connection.request("GET", "/_sandbox/health")
        assert connection.getresponse().read() == b'{"ok":true}'
        sockets.append(connection.sock)
    assert sockets[0] is not None
    assert sockets[0] is sockets[1]
    connection.close()


def test_what_was_refused_is_counted_and_what_a_rule_spoiled_is_counted_apart(server: Server) -> None:
    server.settings(zendesk_per_minute=2)
    server.control("POST", "/faults", {"match": "/zendesk/api/v2/brands", "kind": "status", "status": 503})
    for path in ("/brands", "/groups", "/groups", "/groups"):
        server.zendesk(path)
    count = server.control("GET", "/counts")["zendesk"]
    assert count == {"answered": {"200": 2, "429": 1}, "spoiled": 1, "most_parallel": 1}
    server.control("DELETE", "/requests")
    assert server.control("GET", "/counts") == {}


def test_it_starts_from_the_command_line_and_makes_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key = tmp_path / "secrets" / "google.json"
    command = [sys.executable, "-m", "local.sandbox", "--port", str(port), "--scale", "0.05", "--google-key", str(key)]
    environment = {**os.environ, "CATCHMENT_SANDBOX_CHARTMOGUL_KEY": "from the environment"}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}"
        assert _answers(f"{url}/_sandbox/health")
        reply = requests.get(f"{url}/chartmogul/v1/ping", auth=("from the environment", ""), timeout=10)
        assert reply.json() == {"data": "pong!"}
        assert json.loads(key.read_text())["token_uri"] == f"{url}/google/token"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)


def _answers(url: str) -> bool:
    for _ in range(200):
        try:
            return requests.get(url, timeout=1).ok
        except requests.ConnectionError:
            time.sleep(0.1)
    return False
