"""What the application does: each function is one transaction's work on one shard, as its name says.

Accounts that the vendors know (ids below `FIRST_SIGN_UP`) keep what the vendors show of them; whatever is more drastic
happens to accounts that signed up here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from psycopg2 import sql

from local.application.chance import long_bytes, long_text
from local.application.rows import KINDS, NAMES
from local.application.statements import delete, insert, update, value

FIRST_SIGN_UP = 1_000_000
SHARDS_AT_MOST = 100  # a new id is its number on the shard times this, plus the shard's own: unique over all shards
NEW_ID = "SELECT nextval('sign_up_ids') * %s + (SELECT value::int FROM internal.facts WHERE name = 'shard number')"

Change = Callable[[Any, Random], None]


def sign_up(cursor: Any, draw: Random) -> None:
    """A new account with its people, its customer and perhaps a subscription and its first invoice."""
    account = _new_id(cursor)
    common = {"account_id": account, "email": f"person1@t{account}.example"}
    insert(
        cursor,
        "accounts",
        id=account,
        external_id=f"t-{account}",
        name=f"Trial {account} ✨",
        balance=_amount(draw),
        settings={"theme": draw.choice(("dark", "light")), "limits": {"seats": draw.randrange(50)}},
        notes=_text(draw),
        feature_flags=[1, draw.randrange(9)],
    )
    for number in range(1, 2 + draw.randrange(3)):
        person = {"id": account * 10 + number, "full_name": f"Person {number}", "preferences": {"language": "de"}}
        avatar = long_bytes(draw) if draw.random() < 0.3 else None
        insert(cursor, "users", **common | person | {"email": f"person{number}@t{account}.example"}, avatar=avatar)
    insert(
        cursor,
        "customers",
        **common,
        id=account,
        external_id=f"t-{account}",
        contact_name="Person 1",
        born="1990-02-28",
        health_score=draw.random(),
        tags=[draw.randrange(99)],
        profile={"source": "web"},
        biography=_text(draw),
    )
    if draw.random() < 0.5:
        _buy(cursor, draw, account)


def visit(cursor: Any, draw: Random) -> None:
    """Somebody looks in: an activity, some events, and when they were last seen. A large avatar stays as it is."""
    account = _account(cursor, draw)
    person = account * 10 + 1
    payload = {"ip": f"192.0.2.{draw.randrange(256)}"}
    amount = _amount(draw) if draw.random() < 0.3 else None
    insert(
        cursor,
        "activities",
        account_id=account,
        user_id=person,
        kind=draw.choice(KINDS),
        amount=amount,
        payload=payload,
    )
    for _ in range(1 + draw.randrange(3)):
        insert(
            cursor,
            "events",
            account_id=account,
            user_id=person,
            name=draw.choice(NAMES),
            properties={"path": f"/reports/{draw.randrange(99)}", "beyond_2_53": 2**63 + draw.randrange(9)},
            duration_ms=draw.expovariate(0.01),
            body=long_text(draw) if draw.random() < 0.01 else None,
        )
    update(cursor, "users", {"id": person}, last_seen_at=datetime.now(UTC))


def charge(cursor: Any, draw: Random) -> None:
    """An account's balance moves; its long notes stay as they are."""
    update(cursor, "accounts", {"id": _account(cursor, draw)}, balance=_amount(draw))


def write_notes(cursor: Any, draw: Random) -> None:
    update(cursor, "accounts", {"id": _account(cursor, draw)}, notes=_text(draw))


def score(cursor: Any, draw: Random) -> None:
    """A customer's health is computed again; the change carries the whole row before it."""
    health = draw.choice((float("nan"), float("inf"), None)) if draw.random() < 0.05 else draw.random()
    tags = [draw.randrange(99) for _ in range(1 + draw.randrange(4))]
    update(cursor, "customers", {"id": _account(cursor, draw)}, health_score=health, tags=tags)


def change_mind(cursor: Any, draw: Random) -> None:
    """Several changes of one key in one transaction, among them a row that comes and goes."""
    account = _account(cursor, draw)
    for _ in range(2 + draw.randrange(3)):
        update(cursor, "accounts", {"id": account}, balance=_amount(draw))
    passing = _new_id(cursor)
    insert(cursor, "users", id=passing, account_id=account, email="passing@t.example")
    update(cursor, "users", {"id": passing}, is_active=False)
    delete(cursor, "users", id=passing)


def change_key(cursor: Any, draw: Random) -> None:
    """A person who signed up gets another primary key; what is out of line stays as it is."""
    person = _signed_up(cursor, draw, "users", FIRST_SIGN_UP * 10)
    if person is not None:
        update(cursor, "users", {"id": person}, id=_new_id(cursor) * 10)


def move_partition(cursor: Any, draw: Random) -> None:
    """An activity turns out to have happened a month earlier or later: its row moves to another partition."""
    newest = value(cursor, "SELECT last_value FROM activity_ids")
    when = datetime.now(UTC) + timedelta(days=draw.choice((-30, 30)), seconds=draw.random())
    update(cursor, "activities", {"id": newest - draw.randrange(50)}, occurred_at=when)


def renew(cursor: Any, draw: Random) -> None:
    """A subscription of a sign-up changes or ends, its invoice is paid; some values are not finite."""
    account = _signed_up(cursor, draw, "accounts", FIRST_SIGN_UP)
    if account is None:
        return
    seats, ended = 1 + draw.randrange(99), draw.choice((None, "2026-12-31", "infinity"))
    update(cursor, "subscriptions", {"account_id": account}, seats=seats, mrr_cents=seats * 1900, ended_on=ended)
    update(cursor, "invoices", {"account_id": account}, paid_at=datetime.now(UTC))
    balance = Decimal("NaN") if draw.random() < 0.1 else _amount(draw)
    update(cursor, "accounts", {"id": account}, balance=balance, status="active")


def close_account(cursor: Any, draw: Random) -> None:
    """A sign-up leaves, with all that it had."""
    account = _signed_up(cursor, draw, "accounts", FIRST_SIGN_UP)
    if account is not None:
        delete_account(cursor, account)


def forget(cursor: Any, draw: Random) -> None:
    """The oldest events go."""
    cursor.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT %s)", (1 + draw.randrange(20),)
    )


# How often each happens, relative to the others.
CHANGES: tuple[tuple[Change, int], ...] = (
    (visit, 40),
    (charge, 16),
    (score, 8),
    (sign_up, 6),
    (renew, 6),
    (change_mind, 5),
    (write_notes, 3),
    (move_partition, 3),
    (close_account, 3),
    (change_key, 2),
    (forget, 2),
)
ACCOUNT_TABLES = (
    ("accounts", "id"),
    ("users", "account_id"),
    ("customers", "account_id"),
    ("subscriptions", "account_id"),
    ("invoices", "account_id"),
)


def move_account(here: Any, there: Any, draw: Random) -> None:
    """A sign-up moves to another shard: its rows appear there, which is committed, then vanish here.

    The cursors are of connections of their own. The two commits are the application's: for a moment both have it.
    """
    account = _signed_up(here, draw, "accounts", FIRST_SIGN_UP)
    if account is None:
        return
    for table, column in ACCOUNT_TABLES:
        names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
        read = sql.SQL("SELECT to_jsonb(t)::text FROM {table} AS t WHERE {column} = %s").format(**names)
        write = sql.SQL(
            "INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, %s::jsonb)).* ON CONFLICT DO NOTHING"
        ).format(**names)
        here.execute(read, (account,))
        for row in here.fetchall():
            there.execute(write, row)
    there.connection.commit()
    delete_account(here, account)


def delete_account(cursor: Any, account: int) -> None:
    for table, column in reversed(ACCOUNT_TABLES):
        delete(cursor, table, **{column: account})


# --- parts ----------------------------------------------------------------------------------------------------------


def _buy(cursor: Any, draw: Random, account: int) -> None:
    seats, plan, today = 1 + draw.randrange(9), "plan_0001", datetime.now(UTC).date()
    common = {"account_id": account, "customer_id": account}
    insert(
        cursor,
        "subscriptions",
        **common,
        id=account * 100 + 1,
        external_id=f"sub_t{account}",
        plan=plan,
        seats=seats,
        price=Decimal("19.0000"),
        mrr_cents=seats * 1900,
        started_on=today,
    )
    insert(
        cursor,
        "invoices",
        **common,
        id=(account * 100 + 1) * 1000 + 1,
        subscription_id=account * 100 + 1,
        external_id=f"inv_t{account}",
        number=1,
        net_cents=seats * 1900,
        tax_cents=seats * 361,
        currency="EUR",
        exchange_rate=draw.random(),
        lines={"lines": [{"plan": plan, "quantity": seats, "amount_in_cents": seats * 2261}]},
        period_start=today,
        period_end=today + timedelta(days=30),
        issued_on=today,
    )


def _new_id(cursor: Any) -> int:
    return int(value(cursor, NEW_ID, SHARDS_AT_MOST))


def _account(cursor: Any, draw: Random) -> int:
    """Any account: one that signed up, or one that the vendors know."""
    account = _signed_up(cursor, draw, "accounts", FIRST_SIGN_UP) if draw.random() < 0.3 else None
    return account or _near(cursor, draw, "accounts", 1, FIRST_SIGN_UP - 1) or 0


def _signed_up(cursor: Any, draw: Random, table: str, first: int) -> int | None:
    """A row of those who signed up; `first` is the least key that they can have in this table."""
    return _near(cursor, draw, table, first, 2**62)


def _near(cursor: Any, draw: Random, table: str, least: int, most: int) -> int | None:
    """The first key at or after a random place among the keys from `least` to `most`: one look into the index."""
    name = sql.Identifier(table)
    first = value(cursor, sql.SQL("SELECT min(id) FROM {} WHERE id >= %s AND id <= %s").format(name), least, most)
    if first is None:
        return None
    last = value(cursor, sql.SQL("SELECT max(id) FROM {} WHERE id >= %s AND id <= %s").format(name), least, most)
    return int(value(cursor, sql.SQL("SELECT min(id) FROM {} WHERE id >= %s").format(name), draw.randint(first, last)))


def _amount(draw: Random) -> Decimal:
    return Decimal(draw.randrange(-(10**6), 10**8)) / 10_000


def _text(draw: Random) -> str | None:
    return long_text(draw) if draw.random() < 0.3 else draw.choice((None, "", "short – größer"))
