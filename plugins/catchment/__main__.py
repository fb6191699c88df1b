"""The platform without Airflow: in a pod, in a notebook, on a terminal. `python -m catchment --help`.

Connections come from `AIRFLOW_CONN_<ID>` (docs/production.md).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from catchment.batch import Batch, Kind, Mode
from catchment.connection import Connection
from catchment.errors import CatchmentError
from catchment.extract.run import Extracted, Sealing
from catchment.landing import manifest_key
from catchment.platform import Platform, Watcher
from catchment.sources import SOURCES, source
from catchment.warehouse.load import Loaded

UNFINISHED = 3
"""The exit status of a reading that goes on when the command is run again."""
DBT_PROJECT = Path(__file__).parents[2] / "include" / "dbt"
STREAM_DOCS = Path(__file__).parents[2] / "docs" / "streams.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 with a sentence on standard error when it did not."""
    args = _parser().parse_args(arguments)
    try:
        status: int = args.run(args)
        return status
    except (CatchmentError, KeyError, ValueError) as error:
        print(f"error: {error.args[0] if error.args else error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m catchment", description="Move data: vendors → S3 → warehouse.")
    commands = parser.add_subparsers(required=True, metavar="command")

    streams = commands.add_parser("streams", help="list sources and their streams")
    streams.set_defaults(run=_streams)

    for name, run, help_text in (
        ("extract", _extract, "land one batch in S3; prints its manifest's key"),
        ("load", _load, "load a landed batch into the warehouse"),
        ("sync", _sync, "extract and load one batch"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.set_defaults(run=run)
        command.add_argument("stream", help="source.stream, such as zendesk.tickets")
        command.add_argument("--from", dest="start", type=datetime.fromisoformat, required=True, help="with a zone")
        command.add_argument("--to", dest="end", type=datetime.fromisoformat, required=True, help="with a zone")
        command.add_argument("--backfill", action="store_true", help="read only this window; the cursor stays")
        command.add_argument("--full", action="store_true", help="read all of history again")
        command.add_argument("--accept-smaller", action="store_true", help="land a list that shrank too much, too")
        command.add_argument(
            "--minutes", type=float, help="stop at the first checkpoint after so many; run again to go on"
        )
        command.add_argument("--bucket", help="default: CATCHMENT_LANDING_BUCKET, or catchment-landing")

    check = commands.add_parser("check", help="try every connection with one harmless request each")
    check.set_defaults(run=_check)
    check.add_argument("only", nargs="*", metavar="name", help="only these, such as zendesk or aws_default")
    check.add_argument("--seconds", type=float, default=60, help="for each; they run side by side (default: 60)")
    check.add_argument("--bucket", help="default: CATCHMENT_LANDING_BUCKET, or catchment-landing")

    apply = commands.add_parser("snowflake-apply", help="make databases, roles, stages and tables; any number of times")
    apply.set_defaults(run=_snowflake_apply)
    apply.add_argument("--dry-run", action="store_true", help="print the statements, run none")
    apply.add_argument("--only", nargs="*", default=(), metavar="STEP", help="only these steps")

    sources = commands.add_parser("dbt-sources", help="write dbt's sources from the specs")
    sources.set_defaults(run=_dbt_sources)
    sources.add_argument("--check", action="store_true", help="fail when they differ, write nothing")

    docs = commands.add_parser("stream-docs", help="write docs/streams.md from the specs")
    docs.set_defaults(run=_stream_docs)
    docs.add_argument("--check", action="store_true", help="fail when it differs, write nothing")

    manifest = commands.add_parser("dbt-manifest", help="parse the dbt project into the manifest that Airflow renders")
    manifest.set_defaults(run=_dbt_manifest)

    connectors = commands.add_parser("cdc-connectors", help="compare declared with running connectors, change them")
    connectors.set_defaults(run=_cdc_connectors)
    connectors.add_argument("action", choices=("plan", "apply", "check"))
    connectors.add_argument("--wait", type=float, default=60, help="seconds to try again while Connect is not ready")

    health = commands.add_parser("cdc-health", help="look at connectors, slots, Kafka and the loader once, and act")
    health.set_defaults(run=_cdc_health)

    migrate = commands.add_parser("cdc-migrate", help="make what replication needs on a shard; any number of times")
    migrate.set_defaults(run=_cdc_migrate)
    migrate.add_argument("--shard", action="append", metavar="NAME", help="only this shard; may be given again")

    cdc_check = commands.add_parser(
        "cdc-check", help="say what keeps declared tables from being replicated; only reads"
    )
    cdc_check.set_defaults(run=_cdc_check)
    cdc_check.add_argument("table", nargs="*", help="only these tables (default: all that are declared)")

    load = commands.add_parser("cdc-load", help="load Kafka into raw until told to stop")
    load.set_defaults(run=_cdc_load)
    load.add_argument("--check", action="store_true", help="load nothing: say whether the loader that runs is well")
    return parser


def _cdc_load(args: argparse.Namespace) -> int:
    from catchment.cdc.loader import command

    return command.check() if args.check else command.run()


def _streams(_: argparse.Namespace) -> int:
    for spec in SOURCES.values():
        for stream in spec.streams:
            print(f"{spec.name}.{stream.name:32} {type(stream.read).__name__:12} {stream.description}")
    return 0


def _batch(args: argparse.Namespace) -> Batch:
    name, _, stream = args.stream.partition(".")
    source(name).stream(stream)
    return Batch(
        source=name,
        stream=stream,
        start=args.start,
        end=args.end,
        kind=Kind.BACKFILL if args.backfill else Kind.SCHEDULED,
        mode=Mode.FULL if args.full else Mode.INCREMENTAL,
    )


def _extracted(args: argparse.Namespace, platform: Platform) -> Extracted:
    """Extract the batch; how far a long reading is goes to standard error."""
    read_for = timedelta(minutes=args.minutes) if args.minutes else None
    watcher = Watcher(progress=lambda progress: print(f"checkpoint loaded: {progress}", file=sys.stderr, flush=True))
    extracted = platform.extract(
        _batch(args), sealing=Sealing(read_for=read_for), accept_smaller=args.accept_smaller, watcher=watcher
    )
    if not extracted.complete:
        print("not at the end: run the same command again to go on", file=sys.stderr)
    return extracted


def _extract(args: argparse.Namespace) -> int:
    platform = Platform.from_connections(Connection.from_env, bucket=args.bucket)
    extracted = _extracted(args, platform)
    print(extracted.key or ("unchanged" if extracted.complete else "unfinished"))
    return 0 if extracted.complete else UNFINISHED


def _load(args: argparse.Namespace) -> int:
    platform = Platform.from_connections(Connection.from_env, bucket=args.bucket)
    batch = _batch(args)
    _print_loaded(batch, platform.load(manifest_key(batch)))
    return 0


def _sync(args: argparse.Namespace) -> int:
    platform = Platform.from_connections(Connection.from_env, bucket=args.bucket)
    extracted = _extracted(args, platform)
    _print_loaded(_batch(args), platform.load(extracted.key) if extracted.key else None)
    return 0 if extracted.complete else UNFINISHED


def _print_loaded(batch: Batch, loaded: Loaded | None) -> None:
    """None: nothing changed, or nothing is left to load."""
    counts = {"rows": loaded.rows, "rejected": loaded.rejected, "gaps": len(loaded.gaps)} if loaded else {}
    print(json.dumps({"batch": batch.id, **counts, "unchanged": loaded is None or loaded.same_as is not None}))


def _check(args: argparse.Namespace) -> int:
    from catchment import check

    results = check.check_all(
        Connection.from_env, bucket=args.bucket, only=args.only, timeout=timedelta(seconds=args.seconds)
    )
    print(check.table(results))
    return 1 if check.failures(results) else 0


def _snowflake_apply(args: argparse.Namespace) -> int:
    from catchment.warehouse import provision, session

    statements = provision.select(
        provision.render(provision.Settings.from_env(os.environ), SOURCES.values()), args.only
    )
    if args.dry_run:
        print(";\n\n".join(statement.sql for statement in provision.with_roles(statements)) + ";")
        return 0
    opened = session.connect(Connection.from_env("snowflake_default"), database=None, query_tag="snowflake-apply")
    try:
        provision.apply(opened, statements)
    finally:
        opened.close()
    print(f"{len(statements)} statements applied")
    return 0


def _dbt_sources(args: argparse.Namespace) -> int:
    from catchment import dbt_sources

    if args.check:
        differences = dbt_sources.differences(SOURCES.values(), DBT_PROJECT)
        print("\n".join(differences) or "dbt's sources are as the specs say")
        return 1 if differences else 0
    for path in dbt_sources.write(SOURCES.values(), DBT_PROJECT):
        print(f"wrote {path}")
    return 0


def _stream_docs(args: argparse.Namespace) -> int:
    from catchment import stream_docs

    text = stream_docs.render(SOURCES.values())
    if STREAM_DOCS.exists() and STREAM_DOCS.read_text(encoding="utf-8") == text:
        print("docs/streams.md is as the specs say")
        return 0
    if args.check:
        print("docs/streams.md differs from the specs: run `python -m catchment stream-docs`.")
        return 1
    STREAM_DOCS.write_text(text, encoding="utf-8")
    print("wrote docs/streams.md")
    return 0


def _dbt_manifest(_: argparse.Namespace) -> int:
    from catchment import dbt_project

    print(dbt_project.write_manifest(DBT_PROJECT))
    return 0


def _cdc_connectors(args: argparse.Namespace) -> int:
    from catchment.cdc import commands

    return commands.run(args.action, wait=args.wait)


def _cdc_health(_: argparse.Namespace) -> int:
    from catchment.cdc import commands

    return commands.health()


def _cdc_check(args: argparse.Namespace) -> int:
    from catchment.cdc.setup import check
    from catchment.cdc.systems import Systems

    return check.run(Systems(Connection.from_env), args.table)


def _cdc_migrate(args: argparse.Namespace) -> int:
    from catchment.cdc import declared
    from catchment.cdc.setup import migrate

    application = declared.application()
    for shard in [application.shard(name) for name in args.shard] if args.shard else application.shards:
        owner, replicator = map(Connection.from_env, (shard.owner_connection, shard.connection))
        migrate.migrate(shard.of, owner, replicator)
        print(f"{shard.name}: ready to be replicated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
