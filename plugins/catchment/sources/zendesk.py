"""Zendesk Support: incremental exports and list endpoints.

Why it is read this way: exports are ordered by the vendor's own clock (`generated_timestamp` for tickets, which also
moves on system changes), so the saved cursor is the only safe place to go on from; starting again at "now" loses
tickets. Time-based exports have an inclusive bound and repeat records at page borders and between runs. Deleted
tickets stay in the export with `status: deleted`, users turn `active: false`, organizations carry `deleted_at`.
Comments come as a sideload of ticket_events, for `/tickets/{id}/comments` and `/tickets/{id}/audits` cost one call a
ticket; ticket metrics come as a sideload of tickets, for the list hides archived ones. Source: Zendesk API reference,
"Incremental Exports", "Rate limits", "Pagination".

Left out, because they cost one call per record: ticket_comments, ticket_audits, ticket_metrics (all three arrive by
sideloads as above).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from catchment.http.actions import INVALID_CURSOR
from catchment.http.auth import BasicToken
from catchment.http.client import HttpApi
from catchment.http.limits import RateLimit
from catchment.http.paginators import CursorPages, Paginator, SinglePage
from catchment.reads.http_export import CursorExport, TimeExport
from catchment.reads.http_list import Dates, HttpList, Window
from catchment.spec import Deleted, SourceSpec, Stream
from catchment.times import MINUTE, TimeFormat, days, hours

LIST = CursorPages(
    param="page[after]", field="meta.after_cursor", has_more="meta.has_more", size_param="page[size]", size=100
)
EXPORTS = (RateLimit(10, per=MINUTE, name="incremental"),)
DAILY = hours(26)
INVALID_CURSORS = tuple(
    replace(INVALID_CURSOR, contains=words)
    for words in ("InvalidCursor", "Invalid cursor", "InvalidPaginationParameter")
)


def _list(
    name: str,
    *,
    path: str | None = None,
    records: str | None = None,
    key: str = "id",
    paginator: Paginator = LIST,
    personal: tuple[str, ...] = (),
    plan_gated: bool = False,
    keep_share: float | None = 0.0,
    description: str,
) -> Stream:
    """A list endpoint, read whole. Lists of the last so many days may become empty (`keep_share=None`)."""
    return Stream(
        name=name,
        key=(key,),
        read=HttpList(path=path or f"{name}.json", records=records or name, paginator=paginator),
        personal=personal,
        plan_gated=plan_gated,
        keep_share=keep_share,
        fresh_within=None if plan_gated else DAILY,
        description=description,
    )


ZENDESK = SourceSpec(
    name="zendesk",
    title="Zendesk Support",
    api=HttpApi(
        base_url="https://example.zendesk.com/api/v2",
        auth=BasicToken(user="{login}/token"),
        limits=(RateLimit(700, per=MINUTE),),
        actions=INVALID_CURSORS,
    ),
    history_start=datetime(2007, 1, 1, tzinfo=UTC),  # Zendesk began
    version=2,
    streams=(
        Stream(
            name="tickets",
            key=("id",),
            read=CursorExport(
                path="incremental/tickets/cursor.json",
                records="tickets",
                params={"include": "metric_sets", "per_page": 1000},
                limits=EXPORTS,
            ),
            version="generated_timestamp",
            deleted=Deleted("status", equals="deleted"),
            personal=(
                "recipient",
                "via.source.from",
                "via.source.to",
                "satisfaction_rating.comment",
                "metadata.system",
            ),
            fresh_within=DAILY,
            description="Tickets, newest version, with their metric sets.",
        ),
        Stream(
            name="users",
            key=("id",),
            read=CursorExport(
                path="incremental/users/cursor.json", records="users", params={"per_page": 1000}, limits=EXPORTS
            ),
            version="updated_at",
            deleted=Deleted("active", equals="false"),
            personal=(
                "name",
                "email",
                "phone",
                "alias",
                "photo",
                "remote_photo_url",
                "details",
                "notes",
                "signature",
                "user_fields",
            ),
            fresh_within=DAILY,
            description="End users, agents and admins. A merged or deleted one turns inactive.",
        ),
        Stream(
            name="organizations",
            key=("id",),
            read=TimeExport(
                path="incremental/organizations.json",
                records="organizations",
                flood=HttpList(path="organizations.json", records="organizations", paginator=LIST),
                limits=EXPORTS,
            ),
            version="updated_at",
            deleted=Deleted("deleted_at"),
            personal=("details", "notes"),
            fresh_within=DAILY,
            description="Organizations: our accounts, by external_id.",
        ),
        Stream(
            name="ticket_events",
            key=("id",),
            read=TimeExport(
                path="incremental/ticket_events.json",
                records="ticket_events",
                params={"include": "comment_events"},
                limits=EXPORTS,
            ),
            version="timestamp",
            personal=(
                "system",
                "metadata.system",
                "via.source.from",
                "via.source.to",
                *(f"child_events.{path}" for path in ("system", "metadata.system", "via.source.from", "via.source.to")),
                *(f"child_events.{path}" for path in ("data", "recipient", "phone_number", "from", "to")),
            ),
            # Who has the address of an attachment can read it: it holds a token.
            secret=tuple(
                f"child_events.attachments.{place}{url}"
                for place in ("", "thumbnails.")
                for url in ("content_url", "mapped_content_url")
            ),
            fresh_within=DAILY,
            description="Every change of a ticket, with its comments.",
        ),
        Stream(
            name="ticket_metric_events",
            key=("id",),
            read=TimeExport(
                path="incremental/ticket_metric_events.json", records="ticket_metric_events", limits=EXPORTS
            ),
            version="time",
            fresh_within=DAILY,
            description="Clocks of reply, wait and work times: started, paused, fulfilled, breached.",
        ),
        Stream(
            name="satisfaction_ratings",
            key=("id",),
            read=HttpList(
                path="satisfaction_ratings.json",
                records="satisfaction_ratings",
                paginator=LIST,
                dates=Dates("start_time", "end_time", TimeFormat.UNIX),
                window=Window("created_at", lookback=days(90), full_each_month=True),
            ),
            version="updated_at",
            plan_gated=True,
            personal=("comment",),
            description="Satisfaction ratings by the time they were given; a later change is seen within a month.",
        ),
        _list("groups", description="Groups of agents."),
        _list("group_memberships", description="Which agent is in which group."),
        _list("organization_memberships", description="Which user belongs to which organization."),
        _list("ticket_fields", description="System and custom ticket fields."),
        _list("ticket_forms", plan_gated=True, description="Ticket forms."),
        _list("brands", description="Brands."),
        _list(
            "tags",
            key="name",
            plan_gated=True,
            keep_share=None,
            description="The most used tags of the last 60 days.",
        ),
        _list("macros", description="Macros."),
        _list(
            "sla_policies",
            path="slas/policies.json",
            paginator=SinglePage(),
            plan_gated=True,
            description="SLA policies.",
        ),
        _list(
            "schedules",
            path="business_hours/schedules.json",
            paginator=SinglePage(),
            plan_gated=True,
            description="Business hours.",
        ),
        _list(
            "deleted_tickets",
            personal=("actor.name",),
            keep_share=None,
            description="Tickets deleted in the last 30 days.",
        ),
        _list(
            "deleted_users",
            personal=("name", "email", "phone", "photo"),
            description="Users deleted, whether or not for good.",
        ),
    ),
)
