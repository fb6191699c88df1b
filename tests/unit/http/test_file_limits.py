"""Limits in the files of one machine: shared by its threads and processes, and never in the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from catchment.errors import RateLimited
from catchment.http.file_limits import FileStore
from catchment.http.limits import Limits, RateLimit, open_limits
from tests.unit.http.test_limits import MINUTE, NOW


def test_without_a_connection_the_machines_files_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_BUDGET_DIR", str(tmp_path))
    limit = RateLimit(1, MINUTE)
    open_limits("zendesk", "abc", None).wait(limit, timeout=1)
    open_limits("zendesk", "other", None).wait(limit, timeout=1)
    with pytest.raises(RateLimited):
        open_limits("zendesk", "abc", None).wait(limit, timeout=1)


def test_threads_of_one_worker_share_its_limits(tmp_path: Path) -> None:
    limits, waits = Limits(FileStore("a", root=tmp_path), sleep=lambda seconds: None), []
    threads = [
        threading.Thread(
            target=lambda: [waits.append(limits.wait(RateLimit(1, MINUTE), timeout=1e6)) for _ in range(25)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == 100
    (usage,) = limits.usage()
    assert usage.wait >= 100 * 60


def test_a_file_that_somebody_removed_is_made_again_once_for_all_who_had_it_open(tmp_path: Path) -> None:
    """Who holds the removed file and who makes it again must book in one file, or each has a budget of its own."""
    limit = RateLimit(1, MINUTE)
    early, late = Limits(FileStore("a", root=tmp_path)), Limits(FileStore("a", root=tmp_path))
    early.wait(limit, timeout=1)
    (tmp_path / "a.account.60s.json").unlink()
    late.wait(limit, timeout=1)
    with pytest.raises(RateLimited):
        early.wait(limit, timeout=1)
    (usage,) = early.usage()
    assert usage.wait > 50


def test_a_shorter_state_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    now = NOW
    store = FileStore("a", root=tmp_path, clock=lambda: now)
    for _ in range(10):
        now += 3 * 86_400
        store.spend("reports", 1000, 30 * 86_400)
    now += 365 * 86_400
    assert store.spend("reports", 1000, 30 * 86_400).used == 1
    assert FileStore("a", root=tmp_path, clock=lambda: now).spend("reports", 1000, 30 * 86_400, spend=False).used == 1


def test_files_are_closed_with_the_limits_and_opened_again_when_asked(tmp_path: Path) -> None:
    limits, file = Limits(FileStore("a", root=tmp_path)), tmp_path / "a.account.60s.json"
    limits.wait(RateLimit(100, MINUTE), timeout=1)
    assert str(file) in opened_files()
    limits.close()
    assert str(file) not in opened_files()
    limits.wait(RateLimit(100, MINUTE), timeout=1)


def opened_files() -> list[str]:
    links = Path("/proc/self/fd")
    return [str(link.readlink()) for link in links.iterdir() if link.is_symlink()]


@pytest.mark.parametrize("damage", [b"{cut", b"[]", b'{"free": "x"}', b"\x00" * 50, b"\x00" * 70_000])
def test_a_damaged_file_is_no_obstacle(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.account.60s.json").write_bytes(damage)
    limits = Limits(FileStore("a", root=tmp_path))
    limits.wait(RateLimit(1, MINUTE), timeout=1)
    with pytest.raises(RateLimited):
        limits.wait(RateLimit(1, MINUTE), timeout=1)
