"""Try every connection with one harmless request each, and say in a sentence what is wrong and where to change it.

What is tried of each system is in `check_systems.py`; here it is put together, run side by side and told.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache, partial
from threading import Lock, Thread

from catchment import check_systems as systems
from catchment.cdc import declared
from catchment.cdc.declared import Application
from catchment.connection import Connection, NoConnection
from catchment.errors import CatchmentError, NeedsPerson
from catchment.http.words import masked
from catchment.platform import LookUp, Platform
from catchment.sources import SOURCES
from catchment.spec import SourceSpec

TIMEOUT = timedelta(seconds=60)
_WAREHOUSE = "snowflake_default"
_NO_STORE = "each machine keeps rate limits of its own (docs/production.md, one limit for all machines)"
_NO_CDC = "it is needed only for change data capture (docs/production.md)"


class Outcome(StrEnum):
    """What came of a check. SKIPPED: the connection is optional, and is not there."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing to try. `run` returns what it saw, in a sentence, and raises what is wrong.

    `conn_id` is the connection to look at when it fails: the check's own name, unless given.
    """

    name: str
    run: Callable[[], str]
    conn_id: str = ""


@dataclass(frozen=True)
class CheckResult:
    """What came of one check; `seconds` is how long it took."""

    name: str
    outcome: Outcome
    said: str
    seconds: float = 0.0


class NotSetUp(CatchmentError):
    """An optional connection is not there."""


def check_all(
    look_up: LookUp, *, bucket: str | None = None, only: Collection[str] = (), timeout: timedelta = TIMEOUT
) -> list[CheckResult]:
    """Try everything, or what `only` names, side by side; each may take `timeout`.

    Raises:
        NeedsPerson: `only` has a name that no check has.
    """
    chosen = select(checks(look_up, SOURCES.values(), declared.application(), bucket=bucket), only)
    return run(chosen, timeout)


def checks(
    look_up: LookUp, sources: Iterable[SourceSpec], application: Application, *, bucket: str | None = None
) -> list[Check]:
    """Everything there is to try, by the ids of connections, in the order in which a batch meets them.

    Connections are looked up here, before threads begin: secrets back ends need not be thread-safe.
    """
    specs = tuple(sources)
    shards = [shard.connection for shard in application.shards]
    cdc = ("kafka_connect", "kafka", *shards)
    others = ("catchment_pii", "rate_limits", "aws_default", _WAREHOUSE)
    found = {conn_id: _found(look_up, conn_id) for conn_id in (*(spec.name for spec in specs), *others, *cdc)}
    replicates = any(not isinstance(found[conn_id], NoConnection) for conn_id in cdc)

    def connection(conn_id: str) -> Connection:
        value = found[conn_id]
        if isinstance(value, CatchmentError):
            raise value
        return value

    def optional(conn_id: str, needed: bool, without: str) -> Connection:
        if not needed and isinstance(found[conn_id], NoConnection):
            raise NotSetUp(f"There is no such connection: {without}.")
        return connection(conn_id)

    made, one_at_a_time = cache(partial(Platform.from_connections, connection, bucket=bucket)), Lock()

    def platform() -> Platform:
        with one_at_a_time:  # boto3 must not make two clients at a time
            return made()

    of_cdc = partial(optional, needed=replicates, without=_NO_CDC)
    return [
        *(Check(spec.name, partial(systems.try_source, spec, connection, platform)) for spec in specs),
        Check("catchment_pii", lambda: systems.try_pii_key(connection("catchment_pii"))),
        Check("rate_limits", lambda: systems.try_rate_limits(optional("rate_limits", needed=False, without=_NO_STORE))),
        Check("aws_default", lambda: systems.try_landing(platform().store)),
        Check(_WAREHOUSE, lambda: systems.try_warehouse(connection(_WAREHOUSE), specs)),
        Check("stage", lambda: systems.try_stage(connection(_WAREHOUSE), platform().store), conn_id=_WAREHOUSE),
        Check("kafka_connect", lambda: systems.try_connect(of_cdc("kafka_connect"))),
        Check("kafka", lambda: systems.try_kafka(of_cdc("kafka"), application)),
        *(Check(conn_id, partial(_shard, of_cdc, conn_id)) for conn_id in shards),
    ]


def select(found: Sequence[Check], only: Collection[str]) -> list[Check]:
    """The checks that `only` names; all when it is empty."""
    names = [check.name for check in found]
    if unknown := sorted(set(only) - set(names)):
        raise NeedsPerson(f"There is nothing to check by the name {unknown[0]!r}. Choose from: {', '.join(names)}.")
    return [check for check in found if not only or check.name in only]


def run(chosen: Sequence[Check], timeout: timedelta = TIMEOUT) -> list[CheckResult]:
    """Run checks side by side, each in a thread; one that is not through in time has failed, and is left behind."""
    done: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
    begun = time.monotonic()
    for check in chosen:
        Thread(target=partial(_put, done, check), daemon=True, name=f"check {check.name}").start()
    results: dict[str, CheckResult] = {}
    while len(results) < len(chosen):
        left = begun + timeout.total_seconds() - time.monotonic()
        try:
            result = done.get(timeout=max(0.001, left))
        except queue.Empty:
            break
        results[result.name] = result
    return [results.get(check.name) or _timed_out(check, timeout) for check in chosen]


def table(results: Iterable[CheckResult]) -> str:
    """The results as text: a line each, what failed last and at length."""
    rows = sorted(results, key=lambda result: result.outcome is Outcome.FAILED)
    width = max((len(result.name) for result in rows), default=0)
    return "\n".join(f"{r.outcome:7}  {r.name:{width}}  {r.seconds:5.1f} s  {r.said}" for r in rows)


def failures(results: Iterable[CheckResult]) -> list[CheckResult]:
    return [result for result in results if result.outcome is Outcome.FAILED]


def _found(look_up: LookUp, conn_id: str) -> Connection | CatchmentError:
    try:
        return look_up(conn_id)
    except CatchmentError as error:
        return error
    except Exception as error:  # a secrets back end's own
        return NeedsPerson(
            f'The connection "{conn_id}" could not be read ({type(error).__name__}: {masked(str(error))}): see the '
            "secrets back end (docs/production.md)."
        )


def _put(done: queue.SimpleQueue[CheckResult], check: Check) -> None:
    done.put(_tried(check))


def _shard(of_cdc: Callable[[str], Connection], conn_id: str) -> str:
    return systems.try_shard(of_cdc(conn_id))


def _tried(check: Check) -> CheckResult:
    begun = time.monotonic()

    def result(outcome: Outcome, said: str) -> CheckResult:
        return CheckResult(check.name, outcome, said, time.monotonic() - begun)

    try:
        return result(Outcome.OK, check.run())
    except NotSetUp as error:
        return result(Outcome.SKIPPED, str(error))
    except CatchmentError as error:
        return result(Outcome.FAILED, _with_place(check.conn_id or check.name, str(error)))
    except Exception as error:  # whatever a library raises is a failed check, never a failed table
        said = f"{type(error).__name__}: {masked(str(error))}."
        return result(Outcome.FAILED, _with_place(check.conn_id or check.name, said))


def _with_place(conn_id: str, said: str) -> str:
    return (
        said if f'"{conn_id}"' in said else f'{said.rstrip(".")}. See the connection "{conn_id}" (docs/production.md).'
    )


def _timed_out(check: Check, timeout: timedelta) -> CheckResult:
    seconds = timeout.total_seconds()
    said = f"No answer within {seconds:.0f} s: see the address, the network and firewalls."
    return CheckResult(check.name, Outcome.FAILED, _with_place(check.conn_id or check.name, said), seconds)
