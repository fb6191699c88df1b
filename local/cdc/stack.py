"""A private set of the profile's parts, for tests, benchmarks and drills; each is started, killed or frozen by name.

    with Stack(Path("/var/tmp/drill"), ports_from(20000), connectors=True) as stack:
        stack.kill("kafka")
        stack.start("kafka")

The parts are the profile's own (`local/services/catalogue.py`), on ports and in a folder of the caller, without
supervisord: what is killed stays dead until it is started. On a terminal, `python -m local.cdc.stack VAR FIRST_PORT`
keeps one until it is interrupted; its connections are in `VAR/environment.sh`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil

from local.airflow.environment import as_exports, platform_environment
from local.cdc import seed
from local.credentials import ensure_credentials, read_google_key, write_private
from local.errors import LocalError
from local.platform import ensure_bucket, ensure_warehouse
from local.ports import is_free
from local.services.catalogue import catalogue
from local.services.health import is_healthy
from local.services.prepare import prepare
from local.services.service import CAPTURE, Service
from local.settings import ROOT, SHARD, Ports, Settings

STREAM = ("shard_s0", "shard_s1", "kafka", "connect")
POLL_SECONDS = 0.1


class Stack:
    """Parts of the profile that belong to the caller. Entering starts `parts` together, on the application's schema.

    `rows` also writes the synthetic company's first rows, `connectors` makes Connect run the declared ones; a loader or
    an application among the parts is started after that. Leaving stops everything; the data stays in `var`.
    """

    def __init__(
        self,
        var: Path,
        ports: Ports,
        *,
        parts: Iterable[str] = STREAM,
        rows: bool = True,
        connectors: bool = False,
        scale: float = 1.0,
        rate: float = 2.0,
    ) -> None:
        self.settings = Settings(var=var.absolute(), ports=ports, scale=scale, rate=rate)
        self.credentials = ensure_credentials(self.settings)
        self.parts = tuple(parts)
        self.rows = rows
        self.connectors = connectors
        self._running: dict[str, _Running] = {}
        for folder in (self.settings.log, self.settings.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.settings.remember()

    def __enter__(self) -> Self:
        last = {service.name for service in self._services() if service.wave == CAPTURE}
        try:
            self.start(*(name for name in self.parts if name not in last))
            self._seed()
            self.start(*(name for name in self.parts if name in last))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """What `python -m catchment` needs to work on this stack: the process's environment, and the connections."""
        settings, key = self.settings, read_google_key(self.settings)
        return {**os.environ, **platform_environment(settings, self.credentials, key)}

    def apply_connectors(self) -> None:
        """Make Connect run the declared source connectors."""
        seed.apply_connectors(self.environment())

    def start(self, *names: str, wait: bool = True) -> None:
        """Start the named parts together; with `wait`, until all of them are healthy.

        Raises:
            LocalError: one does not start, or is not healthy in its time; the message ends with its log's last lines.
        """
        services = [self._service(name) for name in names]
        with ThreadPoolExecutor() as together:
            for done in [together.submit(self._launch, service) for service in services]:
                done.result()
        if wait:
            for service in services:
                self.wait_healthy(service.name)

    def wait_healthy(self, name: str) -> None:
        """Until the part does its work."""
        running, service = self._running[name], self._service(name)
        deadline = time.monotonic() + service.start_seconds
        while not is_healthy(service.health, started=running.since):
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise LocalError(f"{name} is not healthy. Its log ends: {_tail(self.log_file(name))}")
            time.sleep(POLL_SECONDS)

    def stop(self, *names: str) -> None:
        """Stop the named parts, or all, as the profile does; those that need others first."""
        for service in reversed(self._services()):
            if service.name in self._running and (not names or service.name in names):
                self._running.pop(service.name).stop(service)

    def kill(self, name: str) -> None:
        """SIGKILL to the part and every process of it, as when the machine's memory runs out."""
        running = self._running.pop(name)
        running.signal(signal.SIGKILL)
        running.process.wait()

    def freeze(self, name: str) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        self._running[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._running[name].signal(signal.SIGCONT)

    def is_up(self, name: str) -> bool:
        """Whether the part's process is there, frozen or not."""
        return name in self._running and self._running[name].process.poll() is None

    def pid(self, name: str) -> int:
        return self._running[name].process.pid

    def log_file(self, name: str) -> Path:
        return self.settings.log / f"{name}.log"

    def _seed(self) -> None:
        """What the profile does before its last wave, for the parts that run here."""
        environment = self.environment()
        if shards := [name for name in self.parts if name.startswith(SHARD)]:
            seed.seed_shards(self.settings, self.credentials, environment, shards=shards, rows=self.rows)
        if "s3" in self.parts:
            ensure_bucket(self.settings, self.credentials)
        if "warehouse" in self.parts:
            ensure_warehouse(self.settings, environment)
        if self.connectors:
            self.apply_connectors()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _services(self) -> tuple[Service, ...]:
        return catalogue(self.settings, self.credentials, read_google_key(self.settings))

    def _service(self, name: str) -> Service:
        known = {service.name: service for service in self._services()}
        if name not in known:
            raise LocalError(f"There is no part {name!r}. The parts are: {', '.join(known)}")
        return known[name]

    def _launch(self, service: Service) -> None:
        if self.is_up(service.name):
            return
        prepare(self.settings, self.credentials, service)
        environment = {**os.environ, **self.settings.as_environment(), **service.environment}
        self._running[service.name] = _Running(service, environment, self.log_file(service.name))


class _Running:
    """A process of ours and its children. A backend of Postgres is in a process group of its own, hence psutil."""

    def __init__(self, service: Service, environment: Mapping[str, str], log: Path) -> None:
        self.since = datetime.now(UTC)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                service.command,
                env=dict(environment),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """To the process first, so that it starts no new children; then to its children."""
        try:
            process = psutil.Process(self.process.pid)
            process.send_signal(number)
            family = process.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for member in family:
            try:
                member.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def stop(self, service: Service) -> None:
        self.signal(signal.SIGCONT)
        if self.process.poll() is None:
            self.process.send_signal(getattr(signal, f"SIG{service.stop_signal}"))
        try:
            self.process.wait(service.stop_seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


def _tail(log: Path, lines: int = 4) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-lines:]) if log.exists() else "(no log)"


def ports_from(first: int) -> Ports:
    """One port after another, for all of them."""
    return Ports(**{port.name: first + number for number, port in enumerate(fields(Ports))})


def free_ports() -> Ports:
    """Ports that nobody listens on now, and that the system gives to no client while a part is down."""
    candidates = iter(random.sample(range(10_000, 32_000), 10_000))
    return Ports(**{port.name: next(filter(is_free, candidates)) for port in fields(Ports)})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.cdc.stack", description=__doc__)
    parser.add_argument("var", type=Path, help="the folder of its state")
    parser.add_argument("first_port", type=int, help="the first of its ports, which follow one another")
    parser.add_argument("--parts", nargs="+", default=STREAM, help="default: %(default)s")
    parser.add_argument("--connectors", action="store_true", help="also make Connect run the declared connectors")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Stack(
            arguments.var, ports_from(arguments.first_port), parts=arguments.parts, connectors=arguments.connectors
        ) as stack:
            _write_environment(stack)
            print(f"up: {', '.join(stack.parts)}; interrupt to stop", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("stopped")
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write_environment(stack: Stack) -> None:
    """For other terminals: `. VAR/environment.sh`."""
    new = {name: value for name, value in stack.environment().items() if os.environ.get(name) != value}
    write_private(stack.settings.var / "environment.sh", as_exports(new))


if __name__ == "__main__":
    sys.exit(main())
