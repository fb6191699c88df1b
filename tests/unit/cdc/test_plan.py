"""Declared against running: what is changed, what is shown of it, and what is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catchment.cdc.connectors.client import Running
from catchment.cdc.connectors.plan import Change, differences, plan

DECLARED = {"max.batch.size": "4096", "database.password": "${file:/s:p}"}
names = st.sampled_from(["a", "b", "c", "d"])
configs = st.dictionaries(st.sampled_from(["k1", "k2", "database.password"]), st.text(max_size=3), max_size=3)


def runs(**configs: dict[str, str]) -> dict[str, Running]:
    return {name: Running(name, {**config, "name": name}) for name, config in configs.items()}


def test_what_is_missing_is_created_with_the_declared_config() -> None:
    assert plan({"a": DECLARED}, {}).changes == (Change("a", DECLARED),)


def test_what_is_as_declared_is_left_as_it_is() -> None:
    found = plan({"a": DECLARED}, runs(a=DECLARED))
    assert (found.changes, found.same) == ((), ("a",))


def test_drift_is_set_right_and_shown_setting_by_setting() -> None:
    found = plan({"a": DECLARED}, runs(a={**DECLARED, "max.batch.size": "1", "max.queue.size": "9"}))
    assert [change.name for change in found.changes if change.differences] == ["a"]
    assert list(found.lines()) == [
        "~ a: differs from its declaration in 2 settings",
        "    max.batch.size: 1 → 4096",
        "    max.queue.size: 9 → (not set)",
    ]


def test_a_password_that_somebody_typed_in_is_not_printed() -> None:
    found = plan({"a": DECLARED}, runs(a={**DECLARED, "database.password": "hunter2"}))
    assert "hunter2" not in "\n".join(found.lines()) + repr(found)
    assert "    database.password: (hidden) → ${file:/s:p}" in list(found.lines())


def test_what_nobody_declared_is_named_and_left_alone() -> None:
    found = plan({}, runs(stranger=DECLARED))
    assert (found.changes, found.undeclared) == ((), ("stranger",))
    assert list(found.lines()) == ["? stranger: runs and is not declared; left alone"]


@given(st.dictionaries(names, configs, max_size=4), st.dictionaries(names, configs, max_size=4))
def test_carrying_out_a_plan_leaves_nothing_to_do_and_nobody_elses_touched(
    declared: dict[str, dict[str, str]], others: dict[str, dict[str, str]]
) -> None:
    running = runs(**others)
    found = plan(declared, running)
    after = running | {change.name: Running(change.name, change.config) for change in found.changes}
    again = plan(declared, after)
    assert again.changes == ()
    assert {name: after[name] for name in found.undeclared} == {name: running[name] for name in found.undeclared}


@given(configs, configs)
def test_a_difference_is_found_exactly_where_there_is_one(one: dict[str, str], other: dict[str, str]) -> None:
    assert {d.key for d in differences(one, other)} == {k for k in one | other if one.get(k) != other.get(k)}
