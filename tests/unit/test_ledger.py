"""What the ledger's answers mean, and what is written to it. Integration tests try the statements themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from catchment.batch import Mode
from catchment.cursor import CursorState, Unfinished
from catchment.landing import LandedFile, Manifest, RecordFormat
from catchment.spec import Current
from catchment.warehouse import ledger
from catchment.warehouse.names import raw_table, stage_of
from tests.support.make import batch, moment

LATE = timezone(timedelta(hours=-5))


class Answers:
    """A cursor that answers each statement by the first of its `answers` that the statement holds."""

    def __init__(self, **answers: Sequence[Any]) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._answers = {words.replace("__", " "): rows for words, rows in answers.items()}

    def execute(self, statement: str, values: Any = None) -> None:
        self.asked.append((" ".join(statement.split()), values))

    executemany = execute

    def fetchall(self) -> Sequence[Any]:
        statement = self.asked[-1][0]
        return next((rows for words, rows in self._answers.items() if words in statement), [])

    def fetchone(self) -> Any:
        return next(iter(self.fetchall()), None)

    @property
    def description(self) -> Any:
        raise AssertionError("nobody asks for it")

    def close(self) -> None:
        """Nothing to close."""


def manifest(**fields: Any) -> Manifest:
    of = batch()
    return Manifest(
        **{
            "batch_id": f"{of.id}.3",
            "batch": of.id,
            "checkpoint": 3,
            "complete": False,
            "attempt": "full-1",
            "source": "vendor",
            "stream": "things",
            "kind": "scheduled",
            "mode": "full",
            "current": Current.NEWEST_WINDOW,
            "key": ("id",),
            "record_format": RecordFormat.RECORDS,
            "interval_start": of.start,
            "interval_end": of.end,
            "extracted_at": moment(3),
            "as_of": moment(4),
            "window_from": moment(5),
            "window_to": moment(6).astimezone(LATE),
            "cursor_from": "a",
            "cursor_to": "b",
            "files": (
                LandedFile(key="k", bytes=7, rows=2, sha256="0"),
                LandedFile(key="l", bytes=1, rows=1, sha256="1"),
            ),
            "rows": 3,
            "rejected": 1,
            "spec_version": 9,
            **fields,
        }
    )


def state(mode: Mode = Mode.INCREMENTAL, **answers: Sequence[Any]) -> CursorState:
    return ledger.cursor_state(Answers(**answers), batch(mode=mode))


def test_a_stream_that_was_never_loaded_has_no_cursor() -> None:
    assert state(COUNT=[(0,)]) == CursorState(None, ever_loaded=False, rows_before=None, next_checkpoint=0)
    assert state() == CursorState()


def test_where_a_stream_stands() -> None:
    answers = {"SELECT__CURSOR_TO": [("c",)], "SUM(ROWS_EXTRACTED)": [(12, "n")], "COUNT": [(1,)]}
    assert state(**answers) == CursorState("c", ever_loaded=True, rows_before=12, newest="n", next_checkpoint=0)
    assert state(**{"COUNT": [(5,)], "SUM(ROWS_EXTRACTED)": [(0, None)]}).rows_before == 0


@pytest.mark.parametrize(
    ("own", "next_checkpoint", "unfinished"),
    [
        (("incremental-1", "c", 2, False, 4), 5, Unfinished("incremental-1", "c", 3)),
        (("incremental-1", "c", 2, True, 4), 5, None),
        (("full-1", "c", 2, False, 4), 5, None),
        (("incremental-1", None, 0, False, 0), 1, Unfinished("incremental-1", None, 1)),
        ((None, "c", None, True, None), 1, None),  # written before checkpoints had numbers
        ((None, "c", None, False, None), 1, None),
    ],
)
def test_an_unfinished_reading_of_this_mode_is_gone_on_with(
    own: tuple[Any, ...], next_checkpoint: int, unfinished: Unfinished | None
) -> None:
    found = state(SELECT__ATTEMPT=[own])
    assert (found.next_checkpoint, found.unfinished) == (next_checkpoint, unfinished)


def test_a_full_refresh_goes_on_only_from_a_full_one() -> None:
    assert state(Mode.FULL, SELECT__ATTEMPT=[("full-1", "c", 2, False, 4)]).unfinished is not None
    assert state(Mode.FULL, SELECT__ATTEMPT=[("incremental-1", "c", 2, False, 4)]).unfinished is None


def test_a_cursor_is_asked_for_by_stream_and_end() -> None:
    cursor = Answers()
    ledger.cursor_state(cursor, batch())
    expected = {"source": "vendor", "stream": "things", "batch": batch().id, "until": "2026-03-02 02:00:00.000000"}
    assert [values for _, values in cursor.asked] == [expected] * 4


def test_rejects_are_compared_with_the_batch_before_and_exports_have_none() -> None:
    cursor = Answers(ROWS_REJECTED=[(4,)])
    assert ledger.rejected_before(cursor, manifest()) == 4
    assert cursor.asked[0][1] == {"source": "vendor", "stream": "things", "batch": batch().id}
    assert ledger.rejected_before(cursor, manifest(current=Current.NEWEST_VERSION)) == 0
    assert ledger.rejected_before(Answers(), manifest()) == 0


def test_the_rejects_of_a_reading_are_those_of_all_its_checkpoints() -> None:
    cursor = Answers(SUM=[(4,)])
    assert ledger.rejected_in_reading(cursor, manifest()) == 4
    assert cursor.asked[0][1] == {"batch": batch().id, "attempt": "full-1"}
    assert ledger.rejected_in_reading(Answers(), manifest()) == 0


def test_the_rows_of_the_newest_reading_that_lie_in_a_window() -> None:
    cursor = Answers(MOMENT=[(7,)], ATTEMPT=[("newest", "full-1")])
    assert ledger.rows_between(cursor, batch(), "at", moment(1), moment(2)) == 7
    statement, values = cursor.asked[-1]
    assert all(words in statement for words in ("FROM RAW.VENDOR.THINGS", 'RECORD_CONTENT:"at"'))
    assert (values["batch"], values["attempt"]) == ("newest", "full-1")
    assert (values["start"], values["end"]) == ("2026-03-01 02:00:00.000000", "2026-03-02 02:00:00.000000")
    assert ledger.rows_between(Answers(), batch(), "at", moment(1), moment(2)) == 0


@pytest.mark.parametrize(("found", "later"), [([], False), ([(0,)], False), ([(1,)], True)])
def test_a_later_attempt_is_one_that_the_ledger_has(found: list[Any], later: bool) -> None:
    assert ledger.has_later_attempt(Answers(LEDGER=found), manifest()) is later


def test_rejects_that_other_batches_have_too_are_counted() -> None:
    assert ledger.known_rejects(Answers(SELECT=[(4,)]), manifest()) == 4
    assert ledger.known_rejects(Answers(), manifest()) == 0


SAME = manifest().content


@pytest.mark.parametrize(
    ("batches", "rows", "held_by"),
    [
        ([("other", SAME)], 3, "other"),
        ([("other", SAME)], 2, None),  # somebody deleted a row
        ([("other", "else")], 3, None),
        ([("other", "else"), ("older", SAME)], 3, "older"),
        ([], 3, None),
    ],
)
def test_a_batch_that_holds_the_same_counts_only_with_all_its_rows(
    batches: list[tuple[str, str]], rows: int, held_by: str | None
) -> None:
    cursor = Answers(SAME_AS=batches, COUNT=[(rows,)])
    assert ledger.source_batch(cursor, manifest()) == held_by
    assert cursor.asked[0][1] == {"source": "vendor", "stream": "things", "batch": f"{batch().id}.3"}
    assert [values for statement, values in cursor.asked if "COUNT" in statement] == [
        {"batch": name} for name, content in batches if content == SAME
    ]


def test_a_table_that_says_nothing_has_no_rows() -> None:
    assert ledger.source_batch(Answers(SAME_AS=[("other", manifest(rows=0).content)]), manifest(rows=0)) == "other"


def test_rows_of_a_batch_that_others_refer_to_go_to_the_first_of_them() -> None:
    cursor = Answers(MIN=[("successor",)])
    ledger.transfer(cursor, "vendor", "things", "old")
    (_, asked), (rows, moved), (entries, referred) = cursor.asked
    assert asked["batch"] == "old"
    assert rows.startswith("UPDATE RAW.VENDOR.THINGS SET BATCH_ID")
    assert entries.startswith("UPDATE RAW.CATCHMENT.LEDGER SET SAME_AS")
    assert moved == referred == {"batch": "old", "successor": "successor"}


@pytest.mark.parametrize("found", [[], [(None,)]])
def test_rows_that_nobody_refers_to_stay(found: list[Any]) -> None:
    cursor = Answers(MIN=found)
    ledger.transfer(cursor, "vendor", "things", "old")
    assert len(cursor.asked) == 1


def test_windows_that_are_covered_go_from_raw_and_from_the_ledger() -> None:
    cursor = Answers(ATTEMPT=[("one",), ("two",)], MIN__BATCH=[])
    ledger.drop_covered(cursor, manifest())
    assert cursor.asked[0][1] == {
        "batch": batch().id,
        "attempt": "full-1",
        "window_to": "2026-03-06 02:00:00.000000",
        "extracted_at": "2026-03-03 02:00:00.000000",
    }
    deleted = [(statement.split()[2], values["batch"]) for statement, values in cursor.asked if "DELETE" in statement]
    assert deleted == [(table, name) for name in ("one", "two") for table in ("RAW.VENDOR.THINGS", ledger.LEDGER)]
    transferred = [values["batch"] for statement, values in cursor.asked if "MIN(BATCH_ID)" in statement]
    assert transferred == ["one", "two"]


def test_a_ledger_row_says_all_that_the_manifest_does() -> None:
    cursor = Answers()
    said = manifest()
    ledger.record(cursor, said, "key", loaded=2, rejected=1, same_as="s", loaded_at=moment(7), query_tag="tag")
    assert cursor.asked[0][1] == {
        "batch_id": f"{batch().id}.3",
        "batch": batch().id,
        "checkpoint": 3,
        "attempt": "full-1",
        "complete": False,
        "source": "vendor",
        "stream": "things",
        "kind": "scheduled",
        "start": "2026-03-01 02:00:00.000000",
        "end": "2026-03-02 02:00:00.000000",
        "window_from": "2026-03-05 02:00:00.000000",
        "window_to": "2026-03-06 02:00:00.000000",
        "cursor_from": "a",
        "cursor_to": "b",
        "manifest": "key",
        "files": 2,
        "extracted": 4,
        "loaded": 2,
        "rejected": 1,
        "bytes": 8,
        "content": said.content,
        "same_as": "s",
        "spec_version": 9,
        "extracted_at": "2026-03-03 02:00:00.000000",
        "as_of": "2026-03-04 02:00:00.000000",
        "loaded_at": "2026-03-07 02:00:00.000000",
        "query_tag": "tag",
    }


def test_records_of_others_are_counted_when_they_are_loaded() -> None:
    cursor = Answers()
    ledger.record(cursor, manifest(rows=0, rejected=0), "k", loaded=5, rejected=2, loaded_at=moment(7), query_tag="")
    assert cursor.asked[0][1]["extracted"] == 7
    assert cursor.asked[0][1]["same_as"] is None


def test_files_of_others_are_remembered_by_address_and_etag() -> None:
    cursor = Answers(URI=[("s3://b/1", "e"), ("s3://b/2", None)])
    files = (LandedFile(key="1", bytes=5, uri="s3://b/1", etag="e"), LandedFile(key="2", bytes=6, uri="s3://b/2"))
    ledger.record_files(cursor, manifest(files=files), {"1": 4}, moment(7))
    (forgotten, of), (_, rows) = cursor.asked
    assert forgotten.startswith("DELETE FROM RAW.CATCHMENT.FILES")
    assert of == {"batch": f"{batch().id}.3"}
    name, loaded = f"{batch().id}.3", "2026-03-07 02:00:00.000000"
    assert rows == [
        (name, "vendor", "things", "s3://b/1", "e", 5, 4, loaded),
        (name, "vendor", "things", "s3://b/2", "", 6, 0, loaded),
    ]
    assert ledger.files_loaded(cursor, "vendor", "things") == {("s3://b/1", "e"), ("s3://b/2", "None")}
    assert cursor.asked[-1][1] == {"source": "vendor", "stream": "things"}


def test_a_moment_is_written_in_utc() -> None:
    assert ledger.sql_time(datetime(2026, 3, 1, 20, 0, 0, 5, tzinfo=LATE)) == "2026-03-02 01:00:00.000005"
    assert ledger.sql_time(None) is None


@pytest.mark.parametrize("name", ["", "a b", "A", "1a", "a;", "a\n", "é"])
def test_a_name_that_is_not_plain_never_reaches_sql(name: str) -> None:
    for names in ((name, "things"), ("vendor", name)):
        with pytest.raises(ValueError, match="can't name a table"):
            raw_table(*names)
    with pytest.raises(ValueError, match="can't name a stage"):
        stage_of(name)
    assert (raw_table("a_1", "b"), stage_of("a_1")) == ("RAW.A_1.B", "RAW.A_1.FILES")
