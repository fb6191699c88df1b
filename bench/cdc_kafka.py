"""When each record can be read from Kafka: a process of its own, so that it waits for nobody else's Python.

python -m bench.cdc_kafka <file> <topic> …      reads from now on; says "ready"; one line a record until SIGTERM
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType

from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.kafka import Kafka
from catchment.connection import Connection
from local.settings import ROOT


class KafkaClock:
    """Watches topics while the block lasts."""

    def __init__(self, file: Path, topics: Iterable[str], environment: Mapping[str, str]) -> None:
        self._file = file
        self._command = [sys.executable, "-m", "bench.cdc_kafka", str(file), *sorted(topics)]
        self._environment = dict(environment)

    def __enter__(self) -> KafkaClock:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            raise SystemExit("what watches Kafka did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def seen(self) -> dict[tuple[Partition, int], float]:
        """When each record was there, by its place; ask after the block."""
        lines = (line.split() for line in self._file.read_text().splitlines())
        return {(Partition(topic, int(number)), int(offset)): float(at) for topic, number, offset, at in lines}


def main() -> None:
    stop = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, end)
    file, *topics = sys.argv[1:]
    kafka = Kafka(Connection.from_env("kafka", os.environ))
    found = kafka.topics(topics)
    partitions = [Partition(topic.name, number) for topic in found.values() for number in topic.partitions]
    kafka.assign({partition: last for partition, (_, last) in kafka.bounds(partitions).items()})
    kafka.poll(1)
    print("ready", flush=True)
    with Path(file).open("w") as out:
        while not stop:
            for partition, records in kafka.poll(0.5).items():
                at = time.time()
                out.writelines(f"{partition.topic} {partition.number} {r.offset} {at}\n" for r in records)
    kafka.close()


if __name__ == "__main__":
    main()
