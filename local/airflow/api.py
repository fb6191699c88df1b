"""The few calls of Airflow's REST API that the local profile makes (stable API v2, Airflow 3)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import requests

from local.errors import LocalError

SECONDS = 120  # a machine that is busy with a first start answers late
PAGE = 100


class AirflowApi:
    """Airflow at `url`, as its local admin."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False  # 127.0.0.1 is never behind a proxy
        token = self._http.get(f"{url}/auth/token", timeout=SECONDS).json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool if it is not there; one that is there keeps the slots that a person gave it."""
        body = {"name": name, "slots": slots, "description": description}
        self._call("POST", "/pools", json=body, expect=(201, 409))

    def wait_for_dag(self, dag_id: str, *, seconds: float) -> None:
        """Wait until the DAG is parsed.

        Raises:
            LocalError: it was not within `seconds`; the message has the import error that hides it, if there is one.
        """
        deadline = time.monotonic() + seconds
        while "detail" in self._call("GET", f"/dags/{dag_id}", expect=(200, 404)):
            if time.monotonic() > deadline:
                errors = self._call("GET", "/importErrors")["import_errors"]
                broken = "; ".join(f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors)
                raise LocalError(
                    f"Airflow did not find the DAG {dag_id} within {seconds:.0f} seconds. "
                    f"{'Files that it could not import: ' + broken if broken else 'Look at dags/ and make logs.'}"
                )
            time.sleep(0.5)

    def unpause(self, dag_id: str) -> None:
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a manual run now; its id."""
        body = {"logical_date": datetime.now(UTC).isoformat()}
        return str(self._call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")

    def latest_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The last hundred runs, oldest first."""
        return self._runs(dag_id, order_by="-run_after")[::-1]

    def runs_under_way(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs that are at work, oldest first."""
        return self._runs(dag_id, state="running", order_by="run_after")

    def _runs(self, dag_id: str, **which: str) -> list[dict[str, Any]]:
        query = {**which, "limit": PAGE}
        runs: list[dict[str, Any]] = self._call("GET", f"/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        return runs

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            query = {"limit": PAGE, "offset": len(found)}
            page = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params=query)
            found += page["task_instances"]
            total = page["total_entries"] if page["task_instances"] else 0
        return found

    def _call(self, method: str, path: str, *, expect: tuple[int, ...] = (200, 201), **request: Any) -> dict[str, Any]:
        url = f"{self._url}/api/v2{path}"
        try:
            reply = self._http.request(method, url, timeout=SECONDS, **request)
        except requests.RequestException as error:
            raise LocalError(
                f"Airflow did not answer {method} {url}: {error}. See make status and make logs."
            ) from error
        if reply.status_code not in expect:
            raise LocalError(f"Airflow answered {method} {url} with {reply.status_code}: {reply.text[:300]}")
        answer: dict[str, Any] = reply.json() if reply.content else {}
        return answer
