"""Secrets by reference: `${file:/path:key}`, as Kafka Connect's FileConfigProvider has them.

One file, one truth: a connector's config and the platform's own connection name the same entry of a properties file,
so a password that is rotated is new for both at once.
"""

from __future__ import annotations

import os
import re
import tempfile
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

    def write(self, value: str) -> None:
        """Replace the secret, and nothing else of the file, in one step; who may read the file stays."""
        self._replace([f"{self.key}={_escaped(value)}"])

    def remove(self) -> None:
        """Take the entry out, if it is there."""
        self._replace([])

    def _replace(self, entry: list[str]) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not (found := _LINE.fullmatch(line)) or found["key"] != self.key]
        before = self.path.stat()
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".", suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), before.st_mode & 0o777)
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                file.write("\n".join([*kept, *entry, ""]))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def resolved(text: str) -> str:
    """The secret that a reference points to; any other text is returned as it is."""
    reference = Reference.parse(text)
    return reference.read() if reference else text


def _escaped(value: str) -> str:
    """A value as a line of properties holds it: a backslash escapes."""
    return value.replace("\\", "\\\\")
