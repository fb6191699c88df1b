"""A vendor's API that costs as little as possible: rows made once, pages sent from memory.

`python -m bench.vendor --port P --rows N [--delay-ms D] [--repeat R]` serves
`GET /v1/records?start-date=…&end-date=…&cursor=…`, 1,000 rows a page, in ChartMogul's manner: `entries`, `cursor`,
`has_more`. The pages are served R times over, as other rows, so that a run ten times as long needs no larger server.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
PAGE = 1000


def row(number: int, dice: random.Random) -> bytes:
    """One row of about 530 bytes, like a CRM's."""
    return json.dumps(
        {
            "uuid": f"act_{number:010d}-{dice.getrandbits(64):016x}",
            "id": number,
            "date": (EPOCH + timedelta(seconds=number)).isoformat(),
            "type": dice.choice(["new_biz", "expansion", "contraction", "churn", "reactivation"]),
            "activity-mrr-movement": dice.randrange(-50_000, 50_000),
            "activity-mrr": dice.randrange(0, 500_000),
            "currency": "EUR",
            "customer-name": dice.choice(["Müller & Söhne", "Acme", "株式会社カタログ", "Zoë's Café ☕"]),
            "customer-uuid": f"cus_{dice.getrandbits(128):032x}",
            "customer-external-id": f"{dice.randrange(10**6):07d}",
            "email": f"user{number}@example.com",
            "description": "purchased the plan " + "".join(dice.choices("abcdefghij ", k=60)),
            "attributes": {
                "tags": ["engage", "unit test"],
                "custom": {
                    "CAC": dice.randrange(1000),
                    "pro": True,
                    "contact": f"Contact {number} <c{number}@example.com>",
                },
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def make_pages(rows: int) -> list[bytes]:
    """The rows of each page, joined by commas."""
    dice = random.Random(7)
    made = [row(number, dice) for number in range(rows)]
    return [b",".join(made[at : at + PAGE]) for at in range(0, rows, PAGE)]


class Vendor:
    """Answers requests from pages in memory, a thread for each connection."""

    def __init__(self, pages: list[bytes], *, repeat: int, delay: float) -> None:
        self._pages = pages
        self._count = len(pages) * repeat
        self._delay = delay

    def serve(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        print(f"listening on {listener.getsockname()[1]}", flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while request := lines.readline():
                while lines.readline() not in (b"\r\n", b""):
                    pass
                if self._delay:
                    time.sleep(self._delay)
                parts = self._answer(request.split()[1].decode())
                try:
                    for part in parts:
                        connection.sendall(part)
                except OSError:
                    return

    def _answer(self, target: str) -> tuple[bytes, ...]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        end = min(self._count, _page(query["end-date"])) if "end-date" in query else self._count
        page = int(query["cursor"]) if "cursor" in query else _page(query.get("start-date", EPOCH.isoformat()))
        more = page + 1 < end
        rows = self._pages[page % len(self._pages)] if page < end else b""
        tail = b'],"cursor":"%d","has_more":%s}' % (page + 1, b"true" if more else b"false")
        size = len(b'{"entries":[') + len(rows) + len(tail)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
        return head + b'{"entries":[', rows, tail


def _page(moment: str) -> int:
    return max(0, int((datetime.fromisoformat(moment) - EPOCH).total_seconds()) // PAGE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    args = parser.parse_args()
    Vendor(make_pages(args.rows), repeat=args.repeat, delay=args.delay_ms / 1000).serve(args.port)


if __name__ == "__main__":
    main()
