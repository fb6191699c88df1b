"""The tables that try the subjects, and what is done to their rows.

Columns are tried together, some in a table; those that can be part of a primary key again as such. A
row's id says its way and which of the values it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.conformance_cdc.matrix import MOODS, Subject, Way, quoted

MOVED = 50_000
"""What is added to an id when it changes."""
TOGETHER = 6  # columns of a table
PREPARATION = f"""
CREATE TYPE mood AS ENUM ({", ".join(quoted(*MOODS))});
CREATE TYPE nothing_yet AS ENUM ();
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN e_mail AS varchar(30);
CREATE DOMAIN amount AS numeric(12,3);
CREATE DOMAIN fee AS amount CHECK (VALUE <= 0);
CREATE DOMAIN labels AS text[];
CREATE TABLE elder (id integer, way text);
"""


@dataclass(frozen=True)
class Form:
    """What a table is like besides its columns: its key, partitions, replica identity."""

    name: str = ""
    words: str = ""
    key: tuple[str, ...] = ("id",)
    constraint: str = 'PRIMARY KEY ("id")'
    partition: str = ""
    after: tuple[str, ...] = ()


FORMS = (
    Form("identity_full", "REPLICA IDENTITY FULL", after=("ALTER TABLE identity_full REPLICA IDENTITY FULL",)),
    Form(
        "identity_index",
        "REPLICA IDENTITY USING INDEX of the key",
        after=(
            "CREATE UNIQUE INDEX same_key ON identity_index (id)",
            "ALTER TABLE identity_index REPLICA IDENTITY USING INDEX same_key",
        ),
    ),
    Form(
        "unique_full",
        "a unique index for a key, with REPLICA IDENTITY FULL",
        constraint="UNIQUE (id)",
        after=("ALTER TABLE unique_full ALTER id SET NOT NULL, REPLICA IDENTITY FULL",),
    ),
    Form(
        "unique_index",
        "a unique index for a key, which is the replica identity",
        constraint="CONSTRAINT the_only_key UNIQUE (id)",
        after=(
            "ALTER TABLE unique_index ALTER id SET NOT NULL",
            "ALTER TABLE unique_index REPLICA IDENTITY USING INDEX the_only_key",
        ),
    ),
    Form(
        "deferred_full",
        "a deferrable primary key, with REPLICA IDENTITY FULL",
        constraint="PRIMARY KEY (id) DEFERRABLE",
        after=("ALTER TABLE deferred_full REPLICA IDENTITY FULL",),
    ),
    Form("with_include", "a primary key that includes columns", constraint="PRIMARY KEY (id) INCLUDE (way)"),
    Form("an_heir", "a table that inherits from another", partition="INHERITS (elder)"),
    Form(
        "by_hash",
        "partitions by hash",
        partition="PARTITION BY HASH (id)",
        after=tuple(
            f"CREATE TABLE by_hash_{n} PARTITION OF by_hash FOR VALUES WITH (MODULUS 2, REMAINDER {n})" for n in (0, 1)
        ),
    ),
    Form(
        "by_range",
        "partitions by range, from one to another of which rows move",
        partition="PARTITION BY RANGE (id)",
        after=(
            f"CREATE TABLE by_range_1 PARTITION OF by_range FOR VALUES FROM (0) TO ({MOVED})",
            f"CREATE TABLE by_range_2 PARTITION OF by_range FOR VALUES FROM ({MOVED}) TO (MAXVALUE)",
        ),
    ),
    Form(
        "by_list",
        "partitions by list, and partitions of a partition",
        key=("id", "way"),
        constraint="PRIMARY KEY (id, way)",
        partition="PARTITION BY LIST (way)",
        after=(
            "CREATE TABLE by_list_1 PARTITION OF by_list FOR VALUES IN ('initial', 'delete')",
            "CREATE TABLE by_list_2 PARTITION OF by_list DEFAULT PARTITION BY HASH (id)",
            "CREATE TABLE by_list_2a PARTITION OF by_list_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
            "CREATE TABLE by_list_2b PARTITION OF by_list_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        ),
    ),
)
"""Forms of tables that work. Their columns are those of FORMED."""
FORMED = ("small", "vary", "wholes")


@dataclass(frozen=True)
class Trial:
    """One table. `is_key`: the subjects are its primary key, together with `id`; else plain columns."""

    name: str
    subjects: tuple[Subject, ...]
    is_key: bool = False
    form: Form = Form()
    ways: tuple[Way, ...] = tuple(Way)

    @property
    def columns(self) -> dict[str, str]:
        return {
            "id": "integer",
            "way": "text",
            **{subject.name: subject.declared for subject in self.subjects},
            "note": "text",
        }

    @property
    def key(self) -> tuple[str, ...]:
        return (*(subject.name for subject in self.subjects), "id") if self.is_key else self.form.key

    @property
    def needs_surrogate(self) -> bool:
        return self.is_key and any(subject.declared.startswith("time") for subject in self.subjects)

    def ddl(self) -> tuple[str, ...]:
        columns = ", ".join(["id integer", "way text", *(subject.ddl for subject in self.subjects), "note text"])
        key = ", ".join(f'"{name}"' for name in self.key)
        constraint = f"PRIMARY KEY ({key})" if self.is_key else self.form.constraint
        return (f'CREATE TABLE "{self.name}" ({columns}, {constraint}) {self.form.partition}', *self.form.after)

    def values(self, subject: Subject) -> list[str]:
        """SQL of each value; NULL and what no index can hold are no keys."""
        kind = subject.made or subject.declared
        if self.is_key:
            given = [value for value in subject.key_values or subject.values if value.startswith("'")]
        else:
            given = [*(["NULL"] if subject.can_be_null else []), *subject.values]
        return [f"CAST({value} AS {kind})" for value in given]

    @property
    def count(self) -> int:
        """Rows of each way: as many as the longest list of values, shorter ones are repeated."""
        return max(len(self.values(subject)) for subject in self.subjects)

    def insert(self, way: Way, *, lacking: bool = False) -> str:
        """The rows of a way; `lacking`: with the next values instead, or NULL in columns."""
        rows = ", ".join(self._row(way, number, lacking) for number in range(self.count))
        columns = ", ".join(f'"{name}"' for name in self.columns)
        return f'INSERT INTO "{self.name}" ({columns}) OVERRIDING SYSTEM VALUE VALUES {rows}'

    def _row(self, way: Way, number: int, lacking: bool) -> str:
        values = [self._value(subject, number + lacking) for subject in self.subjects]
        return f"({way.value + number}, '{way.words}', {', '.join(values)}, 'first')"

    def _value(self, subject: Subject, number: int) -> str:
        values = self.values(subject)
        return values[number % len(values)]

    def before(self) -> Iterator[str]:
        """What is there when the connector starts."""
        for way in self._of(Way.INITIAL, Way.INCREMENTAL, Way.UPDATE):
            yield self.insert(way, lacking=way is Way.UPDATE)

    def stream(self) -> Iterator[Sequence[str]]:
        """What is done while it streams: transactions, one after another."""
        yield [self.insert(way) for way in self._of(Way.INSERT, Way.UNCHANGED, Way.KEY_CHANGE, Way.DELETE)]
        yield [self._updates(number) for number in range(self.count)]
        yield [
            f"UPDATE \"{self.name}\" SET note = 'second' WHERE way = '{Way.UNCHANGED.words}'",
            f"UPDATE \"{self.name}\" SET id = id + {MOVED} WHERE way = '{Way.KEY_CHANGE.words}'",
        ]

    def end(self) -> str:
        return f"DELETE FROM \"{self.name}\" WHERE way = '{Way.DELETE.words}'"

    def _of(self, *ways: Way) -> list[Way]:
        return [way for way in ways if way in self.ways]

    def _updates(self, number: int) -> str:
        sets = [f'"{subject.name}" = {self._value(subject, number)}' for subject in self.subjects]
        return f"UPDATE \"{self.name}\" SET {', '.join(sets)}, note = 'second' WHERE id = {Way.UPDATE.value + number}"


def trials(subjects: Sequence[Subject], large: Mapping[Subject, tuple[Way, ...]]) -> list[Trial]:
    """Every table of the matrix. `large`: subjects that each need a table of their own, by a few ways."""
    keys = [subject for subject in subjects if subject.can_be_key and not subject.declared.endswith("[]")]
    times = [subject for subject in keys if subject.declared.startswith("time")]
    others = [subject for subject in keys if subject not in times]
    formed = tuple(subject for subject in subjects if subject.name in FORMED)
    return [
        *(Trial(form.name, formed, form=form) for form in FORMS if formed),
        *(Trial(f"columns_{number}", some) for number, some in enumerate(_together(subjects))),
        *(Trial(f"keys_{number}", some, is_key=True) for number, some in enumerate(_together(others))),
        *(Trial(subject.name, (subject,), ways=ways) for subject, ways in large.items()),
        *(Trial(f"times_{number}", some, is_key=True) for number, some in enumerate(_together(times))),
    ]


def _together(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, ...]]:
    return (tuple(subjects[first : first + TOGETHER]) for first in range(0, len(subjects), TOGETHER))


def way_of(number: int) -> Way:
    """The way of the row with this id."""
    number -= MOVED if number >= MOVED else 0
    return Way(number // 1_000 * 1_000)
