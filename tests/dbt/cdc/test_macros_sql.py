"""What the macros render is tidy, and reads on Snowflake whatever a column is called.

sqlfluff reads no macro by itself (its issue 1401), and the models of the application's tables are one call each that
needs dbt. So their SQL is rendered here, in each form that a run can take, and linted with the repository's rules.

Reports: a column named like a reserved word ends the load (airbyte issue 76262: LOCALTIME; target-snowflake issue 48:
select, update), one in camelCase ends the MERGE, since one statement quotes it as it is written and another in capitals
(peerdb issue 4186, dataform issue 1041). Right: every column is quoted, in capitals, in every statement.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlglot import exp

from catchment.cdc.declared import Table
from tests.dbt.cdc.rendered import Refused, declaration, rendered

ROOT = Path(__file__).parents[3]
THINGS = Table(
    name="things",
    key=("id", "occurred_at"),
    columns={
        "id": "bigint",
        "occurred_at": "timestamptz",
        "order": "text",
        "createdAt": "timestamp",
        "tags": "integer[]",
        "price": "numeric(18,4)",
    },
)
PLAIN = Table(name="things", key=("id",), columns={"id": "bigint", "seats": "integer"})
TOPIC = "s0.public.things"
NEWS = {
    "watermarks": [(TOPIC, 0, 5)],
    "extents": [("s0", 0, 9, 1, 1, 1)],
    "epochs": [(TOPIC, 0, 3, 1)],
    "snapshots": [(TOPIC, 0, 4, 8000)],
}
# Asked of models, not of these: that no name be quoted which need not be (columns are the application's), that a join
# of the same columns say so by USING, that a line be short (conditions of many columns are made by a loop), and that
# the second half of a union name its columns.
EXCLUDED = (
    "references.quoting, structure.using, layout.long_lines, layout.spacing, layout.cte_newline, "
    "aliasing.expression, aliasing.self_alias.column"
)


@pytest.mark.parametrize(
    ("call", "table", "incremental"),
    [
        ("current_state('application.things')", THINGS, True),
        ("current_state('application.things')", PLAIN, False),
        ("history('application.things')", THINGS, True),
        ("history('application.things')", PLAIN, False),
        ("cdc_snapshots_query('application.things', [])", THINGS, True),
        ("cdc_extent_query('application.things', [])", THINGS, True),
    ],
)
def test_what_a_run_asks_is_tidy(call: str, table: Table, incremental: bool) -> None:
    tidy(rendered(call, declaration(table), NEWS, incremental=incremental))


def test_reserved_names_are_quoted_and_read_without_regard_to_case() -> None:
    """Snowflake reads createdAt as CREATEDAT, and ORDER is no name unless it is quoted."""
    sql = rendered("current_state('application.things')", declaration(THINGS), NEWS)
    (query,) = sqlglot.parse(sql, dialect="snowflake")
    assert isinstance(query, exp.Select)
    assert [e.alias_or_name for e in query.expressions[:5]] == ["ID", "OCCURRED_AT", "ORDER", "CREATEDAT", "TAGS"]
    assert all(e.this.quoted for e in query.expressions[:5])


def test_a_table_that_was_built_before_keys_had_their_text_must_be_built_again() -> None:
    with pytest.raises(Refused, match=r"has no column _key, .* Run this model once with --full-refresh"):
        rendered("current_state('application.things')", declaration(THINGS), NEWS, built=())


def test_a_table_that_was_built_before_gets_its_new_column() -> None:
    with pytest.raises(ValueError, match="not enough values"):  # it is asked for, and nobody answers
        rendered("history('application.things')", declaration(PLAIN), NEWS, built=("ID",))
    assert rendered(
        "history('application.things')", declaration(PLAIN), NEWS | {"add column _rejected_offset": []}, built=("ID",)
    )


def tidy(sql: str) -> None:
    rules = FluffConfig.from_path(str(ROOT)).get("exclude_rules")
    config = FluffConfig.from_root(
        overrides={"dialect": "snowflake", "templater": "raw", "exclude_rules": f"{rules}, {EXCLUDED}"}
    )
    found = Linter(config=config).lint_string(sql.strip() + "\n").get_violations()
    assert [f"{v.line_no}: {v.rule_code()} {v.desc()}" for v in found] == []
