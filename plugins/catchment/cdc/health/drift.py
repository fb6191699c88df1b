"""Whether a shard's tables and its publication are still what the declaration says, and what was lost if not. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from catchment.cdc.declared import Shard, Table
from catchment.cdc.health.facts import Unknown
from catchment.cdc.health.observation import Assessment, ShardObservation
from catchment.cdc.health.policy import State
from catchment.cdc.setup.catalog import Catalog
from catchment.cdc.setup.problems import OPERATIONS, Problem, problems, publication_problems

MOST = 4  # problems named in a sentence
RIGHT_AT = "right_at"
# What is lost. The worst first: what loses changes, then what loses values.
_LOST = {
    State.PUBLICATION_NARROWED: "Changes that were not sent since then are lost: re-reading the tables brings rows and "
    "values; rows deleted meanwhile are found by cdc_reconcile, and only a rebuild writes their deletes",
    State.IDENTITY_CHANGED: "The application's updates and deletes may be refused, or deletes since then name no key",
    State.COLUMN_GONE: "Its values are NULL in staging since then; the new name's are in raw and in _other",
    State.TYPE_CHANGED: "Values that do not fit are NULL in staging since then, their text is in _special and raw; "
    "rows that it rewrote were not sent. Declare the type, then run the DAG cdc_resnapshot, with models from scratch",
    State.TABLE_CHANGED: "Rows since then may be missing or not known from one another",
}


def assess_tables(observed: ShardObservation) -> Assessment | None:
    """The state of a shard's tables; None where there is nobody to ask, which other subjects say."""
    shard, right_at = observed.shard, observed.kept(RIGHT_AT)
    catalog = None if isinstance(observed.database, Unknown) else observed.database.catalog
    if catalog is None:
        return None
    if isinstance(catalog, Unknown):
        text = f"the catalog can't be read: {catalog.because}"
        return observed.describe(State.UNKNOWN, text, {RIGHT_AT: right_at})
    found = list(_found(shard, catalog))
    if not found:
        text = f"{len(shard.tables)} tables and their publication are as declared."
        return observed.describe(State.HEALTHY, text, {RIGHT_AT: observed.now.isoformat()})
    state = min((each for each, _ in found), key=list(_LOST).index)
    texts = list(dict.fromkeys(str(problem) for each, problem in found if each is state))
    others = len({str(problem) for _, problem in found}) - len(texts)
    shown = " ".join(texts[:MOST]) + (f" And {len(texts) - MOST} more of this kind." if len(texts) > MOST else "")
    more = f" {others} other problems: python -m catchment cdc-health says them all." if others else ""
    since = f"last seen right at {str(right_at)[:19]} UTC" if right_at else "never seen right by this check"
    detail = {
        RIGHT_AT: right_at,
        "problems": [str(problem) for _, problem in found][:50],
        "is_safe": state is State.PUBLICATION_NARROWED and _sends_less(catalog),
    }
    about = hashlib.sha256("".join(sorted(texts)).encode()).hexdigest()[:12]
    return observed.describe(state, f"{shown}{more} ({since}.) {_LOST[state]}.", detail, about=about)


def _found(shard: Shard, catalog: Catalog) -> Iterator[tuple[State, Problem]]:
    tables = {table.name: table for table in shard.tables}
    for problem in problems(shard.tables, catalog):
        yield _state(tables[problem.table], problem, catalog), problem
    if catalog.publication is None:
        return  # a state of the connector itself
    for problem in publication_problems(shard.tables, catalog):
        if problem.table in catalog.publication.tables or problem.subject != "publication" or _sends_less(catalog):
            yield State.TABLE_CHANGED if problem.subject == "grants" else State.PUBLICATION_NARROWED, problem


def _state(table: Table, problem: Problem, catalog: Catalog) -> State:
    relation = catalog.relations.get(table.name)
    if problem.subject == "replica identity":
        return State.IDENTITY_CHANGED
    if problem.subject in table.columns and relation is not None:
        return State.TYPE_CHANGED if relation.column(problem.subject) else State.COLUMN_GONE
    return State.TABLE_CHANGED


def _sends_less(catalog: Catalog) -> bool:
    """Whether the publication sends less than all operations, or partitions under their own names: that a migration
    may set right at once, for nothing that flows is touched."""
    publication = catalog.publication
    return publication is not None and not (publication.via_root and set(OPERATIONS) <= publication.operations)
