"""One sandbox for all tests of this folder; each test gets it as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.sandbox.inprocess import Running, serving
from local.sandbox.settings import Credentials
from tests.sandbox.server import EMAIL, KEY, NOW, SEED, TOKEN, Server


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with serving(seed=SEED, credentials=Credentials(KEY, EMAIL, TOKEN)) as sandbox:
        yield sandbox


@pytest.fixture
def server(running: Running) -> Server:
    """The sandbox as new: its clock stands at NOW, limits are high enough not to be met by chance."""
    running.sandbox.reset()
    running.sandbox.world.clock.set(NOW)
    server = Server(running)
    server.settings(
        chartmogul_per_second=100_000,
        zendesk_per_minute=100_000,
        zendesk_exports_per_minute=100_000,
        sheets_reads_per_minute=100_000,
    )
    return server
