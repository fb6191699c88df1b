"""A process that commits transactions to Kafka, and writes down what it committed. To be killed, as Debezium may be.

`python -m tests.support.transactions BROKER FILE SEED TOPIC…`: transactions of a few and of many records; every fourth
is aborted. FILE gets a line for each that is known to be committed: [[topic, partition, offset, value], …].
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

PARTITIONS = 3


def main(broker: str, file: str, seed: str, *topics: str) -> None:
    chance = random.Random(seed)
    producer = KafkaProducer(
        bootstrap_servers=broker, transactional_id=f"t-{uuid.uuid4()}", transaction_timeout_ms=10_000
    )
    producer.init_transactions()
    with Path(file).open("a", encoding="utf-8") as known:
        while True:
            producer.begin_transaction()
            sent = [_send(producer, chance, topics) for _ in range(chance.choice([1, 5, 1500]))]
            if chance.random() < 0.25:
                producer.flush()
                producer.abort_transaction()
            else:
                producer.commit_transaction()
                places = [(future.value, value) for future, value in sent]
                known.write(json.dumps([(m.topic, m.partition, m.offset, value) for m, value in places]) + "\n")
                known.flush()
            time.sleep(0.05)


def _send(producer: KafkaProducer, chance: random.Random, topics: tuple[str, ...]) -> tuple[Any, str]:
    value = json.dumps({"n": chance.randrange(10**9), "pad": "x" * chance.randrange(600)})
    future = producer.send(chance.choice(topics), value=value.encode(), partition=chance.randrange(PARTITIONS))
    return future, value


if __name__ == "__main__":
    main(*sys.argv[1:])
