"""The specs themselves: what every stream must have to be read, loaded and hidden."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catchment.http.actions import decide
from catchment.reads.sheet_tab import SheetTab
from catchment.sources import SOURCES, source
from catchment.spec import Current, SourceSpec, Stream
from catchment.warehouse.names import raw_table

STREAMS = [
    pytest.param(spec, stream, id=f"{spec.name}.{stream.name}") for spec in SOURCES.values() for stream in spec.streams
]

CHARTMOGUL = """data_sources customers plans plan_groups plan_group_plans subscriptions invoices activities
subscription_events contacts opportunities customer_notes tasks account metrics_all metrics_mrr metrics_arr metrics_arpa
metrics_asp metrics_customer_count metrics_customer_churn_rate metrics_mrr_churn_rate metrics_ltv"""
ZENDESK = """tickets users organizations ticket_events ticket_metric_events satisfaction_ratings groups
group_memberships organization_memberships ticket_fields ticket_forms brands tags macros sla_policies schedules
deleted_tickets deleted_users"""
GOOGLE_SHEETS = "team_targets account_owners feature_flags_by_segment"


@pytest.mark.parametrize(
    ("name", "streams"), [("chartmogul", CHARTMOGUL), ("zendesk", ZENDESK), ("google_sheets", GOOGLE_SHEETS)]
)
def test_a_source_has_exactly_these_streams(name: str, streams: str) -> None:
    assert [stream.name for stream in source(name).streams] == streams.split()


def test_an_unknown_source_or_stream_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="there are: chartmogul, zendesk, google_sheets"):
        source("zendesc")
    with pytest.raises(KeyError, match="it has: tickets, users"):
        source("zendesk").stream("ticket")


def test_what_a_spec_does_not_say() -> None:
    plain = Stream(name="things", key=("id",), read=source("zendesk").stream("tickets").read)
    assert (plain.keep_share, plain.plan_gated, plain.secret, plain.personal) == (0.0, False, (), ())
    spec = SourceSpec(name="vendor", title="Vendor", streams=(plain,))
    assert (spec.history_start, spec.version) == (datetime(2000, 1, 1, tzinfo=UTC), 1)


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_a_stream_can_be_loaded_and_explained(spec: SourceSpec, stream: Stream) -> None:
    assert raw_table(spec.name, stream.name) == f"RAW.{spec.name}.{stream.name}".upper()
    assert stream.key
    assert stream.description.endswith(".")
    assert not set(stream.key) & {*stream.personal, *stream.secret}


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_a_stream_has_what_its_way_of_reading_needs(spec: SourceSpec, stream: Stream) -> None:
    if stream.read.current is Current.NEWEST_VERSION:
        assert stream.version
        assert stream.deleted or stream.name.endswith("_events")
    if isinstance(stream.read, SheetTab):
        assert stream.owner
        assert set(stream.key) <= set(stream.read.header)


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_a_child_streams_path_holds_its_parents_key(spec: SourceSpec, stream: Stream) -> None:
    parent = stream.read.parent
    assert ("{" in getattr(stream.read, "path", "")) == (parent is not None)
    if parent:
        assert f"{{{parent.param}}}" in getattr(stream.read, "path", "")
        assert spec.stream(parent.stream).read.current is Current.NEWEST_LIST
        assert parent.field not in spec.stream(parent.stream).personal


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"InvalidCursor","description":"The cursor is not valid"}',
        b'{"error":"InvalidValue","description":"Invalid cursor"}',
        b'{"errors":[{"code":"InvalidPaginationParameter","title":"cursor is not valid"}]}',
    ],
)
def test_a_cursor_that_zendesk_no_longer_knows_is_told_with_its_cure_in_each_of_its_spellings(body: bytes) -> None:
    """dust-tt/dust pull request 8702 has `InvalidPaginationParameter`, an independent simulator "Invalid cursor": both
    were told as "compare the stream's spec". Right: a full run recovers, and nothing was lost."""
    api = source("zendesk").api
    assert api
    action = decide(api.actions, 400, body)
    assert action
    assert "Trigger the DAG with *Full*" in action.cure


def test_customers_and_people_have_no_readable_address_in_raw() -> None:
    for name, people in (("chartmogul", ("customers", "contacts")), ("zendesk", ("users", "deleted_users"))):
        assert all("email" in source(name).stream(stream).personal for stream in people)


@pytest.mark.parametrize("name", ["Tickets", "ticket-events", "t; drop table x", "", "1st", "tickets\n"])
def test_a_name_that_is_not_plain_never_reaches_sql(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a table"):
        raw_table("zendesk", name)
    with pytest.raises(ValueError, match="can't name a table"):
        raw_table(name, "tickets")
