"""The local profile as a whole: start it in order, look at it, stop it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from local.airflow.api import AirflowApi
from local.airflow.environment import airflow_environment, platform_environment
from local.airflow.setup import ensure_database
from local.cdc import seed
from local.credentials import Credentials, ensure_credentials, read_google_key, write_private
from local.errors import LocalError
from local.platform import ensure_bucket, ensure_manifest, ensure_pools, ensure_warehouse, unpause_once
from local.services.catalogue import catalogue, groups
from local.services.health import is_healthy
from local.services.prepare import prepare
from local.services.render import render
from local.services.service import AIRFLOW, Service
from local.services.supervisor import Process, Supervisor
from local.settings import PREFIX, SHARD, Settings

Say = Callable[[str], None]
POLL_SECONDS = 0.25
AIRFLOW_PARTS = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}


@dataclass(frozen=True)
class Status:
    """One service as `make status` shows it."""

    service: Service
    process: Process | None
    healthy: bool

    @property
    def up(self) -> bool:
        return self.process is not None and self.process.runs and self.healthy


class Profile:
    """The services of one `var` folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials: Credentials = ensure_credentials(settings)
        self._supervisor = Supervisor(settings, self.credentials.supervisor_password)

    def services(self) -> tuple[Service, ...]:
        return catalogue(self.settings, self.credentials, read_google_key(self.settings))

    def is_running(self) -> bool:
        return self._supervisor.is_running()

    def start(self, names: Iterable[str] = (), *, say: Say = print) -> None:
        """Start the named services or groups, or all, wave by wave; what runs already is left alone.

        Raises:
            LocalError: a service did not become healthy, or a port is taken; the others stay as they are.
        """
        wanted = self.named(names)
        those = {service.name for service in wanted}
        self._require_environments(wanted)
        self._start_supervisor()
        self._launch([service for service in wanted if service.early])
        for wave in sorted({service.awaited for service in wanted}):
            if wave == AIRFLOW:
                self._prepare(those, say)
            self._start_wave([service for service in wanted if service.awaited == wave], say)
            if wave == AIRFLOW:
                self._set_up(those, say)

    def switch_on(self) -> None:
        """Let the schedules of change data capture begin, if that and Airflow are up; the first time only."""
        running = {name for name, process in self._supervisor.processes().items() if process.runs}
        if running >= {"airflow-api-server", "airflow-dag-processor", "connect", "loader"}:
            unpause_once(self.airflow_api(), self.settings)

    def airflow_environment(self) -> dict[str, str]:
        """The environment of the Airflow processes: configuration, connections."""
        return airflow_environment(self.settings, self.credentials, read_google_key(self.settings))

    def platform_environment(self) -> dict[str, str]:
        """The environment of the platform's own commands."""
        return platform_environment(self.settings, self.credentials, read_google_key(self.settings))

    def airflow_api(self) -> AirflowApi:
        return AirflowApi(self.settings.url("airflow"))

    def stop(self, *, say: Say = print) -> None:
        """Stop everything, wave by wave, those that need others first. Nothing that was acknowledged is lost."""
        if not self.is_running():
            say("Nothing runs.")
            return
        running = {name for name, process in self._supervisor.processes().items() if process.runs}
        left = [service for service in self.services() if service.name in running]
        for order in sorted({service.stop_order for service in left}, reverse=True):
            names = [service.name for service in left if service.stop_order == order]
            say(f"stopping {', '.join(names)}")
            together([partial(self._supervisor.stop_process, name) for name in names])
        self._supervisor.shutdown()
        say("Stopped. The data stays in " + str(self.settings.var))

    def status(self) -> list[Status]:
        """Every service, asked now."""
        processes = self._supervisor.processes() if self.is_running() else {}
        return [self._status(service, processes.get(service.name)) for service in self.services()]

    def named(self, names: Iterable[str]) -> list[Service]:
        """The named services, those of a named group, or all, in the order of their start.

        Raises:
            LocalError: there is none of that name; the message has those that there are.
        """
        known, parts = {service.name: service for service in self.services()}, groups(self.settings)
        wanted = {part for name in names for part in parts.get(name, (name,))}
        if unknown := sorted(wanted - known.keys()):
            raise LocalError(
                f"There is no service {unknown[0]!r}. The services are: {', '.join(known)}; "
                f"the groups are: {', '.join(parts)}"
            )
        return [service for service in known.values() if not wanted or service.name in wanted]

    def log_file(self, name: str) -> Path:
        return self.settings.log / f"{name}.log"

    def _prepare(self, names: set[str], say: Say) -> None:
        """What the processes of the second wave need to find; done side by side, and quick when it is there."""
        settings, credentials, environment = self.settings, self.credentials, self.airflow_environment()
        steps: list[Callable[[], None]] = []
        if names & {*AIRFLOW_PARTS, "loader"}:
            steps += [lambda: ensure_bucket(settings, credentials), lambda: ensure_warehouse(settings, environment)]
        if names & AIRFLOW_PARTS:
            steps += [
                lambda: ensure_manifest(settings, environment),
                lambda: ensure_database(settings, credentials, {**os.environ, **environment}, say=say),
            ]
        if shards := sorted(name for name in names if name.startswith(SHARD)):
            steps.append(lambda: seed.seed_shards(settings, credentials, environment, shards=shards, rows=True))
        together(steps)

    def _set_up(self, names: set[str], say: Say) -> None:
        """What is told to the processes of the second wave once they run."""
        if "airflow-api-server" in names:
            ensure_pools(self.airflow_api())
        if "connect" in names and any(name.startswith(SHARD) for name in names):
            seed.apply_connectors(self.airflow_environment())
            say("the declared connectors run")

    # --- parts ------------------------------------------------------------------------------------------------------

    def _require_environments(self, services: Iterable[Service]) -> None:
        for service in services:
            program = Path(service.command[0])
            if program.is_absolute() and not program.exists():
                raise LocalError(f"{service.name} can't start: {program} is not there. Run: make install")

    def _start_supervisor(self) -> None:
        settings = self.settings
        if self.is_running():
            started_with = Settings.load({f"{PREFIX}VAR": str(settings.var)})
            if started_with != settings:
                raise LocalError("The profile runs with other settings than the ones asked for. Run: make stop")
            if not {service.name for service in self.services()} <= self._supervisor.processes().keys():
                raise LocalError("The profile runs as an older checkout started it. Run: make stop")
            return
        for folder in (settings.log, settings.run, settings.var / "airflow"):
            folder.mkdir(parents=True, exist_ok=True)
        settings.remember()
        password = self.credentials.supervisor_password
        text = render(settings, self.services(), password=password, as_root=os.geteuid() == 0)
        write_private(self._supervisor.configuration, text)
        self._supervisor.start({**os.environ, **settings.as_environment()}, python=sys.executable)

    def _launch(self, services: Iterable[Service]) -> None:
        """Start the processes of those that don't run yet, after what they need is prepared, side by side."""
        processes = self._supervisor.processes()
        idle = [service for service in services if not processes[service.name].runs]
        together([partial(prepare, self.settings, self.credentials, service) for service in idle])
        for service in idle:
            self._supervisor.start_process(service.name)

    def _start_wave(self, services: list[Service], say: Say) -> None:
        self._launch(services)
        waiting = {service.name: service for service in services}
        began = time.monotonic()
        while waiting:
            processes = self._supervisor.processes()
            for service in list(waiting.values()):
                self._require_alive(service, processes[service.name], time.monotonic() - began)
                if self._status(service, processes[service.name]).up:
                    say(f"{service.name} is up after {time.monotonic() - began:.1f} s")
                    del waiting[service.name]
            time.sleep(POLL_SECONDS)

    def _require_alive(self, service: Service, process: Process, seconds: float) -> None:
        log = self.log_file(service.name)
        if process.state == "FATAL":
            raise LocalError(f"{service.name} does not start: {process.problem}. Its log ends: {tail(log)} (see {log})")
        if seconds > service.start_seconds:
            raise LocalError(
                f"{service.name} was not healthy after {seconds:.0f} seconds (it is {process.state}). "
                f"Its log ends: {tail(log)} (see {log})"
            )

    def _status(self, service: Service, process: Process | None) -> Status:
        runs = process is not None and process.runs
        return Status(service, process, runs and is_healthy(service.health, started=_start_of(process)))


def together(steps: Iterable[Callable[[], None]]) -> None:
    """Run all steps side by side; the first failure is raised when all have ended."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(step) for step in steps]:
            done.result()


def _start_of(process: Process | None) -> datetime:
    return process.since if process else datetime.now(UTC)


def tail(log: Path, lines: int = 4) -> str:
    """The last lines of a log, as one line."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        last = file.read().decode(errors="replace").strip().splitlines()[-lines:]
    return " / ".join(line.strip() for line in last)
