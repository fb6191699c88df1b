"""The tests of replicated tables look at what a run touched, and at whole tables at night.

dbt's own generic tests read the whole relation each time, which costs more the longer a table lives, every ten minutes
(its documentation advises `config: where`; dbt-core issue 10877 asks for tests of new rows alone). One
company paid half of all its bytes for it (stellar-dbt-public issue 294); but a day's rows prove nothing of the others
(dbt-core issue 2144). Right: damage in the last batch is found at once, older damage at night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.dbt.cdc import raw
from tests.dbt.cdc.test_current_state import WORD, change
from tests.dbt.project import Dbt
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)
STG, HIST = "ANALYTICS.STAGING.STG_APPLICATION__CUSTOMERS", "ANALYTICS.STAGING.HIST_APPLICATION__CUSTOMERS"
DOUBLE = "INSERT INTO {table} SELECT * FROM {table} WHERE ID = {id}"


@pytest.fixture
def two_batches(warehouse: Warehouse, run_models: Callable[..., None]) -> Iterator[None]:
    """Rows 1 and 2 of the first batch, 3 of the second, which is the last; 2 lacks a value."""
    raw.begin_again(warehouse, "customers")
    for batch in ([change("c", 1, 100, 0), change("u", 2, 104, 1, biography=WORD)], [change("c", 3, 200, 2)]):
        raw.put(warehouse, batch)
        run_models("stg_application__customers", "hist_application__customers")
    yield
    raw.begin_again(warehouse, "customers")  # others build on the same warehouse, and find no damage


def failed(dbt: Dbt, *, whole: bool) -> set[str]:
    """The kinds of tests that fail, of both models."""
    statuses = dbt.statuses(
        *("test", "--vars", f"{{whole_tables: {str(whole).lower()}}}"),
        *("--select", "stg_application__customers", "hist_application__customers"),
    )
    assert set(statuses.values()) <= {"pass", "fail"}
    return {name.split("_stg_")[0].split("_hist_")[0] for name, status in statuses.items() if status == "fail"}


def test_damage_in_older_rows_is_found_at_night_and_in_the_last_batch_at_once(
    two_batches: None, warehouse: Warehouse, dbt: Dbt
) -> None:
    assert failed(dbt, whole=False) == set()
    assert failed(dbt, whole=True) == {"no_value_is_lacking"}
    for table in (STG, HIST):
        warehouse.rows(DOUBLE.format(table=table, id=1))
    assert failed(dbt, whole=False) == set()
    assert failed(dbt, whole=True) == {"no_value_is_lacking", "is_key", "versions_do_not_overlap"}
    for table in (STG, HIST):
        warehouse.rows(DOUBLE.format(table=table, id=3))
    assert failed(dbt, whole=False) == {"is_key", "versions_do_not_overlap"}


def test_a_row_without_a_key_in_the_last_batch_is_found_at_once(
    two_batches: None, warehouse: Warehouse, dbt: Dbt
) -> None:
    warehouse.rows(f"UPDATE {STG} SET ID = NULL WHERE ID = 3")
    assert failed(dbt, whole=False) == {"is_key"}
