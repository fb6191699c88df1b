"""The local profile's settings: ports, shards, rate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from catchment.cdc.declared import application
from local.cdc.stack import ports_from
from local.errors import LocalError
from local.settings import Ports, Settings


def test_a_process_that_inherits_the_settings_has_the_same_ones(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, ports=ports_from(20000), seed=7, scale=0.5, rate=12.5)
    assert Settings.from_environment(settings.as_environment()) == settings


def test_every_declared_shard_has_a_local_database() -> None:
    assert list(Ports().shards) == [shard.name for shard in application().shards]


def test_two_services_on_one_port_are_refused() -> None:
    with pytest.raises(LocalError, match="CATCHMENT_PORT_CONNECT"):
        Settings.from_environment({"CATCHMENT_PORT_KAFKA": "18000", "CATCHMENT_PORT_CONNECT": "18000"})


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(LocalError, match="CATCHMENT_APPLICATION_RATE"):
        Settings.from_environment({"CATCHMENT_APPLICATION_RATE": "0"})


def test_ports_in_a_row_are_all_different() -> None:
    assert sorted(asdict(ports_from(20000)).values()) == list(range(20000, 20000 + len(asdict(Ports()))))
