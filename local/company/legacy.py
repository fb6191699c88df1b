"""What the help desk held before the company began to bill: accounts, people and tickets of 2009 to 2018.

Nobody at ChartMogul knows them, and nothing has touched them since: whoever asks for history "since 2020" misses them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from local.company.book import Customer
from local.company.dice import dice
from local.company.moments import DAY, FOREVER
from local.company.names import PLACES, company_name

FIRST_INDEX = 900_000
FIRST = int(datetime(2009, 7, 20, 22, 55, 29, tzinfo=UTC).timestamp())
ACCOUNTS = 10


def legacy(seed: int) -> list[Customer]:
    """Accounts that came and went; the last of them was deleted."""
    found = []
    for number in range(ACCOUNTS):
        draw = dice(seed, "legacy", number)
        created = FIRST + number * 210 * DAY + draw.randrange(100 * DAY)
        deleted = created + 500 * DAY if number == ACCOUNTS - 1 else FOREVER
        name, place = company_name(draw, number), draw.choice(PLACES)
        gone = created + 700 * DAY
        found.append(Customer(FIRST_INDEX + number, name, place, created, [], {}, [], gone=gone, deleted=deleted))
    return found
