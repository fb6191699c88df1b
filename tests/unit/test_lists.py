"""Lists: every record once and in order, whatever the page size; parents, children, windows, rejects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catchment.batch import Batch, Kind
from catchment.cursor import CursorState
from catchment.errors import ContractBroken, LandingUnavailable, Refused, VendorUnavailable
from catchment.extract.run import Extraction
from catchment.http.actions import Action, Do, Skipped
from catchment.http.client import HttpClient
from catchment.http.paginators import CursorPages, PageNumber, SinglePage
from catchment.landing import Manifest, manifest_key, read_manifest
from catchment.reads.http_export import CursorExport
from catchment.reads.http_list import Dates, Window
from catchment.spec import Parent, SourceSpec
from catchment.times import TimeFormat, days
from tests.support.make import batch, http_list, moment, source, stream
from tests.support.store import MemoryStore
from tests.support.vendor import InProcess

Replies = Callable[[str, Mapping[str, Any]], Any]


def extraction(replies: Replies, spec: SourceSpec, store: MemoryStore, **more: Any) -> Extraction:
    client = cast(HttpClient, InProcess(replies))
    more = {"history_start": spec.history_start, "load": lambda key: None, **more}
    return Extraction(source=spec, client=client, store=store, **more)


def extract(
    replies: Replies,
    spec: SourceSpec | None = None,
    of: Batch | None = None,
    *,
    store: MemoryStore | None = None,
    state: CursorState | None = None,
    **more: Any,
) -> tuple[list[Any], Manifest, MemoryStore]:
    """Extract a batch (of the one list of the one source, unless said otherwise): its rows, manifest and landing."""
    of, store = of or batch(), store or MemoryStore()
    extracted = extraction(replies, spec or source(), store, **more).run(of, state or CursorState())
    assert extracted.key is not None
    manifest = read_manifest(store, extracted.key)
    return [json.loads(line) for line in store.rows(manifest)], manifest, store


def listing(records: list[Any], size: int, repeat: int = 0) -> Replies:
    """A list by cursor; each page after the first begins with the last `repeat` records of the one before."""

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        at = int(params.get("cursor") or 0)
        end = at + size
        return {"entries": records[max(0, at - repeat) : end], "cursor": str(end), "has_more": end < len(records)}

    return reply


def records(count: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(count)]


@settings(deadline=None)
@given(count=st.integers(0, 30), size=st.integers(1, 7), data=st.data())
def test_every_record_of_a_list_comes_once_and_in_order(count: int, size: int, data: st.DataObject) -> None:
    repeat = data.draw(st.integers(0, size))
    rows, manifest, _ = extract(listing(records(count), size, repeat))
    assert rows == records(count)
    assert manifest.rows == count
    assert manifest.rejected == 0


@settings(deadline=None)
@given(start=st.integers(1, 20), size=st.integers(2, 5), changes=st.lists(st.sampled_from(["+", "-", "="]), max_size=8))
def test_a_list_that_shifts_while_it_is_read_loses_nothing_that_stays(
    start: int, size: int, changes: list[str]
) -> None:
    """Keyset cursors: a record is added at the end, or one already read goes, between two pages."""
    living = list(range(start))
    gone: set[int] = set()
    script = iter(changes)

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        after = int(params.get("cursor") or -1)
        match next(script, "="):
            case "+":
                living.append(len(living) + len(gone))
            case "-" if after >= 0 and after in living:
                living.remove(after)
                gone.add(after)
        rest = [number for number in living if number > after]
        page = rest[:size]
        cursor = str(page[-1]) if page else params.get("cursor")
        return {"entries": [{"id": n} for n in page], "cursor": cursor, "has_more": len(rest) > size}

    rows, _, _ = extract(reply)
    keys = [row["id"] for row in rows]
    assert keys == sorted(set(keys))
    assert set(range(start)) <= set(keys) | gone


def test_a_changed_version_at_a_border_is_kept_beside_the_old_one() -> None:
    pages = {None: ([{"id": 1}, {"id": 2}], "a", True), "a": ([{"id": 2, "new": True}, {"id": 3}], "b", False)}

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        entries, cursor, more = pages[params.get("cursor")]
        return {"entries": entries, "cursor": cursor, "has_more": more}

    assert extract(reply)[0] == [{"id": 1}, {"id": 2}, {"id": 2, "new": True}, {"id": 3}]


def page(entries: list[Any], **fields: Any) -> Replies:
    return lambda path, params: {"entries": entries, **fields}


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        (page(records(3), has_more=True), '"cursor" is empty'),
        (page(records(3), cursor="", has_more=True), '"cursor" is empty'),
        (page(records(3), cursor="same", has_more=True), "the page before came again"),
        (page(records(3)), 'does not say by "has_more"'),
        (page(records(1), cursor="next"), 'does not say by "has_more"'),
        (lambda path, params: page([], cursor=str(len(str(params))), has_more=True)(path, params), "circle|came again"),
    ],
)
def test_a_list_that_does_not_lead_on_is_the_vendors_trouble(replies: Replies, says: str) -> None:
    with pytest.raises(VendorUnavailable, match=says):
        extract(replies)


def test_a_short_page_without_a_cursor_is_a_whole_list() -> None:
    assert extract(page(records(2)))[0] == records(2)


def test_a_cursor_circle_ends_with_an_error_and_no_batch() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        at = int(params.get("cursor") or 0)
        return {"entries": [{"id": at}], "cursor": str((at + 1) % 5), "has_more": True}

    store = MemoryStore()
    with pytest.raises(VendorUnavailable, match="circle"):
        extract(reply, store=store)
    assert manifest_key(batch()) not in store.objects


def test_the_page_size_is_asked_for_in_the_vendors_words() -> None:
    asked: list[Mapping[str, Any]] = []

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        asked.append(dict(params))
        return {"entries": records(1), "has_more": False}

    paginator = CursorPages(size_param="page[size]", size=100)
    extract(reply, source(stream(read=http_list(paginator=paginator))))
    assert asked == [{"page[size]": 100}]


# --- rejects and personal data ---


def test_a_record_without_its_key_is_rejected_and_counted_and_its_siblings_land() -> None:
    rows, manifest, store = extract(page([{"id": 1}, {"name": "no id"}, {"id": 2}], has_more=False))
    assert rows == [{"id": 1}, {"id": 2}]
    assert (manifest.rows, manifest.rejected) == (2, 1)
    (reject,) = (json.loads(line) for line in store.lines(manifest.rejects))
    assert json.loads(reject["record"]) == {"name": "no id"}
    assert "missing required field" in reject["reason"]


def test_a_vendor_that_changed_its_api_is_no_batch() -> None:
    store = MemoryStore()
    entries = [*({"uuid": number} for number in range(20)), {"id": 3}]
    with pytest.raises(ContractBroken, match="20 of 21 records are not what the spec says"):
        extract(page(entries, has_more=False), store=store)
    assert manifest_key(batch()) not in store.objects


def test_a_quiet_night_with_one_bad_record_is_one_reject_and_the_cursor_moves() -> None:
    """Reported: one ticket whose subject was cut in the middle of an emoji, alone that night: no batch, each night.

    Right: one reject, and the cursor moves.
    """
    export = source(stream("things", CursorExport(path="things", records="entries"), version="t"))
    body = b'{"entries": [{"id": 1, "t": 5, "subject": "\\ud83d"}], "after_cursor": "next", "end_of_stream": true}'
    rows, manifest, _ = extract(lambda path, params: body, export, state=CursorState("before", ever_loaded=True))
    assert (rows, manifest.rejected, manifest.cursor_to) == ([], 1, "next")


@pytest.mark.parametrize(
    ("before", "now", "keep_share", "held"),
    [
        (5, 0, 0.0, True),
        (5, 1, 0.0, False),
        (None, 0, 0.0, False),
        (0, 0, 0.0, False),
        (5, 0, None, False),
        (10, 5, 0.5, True),
        (10, 6, 0.5, False),
    ],
)
def test_a_list_that_shrinks_beyond_its_share_is_held_back(
    before: int | None, now: int, keep_share: float | None, held: bool
) -> None:
    """Found on the product: an empty 200 of a list that had rows left its staging table empty, everything green."""
    spec = source(stream(keep_share=keep_share))
    state = CursorState(ever_loaded=True, rows_before=before)
    store = MemoryStore()
    if not held:
        assert len(extract(page(records(now), has_more=False), spec, state=state)[0]) == now
        return
    with pytest.raises(ContractBroken, match=f"has {now} records, and had {before}. It is held back"):
        extract(page(records(now), has_more=False), spec, state=state, store=store)
    assert manifest_key(batch()) not in store.objects
    rows, _, _ = extract(page(records(now), has_more=False), spec, state=state, accept_smaller=True)
    assert len(rows) == now


def test_a_list_that_became_empty_is_held_back_in_a_backfill_too() -> None:
    """A list can't be read in part, so a backfill of last month brings today's list, and it is the newest."""
    state = CursorState(ever_loaded=True, rows_before=5)
    with pytest.raises(ContractBroken, match="held back"):
        extract(page([], has_more=False), of=batch(kind=Kind.BACKFILL), state=state)


def test_no_personal_or_secret_value_is_written_not_even_in_a_reject() -> None:
    spec = source(stream(personal=("email",), secret=("token",)))
    private = {"email": "ann@example.com", "token": "s3cret"}
    entries = [{"id": 1, **private}, private, {"id": 2}]
    _, manifest, store = extract(page(entries, has_more=False), spec, pii_key=b"key")
    landed = b"\n".join(store.lines((*manifest.files, *manifest.rejects)))
    assert manifest.rejected == 1
    assert b"ann@" not in landed
    assert b"s3cret" not in landed


# --- children ---

FAMILY = source(
    stream("parents"),
    stream("children", http_list("parents/{parent_id}/children", parent=Parent("parents", "id", "parent_id"))),
)


def in_parallel(spec: SourceSpec, parallel: int) -> SourceSpec:
    assert spec.api is not None
    return replace(spec, api=replace(spec.api, parallel=parallel))


def family(path: str, params: Mapping[str, Any]) -> Any:
    if path == "parents":
        return {"entries": [{"id": "a/b"}, {"id": "c"}, {"id": "gone"}], "has_more": False}
    if "gone" in path:
        raise Skipped("404 from GET", status=404)
    return {"entries": [{"id": path}], "has_more": False}


def test_children_are_read_once_for_each_parent_and_carry_its_key() -> None:
    store = MemoryStore()
    extract(family, FAMILY, batch("parents"), store=store)
    rows, _, _ = extract(family, FAMILY, batch("children"), store=store)
    assert rows == [
        {"parent": {"parent_id": "a/b"}, "record": {"id": "parents/a%2Fb/children"}},
        {"parent": {"parent_id": "c"}, "record": {"id": "parents/c/children"}},
    ]


@pytest.mark.parametrize(("gone", "parallel"), [(3, 1), (3, 4), (40, 4)])
def test_parents_that_are_all_gone_are_a_wrong_path_and_no_empty_list(gone: int, parallel: int) -> None:
    """mvanhorn/cli-printing-press #3816: every fetch of a child failed, and the sync reported success with no rows.

    dust-tt/dust PR 28009: a 404 taken for "deleted" dropped what was below. Ours landed an empty list, green. Right: a
    parent may be gone, and its siblings are read; all of them at once are an error that says what to compare.
    """

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path == "parents":
            return {"entries": [{"id": number} for number in range(gone)], "has_more": False}
        raise Skipped("404 from GET", status=404)

    spec, store = in_parallel(FAMILY, parallel), MemoryStore()
    extract(reply, spec, batch("parents"), store=store)
    with pytest.raises(ContractBroken, match=f"404 for children of parents for each of the {gone}"):
        extract(reply, spec, batch("children"), store=store)


@pytest.mark.parametrize(("parents", "status"), [(2, 404), (3, 403)])
def test_a_few_parents_that_are_gone_and_what_a_spec_skips_are_an_empty_list(parents: int, status: int) -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path == "parents":
            return {"entries": [{"id": number} for number in range(parents)], "has_more": False}
        raise Skipped(f"{status} from GET", status=status)

    store = MemoryStore()
    extract(reply, FAMILY, batch("parents"), store=store)
    assert extract(reply, FAMILY, batch("children"), store=store)[0] == []


def test_parents_that_have_none_may_all_say_so_by_a_404_where_the_spec_says_it() -> None:
    """PostHog/posthog PR 102868: Netlify answers 404 for a site that does not serve the sub-resource at all."""

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path == "parents":
            return {"entries": [{"id": number} for number in range(3)], "has_more": False}
        raise Skipped("404 from GET", status=404)

    of = Parent("parents", "id", "parent_id")
    read = http_list("parents/{parent_id}/children", parent=of, actions=(Action(404, Do.SKIP),))
    spec, store = source(stream("parents"), stream("children", read)), MemoryStore()
    extract(reply, spec, batch("parents"), store=store)
    assert extract(reply, spec, batch("children"), store=store)[0] == []


def test_a_404_past_the_last_page_of_every_parent_is_the_end_of_each_list() -> None:
    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if path != "parents" and "cursor" in params:
            raise Skipped("404 from GET", status=404)
        entries = [{"id": f"{path}/{number}"} for number in range(3)]
        return {"entries": entries, "has_more": path != "parents", "cursor": "next"}

    store = MemoryStore()
    extract(reply, FAMILY, batch("parents"), store=store)
    assert len(extract(reply, FAMILY, batch("children"), store=store)[0]) == 9


def test_children_wait_for_their_parents() -> None:
    with pytest.raises(ContractBroken, match="extract it first"):
        extract(family, FAMILY, batch("children"))


def of_parents(*parents: Any, field: str = "id") -> tuple[list[str], Manifest]:
    """The paths that are asked for the children of these parents, and the children's manifest."""
    asked: list[str] = []

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        asked.append(path)
        return {"entries": list(parents) if path == "parents" else [], "has_more": False}

    children = http_list("parents/{parent_id}/children", parent=Parent("parents", field, "parent_id"))
    spec = source(stream("parents", key=("key",)), stream("children", children))
    store = MemoryStore()
    extract(reply, spec, batch("parents"), store=store)
    _, manifest, _ = extract(reply, spec, batch("children"), store=store)
    return asked[1:], manifest


def test_a_parent_without_a_key_has_no_children_and_no_request_says_none() -> None:
    """airbytehq/airbyte-python-cdk #1127: a null key became the word "None" in a path, and a 400 ended the sync.

    Ours asked for parents/None/children. Right: nothing is asked for it, and its siblings are read.
    """
    asked, manifest = of_parents({"key": 1, "id": None}, {"key": 2, "id": "a"}, {"key": 3})
    assert asked == ["parents/a/children"]
    assert manifest.rejected == 0


def test_a_field_that_no_parent_has_is_a_mistake_and_no_empty_list() -> None:
    with pytest.raises(ContractBroken, match='None of the 2 records of parents has a value at "uuid"'):
        of_parents({"key": 1}, {"key": 2, "uuid": None}, field="uuid")


@pytest.mark.parametrize("key", ["..", ".", "", {"id": 1}, [1], True, 1.5])
def test_a_key_that_cannot_stand_in_a_path_is_a_reject(key: Any) -> None:
    """workos/workos-python PR 728, getsentry/sentry-mcp PR 1218: an id of ".." asks for the list above.

    No encoding helps: a dot is never encoded, and %2E%2E means the same. Right: it is not asked for, and is shown.
    """
    asked, manifest = of_parents({"key": 1, "id": key}, {"key": 2, "id": "a?b#c%2e ü"})
    assert asked == ["parents/a%3Fb%23c%252e%20%C3%BC/children"]
    assert manifest.rejected == 1


def test_a_parents_key_may_be_nested() -> None:
    """dlt-hub/verified-sources #433: the id of a parent stands in an object of it. Ours failed with a KeyError."""
    asked, _ = of_parents({"key": 1, "account": {"id": 2**60}}, {"key": 2, "account": None}, field="account.id")
    assert asked == [f"parents/{2**60}/children"]


def test_a_page_beyond_the_last_that_is_an_error_ends_a_list_where_the_spec_says_so() -> None:
    """ArunPrakashG/wordpress_client #76: WordPress answers 400 `rest_post_invalid_page_number` past the last page.

    Ours let the action end a child's list only; in another list it failed the task. Right: the list ends there.
    """

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        if params["page"] > 2:
            raise Skipped("400 from GET", status=400)
        return {"entries": [{"id": params["page"]}]}

    assert extract(reply, source(stream(read=http_list(paginator=PageNumber()))))[0] == [{"id": 1}, {"id": 2}]


def test_a_reply_without_its_list_is_empty_only_where_that_is_declared() -> None:
    """getredash/redash #2965, plausible/analytics PR 2121: Google leaves `rows` out when there are none.

    Ours could not be told so. Right: a spec can say it; else a reply without its list is no page.
    """
    spec = source(stream(read=http_list(absent_is_empty=True, paginator=SinglePage())))
    assert extract(lambda path, params: {"rowCount": 0}, spec)[0] == []
    with pytest.raises(VendorUnavailable, match=r"is not JSON|has no list"):
        extract(lambda path, params: [], spec)
    with pytest.raises(VendorUnavailable, match="has no list"):
        extract(lambda path, params: {"rowCount": 0})


# --- windows ---

BOUNDS = Dates("from", "to", TimeFormat.ISO)
SLICED = source(
    stream("moves", http_list("moves", paginator=SinglePage(), dates=BOUNDS, window=Window("at", slice=days(10)))),
    parallel=3,
    history_start=moment(1, month=1),
)


@settings(deadline=None, max_examples=40)
@given(at=st.lists(st.integers(0, 58 * 24), unique=True, max_size=40))
def test_slices_of_a_window_hold_every_record_once_and_in_order(at: list[int]) -> None:
    start = moment(1, month=1)
    moves = [(int(start.timestamp()) + 3600 * hours, hours) for hours in sorted(at)]

    def reply(path: str, params: Mapping[str, Any]) -> Any:
        low, high = (moment_of(str(params[name])) for name in ("from", "to"))
        return {"entries": [{"id": number, "at": at} for at, number in moves if low <= at < high]}

    rows, manifest, _ = extract(reply, SLICED, batch("moves"))
    assert [row["id"] for row in rows] == sorted(at)
    assert (manifest.window_from, manifest.window_to) == (start, moment(2))
    assert manifest.cursor_to == moment(2).isoformat()


def moment_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# --- batches ---


def test_a_batch_that_is_read_again_holds_the_same() -> None:
    store = MemoryStore()
    first = extract(listing(records(10), 3), store=store)[1]
    second = extract(listing(records(10), 3), store=store)[1]
    assert first.content == second.content
    assert first.batch_id == second.batch_id


def test_a_manifest_never_names_a_part_that_is_not_its_own() -> None:
    """Killed at any call of the landing: the batch is whole, as it was or as it is."""
    for step in range(20):
        store = MemoryStore()
        extract(listing(records(4), 2), store=store)
        calls = iter(range(1000))
        store.fails = lambda verb, key, calls=calls, step=step: next(calls) == step
        with suppress(LandingUnavailable):
            extract(listing(records(9)[5:], 2), store=store)
        store.fails = lambda verb, key: False
        manifest = read_manifest(store, manifest_key(batch()))
        assert [json.loads(line)["id"] for line in store.rows(manifest)] in ([0, 1, 2, 3], [5, 6, 7, 8])


def test_a_vendor_that_refuses_leaves_the_landed_batch_as_it_was() -> None:
    def refuse(path: str, params: Mapping[str, Any]) -> Any:
        raise Refused("401 from GET", status=401)

    store = MemoryStore()
    extract(listing(records(2), 2), store=store)
    before = dict(store.objects)
    with pytest.raises(Refused):
        extract(refuse, store=store)
    assert store.objects == before


def test_progress_is_told_page_by_page() -> None:
    told: list[int] = []
    extract(listing(records(7), 3), report=told.append)
    assert told == [3, 3, 1]


def test_a_manifest_says_what_the_batch_cost_and_where_it_began() -> None:
    _, manifest, _ = extract(listing(records(7), 3))
    assert (manifest.requests, manifest.spec_version) == (3, 1)
    assert manifest.extractor_version
