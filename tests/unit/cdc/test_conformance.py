"""The conformance matrix: its page is current, and it tries what can be declared."""

from __future__ import annotations

from bench.conformance_cdc import document, refused
from bench.conformance_cdc.judge import REFUSED
from bench.conformance_cdc.matrix import LARGE, SUBJECTS, Way
from bench.conformance_cdc.run import declaration
from bench.conformance_cdc.tables import trials, way_of
from catchment.cdc.declared import parse
from catchment.cdc.types import SCALARS
from catchment.cdc.types import parse as parse_type


def test_the_page_of_types_is_current() -> None:
    written = document.FILE.read_text(encoding="utf-8")
    assert written == document.render(), "run `make conformance-cdc`, which writes docs/cdc_types.md"


def test_every_type_that_can_be_declared_is_tried() -> None:
    assert {parse_type(subject.declared).name for subject in SUBJECTS} >= SCALARS


def test_the_matrix_can_be_declared_and_what_it_holds_refused_can_not() -> None:
    assert len(parse(declaration(trials(SUBJECTS, LARGE), "c0")).shards[0].tables) == len(trials(SUBJECTS, LARGE))
    assert {cell.verdict for cell in refused.at_declaration()} == {REFUSED}


def test_an_id_says_by_which_way_its_row_came() -> None:
    assert [way_of(way.value + 7) for way in Way] == list(Way)
    assert way_of(Way.KEY_CHANGE.value + 50_007) is Way.KEY_CHANGE
