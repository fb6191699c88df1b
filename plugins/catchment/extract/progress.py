"""How far a long reading is, and when it may end. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Progress:
    """What one run of a reading has done: `rows` in `seconds`, over records from `began_at` to `reached` of `until`."""

    rows: int
    seconds: float
    began_at: datetime | None
    reached: datetime | None
    until: datetime

    @property
    def remaining(self) -> timedelta | None:
        """The time that the rest may take, at the pace so far over the records' own time; None while nothing tells."""
        if self.began_at is None or self.reached is None or self.reached <= self.began_at or self.seconds <= 0:
            return None
        pace = (self.reached - self.began_at).total_seconds() / self.seconds
        return timedelta(seconds=round(max(0.0, (self.until - self.reached).total_seconds()) / pace))

    def __str__(self) -> str:
        text = f"{self.rows:,} rows in {timedelta(seconds=round(self.seconds))}"
        if self.reached:
            text += f", records up to {self.reached.isoformat(timespec='minutes')}"
        if self.remaining is not None:
            text += f", about {self.remaining} to go"
        return text
