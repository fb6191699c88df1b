"""What an audit concludes: a hole is a gap only where Kafka has a record."""

from __future__ import annotations

from catchment.cdc.loader.audit import Audited, _records_in, form_values
from catchment.cdc.loader.batch import Partition
from catchment.cdc.loader.findings import Checked, Finding, begin, duplicates, gaps, split_at, unknown
from tests.support.kafka import Cluster

P = Partition("s0.public.users", 1)


def test_holes_that_kafka_has_forgotten_are_not_judged() -> None:
    assert split_at([(2, 4), (9, 12), (20, 21)], first=10) == ([(2, 4), (9, 10)], [(10, 12), (20, 21)])


def test_missing_records_are_ranges_to_replay_and_rejects_are_not_missing() -> None:
    assert list(gaps(P, [5, 6, 9, 5000], frozenset({9}))) == [
        Finding(P, "gap", 5, 6, 2),
        Finding(P, "gap", 5000, 5000, 1),
    ]


def test_rows_too_many_are_counted() -> None:
    assert list(duplicates(P, [(7, 1), (5, 2)])) == [Finding(P, "duplicate", 5, 7, 3)]


def test_what_cannot_be_told_is_said_once_and_is_not_bad() -> None:
    (finding,) = unknown(P, [(2, 4), (9, 10)])
    assert (finding.start, finding.end, finding.records, finding.is_bad) == (2, 9, 3, False)
    assert "can't be checked: Kafka no longer has them" in str(finding)
    assert list(unknown(P, [])) == []


def test_an_audit_goes_on_from_the_last_one_while_raw_has_as_many_rows() -> None:
    assert begin(Checked(end=99, rows=80), rows_now=80) == 100
    assert begin(Checked(end=99, rows=80), rows_now=79) is None
    assert begin(None, rows_now=0) is None


def test_only_records_in_the_holes_are_missing() -> None:
    cluster = Cluster()
    cluster.topic(P.topic, 2)
    log = cluster.logs[P]
    for number in range(30):
        log.mark() if number % 5 == 4 else log.add()
    kafka = cluster.client()
    holes = [(3, 5), (9, 10), (14, 17), (29, 30)]
    assert list(_records_in(kafka, P, holes)) == [3, 15, 16]


def test_a_bad_audit_says_what_to_enter_in_the_replays_form() -> None:
    audited = Audited((Finding(P, "gap", 5, 9, 4), Finding(P, "checked", 0, 3, 4)), rows=4)
    assert form_values(audited.bad[0]) == "shard s0, table users, partitions [1], from offset 5, to offset 9"
    assert form_values(audited.bad[0]) in audited.sentence()
    assert "4 records between offsets 5 and 9 are not in raw" in audited.sentence()
