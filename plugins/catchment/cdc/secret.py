"""Secrets by reference: `${file:/path:key}`, as Kafka Connect's FileConfigProvider has them.

One file, one truth, on one machine: a connector's config and the platform's own connection name the same entry of a
properties file. In production each has its own secret store, and a connection holds what Airflow's backend resolves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from catchment.errors import NeedsPerson

_REFERENCE = re.compile(r"\$\{file:(?P<path>[^:}]+):(?P<key>[^:}]+)\}")
_LINE = re.compile(r"\s*(?P<key>[^#!=:\s]+)\s*[=:]\s*(?P<value>.*?)\s*")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Reference:
    """An entry of a properties file."""

    path: Path
    key: str

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """The reference that a text is; None when it is something else."""
        found = _REFERENCE.fullmatch(text.strip())
        return cls(Path(found["path"]), found["key"]) if found else None

    def read(self) -> str:
        """The secret. Raises NeedsPerson when it is not there."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise NeedsPerson(f"{self.path}, which holds {self.key}, can't be read ({error.strerror}).") from error
        for line in lines:
            found = _LINE.fullmatch(line)
            if found and found["key"] == self.key:
                return _ESCAPED.sub(r"\1", found["value"])
        raise NeedsPerson(f"{self.path} has no entry {self.key}: add the line {self.key}=<password>.")


def resolved(text: str) -> str:
    """The secret that a reference points to; any other text is returned as it is."""
    reference = Reference.parse(text)
    return reference.read() if reference else text
