"""The company as Zendesk Support shows it.

The tables of the incremental exports are ordered by (moment of the version, id): an entity appears once, at its newest
version. The other tables are ordered by id, ratings by (created_at, id).
"""

from __future__ import annotations

from collections.abc import Iterator

from local.company.book import Customer
from local.company.help_desk import AGENT_ID, AGENT_NAMES, GROUP_ID, URL, User, help_desk_tables
from local.company.legacy import legacy
from local.company.moments import DAY, FOREVER, FOUNDED, HOUR, MINUTE, utc
from local.company.people import Person, people
from local.company.support import AGENTS, Ticket, tickets
from local.company.table import Record, Row, Table, versions
from local.company.traces import SUPPORT, praise, system, via

USER_ID = 20_978_000_000
ORGANIZATION_ID = 4_112_000_000
EVENT_ID = 9_007_199_254_741_000  # beyond 2^53, where doubles lose the last digit
METRIC_EVENT_ID = 9_107_199_254_740_993
RATING_ID = 35_436_000
METRIC_SET_ID = 33_000_000
BULK_EDIT = FOUNDED + 700 * DAY + 3 * HOUR  # organizations get a tag, hundreds of them in one second
BULK_BATCH = 900


class Zendesk:
    """The tables of one company's help desk."""

    def __init__(self, seed: int, book: list[Customer], until: int) -> None:
        book = [*legacy(seed), *book]
        self.tickets = tickets(seed, book, until)
        users = [User.agent(number) for number in range(AGENTS)]
        users += [User.person(p, user_id(p), organization_id(p.customer)) for c in book for p in people(seed, c)]
        self.tables: dict[str, Table] = {
            "tickets": Table((r for t in self.tickets for r in _ticket_rows(t)), _ticket),
            "users": Table((r for u in users for r in _user_rows(u)), lambda row: row.data[0].record(row.data[1])),
            "organizations": Table((r for c in book for r in _organization_rows(c)), _organization),
            "ticket_events": Table(_event_rows(self.tickets), _event),
            "ticket_metric_events": Table(_metric_rows(self.tickets), _metric_event),
            "satisfaction_ratings": Table((r for t in self.tickets for r in _rating_rows(t)), _rating),
            "deleted_tickets": Table((r for t in self.tickets for r in _deleted_ticket_rows(t)), _deleted_ticket),
            **help_desk_tables(users, until),
        }


def user_id(one: Person) -> int:
    return USER_ID + one.customer.index * 10 + one.number


def organization_id(customer: Customer) -> int:
    return ORGANIZATION_ID + customer.index


def agent_id(ticket: Ticket) -> int:
    return AGENT_ID + ticket.agent


def _user_rows(user: User) -> Iterator[Row]:
    for since, until in versions(user.moments(), FOREVER):
        yield Row((since, user.id), (user.id,), since, until, (user, since))


# --- organizations ----------------------------------------------------------------------------------------------------


def _organization_rows(customer: Customer) -> Iterator[Row]:
    created = customer.created + 10 * MINUTE
    bulk = BULK_EDIT + customer.index // BULK_BATCH
    moments = {created, created + 120 * DAY, customer.deleted}
    if FOUNDED <= created < BULK_EDIT and customer.deleted > bulk:
        moments.add(bulk)
    key = (organization_id(customer),)
    for since, until in versions(sorted(m for m in moments if created <= m < FOREVER), FOREVER):
        yield Row((since, key[0]), key, since, until, (customer, created, since))


def _organization(row: Row) -> Record:
    customer, created, at = row.data
    number = row.key[0]
    bulk = FOUNDED <= created < BULK_EDIT and at >= BULK_EDIT + customer.index // BULK_BATCH
    return {
        "id": number,
        "url": f"{URL}/organizations/{number}.json",
        "name": customer.name,
        "created_at": utc(created),
        "updated_at": utc(at),
        "domain_names": [f"c{customer.external_id}.example"],
        "details": "" if customer.index % 3 else None,
        "notes": "checked by phone ☎" if at >= created + 120 * DAY else "",
        "group_id": GROUP_ID + 1 if customer.index % 4 == 0 else None,
        "shared_tickets": False,
        "shared_comments": False,
        "external_id": customer.external_id,
        "tags": ["enterprise", "migrated_2025"] if bulk else ["enterprise"],
        "organization_fields": {"tier_code": f"{customer.index % 7:03d}", "since": utc(created)},
        "deleted_at": utc(customer.deleted) if at >= customer.deleted else None,
    }


# --- tickets ----------------------------------------------------------------------------------------------------------


def _ticket_rows(ticket: Ticket) -> Iterator[Row]:
    for since, until in versions(ticket.moments(), FOREVER):
        yield Row((since, ticket.id), (ticket.id,), since, until, (ticket, since))


def _ticket(row: Row) -> Record:
    ticket: Ticket = row.data[0]
    at: int = row.data[1]
    step, updated = ticket.at(at)
    scrubbed, deleted = at >= ticket.scrubbed, at >= ticket.deleted
    subject = "SCRUBBED" if scrubbed else ticket.subject
    requester = user_id(ticket.requester)
    fields = [
        {"id": 27642, "value": f"00{ticket.number % 10}"},
        {"id": 27648, "value": None},
        {"id": 27650, "value": 9_007_199_254_740_993 + 2 * ticket.id},
        {"id": 27652, "value": ["a", "ü"] if ticket.id % 2 else True},
    ]
    record: Record = {
        "id": ticket.id,
        "url": f"{URL}/tickets/{ticket.id}.json",
        "external_id": None,
        "via": via(ticket, scrubbed),
        "created_at": utc(ticket.created),
        "updated_at": utc(updated),
        "generated_timestamp": at,
        "type": ticket.kind,
        "subject": subject,
        "raw_subject": subject,
        "description": "X" if scrubbed else ticket.steps[0].comment,
        "priority": ticket.priority,
        "status": "deleted" if deleted else step.status,
        "custom_status_id": 1_000_000 + len(step.status),
        "recipient": SUPPORT if ticket.channel == "email" and not scrubbed else None,
        "requester_id": requester,
        "submitter_id": requester,
        "assignee_id": agent_id(ticket) if len(ticket.steps) > 1 and at >= ticket.replied else None,
        "organization_id": organization_id(ticket.customer),
        "group_id": GROUP_ID + ticket.agent % 3,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": ["größe", "paid"] if ticket.id % 2 else [],
        "custom_fields": fields,
        "fields": fields,
        "satisfaction_rating": _score(ticket, at),
        "sharing_agreement_ids": [],
        "brand_id": 360_001,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
        "followup_ids": [],
    }
    if ticket.id % 4:
        record["ticket_form_id"] = 47
    if ticket.id % 31 == 0:
        record["beta_sentiment"] = {"score": 0.25, "label": "neutral"}
    return record


def metric_set(row: Row) -> Record:
    """The ticket's metrics, which the export adds to it when it is asked to (`include=metric_sets`)."""
    ticket: Ticket = row.data[0]
    at: int = row.data[1]
    step, updated = ticket.at(at)
    done = [s for s in ticket.steps if s.at <= at]
    replies = sum(s.by_agent and s.comment is not None and s.public for s in done)
    return {
        "id": METRIC_SET_ID + ticket.id,
        "url": f"{URL}/ticket_metrics/{METRIC_SET_ID + ticket.id}.json",
        "ticket_id": ticket.id,
        "created_at": utc(ticket.created),
        "updated_at": utc(updated),
        "group_stations": 1,
        "assignee_stations": int(at >= ticket.replied),
        "reopens": 0,
        "replies": replies,
        "assignee_updated_at": utc(step.at),
        "requester_updated_at": utc([s.at for s in done if not s.by_agent][-1]),
        "status_updated_at": utc(step.at),
        "initially_assigned_at": utc(ticket.replied) if at >= ticket.replied else None,
        "assigned_at": utc(ticket.replied) if at >= ticket.replied else None,
        "solved_at": utc(ticket.solved) if at >= ticket.solved else None,
        "latest_comment_added_at": utc([s.at for s in done if s.comment is not None][-1]),
        "reply_time_in_minutes": _minutes(ticket.created, ticket.replied, at),
        "first_resolution_time_in_minutes": _minutes(ticket.created, ticket.solved, at),
        "full_resolution_time_in_minutes": _minutes(ticket.created, ticket.solved, at),
        "agent_wait_time_in_minutes": {"calendar": 0, "business": 0},
        "requester_wait_time_in_minutes": _minutes(ticket.created, ticket.solved, at),
        "on_hold_time_in_minutes": {"calendar": 0, "business": 0},
    }


def _minutes(start: int, end: int, at: int) -> dict[str, int | None]:
    """Calendar and (a third of it) business minutes between two moments; null until the second one has come."""
    minutes = (end - start) // MINUTE if at >= end else None
    return {"calendar": minutes, "business": None if minutes is None else minutes // 3}


def _score(ticket: Ticket, at: int) -> Record | None:
    if at < ticket.offered:
        return {"score": "unoffered"} if ticket.id % 2 else None
    if at < ticket.rated:
        return {"score": "offered"}
    good = ticket.good if at < ticket.rerated else not ticket.good
    return {
        "id": RATING_ID + ticket.id,
        "score": "good" if good else "bad",
        "comment": praise(ticket) if good else None,
    }


def _rating_rows(ticket: Ticket) -> Iterator[Row]:
    moments = [m for m in (ticket.offered, ticket.rated, ticket.rerated) if m < FOREVER]
    key = (RATING_ID + ticket.id,)
    for since, until in versions(moments, FOREVER):
        yield Row((ticket.offered, key[0], since), key, since, until, (ticket, since))


def _rating(row: Row) -> Record:
    ticket: Ticket = row.data[0]
    at: int = row.data[1]
    score = _score(ticket, at) or {}
    comment = score.get("comment")
    record: Record = {
        "id": row.key[0],
        "url": f"{URL}/satisfaction_ratings/{row.key[0]}.json",
        "assignee_id": agent_id(ticket),
        "group_id": GROUP_ID + ticket.agent % 3,
        "requester_id": user_id(ticket.requester),
        "ticket_id": ticket.id,
        "score": score["score"],
        "created_at": utc(ticket.offered),
        "updated_at": utc(at),
    }
    if comment:
        record |= {"comment": comment, "reason": "No reason provided", "reason_id": 100, "reason_code": 1003}
    return record


def _deleted_ticket_rows(ticket: Ticket) -> Iterator[Row]:
    if ticket.deleted < FOREVER:
        yield Row((0, ticket.id), (ticket.id,), ticket.deleted, ticket.scrubbed, ticket)


def _deleted_ticket(row: Row) -> Record:
    ticket: Ticket = row.data
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "actor": {"id": agent_id(ticket), "name": AGENT_NAMES[ticket.agent]},
        "deleted_at": utc(ticket.deleted),
        "previous_state": ticket.at(ticket.deleted)[0].status,
    }


# --- events -----------------------------------------------------------------------------------------------------------


def _event_rows(found: list[Ticket]) -> Iterator[Row]:
    steps = sorted((step.at, ticket.id, number) for ticket in found for number, step in enumerate(ticket.steps))
    for sequence, (at, ticket_id, number) in enumerate(steps):
        key = (EVENT_ID + 10 * sequence,)
        yield Row((at, key[0]), key, at, FOREVER, (found[ticket_id - 1], number))


def _event(row: Row) -> Record:
    """An event with its comment in full: what the `comment_events` sideload shows."""
    ticket, number = row.data
    step = ticket.steps[number]
    actor = agent_id(ticket) if step.by_agent else user_id(ticket.requester)
    event = row.key[0]
    source = via(ticket) if not step.by_agent else {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}}
    place = system(ticket, step.by_agent)
    before = ticket.steps[number - 1].status if number else None
    children: list[Record] = []
    if step.comment is not None:
        children.append(
            {
                "id": event + 1,
                "via": source,
                "via_reference_id": None,
                "type": "Comment",
                "author_id": actor,
                "body": step.comment,
                "html_body": f'<div class="zd-comment"><p dir="auto">{step.comment}</p></div>',
                "public": step.public,
                "attachments": [],
                "audit_id": event,
                "metadata": {"system": place, "custom": {}},
                "created_at": utc(step.at),
                "event_type": "Comment",
            }
        )
    if step.status != before:
        kind = "Change" if number else "Create"
        change: Record = {"id": event + 2, "via": ticket.channel, "event_type": kind, "status": step.status}
        children.append(change | ({"previous_value": before} if number else {}))
    return {
        "id": event,
        "ticket_id": ticket.id,
        "timestamp": step.at,
        "created_at": utc(step.at),
        "updater_id": actor,
        "via": "Web form",
        "system": {key: place[key] for key in ("client", "ip_address", "latitude", "longitude")},
        "event_type": "Audit",
        "metadata": {"system": place, "custom": {}},
        "child_events": children,
    }


def without_comments(event: Record) -> Record:
    """The same event without the sideload: of a comment only its presence is told."""
    children = [
        {
            "id": c["id"],
            "via": "Web form",
            "event_type": "Comment",
            "comment_present": True,
            "comment_public": c["public"],
        }
        if c["event_type"] == "Comment"
        else c
        for c in event["child_events"]
    ]
    return event | {"child_events": children}


def _metric_rows(found: list[Ticket]) -> Iterator[Row]:
    events: list[tuple[int, int, str, str]] = []
    for ticket in found:
        events.append((ticket.created, ticket.id, "reply_time", "activate"))
        if ticket.replied < FOREVER:
            events.append((ticket.replied, ticket.id, "reply_time", "fulfill"))
            events.append((ticket.replied, ticket.id, "reply_time", "update_status"))
        if ticket.replied - ticket.created > DAY:
            events.append((ticket.created + DAY, ticket.id, "reply_time", "breach"))
        if ticket.solved < FOREVER:
            events.append((ticket.solved, ticket.id, "requester_wait_time", "update_status"))
    for sequence, event in enumerate(sorted(events)):
        key = (METRIC_EVENT_ID + 2 * sequence,)
        yield Row((event[0], key[0]), key, event[0], FOREVER, (found[event[1] - 1], *event[2:]))


def _metric_event(row: Row) -> Record:
    ticket, metric, kind = row.data
    at = row.order[0]
    record: Record = {
        "id": row.key[0],
        "ticket_id": ticket.id,
        "metric": metric,
        "instance_id": 1,
        "type": kind,
        "time": utc(at),
    }
    if kind == "update_status":
        record["status"] = _minutes(ticket.created, at, at)
    if kind == "breach" and ticket.id % 5 == 0:
        record["deleted"] = True
    return record
