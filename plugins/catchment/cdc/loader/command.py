"""`python -m catchment cdc-load`: the loader as a service."""

from __future__ import annotations

import logging
import os
import signal
import sys
from datetime import UTC, datetime
from threading import Event
from types import FrameType

from catchment.cdc.loader.kafka import Kafka
from catchment.cdc.loader.loader import Loader, LoaderSettings
from catchment.cdc.loader.status import LoaderStatus, is_well
from catchment.cdc.loader.warehouse import LoaderWarehouse
from catchment.connection import Connection

_UNUSED = ("pandas", "pyarrow", "numpy")


def leave_out_unused() -> None:
    """Make Snowflake's connector do without what it loads only because it is installed: half of the loader's memory.

    Rows as tuples never need it. Call it before the connector is imported for the first time.
    """
    for name in _UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # an import of it raises ModuleNotFoundError


def run() -> int:
    """Load until SIGTERM or SIGINT; what was read by then is loaded first."""
    leave_out_unused()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("snowflake").setLevel(logging.ERROR)
    settings = LoaderSettings.from_env(os.environ)
    kafka, warehouse = Connection.from_env("kafka"), Connection.from_env("snowflake_default")
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    Loader(
        open_warehouse=lambda: LoaderWarehouse.open(warehouse, settings.name),
        open_kafka=lambda: Kafka(kafka),
        settings=settings,
        stop=stop,
        status=LoaderStatus(settings.status),
    ).run()
    return 0


def check() -> int:
    """Say whether the loader that writes its status to CATCHMENT_CDC_STATUS is well: 0, else 1."""
    path = LoaderSettings.from_env(os.environ).status
    if path is None:
        print("Set CATCHMENT_CDC_STATUS to the file that the loader writes.")
        return 1
    well, sentence = is_well(path, datetime.now(UTC))
    print(sentence)
    return 0 if well else 1
