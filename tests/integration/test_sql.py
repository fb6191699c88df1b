"""All SQL that the platform sends is Snowflake's: collected where it arrives, from loads of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlglot
from sqlglot import exp

from bench.chaos.stack import running
from catchment.batch import Batch
from catchment.connection import Connection, NoConnection
from catchment.platform import LANDING_BUCKET, Platform

STREAMS = (
    "chartmogul.plans",  # a list, later unchanged
    "chartmogul.customers",
    "chartmogul.subscriptions",  # theirs
    "chartmogul.activities",  # a window
    "zendesk.tickets",  # an export by cursor
    "zendesk.organizations",  # an export by time
    "google_sheets.team_targets",
)
PASSED_ON = ("BEGIN NAME ", "SHOW TRANSACTIONS")  # Snowflake's own, which sqlglot has no grammar for


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The statements of two nights of each stream, the first night loaded twice, as the warehouse got them."""
    with running(tmp_path_factory.mktemp("sql"), seed=1, scale=0.1, first_port=0) as stack:

        def look_up(conn_id: str) -> Connection:
            if conn_id not in stack.connections:
                raise NoConnection(conn_id)
            return stack.connections[conn_id]

        platform = Platform.from_connections(look_up, bucket=LANDING_BUCKET)
        for night in (1, 1, 2):
            for source, _, stream in (name.partition(".") for name in STREAMS):
                start = datetime(2026, 3, night, 2, tzinfo=UTC)
                batch = Batch(source=source, stream=stream, start=start, end=start + timedelta(days=1))
                if key := platform.extract(batch, query_tag="collected").key:
                    platform.load(key, query_tag="collected")
        with closing(platform.open_session("")) as session, closing(session.cursor()) as cursor:
            cursor.execute(
                "SELECT QUERY_TEXT FROM TABLE(RAW.INFORMATION_SCHEMA.QUERY_HISTORY()) "
                "WHERE QUERY_TAG = 'collected' ORDER BY START_TIME"
            )
            yield [text for (text,) in cursor.fetchall()]


def test_every_kind_of_statement_was_sent(sent: list[str]) -> None:
    kinds = {text.split(maxsplit=1)[0].upper() for text in sent}
    assert kinds >= {"BEGIN", "SELECT", "DELETE", "COPY", "INSERT", "COMMIT", "SHOW"}


def test_every_statement_parses_as_snowflake(sent: list[str]) -> None:
    for text in dict.fromkeys(sent):
        if text.upper().startswith(PASSED_ON):
            continue
        (statement,) = sqlglot.parse(text, dialect="snowflake")
        assert statement is not None, text
        assert not isinstance(statement, exp.Command), text
