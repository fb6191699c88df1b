"""The loader's session with the warehouse: the ledger of offsets, and one transaction a batch."""

from __future__ import annotations

import itertools
import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from catchment.cdc.loader import offsets
from catchment.cdc.loader.batch import Advance, KafkaBatch, Partition
from catchment.cdc.loader.offsets import Position
from catchment.cdc.loader.rows import Rejected
from catchment.cdc.loader.write import Target, Write, Writer, by_line_if_refused
from catchment.connection import Connection
from catchment.warehouse.names import CDC_WAREHOUSE
from catchment.warehouse.session import (
    Cursor,
    Session,
    abort_left_behind,
    arguments,
    begun,
    explained,
    make_ready_for_threads,
    on_warehouse,
    query_tag,
)

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class LoaderWarehouse:
    """An open session. `name` is the loader's: of two with the same name, the newer ends what the older left open."""

    session: Session
    name: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _own: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @classmethod
    def open(cls, connection: Connection, name: str, **tags: str) -> LoaderWarehouse:
        """A session for which values are bound by the server: a batch's rows are no part of a statement's text.

        Autocommit is off, so that a statement after the end of a transaction that someone else ended does not count
        by itself.
        """
        import snowflake.connector

        connection = on_warehouse(connection, CDC_WAREHOUSE)
        given = arguments(connection, query_tag=query_tag(loader=name, **tags), database="RAW")
        make_ready_for_threads()
        with explained("open a session"):
            return cls(snowflake.connector.connect(**(given | {"paramstyle": "qmark", "autocommit": False})), name)

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        self.session.close()

    def abort_open_transactions(self) -> None:
        """End the open transactions of a loader of this name: one that was killed keeps its lock for long."""
        with explained("list open transactions"), closing(self.session.cursor()) as cursor:
            abort_left_behind(cursor, self.transaction_name)

    @property
    def process(self) -> str:
        """Who moves the ledger on, for a person who must find it: `cdc-load@host:pid`."""
        return f"{self.name}@{socket.gethostname()}:{os.getpid()}"

    @property
    def transaction_name(self) -> str:
        return "CATCHMENT_CDC_" + self.folder.upper()

    @property
    def folder(self) -> str:
        """The folder of the stage that this loader's files go to."""
        return _NOT_IN_A_NAME.sub("_", self.name).strip("_").lower()

    def ledger(self) -> dict[Partition, Position]:
        """How far each partition is loaded."""
        with self.transaction("read the ledger of offsets") as cursor:
            return offsets.read(cursor)

    def execute(self, statements: Sequence[str]) -> None:
        """Run statements that stand for themselves, such as CREATE TABLE IF NOT EXISTS."""
        with explained("make the tables of new topics"), closing(self.session.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def commit(
        self,
        batch: KafkaBatch,
        advances: Sequence[Advance],
        targets: Mapping[str, Target],
        topic_ids: dict[str, str],
    ) -> tuple[Rejected, ...]:
        """Load a batch: its rows, its rejects and the offsets at once. Returns what the warehouse itself refused.

        Raises `LostRace` when another loader was first, `WarehouseUnavailable` when it may work later. After an error
        it can be unknown whether the batch was committed: read the ledger again.
        """

        def load(write: Write) -> tuple[Rejected, ...]:
            at = datetime.now(UTC)
            with self.transaction(f"load {batch.rows} rows of {len(batch.topics)} topics") as cursor:
                token = f"{self.process} {self._own}-{next(self._numbers)}"
                advanced = offsets.advance(cursor, advances, topic_ids, token, at)
                return write(Writer(cursor, targets, self.folder, at, advanced), batch.topics, batch.rejects)

        return by_line_if_refused(load, "a batch")

    @contextmanager
    def transaction(self, work: str) -> Iterator[Cursor]:
        """A cursor in a transaction that is committed at the end of the block, or rolled back on any error."""
        with (
            explained(work),
            closing(self.session.cursor()) as cursor,
            begun(cursor, self.transaction_name),
        ):
            yield cursor
