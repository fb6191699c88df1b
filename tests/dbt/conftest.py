"""One warehouse and one dbt for all of these tests. `offline` never connects; `warehouse` is a real local one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """dbt with a warehouse that does not answer."""
    return Dbt(tmp_path_factory.mktemp("offline"), {"SNOWFLAKE_HOST": "127.0.0.1", "SNOWFLAKE_PORT": "9"})


@pytest.fixture(scope="session")
def manifest(offline: Dbt) -> dict[str, Any]:
    return offline.manifest()


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with Warehouse(tmp_path_factory.mktemp("warehouse")) as server:
        yield server


@pytest.fixture(scope="session")
def dbt(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(tmp_path_factory.mktemp("target"), warehouse.environment())
