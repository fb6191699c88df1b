"""The systems that change data capture runs through, each opened by its connection when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from catchment.cdc import declared, shard
from catchment.cdc.connectors.client import Connect
from catchment.cdc.declared import Application, Shard
from catchment.connection import Connection
from catchment.warehouse import session
from catchment.warehouse.names import CDC_WAREHOUSE


@contextmanager
def warehouse_session(connection: Connection, *, query_tag: str, doing: str) -> Iterator[session.Session]:
    """A session on change data capture's warehouse; what fails in it is explained by `doing`."""
    on_warehouse = session.on_warehouse(connection, CDC_WAREHOUSE)
    with closing(session.connect(on_warehouse, query_tag=query_tag)) as opened, session.explained(doing):
        yield opened


@dataclass(frozen=True)
class Systems:
    """Connections by id (`look_up`), the declaration, and the query tag of the warehouse's statements."""

    look_up: Callable[[str], Connection]
    application: Application = field(default_factory=declared.application)
    query_tag: str = ""
    _open: list[Callable[[], Any]] = field(default_factory=list, compare=False, repr=False)
    _cancelled: Event = field(default_factory=Event, compare=False, repr=False)

    def connect(self) -> Connect:
        """Kafka Connect; close it, or use it in `with`."""
        return Connect(self.look_up("kafka_connect"))

    def shard(self, of: Shard, *, autocommit: bool = True, statement_seconds: int = 600) -> AbstractContextManager[Any]:
        """A session as the role `cdc`; its statements may count large tables."""
        connection = self.look_up(of.connection)
        return self.database(connection, autocommit=autocommit, statement_seconds=statement_seconds)

    @contextmanager
    def database(self, connection: Connection, *, autocommit: bool = True, statement_seconds: int) -> Iterator[Any]:
        """A session with a database of the application."""
        with (
            shard.opened(connection, statement_seconds=statement_seconds, autocommit=autocommit) as session,
            self._cancellable(session.cancel),
        ):
            yield session

    def owner(self, of: Shard) -> AbstractContextManager[Any]:
        """A session as the owner, for what `cdc` may not do."""
        return shard.opened(self.look_up(of.owner_connection), statement_seconds=60)

    @contextmanager
    def warehouse(self, **as_: str) -> Iterator[session.Session]:
        """A session on change data capture's warehouse, as the connection says, or with another `role`."""
        connection = self.look_up("snowflake_default")
        connection = replace(connection, extra={**connection.extra, **as_})
        doing = "read or write what change data capture keeps"
        with (
            warehouse_session(connection, query_tag=self.query_tag, doing=doing) as opened,
            self._cancellable(lambda: session.cancel(opened, connection)),
        ):
            yield opened

    def cancel(self) -> None:
        """Have databases and the warehouse end what they run for us, from any thread, and let nothing else begin."""
        self._cancelled.set()
        for end in tuple(self._open):
            with suppress(Exception):  # it may be over by now
                end()

    def refuse_if_cancelled(self) -> None:
        """Raise RuntimeError after `cancel`."""
        if self._cancelled.is_set():
            raise RuntimeError("This was stopped on request.")

    @contextmanager
    def _cancellable(self, end: Callable[[], Any]) -> Iterator[None]:
        self._open.append(end)
        try:
            self.refuse_if_cancelled()
            yield
        finally:
            self._open.remove(end)
