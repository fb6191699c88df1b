"""What is tried of each system: a request that harms nothing and costs little, and says more than a login would.

The landing is written, read and purged, the stage reads what was written there (it often names another bucket), and
the role must see the tables that it loads. Every function returns what it saw, in a sentence, and raises what is wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
import zstandard

from catchment.cdc.declared import Application
from catchment.connection import Connection
from catchment.errors import CatchmentError, NeedsPerson, VendorUnavailable
from catchment.http.client import HttpClient, Reply
from catchment.http.limits import RateLimit, open_limits
from catchment.http.request import Request
from catchment.http.retry import RetryRule
from catchment.landing import Store
from catchment.platform import LookUp, Platform, open_client
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import HttpList
from catchment.reads.s3_files import S3Files
from catchment.reads.sheet_tab import SheetTab
from catchment.spec import SourceSpec, Stream
from catchment.times import SECOND, Span, days
from catchment.warehouse import session
from catchment.warehouse.names import FILE_FORMAT, FILES, LEDGER, REJECTS, STAGE, raw_table, stage_of

PROBES = "landing/_check/"
"""Where probes are written: below `landing/`, which is all that the tasks' identity may write to."""
SHORTEST_PII_KEY = 32
_ONCE = RetryRule(tries=1)

# --- sources ---


def try_source(spec: SourceSpec, look_up: LookUp, platform: Callable[[], Platform]) -> str:
    """One request to a source's API, or a look into the buckets of one that is files."""
    connection = look_up(spec.name)
    if spec.api is None:
        return _try_files(spec, connection, platform())
    client = open_client(spec, connection, look_up, retry=_ONCE)
    try:
        return try_vendor(client, spec)
    finally:
        client.close()


def try_vendor(client: HttpClient, spec: SourceSpec) -> str:
    """Ask a vendor for one page of one stream; the sentence says which.

    Raises:
        NeedsPerson: The vendor refuses, or its spec has no stream that can be asked for so little.
        TryAgain: It does not answer.
    """
    asked = probe(spec)
    if asked is None:
        raise NeedsPerson(f"{spec.title} has no stream with a request that costs little: extract one small stream.")
    stream, request = asked
    limits = getattr(stream.read, "limits", ())
    client.send(request, accept=_is_json, limits=limits)
    who = f" as {client.identity}" if client.identity else ""
    return f"{request.shown} was answered{who}; the streams with scopes of their own were not tried."


def probe(spec: SourceSpec) -> tuple[Stream, Request] | None:
    """The first stream that can be asked for a single page, lists before exports, and its request."""
    asked = [(stream, request) for stream in spec.streams if not stream.plan_gated and (request := _first(stream))]
    return min(asked, key=lambda pair: not isinstance(pair[0].read, HttpList), default=None)


def _first(stream: Stream) -> Request | None:
    """The first request of a stream's read, where it is one that costs the vendor little."""
    now = datetime.now(UTC)
    match stream.read:
        case HttpList(parent=None, method="GET") as read:
            dates = read.dates.of(Span(now - days(1), now)) if read.dates else {}
            return read.paginator.first(Request(read.path, params={**read.params, **dates}))
        case CursorExport() | TimeExport() as read:
            return Request(read.path, params={**read.params, read.start_param: int((now - days(1)).timestamp())})
        case SheetTab(spreadsheet_id=sheet):
            return Request(f"v4/spreadsheets/{quote(sheet, safe='')}", params={"fields": "spreadsheetId"})
        case _:
            return None


def _is_json(reply: Reply) -> None:
    try:
        msgspec.json.decode(reply.body)
    except msgspec.DecodeError as error:
        raise VendorUnavailable("the reply is not JSON: is the base URL that of the API, or of a page?") from error


def _try_files(spec: SourceSpec, connection: Connection, platform: Platform) -> str:
    """List one object of a source that is files in a bucket, and see that the warehouse's stage is over that bucket."""
    prefixes = {stream.read.bucket: stream.read.prefix for stream in spec.streams if isinstance(stream.read, S3Files)}
    seen = []
    for name, prefix in prefixes.items():
        bucket = platform.bucket_of(connection, name)
        empty = next(iter(bucket.entries(prefix)), None) is None
        stage = check_stage_of(spec.name, bucket.uri, _stages(platform))
        seen.append(f"{bucket.uri}{prefix} {'is empty' if empty else 'has files'}, and {stage} is over it")
    return f"{'; '.join(seen)}."


def _stages(platform: Platform) -> dict[str, str]:
    """The URLs of the stages that the role sees, by their names."""
    opened = platform.open_session("check")
    try:
        with session.explained("list the stages"):
            cursor = opened.cursor()
            cursor.execute("SHOW STAGES IN DATABASE RAW")
            names = [column[0].lower() for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        opened.close()
    return {f"RAW.{row['schema_name']}.{row['name']}": str(row["url"]) for row in rows}


def check_stage_of(source: str, bucket_uri: str, stages: Mapping[str, str]) -> str:
    """The name of a source's stage, or the sentence that says what is wrong with it."""
    stage = stage_of(source)
    if stage not in stages:
        raise NeedsPerson(
            f"The role sees no stage {stage}, through which the files of {bucket_uri} are loaded: run `python -m "
            "catchment snowflake-apply` (docs/production.md)."
        )
    if stages[stage] != bucket_uri:
        raise NeedsPerson(
            f"The stage {stage} is over {stages[stage]}, and the files are in {bucket_uri}: correct `bucket` in the "
            f'extra of the connection "{source}", or drop the stage and run `python -m catchment snowflake-apply`.'
        )
    return stage


# --- landing and warehouse ---


def try_landing(store: Store) -> str:
    """Write a probe to the landing, read it, list it and delete it.

    Raises:
        NeedsPerson: S3 refuses one of these, or gives back something else.
        LandingUnavailable: S3 does not answer.
    """
    key, data = f"{PROBES}{secrets.token_hex(8)}.txt", secrets.token_bytes(32)
    with _probe(store, key, data):
        if store.get(key) != data or key not in {entry.key for entry in store.entries(key)}:
            raise NeedsPerson(
                f'{store.uri}{key} was written and is not what is read: is the address of the connection "aws_default" '
                "that of an S3?"
            )
    return f"{store.uri}{PROBES} can be written, read, listed and deleted."


def try_warehouse(connection: Connection, sources: Iterable[SourceSpec]) -> str:
    """Sign in; see that the role, the warehouse and every table that loads write to are there.

    Raises:
        NeedsPerson: The login is refused, or something is missing.
        WarehouseUnavailable: It does not answer.
    """
    wanted = {LEDGER, REJECTS, FILES, *(raw_table(spec.name, s.name) for spec in sources for s in spec.streams)}
    opened = session.connect(connection, query_tag="check")
    try:
        with session.explained("say who we are there and which tables we see"):
            cursor = opened.cursor()
            cursor.execute("SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE()")
            role, warehouse = cursor.fetchone()
            cursor.execute("SELECT TABLE_SCHEMA || '.' || TABLE_NAME FROM RAW.INFORMATION_SCHEMA.TABLES")
            seen = {f"RAW.{name}" for (name,) in cursor.fetchall()}
    finally:
        opened.close()
    return describe_session(role, warehouse, wanted, seen)


def describe_session(role: str | None, warehouse: str | None, wanted: Collection[str], seen: Collection[str]) -> str:
    """What a session is, or the sentence that says what it lacks."""
    if not role or not warehouse:
        raise NeedsPerson(
            f"The session has no {'warehouse' if role else 'role'}: set `{'warehouse' if role else 'role'}` in the "
            'extra of the connection "snowflake_default", and see that the role may use it (docs/production.md).'
        )
    if missing := sorted(set(wanted) - set(seen)):
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise NeedsPerson(
            f"The role {role} sees no table {missing[0]}{more}: run `python -m catchment snowflake-apply`; if that was "
            'done, see `role` in the extra of the connection "snowflake_default" (docs/production.md).'
        )
    return f"Signed in as {role} on {warehouse}; all {len(wanted)} tables are there."


def try_stage(connection: Connection, store: Store) -> str:
    """Let the warehouse copy a probe from the landing, in a transaction that is rolled back.

    It is what a load does: the role's rights, the storage integration and the stage's bucket are tried at once.
    """
    folder = f"{PROBES}{secrets.token_hex(8)}/"
    line = zstandard.ZstdCompressor().compress(b'{"reason": "check", "record": ""}\n')
    with _probe(store, f"{folder}part.jsonl.zst", line):
        opened = session.connect(connection, query_tag="check")
        try:
            with session.explained("read the landing through its stage"):
                copied = _copied(opened, folder)
        finally:
            opened.close()
    if copied != 1:
        raise NeedsPerson(
            f"The stage {STAGE} does not show what was written to {store.uri}{PROBES}: it names another bucket. "
            "Compare CATCHMENT_LANDING_BUCKET with `DESC STAGE`; to move the bucket, drop the stage and run "
            "`python -m catchment snowflake-apply` (docs/production.md)."
        )
    return f"{STAGE} reads what is written to {store.uri}."


def _copied(opened: session.Session, folder: str) -> int:
    """How many rows of the probe arrive in the rejects; all of it is rolled back."""
    cursor = opened.cursor()
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            f"""
COPY INTO {REJECTS} (BATCH_ID, SOURCE, STREAM, FILE, ROW_NUMBER, REASON, RECORD, REJECTED_AT)
FROM (
    SELECT 'check', 'check', 'check', METADATA$FILENAME, METADATA$FILE_ROW_NUMBER,
        $1:reason::VARCHAR, $1:record::VARCHAR, '2000-01-01'::TIMESTAMP_NTZ
    FROM @{STAGE}/{folder}
)
FILE_FORMAT = (FORMAT_NAME = '{FILE_FORMAT}')
ON_ERROR = ABORT_STATEMENT
FORCE = TRUE
"""  # noqa: S608 - names are constants, and the probe's is hexadecimal
        )
        return sum(int(row[3]) for row in cursor.fetchall() if len(row) > 3)
    finally:
        with suppress(Exception):  # a session that is lost is rolled back by the warehouse
            cursor.execute("ROLLBACK")


@contextmanager
def _probe(store: Store, key: str, data: bytes) -> Iterator[None]:
    """An object that lies in the landing while the block lasts."""
    store.put(key, data)
    try:
        yield
    except BaseException:
        with suppress(CatchmentError):  # the first error is the one to tell
            store.delete([key])
        raise
    store.delete([key])


def try_pii_key(connection: Connection) -> str:
    """The key of the hash of personal fields is there and long enough; nothing can tell whether it is the right one."""
    if len(connection.password.encode()) < SHORTEST_PII_KEY:
        raise NeedsPerson(
            f'The password of the connection "catchment_pii" has {len(connection.password)} characters, and is the key '
            f"of the hash of personal fields: before the first load, set one of {SHORTEST_PII_KEY} or more "
            "(`openssl rand -base64 32`, docs/production.md). With another key the same person has another hash."
        )
    return "The key of the hash of personal fields is there."


# --- rate limits and change data capture ---


def try_rate_limits(connection: Connection) -> str:
    """Read one lane of the shared store; its tables are made when they are missing."""
    limits = open_limits("check", "check", connection)
    try:
        limits.usage(RateLimit(1, per=SECOND, name="check"))
    finally:
        limits.close()
    return "The store of the rate limits answers."


def try_connect(connection: Connection) -> str:
    """List the connectors. Whether they are well is the health DAG's question."""
    from catchment.cdc.connectors.client import Connect

    with Connect(connection) as connect:
        running = connect.connectors()
    return f"Kafka Connect answers and has {len(running)} connectors: {', '.join(running) or 'none yet'}."


def try_kafka(connection: Connection, application: Application) -> str:
    """Ask Kafka which of the declared topics exist."""
    from catchment.cdc.loader.kafka import Kafka

    kafka = Kafka(connection)
    try:
        wanted = [shard.topic(table) for shard, table in application.replicated()]
        found = kafka.topics(wanted)
    finally:
        kafka.close()
    return f"Kafka answers and has {len(found)} of {len(wanted)} declared topics (a topic is made by its first change)."


def try_shard(connection: Connection) -> str:
    """Sign in as the role that replicates; the database must write a logical log."""
    from catchment.cdc import shard

    with shard.opened(connection) as opened:
        [(database, role, level)] = shard.rows(
            opened, "SELECT current_database(), current_user, current_setting('wal_level')"
        )
    if level != "logical":
        raise NeedsPerson(
            f'The server of the connection "{connection.conn_id}" has wal_level = {level}: set it to logical and '
            "restart the server (docs/production.md, change data capture)."
        )
    return f"Signed in to {database} as {role}; its log is logical."
