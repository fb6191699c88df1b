"""What a campaign finds: how the warehouse differs from the truth."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Verdict:
    """How the warehouse differs from the truth, in rows or records; `examples` name some."""

    lost: int = 0
    duplicated: int = 0
    stale: int = 0
    examples: tuple[str, ...] = field(default=(), compare=False)

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.stale + other.stale,
            self.examples + other.examples,
        )

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated or self.stale)
