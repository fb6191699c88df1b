"""`jars.lock`: every Java archive by Maven coordinate and SHA-256, and the folder of `.java/` that it goes to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

FILE = Path(__file__).with_name("jars.lock")
HEAD = """\
# Every Java archive of the local profile: folder in .java/, coordinate, SHA-256. A coordinate is
# group:artifact:version, or group:artifact:version:classifier:packaging.
# To change one, write its new coordinate with `?` as its hash and run: .venv/bin/python -m local.java lock
"""
UNKNOWN = "?"
_COORDINATE = re.compile(r"[\w.\-]+:[\w.\-]+:[\w.\-]+(:[\w.\-]+:[\w.\-]+)?")
_HASH = re.compile(r"[0-9a-f]{64}|\?")


@dataclass(frozen=True)
class Jar:
    """One archive. `folder` is relative to `.java/`; a `tar.gz` is unpacked there."""

    folder: str
    coordinate: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Group, artifact, version, classifier and packaging; the classifier is empty where there is none."""
        group, artifact, version, *rest = self.coordinate.split(":")
        classifier, packaging = rest or ("", "jar")
        return group, artifact, version, classifier, packaging

    @property
    def file_name(self) -> str:
        _, artifact, version, classifier, packaging = self.parts
        return f"{artifact}-{version}{'-' + classifier if classifier else ''}.{packaging}"


def parse(text: str) -> tuple[Jar, ...]:
    """The archives of a lock.

    Raises:
        LocalError: a line is not one; the message has its number.
    """
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match line.split():
            case [folder, coordinate, sha256] if _COORDINATE.fullmatch(coordinate) and _HASH.fullmatch(sha256):
                jars.append(Jar(folder, coordinate, sha256))
            case _:
                raise LocalError(f"{FILE.name}, line {number}: not `folder group:artifact:version SHA-256`: {line!r}")
    return tuple(jars)


def text_of(jars: Iterable[Jar]) -> str:
    """A lock's text: sorted, one archive a line."""
    lines = (f"{jar.folder} {jar.coordinate} {jar.sha256}" for jar in jars)
    return HEAD + "\n".join(sorted(lines)) + "\n"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
