"""Connections as people write them: JSON, URIs, base URLs with paths and ports."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.connection import Connection
from catchment.errors import NeedsPerson

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)
DEFAULT = "https://api.vendor.example/v1"


def from_env(text: str) -> Connection:
    return Connection.from_env("my_vendor", {"AIRFLOW_CONN_MY_VENDOR": text})


@given(login=TEXTS, password=TEXTS, host=TEXTS, port=st.integers(1, 65535), extra=st.dictionaries(TEXTS, TEXTS))
def test_json_says_every_field(login: str, password: str, host: str, port: int, extra: dict[str, str]) -> None:
    fields = {"conn_type": "http", "login": login, "password": password, "host": host, "port": port, "schema": "s"}
    for written in (extra, json.dumps(extra)):
        read = from_env(json.dumps({**fields, "extra": written}))
        assert (read.login, read.password, read.host, read.port, read.schema) == (login, password, host, port, "s")
        assert dict(read.extra) == extra


@given(login=TEXTS, password=TEXTS, host=TEXTS, port=st.integers(1, 65535), extra=st.dictionaries(TEXTS, TEXTS))
def test_a_uri_says_every_field(login: str, password: str, host: str, port: int, extra: dict[str, str]) -> None:
    login_, password_, host_ = (quote(text, safe="") for text in (login, password, host))
    read = from_env(f"http://{login_}:{password_}@{host_}:{port}/s?__extra__={quote(json.dumps(extra), safe='')}")
    assert (read.login, read.password, read.host, read.port, read.schema) == (login, password, host, port, "s")
    assert dict(read.extra) == extra


def test_a_uri_may_hold_a_whole_base_url_whose_case_counts() -> None:
    read = from_env("http://key@http%3A%2F%2F127.0.0.1%3A8090%2FVendor%2Fv1")
    assert read.base_url(DEFAULT) == "http://127.0.0.1:8090/Vendor/v1"


def test_a_uri_may_set_extra_fields_one_by_one() -> None:
    assert dict(from_env("http://host/?auth=bearer&empty=").extra) == {"auth": "bearer", "empty": ""}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"port": "many"}',
        '{"extra": "{"}',
        '{"extra": "[1]"}',
        '{"extra": 5}',
        "http://host:port",
        "http://host/?__extra__={",
        "http://host/?__extra__=[1]",
        '{"host": 5}',  # this and the next four, tried by hand for `make fuzz`: another error or type
        '{"password": ["p"]}',
        '{"port": 1e400}',
        '{"extra": ' + "[" * 3000,
        "http://host/?__extra__=" + "[" * 3000,
    ],
)
def test_a_connection_that_cannot_be_read_names_its_variable(text: str) -> None:
    with pytest.raises(NeedsPerson, match="AIRFLOW_CONN_MY_VENDOR"):
        from_env(text)


def test_a_connection_that_is_not_there_names_the_variable_to_set() -> None:
    with pytest.raises(NeedsPerson, match="set AIRFLOW_CONN_MY_VENDOR"):
        Connection.from_env("my_vendor", {})


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, DEFAULT),
        ({"host": "http://127.0.0.1:8090/vendor/v1/"}, "http://127.0.0.1:8090/vendor/v1"),
        ({"host": "http://127.0.0.1/vendor", "port": 8090}, "http://127.0.0.1:8090/vendor"),
        ({"host": "http://127.0.0.1:1/vendor", "port": 8090}, "http://127.0.0.1:1/vendor"),
        ({"host": "acme.vendor.example"}, "https://acme.vendor.example"),
        ({"host": "acme.vendor.example", "schema": "http", "port": 80}, "http://acme.vendor.example:80"),
        ({"host": "acme.vendor.example/api/v2", "port": 8443}, "https://acme.vendor.example:8443/api/v2"),
        ({"host": "ignored", "port": 1, "extra": {"base_url": "http://h:2/p"}}, "http://h:2/p"),
    ],
)
def test_the_base_url_is_what_the_fields_say(fields: dict[str, object], url: str) -> None:
    assert Connection(conn_id="c", **fields).base_url(DEFAULT) == url


def test_the_key_is_in_either_field() -> None:
    assert Connection(conn_id="c", login="key").key == "key"
    assert Connection(conn_id="c", password="key").key == "key"


def test_a_connection_shows_no_secret() -> None:
    shown = repr(Connection(conn_id="c", login="ann", password="s3cret", extra={"keyfile_dict": "s3cret"}))
    assert "s3cret" not in shown
    assert "ann" in shown


def test_airflows_connection_becomes_ours() -> None:
    theirs = SimpleNamespace(
        conn_id="c", host=None, login="l", password=None, schema=None, port=5, extra_dejson={"a": 1}
    )
    ours = Connection.like(theirs)
    assert ours == Connection(conn_id="c", login="l", port=5, extra={"a": 1})
