"""Connect's REST API: every recorded reply is what it means here, and every trouble a sentence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from catchment.cdc.connectors.client import (
    Connect,
    ConnectUnavailable,
    NotThere,
    Rebalancing,
    TaskStatus,
)
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson

REPLIES = Path(__file__).parent / "replies"
EXPECTED = {
    "error_code": 500,
    "message": "Request cannot be completed because a rebalance is expected",
}
REBALANCE = {
    "error_code": 409,
    "message": "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
}


def recorded(name: str) -> bytes:
    return (REPLIES / f"{name}.json").read_bytes()


class Worker:
    """A Connect worker that gives one reply to everything, save at some paths, and keeps what it was asked."""

    def __init__(self) -> None:
        self.reply: tuple[int, bytes] = (200, b"{}")
        self.at: dict[str, tuple[int, bytes]] = {}  # other replies, by path
        self.asked: list[tuple[str, str, Any]] = []
        self.authorization: str | None = None
        worker = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                worker.authorization = self.headers.get("Authorization")
                worker.asked.append((self.command, self.path, json.loads(body) if body else None))
                status, content = worker.at.get(self.path, worker.reply)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def connection(self) -> Connection:
        return Connection(conn_id="kafka_connect", host="127.0.0.1", port=self.server.server_port, schema="http")

    def says(self, status: int, body: bytes = b"") -> Connect:
        self.reply = (status, body)
        return Connect(self.connection)


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_all_connectors_come_in_one_request_with_config_and_status(worker: Worker) -> None:
    found = worker.says(200, recorded("connectors_expand_running")).connectors()
    assert sorted(found) == ["pg-s0", "pg-s1"]
    assert found["pg-s0"].config["plugin.name"] == "pgoutput"
    assert found["pg-s0"].status is not None
    assert [task.state for task in found["pg-s0"].status.tasks] == ["RUNNING"]
    assert worker.asked == [("GET", "/connectors?expand=info&expand=status", None)]


def test_a_worker_that_still_starts_does_not_pass_for_one_without_connectors(worker: Worker) -> None:
    starting = b'{"status":"starting","message":"Worker is still starting up."}'
    worker.at["/health"] = (503, starting)
    with pytest.raises(ConnectUnavailable, match=r"HTTP 503 to GET /health: Worker is still starting up"):
        worker.says(200, b"{}").connectors()


def test_a_worker_that_has_started_may_have_no_connectors(worker: Worker) -> None:
    worker.at["/health"] = (200, b'{"status":"healthy","message":"Worker has completed startup."}')
    assert worker.says(200, b"{}").connectors() == {}


def test_a_password_in_a_running_config_is_not_in_what_is_printed(worker: Worker) -> None:
    found = worker.says(200, recorded("connectors_expand_running")).connectors()
    assert found["pg-s0"].config["database.password"] == "written-out"
    assert "written-out" not in repr(found)


@pytest.mark.parametrize(
    ("reply", "state", "tasks", "failed"),
    [
        ("status_running", "RUNNING", ["RUNNING"], 0),
        ("status_paused", "PAUSED", ["PAUSED"], 0),
        ("status_stopped", "STOPPED", [], 0),
        ("status_slot_lost_running_no_tasks", "RUNNING", [], 0),
        ("status_failed_publication_dropped", "RUNNING", ["FAILED"], 1),
        ("status_failed_wrong_password", "RUNNING", ["FAILED"], 1),
        ("status_after_slot_dropped", "RUNNING", ["FAILED"], 1),
        ("zombie_status_running_slot_inactive", "RUNNING", ["RUNNING"], 0),
    ],
)
def test_a_status_says_what_the_tasks_are_in_whatever_the_connector_says(
    worker: Worker, reply: str, state: str, tasks: list[str], failed: int
) -> None:
    status = worker.says(200, recorded(reply)).status("pg-s1")
    assert (status.state, [task.state for task in status.tasks], len(status.failed)) == (state, tasks, failed)


def test_a_failed_task_brings_its_trace(worker: Worker) -> None:
    (task,) = worker.says(200, recorded("status_failed_wrong_password")).status("pg-s1").failed
    assert isinstance(task, TaskStatus)
    assert "password authentication failed" in task.trace


def test_offsets_are_those_that_are_committed(worker: Worker) -> None:
    assert worker.says(200, recorded("offsets_get")).offsets("pg-s1")[0]["offset"]["lsn"] == 26443960


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (404, recorded("status_404"), NotThere, "No status found for connector nope"),
        (404, recorded("restart_task_404"), NotThere, "Unknown task: pg-s1-7"),
        (404, b"<html>not found</html>", ConnectUnavailable, "HTTP 404"),
        (409, json.dumps(REBALANCE).encode(), Rebalancing, "worker rebalance"),
        (409, recorded("post_dup"), Rebalancing, "already exists"),
        (500, json.dumps(EXPECTED).encode(), Rebalancing, "a rebalance is expected"),
        (400, recorded("put_bad_config"), NeedsPerson, "'database.user' value is invalid"),
        (400, recorded("put_config_wrong_password"), NeedsPerson, "password authentication failed"),
        (400, recorded("patch_offsets_not_stopped"), NeedsPerson, "need to be provided"),
        (401, b"", NeedsPerson, 'connection "kafka_connect"'),
        (
            500,
            b'{"error_code":500,"message":"Failed to start connector: pg-s0"}',
            ConnectUnavailable,
            "Failed to start",
        ),
        (500, recorded("validate_snowflake_realkey_offline"), ConnectUnavailable, "timed out"),
        (503, b"", ConnectUnavailable, "HTTP 503"),
    ],
)
def test_each_refusal_is_the_error_that_says_what_to_do(
    worker: Worker, status: int, body: bytes, error: type[CatchmentError], said: str
) -> None:
    with pytest.raises(error, match=said):
        worker.says(status, body).status("pg-s1")


def test_a_refused_config_is_explained_without_what_was_sent(worker: Worker) -> None:
    with pytest.raises(NeedsPerson) as caught:
        worker.says(400, recorded("put_bad_config")).put("a", {"database.password": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "You can also find" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "request_"),
    [
        (lambda c: c.restart_failed("a b"), ("POST", "/connectors/a%20b/restart?includeTasks=true&onlyFailed=true")),
        (lambda c: c.pause("a"), ("PUT", "/connectors/a/pause")),
        (lambda c: c.resume("a"), ("PUT", "/connectors/a/resume")),
        (lambda c: c.stop("a"), ("PUT", "/connectors/a/stop")),
        (lambda c: c.reset_offsets("a"), ("DELETE", "/connectors/a/offsets")),
        (lambda c: c.delete("a"), ("DELETE", "/connectors/a")),
    ],
)
def test_each_act_is_its_request(worker: Worker, act: Any, request_: tuple[str, str]) -> None:
    for status, body in ((202, recorded("restart_onlyfailed_failedtask")), (204, b"")):
        act(worker.says(status, body))
    assert [(method, path) for method, path, _ in worker.asked] == [request_, request_]


def test_a_config_is_put_as_it_is(worker: Worker) -> None:
    worker.says(201, b"{}").put("a", {"k": "v"})
    assert worker.asked == [("PUT", "/connectors/a/config", {"k": "v"})]


def test_what_a_plugin_has_against_a_config_comes_by_key(worker: Worker) -> None:
    reply = {"configs": [_entry("topics", ["must be set"]), _entry("name", [])]}
    found = worker.says(200, json.dumps(reply).encode()).validate({"connector.class": "x.Y"})
    assert found == {"topics": ("must be set",), "name": ()}


def test_the_keys_that_a_plugin_knows_are_those_of_its_config_def(worker: Worker) -> None:
    known = worker.says(200, recorded("validate_debezium")).validate({"connector.class": "x.Y"})
    assert {"slot.name", "publication.name"} <= known.keys()


def test_nobody_there_is_said_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connect = Connect(Connection(conn_id="kafka_connect", host="127.0.0.1", port=port, schema="http"))
        with pytest.raises(ConnectUnavailable, match=rf"127\.0\.0\.1:{port}.*connection refused"):
            connect.connectors()


def test_a_worker_that_hangs_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        there = Connection(conn_id="c", host="127.0.0.1", port=silent.getsockname()[1], schema="http")
        connect = Connect(there, timeout=urllib3.Timeout(connect=0.2, read=0.2))
        with pytest.raises(ConnectUnavailable, match="no answer in time"):
            connect.connectors()


def test_credentials_of_the_connection_are_sent(worker: Worker) -> None:
    worker.reply = (200, b"{}")
    secured = Connection(
        conn_id="c", host="127.0.0.1", port=worker.server.server_port, schema="http", login="u", password="p"
    )
    Connect(secured).connectors()
    assert worker.authorization == "Basic dTpw"


def _entry(name: str, errors: list[str]) -> dict[str, Any]:
    return {"definition": {"name": name}, "value": {"name": name, "errors": errors}}
