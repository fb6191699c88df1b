"""`python -m catchment cdc-check`: what the declared tables need and a shard does not have, before anything is changed.

Reads the shards' catalogs only: no row, no connector, nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from catchment.cdc.declared import Database, Shard, Table
from catchment.cdc.setup import catalog
from catchment.cdc.setup.problems import Problem, problems, publication_problems
from catchment.cdc.systems import Systems
from catchment.errors import ContractBroken, NeedsPerson

Found = tuple[str, Problem]
_HEAD = ("shard", "table", "about", "what is wrong", "what to do")


def found(systems: Systems, shard: Shard, tables: Sequence[Table], *, is_set_up: bool = True) -> list[Found]:
    """Every problem of one shard. `is_set_up`: the publication and grants are looked at, too.

    It is the owner who asks: the role that replicates may not be there yet.
    """
    with systems.owner(shard) as session:
        there = catalog.read(session, shard, tables, role=systems.look_up(shard.connection).login)
    of_shard = problems(tables, there)
    if is_set_up:
        of_shard += publication_problems(tables, there)
    return [(shard.name, problem) for problem in of_shard]


def require(systems: Systems, database: Database, table: Table) -> None:
    """Raise ContractBroken with all that is wrong, on every shard, when the table can't be replicated as declared."""
    shards = systems.application.shards_of(database)
    if wrong := [each for shard in shards for each in found(systems, shard, [table], is_set_up=False)]:
        raise ContractBroken(
            f"{table.name} can't be replicated as {database.source}.toml declares it; nothing was changed.\n"
            + as_table(wrong)
        )


def as_table(wrong: Sequence[Found]) -> str:
    """The problems as a table of text; the same problem of several shards is one line."""
    shards: dict[Problem, list[str]] = {}
    for shard, problem in wrong:
        shards.setdefault(problem, []).append(shard)
    lines = [
        _HEAD,
        *((", ".join(names), p.table, p.subject, p.wrong, p.cure) for p, names in shards.items()),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEAD))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def run(systems: Systems, names: Sequence[str] = ()) -> int:
    """Print the table for the named tables, or all that are declared. Returns 1 when there are problems."""
    application = systems.application
    known = {table.name for _, table in application.replicated()}
    if unknown := [name for name in names if name not in known]:
        raise NeedsPerson(f"No file declares {', '.join(unknown)}. Declared are: {', '.join(sorted(known))}.")
    wrong = [
        each
        for shard in application.shards
        if (tables := [table for table in shard.tables if not names or table.name in names])
        for each in found(systems, shard, tables)
    ]
    shards = ", ".join(shard.name for shard in application.shards)
    print(as_table(wrong) if wrong else f"what is declared can be replicated as it is, on {shards}")
    return 1 if wrong else 0
