"""docs/personal_data.md says of each stream what its spec says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catchment.sources import SOURCES
from catchment.spec import Stream

DOC = (Path(__file__).parents[2] / "docs/personal_data.md").read_text(encoding="utf-8")
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+\.\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", DOC, re.MULTILINE)}
WITHOUT = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^No place for a person: (.*)$", DOC, re.MULTILINE))))
STREAMS = [
    pytest.param(f"{source.name}.{stream.name}", stream, id=f"{source.name}.{stream.name}")
    for source in SOURCES.values()
    for stream in source.streams
]


def fields(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(("name", "stream"), STREAMS)
def test_the_table_names_what_each_stream_hashes_and_drops(name: str, stream: Stream) -> None:
    hashed, dropped, kept = ROWS.get(name, ("–", "–", "–"))
    assert (fields(hashed), fields(dropped)) == (list(stream.personal), list(stream.secret))
    assert not {*fields(kept)} & {*stream.personal, *stream.secret}
    assert (name in ROWS) != (stream.name in WITHOUT)


def test_the_table_names_no_stream_that_is_not_there() -> None:
    assert ROWS.keys() <= {param.id for param in STREAMS}
