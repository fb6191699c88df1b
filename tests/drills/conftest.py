"""The parts that a module's drills share; one that needs others has a fixture of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.drill import Drill, streaming


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with streaming(tmp_path_factory.mktemp("stack")) as drill:
        yield drill
