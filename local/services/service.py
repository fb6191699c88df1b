"""What a supervised process is, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STORAGE, AIRFLOW, CAPTURE = range(3)  # the waves of a start


@dataclass(frozen=True)
class HttpHealth:
    """Healthy when a GET of `url` answers with a status below `below`: by default, even a refusal shows life."""

    url: str
    below: int = 500


@dataclass(frozen=True)
class PostgresHealth:
    """Healthy when `pg_isready` says so."""

    pg_isready: str
    port: int


@dataclass(frozen=True)
class HeartbeatHealth:
    """Healthy when Airflow's health page at `url` knows a heartbeat of `component` since the process started."""

    url: str
    component: str


@dataclass(frozen=True)
class KafkaHealth:
    """Healthy when the broker at `port` answers a request."""

    port: int


@dataclass(frozen=True)
class StatusHealth:
    """Healthy when the process wrote its status to `file` (JSON with `at` and `problem`) lately, and has no problem."""

    file: Path


Health = HttpHealth | PostgresHealth | HeartbeatHealth | KafkaHealth | StatusHealth


@dataclass(frozen=True, kw_only=True)
class Service:
    """A process that supervisord keeps.

    `wave` orders the start: a wave begins when the one before is healthy, and is stopped after those that follow it. An
    `early` service takes long to start: it is launched before all waves and awaited with Airflow's. `environment` is
    added to the starter's.
    `port_name` is the service's name in `Ports`, if it listens. One that `stops_first` has work in hand that needs the
    others of its wave.
    """

    name: str
    command: tuple[str, ...]
    health: Health
    wave: int
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    port_name: str | None = None
    url: str = ""
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    start_seconds: int = 120
    early: bool = False
    stops_first: bool = False

    @property
    def stop_order(self) -> tuple[int, bool]:
        """Services with the highest are stopped first, those with the same side by side."""
        return self.wave, self.stops_first

    @property
    def awaited(self) -> int:
        """The wave with which the service must be healthy."""
        return max(self.wave, AIRFLOW) if self.early else self.wave
