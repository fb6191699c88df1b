"""A landing in memory, which can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from catchment.errors import LandingUnavailable
from catchment.landing import LandedFile, Manifest, read_lines

Fault = Callable[[str, str], bool]


class MemoryStore:
    """Objects by key. `fails(verb, key)` says whether a call ends in an outage; `log` holds the calls, in order."""

    uri = "s3://memory/"

    def __init__(self, fails: Fault = lambda verb, key: False) -> None:
        self.objects: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []
        self.fails = fails

    def put(self, key: str, data: bytes) -> None:
        self._call("put", key)
        self.objects[key] = data

    def get(self, key: str) -> bytes | None:
        self._call("get", key)
        return self.objects.get(key)

    def keys(self, prefix: str) -> Iterator[str]:
        self._call("list", prefix)
        return iter([key for key in sorted(self.objects) if key.startswith(prefix)])

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._call("delete", key)
            self.objects.pop(key, None)

    def lines(self, prefix: str, files: Iterable[LandedFile]) -> list[bytes]:
        """All lines of landed files."""
        return [line for file in files for line in read_lines(self, prefix, file)]

    def rows(self, prefix: str, manifest: Manifest) -> list[bytes]:
        """The lines of a batch, as a load would read them."""
        return self.lines(prefix, manifest.files)

    def _call(self, verb: str, key: str) -> None:
        self.log.append((verb, key))
        if self.fails(verb, key):
            raise LandingUnavailable(
                f"S3 could not {verb} {self.uri}{key} (ServiceUnavailable): it is tried again later."
            )
