"""`python -m local.java [lock]`: fetch, verify and unpack the Java programs, or write the hashes of new ones."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path

from local.errors import LocalError
from local.install import java_stamp
from local.java import lock, places
from local.java.fetch import fetch_all
from local.java.unpack import unpack

SNOWFLAKE = "plugins/snowflake"
SINK_SERVICE = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector"
SINK_CLASS = "com.snowflake.kafka.connector.SnowflakeSinkConnector"


def main(arguments: list[str]) -> int:
    try:
        jars = lock.parse(lock.FILE.read_text())
        match arguments:
            case []:
                install(jars)
            case ["lock"]:
                write_lock(jars)
            case _:
                print("usage: python -m local.java [lock]", file=sys.stderr)
                return 2
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def install(jars: tuple[lock.Jar, ...]) -> None:
    """Make `.java/` what the lock says: built beside the old one, which it replaces when it is whole."""
    if unlocked := [jar.coordinate for jar in jars if jar.sha256 == lock.UNKNOWN]:
        raise LocalError(f"{lock.FILE.name} has no hash for {unlocked[0]}. Run: .venv/bin/python -m local.java lock")
    files = fetch_all(jars, _Progress(len(jars)))
    part = places.FOLDER.with_name(".java.part")
    shutil.rmtree(part, ignore_errors=True)
    for jar, file in files.items():
        _place(file, part / jar.folder)
    _name_the_sink(part / SNOWFLAKE)
    (part / places.STAMP.name).write_text(java_stamp())
    shutil.rmtree(places.FOLDER, ignore_errors=True)
    part.rename(places.FOLDER)


def write_lock(jars: tuple[lock.Jar, ...]) -> None:
    """Fetch what has no hash yet and write the hashes that were found."""
    unlocked = [jar for jar in jars if jar.sha256 == lock.UNKNOWN]
    files = fetch_all(unlocked, _Progress(len(unlocked)))
    found = {jar: dataclasses.replace(jar, sha256=lock.sha256_of(file)) for jar, file in files.items()}
    lock.FILE.write_text(lock.text_of(found.get(jar, jar) for jar in jars))


def _place(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if file.name.endswith(".tar.gz"):
        unpack(file, folder)
        return
    try:
        os.link(file, folder / file.name)
    except OSError:  # another file system
        shutil.copyfile(file, folder / file.name)


def _name_the_sink(folder: Path) -> None:
    """Connect finds plugins by `META-INF/services` in milliseconds; Snowflake's archive lacks that one file.

    Without it, Connect would have to search the whole 160 MB archive at each start: half a minute.
    """
    with zipfile.ZipFile(folder / "snowflake-sink-service.jar", "w") as archive:
        archive.writestr(zipfile.ZipInfo(SINK_SERVICE), SINK_CLASS + "\n")


class _Progress:
    """One line that counts on a terminal; a line every ten archives elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._count = 0
        self._began = time.monotonic()

    def __call__(self, jar: lock.Jar) -> None:
        self._count += 1
        line = f"{self._count}/{self._total} Java archives after {time.monotonic() - self._began:.0f} s"
        if sys.stdout.isatty():
            print(f"\r{line}: {jar.file_name:60.60}", end="" if self._count < self._total else "\n", flush=True)
        elif self._count % 10 == 0 or self._count == self._total:
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
