"""A landing in memory, which can be told to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from catchment.errors import LandingUnavailable
from catchment.landing import LandedFile, Listed, Manifest, read_lines

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
Fault = Callable[[str, str], bool]


class MemoryStore:
    """Objects by key. `fails(verb, key)` says whether a call ends in an outage; `log` holds the calls, in order."""

    uri = "s3://memory/"

    def __init__(self, fails: Fault = lambda verb, key: False) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime] = {}
        self.log: list[tuple[str, str]] = []
        self.fails = fails

    def put(self, key: str, data: bytes) -> str:
        self._call("put", key)
        self.objects[key] = data
        return hashlib.sha256(data).hexdigest()

    def get(self, key: str) -> bytes | None:
        self._call("get", key)
        return self.objects.get(key)

    def head(self, key: str) -> Listed | None:
        self._call("head", key)
        return self._listed(key) if key in self.objects else None

    def entries(self, prefix: str) -> Iterator[Listed]:
        self._call("list", prefix)
        return iter([self._listed(key) for key in sorted(self.objects) if key.startswith(prefix)])

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._call("delete", key)
            self.objects.pop(key, None)

    def lines(self, files: Iterable[LandedFile]) -> list[bytes]:
        """All lines of landed files."""
        return [line for file in files for line in read_lines(self, file)]

    def rows(self, manifest: Manifest) -> list[bytes]:
        """The lines of a checkpoint, as a load would read them."""
        return self.lines(manifest.files)

    def _listed(self, key: str) -> Listed:
        digest = hashlib.sha256(self.objects[key]).hexdigest()
        return Listed(key, len(self.objects[key]), digest[:32], self.modified.get(key, LONG_AGO), digest)

    def _call(self, verb: str, key: str) -> None:
        self.log.append((verb, key))
        if self.fails(verb, key):
            raise LandingUnavailable(
                f"S3 could not {verb} {self.uri}{key} (ServiceUnavailable): it is tried again later."
            )
