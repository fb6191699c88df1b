"""docs/streams.md, written from the specs: how each stream is read, and what happens when something goes wrong.

Pure: `render` gives the text. The file is committed; `python -m catchment stream-docs --check` fails when it differs.
A kind of read that has no entry here is described by its rule alone (`spec.Current`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import singledispatch

from catchment.extract.run import REJECTS_FLOOR
from catchment.http.retry import RetryRule
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import HttpList, Window
from catchment.reads.http_report import HttpReport
from catchment.reads.s3_files import S3Files
from catchment.reads.sheet_tab import SheetTab
from catchment.spec import Current, Deleted, SourceSpec, Stream


@dataclass(frozen=True)
class Behaviour:
    """A way of reading and its answers, as sentences of Markdown. Streams with the same way share a section."""

    title: str
    how: str
    counts: str
    empty: str
    flood: str
    moved: str
    deletion: str


QUESTIONS = {
    "how": "How it is read",
    "counts": "Which batch counts",
    "empty": "An empty or shrinking list",
    "flood": "A flood at one moment",
    "moved": "A late or changed record",
    "deletion": "A deletion",
}

INTRO = """\
<!-- Written from plugins/catchment/sources by `python -m catchment stream-docs`; do not edit. -->
# Streams

How each stream is read, which of its rows are current, and what happens when something goes wrong. The rules behind it,
and what a rerun, a backfill or a full refresh does: [which batch is the truth](which_batch_is_the_truth.md).
"""

FOR_ALL = {
    "A bad record (no key, broken text, JSON that the warehouse refuses)": (
        "It goes to `RAW.CATCHMENT.REJECTS` with its reason, the others are loaded, the cursor moves. The load task "
        "fails after loading when there are more rejects than before ([rejects](runbooks/rejects.md)). With "
        f"{REJECTS_FLOOR} rejects or more, and more rejects than good records, nothing is loaded."
    ),
    "A record that comes twice": (
        "The same bytes at a page border are landed once. Other repeats are in raw; staging keeps one row for each "
        "key: the newest version, then the one asked for last, then the last in its file."
    ),
    "A field that comes twice in one record": "A reject: two readers would take two different values.",
    "A vendor that asks to wait": (
        f"Up to {RetryRule().timeout:.0f} seconds in place. Longer: without a slot, and after `wait_at_most` the task "
        "fails ([source is late](runbooks/source_late.md))."
    ),
    "A vendor that repeats pages, or whose cursors lead in a circle": (
        "The task fails with a sentence, and is tried again."
    ),
    "A 4xx that a person must fix": "The task fails at once; its siblings go on; the cursor stays.",
    "A stream that the vendor sells apart": "A 403 skips it until it first worked. From then on a 403 is a failure.",
}

COLUMNS = (
    "Stream",
    "Read as",
    "Window or cursor",
    "Held back",
    "Deleted when",
    "Fresh within",
    "Owner",
    "Personal fields",
)


def render(specs: Iterable[SourceSpec]) -> str:
    """The whole page."""
    specs = tuple(specs)
    ways = {behaviour(stream.read): None for spec in specs for stream in spec.streams}
    for_all = ("## For every stream", _table(("What happens", "What follows"), FOR_ALL.items()))
    parts = (INTRO.rstrip(), *for_all, "## The ways of reading", *map(_section, ways), "## Source by source", LEGEND)
    return "\n\n".join((*parts, *map(_source, specs))) + "\n"


LEGEND = """\
*Held back*: what makes a list that is read whole wait for a person. *Fresh within*: after this dbt's source freshness
warns, after twice that it is an error. *Owner*: where a stream names none, the owner of its DAG (`dags/sources/`).
*Personal fields*: how many are hashed or dropped; which, says [personal data](personal_data.md)."""


def _section(way: Behaviour) -> str:
    answers = ((QUESTIONS[f.name], getattr(way, f.name)) for f in fields(way) if f.name in QUESTIONS)
    return f"### {way.title}\n\n{_table(('', ''), answers)}"


def _source(spec: SourceSpec) -> str:
    begins = (
        f"All of history begins at {spec.history_start:%Y-%m-%d}, or where `history_start` in the connection's extra "
        "says.\n\n"
    )
    dated = any(not isinstance(stream.read, SheetTab | S3Files) for stream in spec.streams)
    table = _table(COLUMNS, (_row(spec, stream) for stream in spec.streams))
    return f"### {spec.title}\n\n{begins if dated else ''}{table}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *((f"**{first}**", *rest) for first, *rest in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _row(spec: SourceSpec, stream: Stream) -> tuple[str, ...]:
    title = behaviour(stream.read).title
    return (
        stream.name,
        stream.description,
        f"[{title}](#{_anchor(title)})",
        where(stream.read),
        _held_back(stream),
        _deleted(stream),
        _fresh(stream),
        stream.owner or "the DAG's",
        _personal(stream),
    )


def _anchor(title: str) -> str:
    """How GitHub names the anchor of a heading."""
    kept = (char for char in title.lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


def _held_back(stream: Stream) -> str:
    if stream.read.current is Current.NEWEST_VERSION:
        return "–"
    if stream.keep_share is None:
        return "never"
    how = "when empty" if not stream.keep_share else f"at {stream.keep_share:.0%} of what it had, or less"
    return f"{how}, if it is all of history" if stream.read.current is Current.NEWEST_WINDOW else how


def _deleted(stream: Stream) -> str:
    match stream.deleted:
        case Deleted(field=field, equals=None):
            return f"`{field}` is set"
        case Deleted(field=field, equals=value):
            return f"`{field}` is `{value}`"
        case _:
            return "never" if stream.read.current is Current.NEWEST_VERSION else "not in it"


def _fresh(stream: Stream) -> str:
    if stream.fresh_within is not None:
        return _span(stream.fresh_within)
    return "not watched (sold apart)" if stream.plan_gated else "not watched"


def _personal(stream: Stream) -> str:
    counts = ((len(stream.personal), "hashed"), (len(stream.secret), "dropped"))
    return ", ".join(f"{count} {what}" for count, what in counts if count) or "–"


def _span(span: timedelta) -> str:
    """A span in the largest unit that divides it, as people say it: up to two days in hours."""
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(span.total_seconds(), seconds)
        if count and not rest:
            return f"{count:.0f} {unit}{'s' if count != 1 else ''}"
    return str(span)


@singledispatch
def where(read: object) -> str:
    """What decides the window or the cursor of a batch of this read, for one stream."""
    return "–"


@where.register
def _(read: HttpList) -> str:
    if read.parent:
        return f"each record of `{read.parent.stream}`"
    if read.window:
        return _window(read.window)
    return "from the start of history to the batch's end" if read.dates else "–"


@where.register
def _(read: HttpReport) -> str:
    if read.window:
        return _window(read.window)
    return "from the start of history to the batch's end" if read.dates else "–"


@where.register
def _(read: CursorExport) -> str:
    return f"the ledger's cursor (`{read.cursor_field}`)"


@where.register
def _(read: TimeExport) -> str:
    return f"the ledger's cursor (`{read.next_field}`), up to {_span(read.settle)} ago"


@where.register
def _(read: S3Files) -> str:
    return f"`{read.prefix}`, keys that match `{read.pattern}`"


@where.register
def _(read: SheetTab) -> str:
    return f"tab “{read.tab}”, header in row {read.header_row}"


def _window(window: Window) -> str:
    said = [f"`{window.cursor_field}`", f"{_span(window.lookback)} back" if window.lookback else "all of history"]
    if window.full_each_month:
        said.append("all of history in the first run of a month")
    if window.slice:
        said.append(f"in slices of {_span(window.slice)}")
    if window.margin:
        said.append(f"{_span(window.margin)} more asked for on both sides")
    return ", ".join(said)


NEWEST_LIST = "The list that speaks of the latest moment, whenever it was loaded."
NEWEST_WINDOW = "For each moment, the batch asked for last of those whose window holds it."
NEWEST_VERSION = "Every one: staging takes the newest version of each key over all batches."
HELD_BACK = (
    "Held back when it shrank too much: the rows before stay current ([smaller list](runbooks/smaller_list.md))."
)
NO_FLOOD = "Nothing: pages do not depend on time."
NEXT_LIST = "It is in the next list."
NOT_IN_IT = "What the counting list lacks is deleted: it is in staging no more, and stays in raw."
MARKED = "The vendor marks it (*Deleted when*), and staging says `is_deleted`. Without a mark nothing is ever deleted."


@singledispatch
def behaviour(read: object) -> Behaviour:
    """How a read behaves; for a kind that is not known here, what its rule alone says."""
    current: Current = getattr(read, "current", Current.NEWEST_VERSION)
    counts = {
        Current.NEWEST_LIST: NEWEST_LIST,
        Current.NEWEST_WINDOW: NEWEST_WINDOW,
        Current.NEWEST_VERSION: NEWEST_VERSION,
    }[current]
    how = f"See `{type(read).__module__}`."
    gone = MARKED if current is Current.NEWEST_VERSION else NOT_IN_IT
    return Behaviour(type(read).__name__, how, counts, HELD_BACK, NO_FLOOD, NEXT_LIST, gone)


@behaviour.register
def _(read: HttpList) -> Behaviour:
    if read.window:
        return _of_window(
            read.window, "Window", "A list that the vendor filters by one field is asked for that window."
        )
    if read.parent:
        return Behaviour(
            "Lists of each parent",
            "One list for each record of the parent's batch of the same interval. A parent that answers 404 has none; "
            "when all of them do, the task fails: the path is wrong, unless the spec says otherwise.",
            f"{NEWEST_LIST} It speaks of the moment of its parents' list, by which it was read: an old run that is "
            "cleared with an old list of parents never hides children of newer ones.",
            HELD_BACK + " All lists of a batch count together.",
            NO_FLOOD,
            NEXT_LIST,
            NOT_IN_IT + " Children go with their parent.",
        )
    dated = read.dates is not None
    return Behaviour(
        "List up to a date" if dated else "List",
        "Whole, in every run" + (": from the start of history to the batch's end." if dated else "."),
        NEWEST_LIST + (" It speaks of its batch's end." if dated else " It speaks of the moment it was asked for."),
        HELD_BACK,
        NO_FLOOD,
        NEXT_LIST,
        NOT_IN_IT,
    )


@behaviour.register
def _(read: HttpReport) -> Behaviour:
    how = f"Asked for, polled for up to {_span(read.poll.timeout)}, downloaded; only a report that is whole is landed."
    if read.window:
        return _of_window(read.window, "Report of a window", how)
    return Behaviour("Report", how, NEWEST_LIST, HELD_BACK, NO_FLOOD, "It is in the next report.", NOT_IN_IT)


def _of_window(window: Window, title: str, how: str) -> Behaviour:
    whole = window.lookback is None
    seen = "the next run" if whole else "the next run within the look-back"
    if not whole and window.full_each_month:
        seen += ", and the first run of the next month before it"
    return Behaviour(
        f"{title}, all of history" if whole else f"{title}, with a look-back",
        f"{how} A long one is read in slices, and each is loaded as it is read.",
        NEWEST_WINDOW,
        "Held back when it has too few of the rows that the newest reading has of just that time, a backfill too "
        "([smaller list](runbooks/smaller_list.md)).",
        NO_FLOOD,
        f"It is seen in {seen}. A row counts only in the window that holds its time.",
        f"What a window that is read again lacks is deleted: seen in {seen}.",
    )


@behaviour.register
def _(read: CursorExport) -> Behaviour:
    return Behaviour(
        "Export by cursor",
        "Goes on from the cursor of the newest earlier batch, until the vendor says that it is the end, or past the "
        "batch's end. Whole pages only. A long one seals a checkpoint every few minutes, and goes on there.",
        NEWEST_VERSION,
        "No new record is an ordinary night: nothing is deleted by being missing.",
        "Nothing: the cursor leads on within a second.",
        "A change moves a record to the export's end, and brings it again. Until then the version before it stays.",
        MARKED,
    )


@behaviour.register
def _(read: TimeExport) -> Behaviour:
    flood = (
        f"A second that fills a page can't be passed by time. The list `{read.flood.path}` is then read whole, and the "
        "export goes on with the next second. It shows no deleted records: where the page has some, that is a gap and "
        "the load task red ([gaps](runbooks/gaps.md))."
        if read.flood
        else "A second that fills a page can't be passed by time: what the vendor showed is loaded, the export goes on "
        "with the next second, and the load task fails with the second's name ([gaps](runbooks/gaps.md))."
    )
    return Behaviour(
        "Export by time, with a list for floods" if read.flood else "Export by time",
        f"Goes on from the time that the last page ended at; what is younger than {_span(read.settle)} is left to the "
        "next run. A long one seals a checkpoint every few minutes, and goes on there.",
        NEWEST_VERSION,
        "No new record is an ordinary night: nothing is deleted by being missing.",
        flood,
        "A change moves a record to the export's end, and brings it again. Until then the version before it stays.",
        MARKED,
    )


@behaviour.register
def _(read: S3Files) -> Behaviour:
    return Behaviour(
        "Files of others",
        "Objects that the ledger's table of files does not have by name and ETag are loaded where they lie.",
        NEWEST_VERSION,
        "No new file: the task is skipped. A file that vanished takes nothing with it.",
        NO_FLOOD,
        "A late file is found by its name, whatever its date; one that was written again, by its ETag.",
        MARKED,
    )


@behaviour.register
def _(read: SheetTab) -> Behaviour:
    return Behaviour(
        "Tab of a spreadsheet",
        "Whole, when the file has changed, and once a day in any case; an unchanged tab is skipped. "
        "How cells are read: [sheets](sheets.md).",
        NEWEST_LIST,
        HELD_BACK,
        NO_FLOOD,
        "It is in the next reading. A header that is not as agreed, or a tab that is gone, fails the task "
        "([broken sheet](runbooks/broken_sheet.md)).",
        "A row that is gone from the tab is gone from staging.",
    )
