"""What can be set about the local profile: where it lives, its ports, and the size of its synthetic company.

Everything has a default and an environment variable. What the profile was last started with is remembered in
`var/settings.json` (`make clean` forgets it), so that `make stop` or `make status` need not be told again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from local.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "CATCHMENT_"
SHARD = "shard_"  # a service or a port of this prefix is a shard of the application


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1; each is set by `CATCHMENT_PORT_<NAME>`."""

    airflow: int = 8080
    postgres: int = 5433
    warehouse: int = 8085
    s3: int = 8086
    sandbox: int = 8090
    shard_s0: int = 5434
    shard_s1: int = 5435
    kafka: int = 9092
    kafka_controller: int = 9093
    connect: int = 8083

    @property
    def shards(self) -> dict[str, int]:
        """The port of each of the application's shards, by the shard's name."""
        named = ((name.removeprefix(SHARD), port) for name, port in asdict(self).items() if name.startswith(SHARD))
        return dict(named)


@dataclass(frozen=True)
class Settings:
    """The local profile's settings. `var` holds all its state; `seed` and `scale` make the synthetic company.

    `rate` is how many transactions a second the application commits, over all of its shards.
    """

    var: Path = ROOT / "var"
    ports: Ports = Ports()
    seed: int = 1
    scale: float = 1.0
    rate: float = 2.0

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    def url(self, service: str, path: str = "") -> str:
        return f"http://127.0.0.1:{asdict(self.ports)[service]}{path}"

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of the environment, and for what it does not set, the remembered ones."""
        file = cls.from_environment(environment).file
        remembered = json.loads(file.read_text()) if file.exists() else {}
        return cls.from_environment({**remembered, **environment})

    @property
    def file(self) -> Path:
        return self.var / "settings.json"

    def remember(self) -> None:
        """Keep the settings for later commands, and at the first start, when that was."""
        self.var.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.as_environment(), indent=1))
        if not self._first_start_file.exists():
            self._first_start_file.write_text(datetime.now(UTC).isoformat())

    @property
    def first_start(self) -> str:
        """When this profile was first started (ISO 8601); now, when it never was."""
        file = self._first_start_file
        return file.read_text() if file.exists() else datetime.now(UTC).isoformat()

    @property
    def _first_start_file(self) -> Path:
        return self.var / "first_start"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings that the `CATCHMENT_*` variables ask for.

        Raises:
            LocalError: a value is not what the variable needs; the message names it.
        """
        ports = Ports(
            **{port.name: _port(environment, port.name, default=getattr(Ports, port.name)) for port in fields(Ports)}
        )
        _all_different(ports)
        return cls(
            var=Path(environment.get(f"{PREFIX}VAR", ROOT / "var")).absolute(),
            ports=ports,
            seed=int(_number(environment, "SANDBOX_SEED", default=cls.seed)),
            scale=_number(environment, "SANDBOX_SCALE", default=cls.scale),
            rate=_number(environment, "APPLICATION_RATE", default=cls.rate),
        )

    def as_environment(self) -> dict[str, str]:
        """The variables that give these settings again: what a supervised process inherits."""
        return {
            f"{PREFIX}VAR": str(self.var),
            f"{PREFIX}SANDBOX_SEED": str(self.seed),
            f"{PREFIX}SANDBOX_SCALE": str(self.scale),
            f"{PREFIX}APPLICATION_RATE": str(self.rate),
            **{f"{PREFIX}PORT_{name.upper()}": str(port) for name, port in asdict(self.ports).items()},
        }


def _port(environment: Mapping[str, str], name: str, *, default: int) -> int:
    variable = f"{PREFIX}PORT_{name.upper()}"
    text = environment.get(variable, str(default))
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise LocalError(f"{variable}={text!r} is not a port. Set it to a number between 1 and 65535, or unset it.")
    return int(text)


def _number(environment: Mapping[str, str], name: str, *, default: float) -> float:
    variable = f"{PREFIX}{name}"
    text = environment.get(variable, str(default))
    try:
        number = float(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise LocalError(f"{variable}={text!r} is not a positive number. Set it to one, or unset it.")
    return number


def _all_different(ports: Ports) -> None:
    names_by_port: dict[int, str] = {}
    for name, port in asdict(ports).items():
        if port in names_by_port:
            raise LocalError(
                f"Port {port} is given to both {names_by_port[port]} and {name}. "
                f"Set {PREFIX}PORT_{name.upper()} to another one."
            )
        names_by_port[port] = name
