"""What the warehouse must hold before anything is loaded, made by one command that may run any number of times.

The statements are templates in `include/snowflake/`; this module fills them from settings and specs, and runs them.
Every one is idempotent: it creates what is missing or sets what is declared, and never drops or replaces. So a
second run changes nothing, and rows, grants and the storage integration's external id stay as they are.

Connect without a database: on a new account none exists yet. Every name in the templates is qualified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from catchment.cdc.declared import application
from catchment.connection import Connection, NoConnection
from catchment.errors import NeedsPerson
from catchment.reads.s3_files import S3Files
from catchment.spec import SourceSpec
from catchment.warehouse.provision_template import Template, Value, Values, read
from catchment.warehouse.session import Session

TEMPLATES = Path(__file__).parents[3] / "include" / "snowflake"
PREFIX = "CATCHMENT_SNOWFLAKE_"
BUCKET_VARIABLE = "CATCHMENT_LANDING_BUCKET"  # extraction reads it too
ANALYTICS_SCHEMAS = ("STAGING", "INTERMEDIATE", "MARTS")
SIZES = ("XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "XXXLARGE", "X4LARGE")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What differs between accounts. The defaults are the local profile's.

    Without `storage_integration` the stage names no credentials: the local warehouse has its own. Public keys are
    PEM or their base64 body; without one, no service user is made. Credits are per month and warehouse. Those of
    CDC let an XSMALL (one credit an hour, 744 a month) run day and night below the warning at 80 %, for it may never
    sleep; docs/cost.md has the arithmetic of all five.
    """

    bucket: str = "catchment-landing"
    storage_integration: str = ""
    storage_role_arn: str = ""
    service_user: str = "CATCHMENT"
    service_public_key: str = ""
    service_public_key_2: str = ""
    loading_size: str = "XSMALL"
    loading_credits: int = 100
    cdc_size: str = "XSMALL"
    cdc_credits: int = 1000
    transforming_size: str = "XSMALL"
    transforming_credits: int = 300
    reporting_size: str = "XSMALL"
    reporting_credits: int = 50
    ad_hoc_size: str = "XSMALL"
    ad_hoc_credits: int = 50

    def __post_init__(self) -> None:
        if BUCKET.fullmatch(self.bucket) is None:
            raise NeedsPerson(
                f"{BUCKET_VARIABLE} is {self.bucket!r}: give the name of an S3 bucket, without s3:// or path."
            )
        if bool(self.storage_integration) != bool(self.storage_role_arn):
            raise NeedsPerson(f"Set both {PREFIX}STORAGE_INTEGRATION and {PREFIX}STORAGE_ROLE_ARN, or neither.")
        for name in ("loading_size", "cdc_size", "transforming_size", "reporting_size", "ad_hoc_size"):
            if getattr(self, name) not in SIZES:
                raise NeedsPerson(f"{variable(name)} is {getattr(self, name)!r}: choose one of {', '.join(SIZES)}.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from the environment: `CATCHMENT_LANDING_BUCKET`, and `CATCHMENT_SNOWFLAKE_<NAME>` for the others.

        A variable with that prefix to which no setting answers is refused: it is somebody's typing error.
        """
        by_variable = {variable(field.name): field for field in fields(cls)}
        given = {name: value for name, value in environ.items() if name in by_variable or name.startswith(PREFIX)}
        if unknown := sorted(given.keys() - by_variable.keys()):
            raise NeedsPerson(f"{unknown[0]} is not a setting. There are: {', '.join(sorted(by_variable))}.")
        return cls(
            **{by_variable[name].name: _typed(name, by_variable[name].default, text) for name, text in given.items()}
        )

    @property
    def values(self) -> Values:
        """What a template may name."""
        own: dict[str, Value] = {field.name: getattr(self, field.name) for field in fields(self)}
        return own | {
            "stage_url": f"s3://{self.bucket}/",
            "service_public_key": key_body(self.service_public_key),
            "service_public_key_2": key_body(self.service_public_key_2),
        }


@dataclass(frozen=True)
class Statement:
    """One idempotent statement, the template it comes from, and the role that runs it."""

    step: str
    role: str
    sql: str


def render(
    settings: Settings,
    specs: Iterable[SourceSpec],
    templates: Sequence[Template] | None = None,
    *,
    look_up: Callable[[str], Connection] = Connection.from_env,
) -> tuple[Statement, ...]:
    """Everything the account needs for these sources, in the order to run it.

    `look_up` is asked for the connections of sources that are files in a bucket which their spec does not name.
    """
    specs = tuple(specs)
    buckets = {spec.name: bucket for spec in specs if (bucket := _bucket(spec, look_up))}
    rows = _rows(settings, specs, buckets)
    urls = dict.fromkeys(f"s3://{bucket}/" for bucket in (settings.bucket, *buckets.values()))
    shared: dict[str, Value] = {**settings.values, "stage_urls": tuple(urls)}
    return tuple(
        Statement(template.step, template.role, sql)
        for template in (read(TEMPLATES) if templates is None else templates)
        for row in _of(template, rows)
        for sql in template.fill({**shared, **row})
    )


def select(statements: Sequence[Statement], only: Iterable[str]) -> tuple[Statement, ...]:
    """The statements of the steps named in `only` (all when it is empty)."""
    steps = dict.fromkeys(statement.step for statement in statements)
    wanted = set(only) or steps.keys()
    if unknown := sorted(wanted - steps.keys()):
        raise NeedsPerson(f"There is no step {unknown[0]!r} with these settings. Choose from: {', '.join(steps)}.")
    return tuple(statement for statement in statements if statement.step in wanted)


def with_roles(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements as they are run: each role is taken before the first that needs it."""
    role = None
    for statement in statements:
        if statement.role != role:
            role = statement.role
            yield replace(statement, sql=f"USE ROLE {role}")
        yield statement


def apply(
    session: Session, statements: Sequence[Statement], report: Callable[[Statement], None] = lambda _: None
) -> None:
    """Run the statements in order in one session, and `report` each that is done.

    Raises NeedsPerson at the first that the warehouse refuses. What was done before stays; run again after the cure.
    """
    cursor = session.cursor()
    try:
        for statement in with_roles(statements):
            try:
                cursor.execute(statement.sql)
            except Exception as error:
                raise NeedsPerson(_refused(statement, error)) from error
            report(statement)
    finally:
        cursor.close()


def key_body(key: str) -> str:
    """A public key as Snowflake takes it: the base64 body without the PEM lines; any other key is refused."""
    if "PRIVATE" in key:
        raise NeedsPerson(
            "A private key was given where the public one belongs. Give the .pub file, and replace the pair."
        )
    body = re.sub(r"-----(BEGIN|END) PUBLIC KEY-----|\s", "", key)
    if body and PUBLIC_KEY.fullmatch(body) is None:
        raise NeedsPerson(
            "The service user's public key is not an RSA public key in PEM. Make it with: openssl rsa -pubout"
        )
    return body


def _refused(statement: Statement, error: Exception) -> str:
    return (
        f"snowflake-apply, step {statement.step}: the warehouse refused {statement.sql.splitlines()[0]!r} to the role "
        f"{statement.role}: {error}. What was done before it stays; cure it (docs/production.md) and run it again."
    )


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return BUCKET_VARIABLE if setting == "bucket" else PREFIX + setting.upper()


def _typed(name: str, default: object, value: str) -> Any:
    """The value as its setting's type."""
    if isinstance(default, str):
        return value
    if not re.fullmatch(r"[1-9]\d{0,8}", value):
        raise NeedsPerson(f"{name} is {value!r}: give a whole number above zero.")
    return int(value)


def _of(template: Template, rows: Mapping[str, Sequence[Values]]) -> Sequence[Values]:
    if template.each not in rows:
        kinds = ", ".join(kind for kind in rows if kind)
        raise NeedsPerson(f"{template.step} is for each {template.each!r}; there are only: {kinds}.")
    return rows[template.each]


def _rows(settings: Settings, specs: Sequence[SourceSpec], buckets: Mapping[str, str]) -> dict[str, Sequence[Values]]:
    """What `for each` goes over."""
    sources = [spec.name.upper() for spec in specs]
    replicated = application()
    databases = [database.source.upper() for database in replicated.databases]
    schemas = [("RAW", schema) for schema in ("CATCHMENT", *sources, *databases)]
    schemas += [("ANALYTICS", schema) for schema in ANALYTICS_SCHEMAS]
    return {
        "": [{}],
        "database": [{"database": "RAW"}, {"database": "ANALYTICS"}],
        "schema": [{"database": database, "schema": schema} for database, schema in schemas],
        "file_source": [{"source": source.upper(), "url": f"s3://{bucket}/"} for source, bucket in buckets.items()],
        "stream": [
            {"source": spec.name.upper(), "stream": stream.name.upper()} for spec in specs for stream in spec.streams
        ],
        "cdc_source": [{"source": source} for source in databases],
        "topic": [_topic(shard.raw_table(table)) for shard, table in replicated.replicated()],
        "warehouse": [
            _warehouse("LOADING", settings.loading_size, settings.loading_credits, timeout=3600),
            _warehouse("CDC", settings.cdc_size, settings.cdc_credits, timeout=7200),
            _warehouse("TRANSFORMING", settings.transforming_size, settings.transforming_credits, timeout=7200),
            _warehouse("REPORTING", settings.reporting_size, settings.reporting_credits, timeout=600),
            _warehouse("AD_HOC", settings.ad_hoc_size, settings.ad_hoc_credits, timeout=1800),
        ],
    }


def _bucket(spec: SourceSpec, look_up: Callable[[str], Connection]) -> str:
    """The bucket in which others write the source's files, which its spec or its connection names; "": it has none."""
    named = {stream.read.bucket for stream in spec.streams if isinstance(stream.read, S3Files)}
    if "" in named:
        named = named - {""} | {_bucket_of_connection(spec, look_up)}
    if len(named) > 1:
        raise NeedsPerson(
            f"{spec.name} is files in several buckets ({', '.join(sorted(named))}), and a source has one stage: make a "
            "source of each bucket."
        )
    return next(iter(named), "")


def _bucket_of_connection(spec: SourceSpec, look_up: Callable[[str], Connection]) -> str:
    try:
        bucket = str(look_up(spec.name).extra.get("bucket", ""))
    except NoConnection:
        bucket = ""
    if BUCKET.fullmatch(bucket) is None:
        raise NeedsPerson(
            f"{spec.name} is files in a bucket that only its connection names, and {bucket!r} is no bucket: set "
            f'`bucket` in the extra of the connection "{spec.name}" where snowflake-apply runs '
            f"(AIRFLOW_CONN_{spec.name.upper()}), or `bucket` of the stream's S3Files. Its stage can't be made without."
        )
    return bucket


def _topic(raw_table: str) -> Values:
    _, source, table = raw_table.split(".")
    return {"source": source, "table": table}


def _warehouse(name: str, size: str, credits: int, *, timeout: int) -> Values:
    """One warehouse. It sleeps after 60 seconds, the least that is billed; `timeout` is in seconds a statement."""
    return {"warehouse": name, "size": size, "credits": credits, "auto_suspend": 60, "statement_timeout": timeout}
