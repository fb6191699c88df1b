"""Rate limits in a real Postgres: what two machines share, and what one of them leaves when it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.connection import Connection
from catchment.errors import RateLimited, TryAgain
from catchment.http.file_limits import FileStore
from catchment.http.limits import Limits, Quota, QuotaSpent, RateLimit, open_limits
from catchment.http.pacing import Pace, strikes
from catchment.http.postgres_limits import PostgresStore, arguments
from local.services.postgres import Cluster
from tests.support.counting_vendors import FixedWindows, SlidingWindow, TokenBucket
from tests.support.virtual_time import VirtualTime

Vendor = FixedWindows | SlidingWindow | TokenBucket
WORKER = Path(__file__).parent.parent / "support" / "limited_worker.py"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A Postgres of its own, as the connection `rate_limits`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    root = tmp_path_factory.mktemp("postgres")
    for folder in (root, *root.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    cluster = Cluster(root / "data", port, "catchment", "secret")
    cluster.ensure()
    connection = Connection(
        conn_id="rate_limits", host="127.0.0.1", port=port, schema="postgres", login="catchment", password="secret"
    )
    server = subprocess.Popen(cluster.command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(psycopg2.OperationalError), contextlib.closing(connect(connection)):
                break
            assert time.monotonic() < end, "Postgres did not start within a minute"
            time.sleep(0.2)
        yield connection
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def connect(connection: Connection) -> psycopg2.extensions.connection:
    opened = psycopg2.connect(**arguments(connection))
    opened.autocommit = True
    return opened


@pytest.fixture
def account() -> str:
    return uuid4().hex


# --- the SQL says what the pure functions say -----------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0, 3.0, 60.0, 4000.0]),  # seconds later
        st.one_of(
            st.tuples(st.just("book"), st.integers(1, 15), st.sampled_from([0.0, 2.0, 1e6])),  # times, timeout
            st.tuples(
                st.just("hold"), st.sampled_from([0.5, 30.0, 9000.0]), st.booleans(), st.none() | st.integers(1, 9)
            ),
            st.tuples(st.just("spend"), st.integers(1, 6)),
        ),
    ),
    min_size=3,
    max_size=20,
)


@given(calls=st.sampled_from([1, 3, 20]), per=st.sampled_from([1.0, 60.0]), steps=steps)
@settings(max_examples=60, deadline=None)
def test_both_stores_book_the_same(
    postgres: Connection, tmp_path_factory: pytest.TempPathFactory, calls: int, per: float, steps: list
) -> None:
    now = 1_700_000_000.0
    account, pace = uuid4().hex, Pace(calls, per)
    shared = PostgresStore(postgres, account, clock=lambda: now)
    local = FileStore(account, root=tmp_path_factory.mktemp("limits"), clock=lambda: now)
    stores = (shared, local)
    for later, (kind, *values) in steps:
        now += later
        match kind:
            case "book":
                for _ in range(values[0]):
                    waits = [store.book("x", pace, values[1]) for store in stores]
                    assert waits[0] == pytest.approx(waits[1], abs=1e-5)
            case "hold":
                for store in stores:
                    store.hold("x", pace, values[0], refused=values[1], left=values[2])
            case "spend":
                spent = [store.spend("q", values[0], 9_000) for store in stores]  # slices of 5 minutes
                assert spent[0] == spent[1]
        lanes = [store.read("x", pace)[0] for store in stores]
        assert lanes[0].free == pytest.approx(lanes[1].free, abs=1e-5)
        assert strikes(lanes[0], now) == strikes(lanes[1], now)
    shared.close()


@pytest.mark.parametrize("vendor", [FixedWindows(60, 60, 17.3), SlidingWindow(60, 60), TokenBucket(60, 60, 60)])
def test_no_call_is_refused_at_95_percent_of_the_rate(postgres: Connection, account: str, vendor: Vendor) -> None:
    """As the unit test, with the bookings in Postgres (ten minutes of virtual time, four machines)."""
    time_, limit = VirtualTime(), RateLimit(60, timedelta(minutes=1))
    start, replies = time_.now(), []

    def work() -> None:
        limits = Limits(PostgresStore(postgres, account, clock=time_.now), sleep=time_.sleep, clock=time_.now)
        while time_.now() - start < 600:
            limits.wait(limit, timeout=60)
            time_.sleep(0.05)
            allowed, headers = vendor.hit(time_.now())
            replies.append(allowed)
            limits.learn(limit, 200 if allowed else 429, headers)
        limits.close()

    time_.run(*[work] * 4)
    assert all(replies)
    assert len(replies) >= 0.95 * 600


# --- processes that share nothing but the store ---------------------------------------------------------------------


def start_worker(postgres: Connection, account: str, calls: int, per: float, seconds: float) -> subprocess.Popen[str]:
    uri = f"postgres://catchment:secret@127.0.0.1:{postgres.port}/postgres"
    env = {**os.environ, "AIRFLOW_CONN_RATE_LIMITS": uri, "PYTHONPATH": os.pathsep.join([".", "plugins"])}
    command = [sys.executable, str(WORKER), account, str(calls), str(per), str(seconds)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def starts_of_calls(worker: subprocess.Popen[str]) -> list[float]:
    assert worker.stdout is not None
    with worker.stdout:
        return [float(line) for line in worker.stdout.read().split()]


def fullest(moments: list[float], per: float) -> int:
    """The most calls in any span."""
    return max(sum(start <= moment < start + per for moment in moments) for start in moments)


def test_two_machines_keep_one_limit_and_one_of_them_may_be_killed(postgres: Connection, account: str) -> None:
    """draft-detective PR 484: four processes, each with a limiter of its own, made four times the allowed calls.

    Right: together no more than the limit in any span; a killed process (three threads, three bookings) costs the
    others those bookings and nothing else.
    """
    calls, per = 20, 2.0
    killed, other = (start_worker(postgres, account, calls, per, 8) for _ in range(2))
    time.sleep(3)
    killed.kill()
    moments = starts_of_calls(other)
    before = starts_of_calls(killed)
    killed.wait()
    assert other.wait(timeout=60) == 0
    assert before
    assert moments
    assert fullest(before + moments, per) <= calls
    died = max(before)
    after = [moment for moment in moments if died < moment]
    assert after[0] - died < 5 * per / calls
    assert len(after) >= 0.8 * (after[-1] - after[0]) * calls / per


def test_a_stopped_machine_holds_nobody_up(postgres: Connection, account: str) -> None:
    """A worker that is frozen (SIGSTOP, a paused container) holds no lock: the others go on at once."""
    limit, limits = RateLimit(50, timedelta(seconds=1)), open_limits_of(postgres, account)
    frozen = start_worker(postgres, account, 50, 1.0, 30)
    try:
        time.sleep(2)
        frozen.send_signal(signal.SIGSTOP)
        assert limits.wait(limit, timeout=5) < 1.0
    finally:
        frozen.kill()
        frozen.wait()
        assert starts_of_calls(frozen)


def open_limits_of(postgres: Connection, account: str) -> Limits:
    return open_limits("vendor", account, postgres)


def test_a_wrong_clock_changes_nothing(postgres: Connection, account: str) -> None:
    """PyrateLimiter's Redis bucket takes each machine's own time; a clock that is off by minutes frees the bucket."""
    limit = RateLimit(2, timedelta(seconds=1))
    limits = [
        open_limits("vendor", account, postgres, clock=lambda off=off: time.time() + off) for off in (-300, 0, 300)
    ]
    started = time.time()
    for _ in range(3):
        for each in limits:
            each.wait(limit, timeout=10)
    assert time.time() - started >= 8 * 0.5


def test_a_wait_has_an_end(postgres: Connection, account: str) -> None:
    limit, limits = RateLimit(1, timedelta(minutes=1)), open_limits_of(postgres, account)
    limits.wait(limit, timeout=1)
    with pytest.raises(RateLimited, match="booked out for 6") as raised:
        limits.wait(limit, timeout=1)
    assert raised.value.after == pytest.approx(timedelta(minutes=1), abs=timedelta(seconds=4))
    (usage,) = limits.usage(limit)
    assert usage.wait < 63, "a call that is refused books nothing"


def test_a_quota_is_shared(postgres: Connection, account: str) -> None:
    quota = Quota(3, timedelta(days=30), "reports")
    limits = [open_limits_of(postgres, account) for _ in range(4)]
    for each in limits[:3]:
        each.wait(quota, timeout=1)
    with pytest.raises(QuotaSpent, match=r"3 of 3 calls in 30 days\. Some of it comes back on"):
        limits[3].wait(quota, timeout=1)


def test_a_connection_that_was_cut_is_opened_again(postgres: Connection, account: str) -> None:
    limit, limits = RateLimit(100, timedelta(seconds=1)), open_limits_of(postgres, account)
    limits.wait(limit, timeout=1)
    with contextlib.closing(connect(postgres)) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'catchment rate limits' AND pid <> pg_backend_pid()"
        )
    limits.wait(limit, timeout=1)


def test_a_store_that_is_away_is_a_sentence(postgres: Connection) -> None:
    limits = open_limits_of(replace(postgres, port=1), "x")
    with pytest.raises(TryAgain, match='connection "rate_limits"') as raised:
        limits.wait(RateLimit(1, timedelta(1)), timeout=1)
    assert "secret" not in str(raised.value)
