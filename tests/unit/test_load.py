"""How a load decides: what stays and what goes by each rule, which names may stand in SQL, what is rejected.

`test_session.py` has its transaction; integration tests try the statements on a warehouse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from catchment.errors import ContractBroken
from catchment.landing import LandedFile, Listed, Manifest, RecordFormat, read_manifest, write_manifest
from catchment.spec import Current
from catchment.warehouse.copies import CopiedFile, check_counts, check_names, common_folder
from catchment.warehouse.formats import format_of, literal
from catchment.warehouse.load import Loaded, clipped, load
from tests.support.store import MemoryStore
from tests.unit.test_session import TICKETS, Recorder, landed, result

PREFIX = f"{TICKETS.prefix}0000/"


class Warehouse(Recorder):
    """Answers a statement by the first of its `answers` that the statement holds, a COPY by its result."""

    def __init__(self, answers: dict[str, Sequence[Any]], copied: Sequence[Any] = ()) -> None:
        super().__init__(copied or [result()])
        self.answers = answers

    def fetchall(self) -> Sequence[Any]:
        statement = self.statements[-1]
        other = super().fetchall() if statement.startswith(("COPY", "SHOW")) else []
        return next((rows for words, rows in self.answers.items() if words in statement), other)

    def fetchone(self) -> Any:
        if "SUM(ROWS_REJECTED)" in self.statements[-1]:
            return self.rejected()
        nothing = (None,) if "MIN(BATCH_ID)" in self.statements[-1] else (0,)
        return next((rows[0] for words, rows in self.answers.items() if words in self.statements[-1]), nothing)

    def changes(self) -> list[str]:
        """Verb and table of each change, in order."""
        verbs = ("DELETE FROM", "UPDATE", "INSERT INTO", "COPY INTO")
        texts = [s for s in self.statements if s.startswith(verbs)]
        return [" ".join((s.split()[0], s.split()[1 if s.startswith("UPDATE") else 2])) for s in texts]


RAW, REJECTS, LEDGER = "RAW.ZENDESK.TICKETS", "RAW.CATCHMENT.REJECTS", "RAW.CATCHMENT.LEDGER"


def run(answers: dict[str, Sequence[Any]], copied: Sequence[Any] = (), **fields: Any) -> tuple[Loaded, Warehouse]:
    store, key = landed()
    manifest = replace(read_manifest(store, key), **fields)
    write_manifest(store, manifest, PREFIX)
    session = Warehouse(answers, copied)
    session.landed = [file.key for file in manifest.files]
    return load(session, store, key, query_tag="tag"), session


def test_a_list_replaces_what_its_batch_brought_before() -> None:
    loaded, session = run({"SAME_AS, BATCH_ID": []}, current=Current.NEWEST_LIST)
    assert loaded == Loaded(rows=2, rejected=0)
    assert session.changes() == [
        f"DELETE {RAW}",
        f"DELETE {REJECTS}",
        f"DELETE {LEDGER}",
        f"COPY {RAW}",
        f"INSERT {LEDGER}",
    ]
    deletes = [params for s, params in zip(session.statements, session.params, strict=True) if s.startswith("DELETE")]
    assert deletes == [{"batch": TICKETS.id}] * 3


def test_rows_to_which_another_batch_refers_go_to_it_before_they_are_replaced() -> None:
    """A list that was as the one before has no rows of its own: without this they would be gone with the older one."""
    _, session = run({"SAME_AS, BATCH_ID": [], "MIN(BATCH_ID)": [("later",)]}, current=Current.NEWEST_LIST)
    assert session.changes()[:3] == [f"UPDATE {RAW}", f"UPDATE {LEDGER}", f"DELETE {RAW}"]
    moved = session.params[next(i for i, s in enumerate(session.statements) if s.startswith(f"UPDATE {RAW}"))]
    assert moved == {"batch": TICKETS.id, "successor": "later"}


@pytest.mark.parametrize("current", [Current.NEWEST_LIST, Current.NEWEST_WINDOW])
def test_a_list_that_an_other_batch_holds_brings_no_rows_and_names_it(current: Current) -> None:
    store, key = landed()
    content = read_manifest(store, key).content
    held = {"SAME_AS, BATCH_ID": [("other", content)], "COUNT(*)": [(2,)]}
    loaded, session = _again(store, key, held, current=current)
    assert loaded == Loaded(rows=0, rejected=0, same_as="other")
    assert session.changes()[:3] == [f"DELETE {RAW}", f"DELETE {REJECTS}", f"DELETE {LEDGER}"]
    assert session.params[session.statements.index(_ledger_insert(session))]["same_as"] == "other"
    assert not any(s.startswith("COPY") for s in session.statements)


def test_a_batch_that_holds_the_same_already_keeps_its_rows() -> None:
    store, key = landed()
    content = read_manifest(store, key).content
    held = {"SAME_AS, BATCH_ID": [(TICKETS.id, content)], "COUNT(*)": [(2,)]}
    loaded, session = _again(store, key, held, current=Current.NEWEST_LIST)
    assert loaded == Loaded(rows=2, rejected=0)
    assert session.changes() == [f"DELETE {REJECTS}", f"DELETE {LEDGER}", f"INSERT {LEDGER}"]


def test_a_list_with_rejects_is_always_brought_so_that_they_are_seen() -> None:
    store, key = landed()
    content = read_manifest(store, key).content
    held = {"SAME_AS, BATCH_ID": [("other", content)], "COUNT(*)": [(2,)], "ROWS_REJECTED": [(1,)]}
    loaded, _ = _again(store, key, held, current=Current.NEWEST_LIST, rejected=3)
    assert loaded == Loaded(rows=2, rejected=3, new_rejects=2)


def test_fewer_rejects_than_before_are_no_new_ones() -> None:
    loaded, _ = run({"ROWS_REJECTED": [(9,)]}, current=Current.NEWEST_LIST, rejected=3, gaps=("a gap",))
    assert (loaded.new_rejects, loaded.gaps) == (0, ("a gap",))


def test_rejects_are_called_new_by_the_last_checkpoint_of_a_batch_alone() -> None:
    assert run({}, current=Current.NEWEST_LIST, rejected=3, complete=False)[0].new_rejects == 0
    assert run({}, current=Current.NEWEST_LIST, rejected=3, complete=True)[0].new_rejects == 3


def test_a_checkpoint_that_a_later_attempt_has_loaded_is_left_as_it_is() -> None:
    """The simulator: an attempt was stopped, a later one loaded, and the first went on and put back older records.
    `tests/integration/test_attempts.py` has it on the real SQL."""
    loaded, session = run({"COUNT(ATTEMPT)": [(1,)]}, gaps=("a gap",), rejected=3)
    assert loaded == Loaded(rows=0, rejected=0, same_as=TICKETS.id, gaps=("a gap",))
    assert session.changes() == []


def test_a_reject_of_an_export_that_another_batch_has_already_is_none_to_be_told_of() -> None:
    """The simulator: a bad record on an export's last second came again each night, and each night was red."""
    loaded, _ = run({"AND BATCH_ID NOT IN": [(2,)]}, rejected=3)
    assert loaded.new_rejects == 1


@pytest.mark.parametrize(
    ("current", "complete", "drops"),
    [
        (Current.NEWEST_WINDOW, True, True),
        (Current.NEWEST_WINDOW, False, False),
        (Current.NEWEST_LIST, True, False),
        (Current.NEWEST_VERSION, True, False),
    ],
)
def test_only_a_window_that_is_whole_drops_what_it_covers(current: Current, complete: bool, drops: bool) -> None:
    _, session = run({}, current=current, complete=complete)
    assert any("WINDOW_FROM >=" in statement for statement in session.statements) is drops


def test_versions_that_a_batch_brought_before_stay_unless_their_key_comes_again() -> None:
    """The independent simulator: an interval that was run again dropped the records that had changed since."""
    loaded, session = run({"COUNT(*) FROM RAW.Z": [(5,)]}, key=("id", "at"), rejected=1)
    assert loaded == Loaded(rows=5, rejected=1, new_rejects=1)
    assert session.changes() == [
        f"DELETE {LEDGER}",
        f"UPDATE {RAW}",
        f"COPY {RAW}",
        f"DELETE {RAW}",
        f"UPDATE {RAW}",
        f"INSERT {LEDGER}",
    ]
    (delete,) = [s for s in session.statements if s.startswith(f"DELETE FROM {RAW}")]
    fields = (f"COALESCE(TO_JSON(RECORD_CONTENT:\"{name}\"), 'null')" for name in ("id", "at"))
    key = " || ',' || ".join(fields)
    assert f"AND ({key} IN (SELECT {key} FROM" in delete
    batch, before = TICKETS.id, f"{TICKETS.id}#before"
    assert [p for s, p in zip(session.statements, session.params, strict=True) if s.startswith(("UPDATE", "DEL"))] == [
        {"batch": batch},
        {"old": batch, "new": before},
        {"batch": batch, "before": before},
        {"old": before, "new": batch},
    ]


def test_rejects_of_an_export_stay_unless_their_record_comes_again() -> None:
    """Found in review; `tests/integration/test_rejects.py` has the case on the real SQL."""
    _, session = run({f"COUNT(*) FROM {REJECTS}": [(1,)]})
    assert session.changes() == [
        f"DELETE {LEDGER}",
        f"UPDATE {REJECTS}",
        f"COPY {RAW}",
        f"DELETE {REJECTS}",
        f"UPDATE {REJECTS}",
        f"INSERT {LEDGER}",
    ]


def test_a_copy_is_bound_to_its_batch() -> None:
    _, session = run({})
    at = next(i for i, s in enumerate(session.statements) if s.startswith("COPY"))
    bound = {name: session.params[at][name] for name in ("source", "stream", "start", "end", "extracted_at", "batch")}
    assert bound == {
        "source": "zendesk",
        "stream": "tickets",
        "start": "2026-03-01T02:00:00+00:00",
        "end": "2026-03-02T02:00:00+00:00",
        "extracted_at": "2026-03-02T02:00:00+00:00",
        "batch": TICKETS.id,
    }
    names = session.statements[at].partition("FILES = (")[2].partition(")")[0]
    assert names == literal(session.landed[0].removeprefix(PREFIX))
    assert f"FROM @RAW.CATCHMENT.LANDING/{PREFIX} " in session.statements[at]


def test_rejects_of_extraction_come_into_the_table_that_people_look_at() -> None:
    store, key = landed()
    manifest = read_manifest(store, key)
    data = b"reject"
    store.put(PREFIX + "x-rejects-0.jsonl.zst", data)
    file = LandedFile(
        key=PREFIX + "x-rejects-0.jsonl.zst", bytes=len(data), rows=1, sha256=hashlib.sha256(data).hexdigest()
    )
    loaded, session = _again(store, key, {}, rejects=(file,), rejected=1)
    assert loaded.rejected == 1
    assert f"COPY {REJECTS}" in session.changes()
    at = next(i for i, s in enumerate(session.statements) if s.startswith(f"COPY INTO {REJECTS}"))
    assert "FILES = ('x-rejects-0.jsonl.zst')" in session.statements[at]
    assert {name: session.params[at][name] for name in ("batch", "source", "stream")} == {
        "batch": manifest.batch_id,
        "source": "zendesk",
        "stream": "tickets",
    }
    store.objects[file.key] = b"forged"
    with pytest.raises(ContractBroken, match="is not what its manifest says"):
        load(session, store, key)


def test_a_file_with_an_error_is_copied_again_by_line_and_what_does_not_parse_stays_in_the_rejects() -> None:
    """`tests/integration/test_by_line.py` has the reports, and the case on the real SQL."""

    class Skips(Warehouse):
        def fetchall(self) -> Sequence[Any]:
            whole = "TEXT_LINES" in self.statements[-1]
            self._copied = [result()] if whole else [result(parsed=1, loaded=0, error="bad")]
            return super().fetchall()

        def fetchone(self) -> Any:
            return (1,) if self.statements[-1].startswith("UPDATE") else super().fetchone()

    store, key = landed()
    session = Skips({})
    session.landed = [file.key for file in read_manifest(store, key).files]
    assert load(session, store, key) == Loaded(rows=1, rejected=1, new_rejects=1)
    assert session.changes() == [
        f"DELETE {LEDGER}",
        f"COPY {RAW}",
        f"DELETE {RAW}",
        f"COPY {REJECTS}",
        f"INSERT {RAW}",
        f"DELETE {REJECTS}",
        f"UPDATE {REJECTS}",
        f"INSERT {LEDGER}",
    ]
    given = session.params[next(i for i, s in enumerate(session.statements) if s.startswith("UPDATE"))]
    assert given["reason"] == "the warehouse could not read it: bad"
    assert (given["lines"], given["batch"]) == (f"{TICKETS.id}#lines", TICKETS.id)


def test_what_is_not_taken_as_text_either_is_rejected_with_its_number_and_text() -> None:
    copied = [result(parsed=2, loaded=1, error="bad")]
    loaded, session = run({"RECORD_METADATA:row": [(2,)]}, copied)
    assert loaded == Loaded(rows=1, rejected=1, new_rejects=1)
    (rejects,) = [params for params in session.params if isinstance(params, list)]
    assert [reject[:7] for reject in rejects] == [
        (
            TICKETS.id,
            "zendesk",
            "tickets",
            session.landed[0],
            1,
            "the warehouse could not read it: bad",
            '{"id":1}',
        )
    ]


def test_the_reason_of_one_line_is_not_said_to_be_that_of_another() -> None:
    """An independent simulator: a record of 20 MB was in the rejects for a field that another line of its file had
    twice, for COPY tells a file's first error only. Right: say so."""
    loaded, session = run({"RECORD_METADATA:row": []}, [result(parsed=2, loaded=0, error="bad")])
    assert loaded.rejected == 2
    (rejects,) = [params for params in session.params if isinstance(params, list)]
    assert {reject[5] for reject in rejects} == {"the warehouse could not read it; the first error of its file: bad"}


def test_refused_lines_are_looked_for_in_every_file() -> None:
    store, key = landed(files=2)
    session = Warehouse({"RECORD_METADATA:row": [(1,)]}, [result(), result(parsed=2, loaded=1, error="bad")])
    session.landed = [file.key for file in read_manifest(store, key).files]
    assert load(session, store, key) == Loaded(rows=3, rejected=1, new_rejects=1)
    (rejects,) = [params for params in session.params if isinstance(params, list)]
    assert [(reject[3], reject[4]) for reject in rejects] == [(session.landed[1], 2)]


def test_a_forged_name_is_refused_before_any_statement() -> None:
    store, key = landed()
    forged = LandedFile(key="a');--", bytes=1, rows=1, sha256="0")
    write_manifest(store, replace(read_manifest(store, key), files=(forged,)), PREFIX)
    session = Warehouse({})
    with pytest.raises(ContractBroken, match="can't stand in a COPY statement"):
        load(session, store, key)
    assert session.statements == []


def test_refused_lines_of_others_files_are_counted_without_being_looked_for() -> None:
    theirs = LandedFile(key="logs/a b://c.gz", bytes=6, etag="e", uri="s3://theirs/logs/a b://c.gz")
    opened = []

    class Theirs(MemoryStore):
        def head(self, key: str) -> Listed | None:
            return Listed(key, 6, "e", TICKETS.end) if key == theirs.key else None

    def open_bucket(name: str) -> MemoryStore:
        opened.append(name)
        return Theirs()

    store, key = landed()
    manifest = replace(read_manifest(store, key), files=(theirs,), rows=0, record_format=RecordFormat.GZIP_RECORDS)
    write_manifest(store, manifest, PREFIX)
    session = Warehouse({}, [result("s3://theirs/logs/a b://c.gz", parsed=9, loaded=6, error="bad")])
    assert load(session, store, key, open_bucket=open_bucket) == Loaded(rows=6, rejected=3, new_rejects=3)
    assert opened == ["theirs"]
    (rejects, files) = [params for params in session.params if isinstance(params, list)]
    assert [(reject[3], reject[4], reject[6]) for reject in rejects] == [
        ("logs/a b://c.gz", None, "3 lines of this file")
    ]
    assert [file[3:7] for file in files] == [(theirs.uri, "e", 6, 6)]
    with pytest.raises(ContractBroken):  # without a way to their bucket it is looked for in ours
        load(session, store, key)


@pytest.mark.parametrize(
    ("name", "ok"), [("logs/day's.gz", False), ("a\\b", False), ("a\nb", False), ("", False), ("a b/é=1.gz", True)]
)
def test_names_of_others_may_have_any_character_but_quotes(name: str, ok: bool) -> None:
    store, key = landed()
    file = LandedFile(key=name, bytes=1, uri="s3://theirs/x")
    manifest = replace(read_manifest(store, key), files=(file,))
    as_rejects = replace(read_manifest(store, key), files=(), rejects=(file,))
    for forged in (manifest, as_rejects):
        if ok:
            check_names(forged)
        else:
            with pytest.raises(ContractBroken):
                check_names(forged)


@pytest.mark.parametrize(
    ("keys", "folder"),
    [
        (["a/b/1", "a/b/2"], "a/b/"),
        (["a/b/1", "a/c/1"], "a/"),
        (["a/b/1", "c/b/1"], ""),
        (["a/b/c/1", "a/b/1"], "a/b/"),
        (["1", "2"], ""),
        (["a b/1", "a b/2"], ""),  # a stage's location stands in SQL without quotes
    ],
)
def test_the_folder_that_all_files_share(keys: list[str], folder: str) -> None:
    assert common_folder([LandedFile(key=key, bytes=1) for key in keys]) == folder


@pytest.mark.parametrize(
    ("rows", "uri", "parsed", "ok"),
    [(2, "", 2, True), (2, "", 1, False), (2, "", 3, False), (0, "s3://t/k", 5, True), (2, "", None, False)],
)
def test_every_file_is_read_ours_with_its_rows(rows: int, uri: str, parsed: int | None, ok: bool) -> None:
    store, key = landed()
    manifest: Manifest = replace(read_manifest(store, key), files=(LandedFile(key="k", bytes=1, rows=rows, uri=uri),))
    copied = [CopiedFile("k", parsed, parsed, None)] if parsed is not None else []
    if ok:
        check_counts(manifest, copied)
    else:
        with pytest.raises(ContractBroken, match="k should hold 2 rows"):
            check_counts(manifest, copied)


def test_a_file_of_others_that_was_not_read_is_a_broken_landing() -> None:
    store, key = landed()
    manifest = replace(read_manifest(store, key), files=(LandedFile(key="k", bytes=1, uri="s3://t/k"),))
    with pytest.raises(ContractBroken, match="k should hold its rows, and the warehouse read none"):
        check_counts(manifest, [])


@pytest.mark.parametrize("said", ["{name}", "{key}", "s3://bucket/{key}"])
def test_a_file_is_known_however_copy_names_it(said: str) -> None:
    store, key = landed()
    (file,) = read_manifest(store, key).files
    session = Warehouse({}, [result(said.format(key=file.key, name=file.key.removeprefix(PREFIX)))])
    assert load(session, store, key) == Loaded(rows=2, rejected=0)


def test_a_record_in_the_rejects_is_whole_unless_a_cell_cannot_hold_it() -> None:
    assert clipped("x" * 1_000_000) == "x" * 1_000_000
    assert clipped("x" * 1_000_001) == "x" * 1_000_000 + "… (1,000,001 characters; the rest is in the landed file)"
    assert clipped("abc", 3) == "abc"


def test_a_cell_of_a_csv_line_goes_under_its_columns_name() -> None:
    assert format_of(RecordFormat.CSV, ("a", "b")).record == "OBJECT_CONSTRUCT_KEEP_NULL('a', $1, 'b', $2)"
    assert format_of(RecordFormat.PARQUET).record == "$1"
    enveloped = format_of(RecordFormat.ENVELOPES)
    assert (enveloped.record, enveloped.parent) == ("$1:record", "$1:parent")
    assert literal("it's \\ so") == r"'it''s \\ so'"


def _again(store: MemoryStore, key: str, answers: dict[str, Sequence[Any]], **fields: Any) -> tuple[Loaded, Warehouse]:
    manifest = replace(read_manifest(store, key), **fields)
    write_manifest(store, manifest, PREFIX)
    session = Warehouse(answers)
    session.landed = [file.key for file in manifest.files]
    return load(session, store, key), session


def _ledger_insert(session: Warehouse) -> str:
    return next(s for s in session.statements if s.startswith(f"INSERT INTO {LEDGER}"))
