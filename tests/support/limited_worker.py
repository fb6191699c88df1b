"""A machine of its own: three threads that call under one limit and print when, until the time is over."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from threading import Lock, Thread

from catchment.connection import Connection
from catchment.http.limits import RateLimit, open_limits


def main(account: str, calls: str, per: str, seconds: str) -> None:
    limit = RateLimit(int(calls), timedelta(seconds=float(per)))
    limits, end, printing = (
        open_limits("vendor", account, Connection.from_env("rate_limits")),
        time.time() + float(seconds),
        Lock(),
    )

    def work() -> None:
        while time.time() < end:
            limits.wait(limit, timeout=30)
            with printing:
                sys.stdout.write(f"{time.time()}\n")
                sys.stdout.flush()

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
