"""What is lost, doubled or stale: pure, over what the shards, Kafka, raw and the current state hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from bench.verdict import Verdict

Key = tuple[str | None, ...]
Values = tuple[str | None, ...]
EXAMPLES = 4


@dataclass(frozen=True)
class Row:
    """A shard's row: its values as texts, and the number of the transaction that wrote it last."""

    values: Values
    transaction: int


def compare(
    columns: Sequence[str],
    truth: Mapping[Key, Row],
    found: Iterable[tuple[Key, Values]],
    changes: Callable[[], Set[tuple[Key, int]]],
) -> Verdict:
    """One table of one shard beside the rows that the warehouse says are alive.

    A row that lacks or differs is lost if the change that made it so never came to raw, else stale: the change is
    there, and was not merged. `changes` gives (key, transaction) of all changes in raw; it is asked for only then.
    """
    rows: dict[Key, Values] = {}
    doubled: Counter[Key] = Counter()
    for key, values in found:
        doubled[key] += key in rows
        rows[key] = values
    wrong = [key for key, row in truth.items() if rows.get(key) != row.values]
    came = changes() if wrong else set()
    lost = [key for key in wrong if (key, truth[key].transaction) not in came]
    stale = [key for key in wrong if (key, truth[key].transaction) in came]
    alive = [key for key in rows if key not in truth]
    twice = [key for key, times in doubled.items() if times]
    examples = [
        *(f"lost {_shown(key)}: {_difference(columns, truth[key].values, rows.get(key))}" for key in lost[:EXAMPLES]),
        *(f"stale {_shown(key)}: {_difference(columns, truth[key].values, rows.get(key))}" for key in stale[:EXAMPLES]),
        *(f"not deleted {_shown(key)}" for key in alive[:EXAMPLES]),
        *(f"there {doubled[key] + 1} times: {_shown(key)}" for key in twice[:EXAMPLES]),
    ]
    return Verdict(len(lost), sum(doubled.values()), len(stale) + len(alive), tuple(examples))


def audit(committed: Set[tuple[int, int]], raw: Iterable[tuple[int, int]]) -> Verdict:
    """One topic: (partition, offset) of Kafka's committed records beside those of raw."""
    there = Counter(raw)
    lost = sorted(committed - there.keys())
    extra = sorted(there.keys() - committed)
    doubled = {place: times - 1 for place, times in there.items() if times > 1}
    examples = [
        *(f"in Kafka and not in raw: partition {p} offset {o}" for p, o in lost[:EXAMPLES]),
        *(f"in raw and not in Kafka: partition {p} offset {o}" for p, o in extra[:EXAMPLES]),
        *(f"in raw {n + 1} times: partition {p} offset {o}" for (p, o), n in list(doubled.items())[:EXAMPLES]),
    ]
    return Verdict(len(lost), sum(doubled.values()), len(extra), tuple(examples))


def transactions(committed: Set[int], came: Set[int]) -> Verdict:
    """One shard: numbers of the transactions that changed rows beside those that raw has changes of."""
    lost = sorted(committed - came)
    return Verdict(lost=len(lost), examples=tuple(f"no change of transaction {n} is in raw" for n in lost[:EXAMPLES]))


def _shown(key: Key) -> str:
    return ", ".join(map(str, key))


def _difference(columns: Sequence[str], wanted: Values, found: Values | None) -> str:
    if found is None:
        return "it is not there"
    names = [
        f"{name} is {_short(is_)}, not {_short(should)}"
        for name, is_, should in zip(columns, found, wanted, strict=True)
        if is_ != should
    ]
    return "; ".join(names[:3])


def _short(value: str | None) -> str:
    return repr(value) if value is None or len(value) <= 60 else f"{value[:40]!r}… ({len(value)} characters)"
