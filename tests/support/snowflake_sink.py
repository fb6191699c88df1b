"""Snowflake's own Kafka sink, run on records without an account: what it gives to the streaming API, row by row.

`SnowflakeSink.java` is the part in Java, with a double of the account; the compiler is the locked archive of Eclipse's,
because the Java of the wheel has none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.java import places

MAIN = Path(__file__).with_name("SnowflakeSink.java")
SECONDS = 120


@dataclass(frozen=True)
class SinkRow:
    """A row of a raw table: both columns as the JSON text that a VARIANT is made of; None where there is none."""

    table: str
    content: str | None
    metadata: str


@dataclass(frozen=True)
class SinkOutput:
    """The rows that the sink wrote, and the (topic, partition, offset) of records in its dead letter queue."""

    rows: tuple[SinkRow, ...]
    dead_letters: tuple[tuple[str, int, int], ...]


def run(config: Mapping[str, str], records: Iterable[Mapping[str, Any]], classes: Path) -> SinkOutput:
    """What the sink does with the records by its config, converters included; `classes` is a folder to compile to."""
    jars = [str(jar) for folder in (places.LIBRARIES, places.PLUGINS / "snowflake") for jar in folder.glob("*.jar")]
    (compiler,) = (places.FOLDER / "tools").glob("ecj-*.jar")
    _java("-jar", str(compiler), "-21", "-nowarn", "-cp", ":".join(jars), "-d", str(classes), str(MAIN))
    asked = "\n".join(json.dumps(line) for line in (dict(config), *records))
    answer = _java("-Xmx512m", "-cp", ":".join([str(classes), *jars]), MAIN.stem, given=asked)
    found = [json.loads(line) for line in answer.split("\n") if line]
    return SinkOutput(
        tuple(
            SinkRow(line["table"], line["columns"].get("RECORD_CONTENT"), line["columns"]["RECORD_METADATA"])
            for line in found
            if "table" in line
        ),
        tuple(tuple(line["dead_letter"]) for line in found if "dead_letter" in line),
    )


def _java(*arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [str(places.java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
