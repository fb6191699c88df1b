"""The local profile as a whole: start it in order, look at it, stop it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from local import ports
from local.airflow.api import AirflowApi
from local.airflow.environment import airflow_environment
from local.airflow.setup import ensure_database
from local.credentials import Credentials, ensure_credentials, ensure_google_key, read_google_key, write_private
from local.errors import LocalError
from local.platform import ensure_platform, ensure_pools
from local.services import postgres
from local.services.catalogue import AIRFLOW, catalogue
from local.services.health import is_healthy
from local.services.render import render
from local.services.service import Service
from local.services.supervisor import Process, Supervisor
from local.settings import PREFIX, Settings

Say = Callable[[str], None]
POLL_SECONDS = 0.25


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
        """Start the named services, or all, wave by wave; what runs already is left alone.

        Raises:
            LocalError: a service did not become healthy, or a port is taken; the others stay as they are.
        """
        wanted = self._named(names)
        self._require_environments(wanted)
        self._start_supervisor()
        for wave in sorted({service.wave for service in wanted}):
            if wave == AIRFLOW:
                self._lay_ground(say)
            self._start_wave([service for service in wanted if service.wave == wave], say)
            if wave == AIRFLOW:
                ensure_pools(self.airflow_api())

    def airflow_environment(self) -> dict[str, str]:
        """The environment of the Airflow processes: configuration, connections."""
        return airflow_environment(self.settings, self.credentials, read_google_key(self.settings))

    def airflow_api(self) -> AirflowApi:
        return AirflowApi(self.settings.url("airflow"))

    def stop(self, *, say: Say = print) -> None:
        """Stop everything, those that need others first. Nothing that was acknowledged is lost."""
        if not self.is_running():
            say("Nothing runs.")
            return
        running = {name for name, process in self._supervisor.processes().items() if process.runs}
        for service in reversed(self.services()):
            if service.name in running:
                say(f"stopping {service.name}")
                self._supervisor.stop_process(service.name)
        self._supervisor.shutdown()
        say("Stopped. The data stays in " + str(self.settings.var))

    def status(self) -> list[Status]:
        """Every service, asked now."""
        processes = self._supervisor.processes() if self.is_running() else {}
        return [self._status(service, processes.get(service.name)) for service in self.services()]

    def log_file(self, name: str) -> Path:
        return self.settings.log / f"{name}.log"

    def _lay_ground(self, say: Say) -> None:
        """What Airflow's processes need to find: its database, and what the platform itself works on."""
        environment = self.airflow_environment()
        with ThreadPoolExecutor() as together:
            platform = together.submit(ensure_platform, self.settings, self.credentials, environment)
            ensure_database(self.settings, self.credentials, {**os.environ, **environment}, say=say)
            platform.result()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _named(self, names: Iterable[str]) -> list[Service]:
        known = {service.name: service for service in self.services()}
        if unknown := [name for name in names if name not in known]:
            raise LocalError(f"There is no service {unknown[0]!r}. The services are: {', '.join(known)}")
        return [service for service in known.values() if not names or service.name in names]

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
            return
        for folder in (settings.log, settings.run, settings.var / "airflow"):
            folder.mkdir(parents=True, exist_ok=True)
        settings.remember()
        password = self.credentials.supervisor_password
        text = render(settings, self.services(), password=password, as_root=os.geteuid() == 0)
        write_private(self._supervisor.configuration, text)
        self._supervisor.start({**os.environ, **settings.as_environment()}, python=sys.executable)

    def _start_wave(self, services: list[Service], say: Say) -> None:
        processes = self._supervisor.processes()
        waiting = {}
        for service in services:
            if not processes[service.name].runs:
                self._prepare(service)
                self._supervisor.start_process(service.name)
            waiting[service.name] = service
        began = time.monotonic()
        while waiting:
            processes = self._supervisor.processes()
            for service in list(waiting.values()):
                self._require_alive(service, processes[service.name], time.monotonic() - began)
                if self._status(service, processes[service.name]).up:
                    say(f"{service.name} is up after {time.monotonic() - began:.1f} s")
                    del waiting[service.name]
            time.sleep(POLL_SECONDS)

    def _prepare(self, service: Service) -> None:
        """What must be there before the process starts: a free port, and its data at the first start."""
        if service.port_name:
            port = asdict(self.settings.ports)[service.port_name]
            ports.require_free(port, service=service.name, variable=f"{PREFIX}PORT_{service.port_name.upper()}")
        if service.name == "postgres":
            postgres.ensure_cluster(self.settings, self.credentials)
        if service.name == "sandbox":
            ensure_google_key(self.settings)

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
