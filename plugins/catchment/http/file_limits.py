"""Rate limits in files that the processes of one machine share: where no connection `rate_limits` is set."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec

from catchment.http.pacing import Lane, Pace, Spent, book, counted, hold, slice_seconds

T = TypeVar("T")


class FileStore:
    """The bookings of one account, one small file per limit. Safe to use from several threads.

    Each process makes its own. Files stay open until `close`, for opening one costs more than the booking.
    """

    def __init__(self, account: str, *, root: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._root = root or default_root()
        self._account = account
        self._clock = clock
        self._lock = Lock()  # a lock on a file is its opener's, and all threads are that
        self._opened: dict[str, int] = {}

    def book(self, name: str, pace: Pace, timeout: float) -> float:
        def change(state: dict[str, Any], now: float) -> tuple[float, dict[str, Any]]:
            wait, lane = book(_lane(state), pace, now=now, timeout=timeout)
            return wait, vars(lane)

        return self._change(name, change)

    def hold(self, name: str, pace: Pace, seconds: float, *, refused: bool, left: int | None = None) -> None:
        def change(state: dict[str, Any], now: float) -> tuple[None, dict[str, Any]]:
            return None, vars(hold(_lane(state), pace, now=now, seconds=seconds, refused=refused, left=left))

        self._change(name, change)

    def spend(self, name: str, calls: int, per: float, *, spend: bool = True) -> Spent:
        def change(state: dict[str, Any], now: float) -> tuple[Spent, dict[str, Any]]:
            current = int(now // slice_seconds(per))
            slices = counted({int(number): used for number, used in state.items()}, current)
            granted = spend and sum(slices.values()) < calls
            if granted:
                slices[current] = slices.get(current, 0) + 1
            return Spent(sum(slices.values()), min(slices, default=None), granted), {
                str(n): u for n, u in slices.items()
            }

        return self._change(f"{name}.quota", change)

    def read(self, name: str, pace: Pace) -> tuple[Lane, float]:
        return self._change(name, lambda state, now: ((_lane(state), now), state))

    def close(self) -> None:
        with self._lock:
            while self._opened:
                os.close(self._opened.popitem()[1])

    def _change(self, name: str, change: Callable[[dict[str, Any], float], tuple[T, dict[str, Any]]]) -> T:
        with self._lock:
            descriptor = self._locked(f"{self._root}/{self._account}.{name}.json")
            try:
                before = os.pread(descriptor, 1 << 16, 0)
                answer, state = change(_read(before), self._clock())
                os.pwrite(descriptor, msgspec.json.encode(state).ljust(len(before)), 0)
                return answer
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _locked(self, file: str) -> int:
        """The open file, locked; a new one where somebody removed it."""
        while True:
            if file not in self._opened:
                self._opened[file] = self._open(file)
            fcntl.flock(self._opened[file], fcntl.LOCK_EX)
            if os.fstat(self._opened[file]).st_nlink:
                return self._opened[file]
            os.close(self._opened.pop(file))

    def _open(self, file: str) -> int:
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # the first call, or somebody tidied up
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def default_root() -> Path:
    root = os.environ.get("CATCHMENT_BUDGET_DIR")
    return Path(root) if root else Path(tempfile.gettempdir()) / f"catchment-limits-{os.getuid()}"


def _read(data: bytes) -> dict[str, Any]:
    """A damaged file is no obstacle: it counts as empty."""
    try:
        state = msgspec.json.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _lane(state: dict[str, Any]) -> Lane:
    try:
        return Lane(float(state["free"]), float(state["since"]), int(state["strikes"]), float(state["refused"]))
    except (KeyError, TypeError, ValueError):
        return Lane()
