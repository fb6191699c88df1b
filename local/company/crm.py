"""Opportunities, notes and tasks: what the sales team keeps about customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from local.company.book import Customer
from local.company.dice import dice
from local.company.dice import uuid as make_uuid
from local.company.moments import DAY, FOREVER, local, local_date, utc_millis
from local.company.names import sentence
from local.company.table import Record, Row, Table, versions

STAGES = (("Discovery", "pipeline", 10), ("Demo", "best_case", 40), ("Négociation", "committed", 80))
REPS = ("alex@catchment.example", "bo@catchment.example", "çağla@catchment.example")
CustomerUuid = Callable[[Customer, int], str]


class Version(NamedTuple):
    """One version of an entry: `stage` counts the steps it has taken, the last one at `updated`."""

    customer: Customer
    at: int
    created: int
    updated: int
    stage: int
    draw: Random


def crm_tables(seed: int, book: list[Customer], customer_uuid: CustomerUuid) -> dict[str, Table]:
    """The tables of what hangs on a customer; it follows a merged customer and vanishes with a deleted one."""

    def table(kind: str, prefix: str, share: float, render: Callable[[str, Version, CustomerUuid], Record]) -> Table:
        rows = (row for customer in book for row in _rows(seed, customer, kind, prefix, share))
        return Table(rows, lambda row: render(row.key[0], _version(seed, row), customer_uuid))

    return {
        "opportunities": table("opportunity", "opp", 0.35, _opportunity),
        "customer_notes": table("note", "note", 0.4, _note),
        "tasks": table("task", "task", 0.3, _task),
    }


def _rows(seed: int, customer: Customer, kind: str, prefix: str, share: float) -> Iterator[Row]:
    draw = dice(seed, kind, customer.index)
    if draw.random() > share:
        return
    for number in range(1 + draw.randrange(2)):
        created = customer.created + draw.randrange(400 * DAY)
        steps = sorted(created + draw.randrange(DAY, 90 * DAY) for _ in range(2))
        gone = customer.deleted if draw.random() > 0.05 else min(customer.deleted, steps[-1] + 30 * DAY)
        key = (f"{prefix}_{make_uuid(seed, kind, customer.index, number)}",)
        moments = sorted(m for m in {created, *steps, customer.gone} if created <= m < FOREVER)
        for since, until in versions(moments, gone):
            stage = sum(step <= since for step in steps)
            data = (customer, since, created, steps[stage - 1] if stage else created, stage)
            yield Row((created, key[0], since), key, since, until, data)


def _version(seed: int, row: Row) -> Version:
    customer, at, created, updated, stage = row.data
    return Version(customer, at, created, updated, stage, dice(seed, row.key[0]))


def _opportunity(uuid: str, version: Version, customer_uuid: CustomerUuid) -> Record:
    customer, at, created, updated, stage, draw = version
    name, category, likelihood = STAGES[stage]
    return {
        "uuid": uuid,
        "customer_uuid": customer_uuid(customer, at),
        "owner": draw.choice(REPS),
        "pipeline": "New business",
        "pipeline_stage": name,
        "estimated_close_date": local_date(created + 60 * DAY).isoformat(),
        "currency": "EUR",
        "amount_in_cents": draw.randrange(10_000, 900_000),
        "type": draw.choice(("recurring", "one_time")),
        "forecast_category": category,
        "win_likelihood": likelihood,
        "custom": {"from_campaign": draw.choice(("fair", "webinar", None))},
        "created_at": utc_millis(created),
        "updated_at": utc_millis(updated),
    }


def _note(uuid: str, version: Version, customer_uuid: CustomerUuid) -> Record:
    customer, at, created, updated, stage, draw = version
    call = draw.random() < 0.4
    return {
        "uuid": uuid,
        "customer_uuid": customer_uuid(customer, at),
        "type": "call" if call else "note",
        "text": f"{sentence(draw, 9)}\nedit {stage}",
        "author": f"Alex Ångström ({draw.choice(REPS)})",
        "call_duration": draw.randrange(60, 3600) if call else 0,
        "created_at": local(created),
        "updated_at": local(updated),
    }


def _task(uuid: str, version: Version, customer_uuid: CustomerUuid) -> Record:
    customer, at, created, updated, stage, draw = version
    return {
        "task_uuid": uuid,
        "customer_uuid": customer_uuid(customer, at),
        "assignee": draw.choice(REPS),
        "task_details": sentence(draw, 6),
        "due_date": utc_millis(created + 30 * DAY),
        "completed_at": utc_millis(updated) if stage == 2 else None,
        "created_at": utc_millis(created),
        "updated_at": utc_millis(updated),
    }
