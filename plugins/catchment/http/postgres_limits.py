"""Rate limits in a Postgres that all machines share: the connection `rate_limits`.

One round trip books a call: the statements below run as one transaction under an advisory lock of the account, by the
server's clock. A worker that is stopped or killed holds nothing but the moment that it booked. Works behind PgBouncer
in transaction mode: no session state, no prepared statements.
"""

# ruff: noqa: S608  (the statements are put together from constants; values are bound)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from catchment.connection import Connection
from catchment.errors import NeedsPerson, TryAgain
from catchment.http.pacing import (
    FORGIVEN_AFTER,
    LONGEST_HOLD,
    MARGIN,
    MOST_STRIKES,
    SLICES,
    Lane,
    Pace,
    Spent,
    slice_seconds,
)

TABLES = """
CREATE TABLE IF NOT EXISTS catchment_rate_limits (
    account text NOT NULL, name text NOT NULL,
    free float8 NOT NULL, since float8 NOT NULL,
    strikes int NOT NULL DEFAULT 0, refused float8 NOT NULL DEFAULT 0,
    PRIMARY KEY (account, name)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS catchment_quotas (
    account text NOT NULL, name text NOT NULL, slice bigint NOT NULL, used int NOT NULL,
    PRIMARY KEY (account, name, slice)
);
"""

# What a crash of the server may lose is the bookings of its last moments, so nobody waits for a disk.
_ALONE = """
SET LOCAL statement_timeout = '10s';
SET LOCAL synchronous_commit = off;
SELECT pg_advisory_xact_lock(hashtextextended('catchment rate limits ' || %(account)s, 0));
"""

_LANE = """
WITH clock AS MATERIALIZED (
    SELECT coalesce(%(now)s, extract(epoch FROM clock_timestamp()))::float8 AS now
), lane AS MATERIALIZED (
    SELECT now, coalesce(free, 0) AS free, coalesce(since, 0) AS since, coalesce(refused, 0) AS refused,
        CASE WHEN refused > now - %(forgiven_after)s THEN strikes ELSE 0 END AS strikes
    FROM clock LEFT JOIN catchment_rate_limits ON account = %(account)s AND name = %(name)s
), paced AS MATERIALIZED (
    SELECT *, %(gap)s::float8 * (1 + %(margin)s * 2.0::float8 ^ strikes) AS gap FROM lane
)"""

_BOOK = f"""{_ALONE}{_LANE}, idle AS (
    SELECT *, free > now + %(longest_hold)s + 64 * gap OR now >= free + %(per)s AS idle FROM paced
), fresh AS (
    SELECT now, gap, strikes, CASE WHEN idle THEN now ELSE free END AS free,
        CASE WHEN idle THEN now ELSE since END AS since
    FROM idle
), booked AS MATERIALIZED (
    SELECT *, CASE WHEN strikes = 0 AND free < since + (%(burst)s - 0.5) * gap THEN now
        ELSE greatest(now, free) END AS moment
    FROM fresh
), kept AS (
    INSERT INTO catchment_rate_limits (account, name, free, since)
    SELECT %(account)s, %(name)s, greatest(free, moment) + gap, since FROM booked WHERE moment - now <= %(timeout)s
    ON CONFLICT (account, name) DO UPDATE SET free = excluded.free, since = excluded.since
)
SELECT moment - now FROM booked
"""

_HOLD = f"""{_ALONE}{_LANE}
INSERT INTO catchment_rate_limits (account, name, free, since, strikes, refused)
SELECT %(account)s, %(name)s, greatest(free, now + least(%(seconds)s, %(longest_hold)s)), 0,
    CASE WHEN NOT %(refused)s OR (strikes > 0 AND refused > now - %(per)s) THEN strikes
        ELSE least(strikes + 1, %(most_strikes)s) END,
    CASE WHEN %(refused)s THEN now ELSE refused END
FROM paced
WHERE %(left)s::int IS NULL OR (free - now) / gap >= %(left)s
ON CONFLICT (account, name) DO UPDATE SET
    free = excluded.free, since = excluded.since, strikes = excluded.strikes, refused = excluded.refused
"""

_SPEND = f"""{_ALONE}
WITH clock AS MATERIALIZED (
    SELECT floor(coalesce(%(now)s, extract(epoch FROM clock_timestamp()))::float8 / %(slice)s)::bigint AS current
), past AS (
    DELETE FROM catchment_quotas USING clock
    WHERE account = %(account)s AND name = %(name)s AND slice < current - %(slices)s
), counted AS MATERIALIZED (
    SELECT current, coalesce(sum(used), 0) AS used, min(slice) AS oldest
    FROM clock LEFT JOIN catchment_quotas
        ON account = %(account)s AND name = %(name)s AND slice >= current - %(slices)s
    GROUP BY current
), kept AS (
    INSERT INTO catchment_quotas AS q (account, name, slice, used)
    SELECT %(account)s, %(name)s, current, 1 FROM counted WHERE %(spend)s AND used < %(calls)s
    ON CONFLICT (account, name, slice) DO UPDATE SET used = q.used + 1
    RETURNING 1
)
SELECT used + (SELECT count(*) FROM kept), coalesce(oldest, CASE WHEN EXISTS (SELECT FROM kept) THEN current END),
    EXISTS (SELECT FROM kept)
FROM counted
"""

_READ = f"{_LANE} SELECT free, since, strikes, refused, now FROM paced"

_CONSTANTS = {
    "margin": MARGIN,
    "forgiven_after": FORGIVEN_AFTER,
    "longest_hold": LONGEST_HOLD,
    "most_strikes": MOST_STRIKES,
    "slices": SLICES,
}


class PostgresStore:
    """The bookings of one account. Safe to use from several threads; `clock` replaces the server's, for tests."""

    def __init__(self, connection: Connection, account: str, *, clock: Callable[[], float] | None = None) -> None:
        self._connection = connection
        self._account = account
        self._clock = clock
        self._lock = Lock()
        self._open: Any = None

    def book(self, name: str, pace: Pace, timeout: float) -> float:
        return float(self._ask(_BOOK, name, pace, timeout=timeout)[0])

    def hold(self, name: str, pace: Pace, seconds: float, *, refused: bool, left: int | None = None) -> None:
        self._ask(_HOLD, name, pace, seconds=seconds, refused=refused, left=left)

    def spend(self, name: str, calls: int, per: float, *, spend: bool = True) -> Spent:
        used, oldest, granted = self._ask(_SPEND, name, None, calls=calls, slice=slice_seconds(per), spend=spend)
        return Spent(int(used), None if oldest is None else int(oldest), bool(granted))

    def read(self, name: str, pace: Pace) -> tuple[Lane, float]:
        free, since, strikes, refused, now = self._ask(_READ, name, pace)
        return Lane(free, since, strikes, refused), now

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open = None

    def _ask(self, sql: str, name: str, pace: Pace | None, **values: Any) -> tuple[Any, ...]:
        """The one row of an answer. A lost connection is opened again once: at worst a booking is made twice."""
        import psycopg2

        paced = {"gap": pace.gap, "per": pace.per, "burst": pace.burst} if pace else {}
        now = self._clock() if self._clock else None
        values = {**_CONSTANTS, **paced, **values, "account": self._account, "name": name, "now": now}
        with self._lock, _sentences(self._connection):
            for attempt in (1, 2):
                try:
                    with self._session().cursor() as cursor:
                        cursor.execute(sql, values)
                        return tuple(cursor.fetchone()) if cursor.description else ()
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    lost = self._open is not None and self._open.closed
                    if attempt == 2 or not lost:
                        raise
        raise AssertionError("unreachable")

    def _session(self) -> Any:
        import psycopg2

        if self._open is None or self._open.closed:
            self._open = psycopg2.connect(**arguments(self._connection))
            self._open.autocommit = True
            with self._open.cursor() as cursor:
                cursor.execute("SELECT to_regclass('catchment_rate_limits') IS NULL")
                if cursor.fetchone()[0]:
                    cursor.execute(f"{_ALONE}{TABLES}", {"account": "tables"})
        return self._open


def arguments(connection: Connection) -> Mapping[str, Any]:
    """What libpq is told. Extra fields of the connection (`sslmode`, `sslrootcert`, …) come last."""
    return {
        "host": connection.host,
        "port": connection.port or 5432,
        "dbname": connection.schema or "postgres",
        "user": connection.login,
        "password": connection.password,
        "application_name": "catchment rate limits",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "tcp_user_timeout": 20_000,
        **connection.extra,
    }


@contextmanager
def _sentences(connection: Connection) -> Iterator[None]:
    """Turns psycopg2's errors into ours."""
    import psycopg2

    where = f'The store of the rate limits (connection "{connection.conn_id}")'
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        words = str(error).strip().splitlines()
        raise TryAgain(
            f"{where} can't be reached: {words[0] if words else type(error).__name__}. No call was sent without it; "
            "it is tried again later. If it lasts, check the connection and the server"
        ) from error
    except psycopg2.Error as error:
        words = str(error).strip().splitlines()
        raise NeedsPerson(
            f"{where} refused a statement: {words[0] if words else type(error).__name__}. It must be a Postgres 13 or "
            "newer whose role may create tables, or has those of docs/production.md"
        ) from error
