"""Change data capture in the local profile: what is started, with which settings, and where its secrets are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from local.airflow.connections import connections
from local.cdc import connect, kafka, passwords
from local.cdc.properties import read, render
from local.cdc.stack import ports_from
from local.credentials import Credentials, ensure_credentials
from local.errors import LocalError
from local.profile import Profile
from local.services.catalogue import catalogue
from local.services.service import STORAGE
from local.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path, ports=ports_from(20000))


@pytest.fixture
def credentials(settings: Settings) -> Credentials:
    return ensure_credentials(settings)


def test_everything_listens_on_127_0_0_1_only(settings: Settings, credentials: Credentials) -> None:
    addresses = [*kafka.properties(settings).values(), *connect.properties(settings).values()]
    addresses += [word for service in catalogue(settings, credentials, {}) for word in service.command]
    hosts = {host for text in addresses for host in re.findall(r"(?://|@|listen_addresses=)([^:/,\s]*):?\d*", text)}
    assert hosts == {"127.0.0.1"}


def test_what_writes_and_loads_starts_after_what_it_needs(settings: Settings, credentials: Credentials) -> None:
    names = [service.name for service in catalogue(settings, credentials, {})]
    waves = {service.name: service.wave for service in catalogue(settings, credentials, {})}
    assert (
        waves["shard_s0"] == waves["warehouse"] == STORAGE < waves["connect"] < waves["loader"] == waves["application"]
    )
    assert names.index("kafka") < names.index("connect") < names.index("loader")  # stopped in the opposite order


def test_connect_finds_plugins_by_service_files_and_keeps_exactly_once(settings: Settings) -> None:
    properties = connect.properties(settings)
    assert properties["plugin.discovery"] == "service_load"
    assert properties["exactly.once.source.support"] == "enabled"
    assert properties["value.converter.replace.null.with.default"] == "false"


def test_connect_may_read_the_folder_of_its_passwords_and_no_other_secret(settings: Settings) -> None:
    allowed = Path(connect.properties(settings)["config.providers.file.param.allowed.paths"])
    passwords.ensure(settings)
    ensure_credentials(settings)
    assert [path.name for path in allowed.iterdir()] == ["shards.properties"]


def test_connectors_and_the_platforms_connections_read_a_password_from_one_place(
    settings: Settings, credentials: Credentials
) -> None:
    by_id = connections(settings, credentials, {})
    reference = by_id["kafka_connect"]["extra"]["secret"].replace("{shard}", "s1")
    assert reference == f"${{file:{passwords.file(settings)}:s1.password}}"
    assert by_id["application_s1"]["password"] == read(passwords.file(settings).read_text())["s1.password"]


def test_a_rotated_password_stays(settings: Settings) -> None:
    passwords.ensure(settings)
    file = passwords.file(settings)
    file.write_text(file.read_text().replace(passwords.ensure(settings)["s0"], "another"))
    assert passwords.ensure(settings)["s0"] == "another"


def test_no_command_line_holds_a_secret(settings: Settings, credentials: Credentials) -> None:
    secrets = {
        *passwords.ensure(settings).values(),
        *json.loads((settings.secrets / "local.json").read_text()).values(),
    }
    words = {word for service in catalogue(settings, credentials, {}) for word in service.command}
    assert not {(secret, word) for secret in secrets for word in words if secret in word}


def test_properties_are_read_as_they_were_written() -> None:
    written = {"s0.password": "a=b#c", "s1.password": "x"}
    assert read(render(written)) == written


def test_secrets_of_an_older_checkout_gain_what_is_new(settings: Settings, credentials: Credentials) -> None:
    file = settings.secrets / "local.json"
    kept = json.loads(file.read_text())
    del kept["application_password"]
    file.write_text(json.dumps(kept))
    repaired = ensure_credentials(settings)
    assert repaired.application_password
    assert repaired.warehouse_password == credentials.warehouse_password


def test_the_group_cdc_is_everything_but_airflow_and_the_vendors(settings: Settings) -> None:
    profile = Profile(settings)
    left_out = {service.name for service in profile.services()} - {service.name for service in profile.named(["cdc"])}
    assert {name.split("-")[0] for name in left_out} == {"airflow", "postgres", "sandbox"}


def test_a_service_that_there_is_not_is_named_with_those_that_there_are(settings: Settings) -> None:
    with pytest.raises(LocalError, match=r"'kafak'.*connect.*cdc"):
        Profile(settings).named(["kafak"])
