"""The lock of the Java programs: every archive is named exactly and verified, and only what was locked is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from jgo.maven import MavenContext

from local.errors import LocalError
from local.install import java_stamp
from local.java import fetch, lock
from local.java.lock import Jar

LOCKED = lock.parse(lock.FILE.read_text())
CONTENT = b"an archive"
SHA256 = "2b5b1f8d8a0ffea4f0b5b1c1a2b1bd6e4ee8dd4b4ea3ef02b9e6a9bc0d3f2f11"


def jar(tmp_path: Path, content: bytes, sha256: str) -> tuple[MavenContext, Jar]:
    """A context whose local repository holds one archive with this content, and the archive as locked."""
    folder = tmp_path / "org" / "example" / "thing" / "1.0"
    folder.mkdir(parents=True)
    (folder / "thing-1.0.jar").write_bytes(content)
    return MavenContext(repo_cache=tmp_path, remote_repos={}, offline=True), Jar(
        "libs", "org.example:thing:1.0", sha256
    )


def test_every_archive_of_the_lock_has_a_hash_and_one_place() -> None:
    assert all(len(locked.sha256) == 64 for locked in LOCKED)
    assert len({(locked.folder, locked.file_name) for locked in LOCKED}) == len(LOCKED)


def test_the_lock_is_written_as_it_is_read() -> None:
    assert lock.text_of(LOCKED) == lock.FILE.read_text()


def test_kafka_connect_debezium_and_the_sink_are_locked_in_the_versions_that_were_tried() -> None:
    versions = {locked.parts[1]: locked.parts[2] for locked in LOCKED}
    assert versions["kafka_2.13"] == versions["connect-runtime"] == "4.2.2"  # not 4.3: docs/adr/0014
    assert versions["debezium-connector-postgres"] == "3.7.0.Final"
    assert versions["snowflake-kafka-connector"] == "2.5.0"


def test_each_connector_has_a_plugin_folder_of_its_own() -> None:
    folders = {locked.parts[1]: locked.folder for locked in LOCKED}
    assert folders["debezium-connector-postgres"] == "plugins/debezium"
    assert folders["snowflake-kafka-connector"] == folders["bc-fips"] == "plugins/snowflake"


@pytest.mark.parametrize(
    "line",
    [
        "libs org.example:thing:1.0",
        "libs org.example:thing ?",
        "libs org.example:thing:1.0 abc",
        "org.example:thing:1.0 ?",
    ],
)
def test_a_line_that_is_no_archive_is_named(line: str) -> None:
    with pytest.raises(LocalError, match="line 2"):
        lock.parse(f"# a comment\n{line}\n")


def test_a_classifier_and_a_packaging_are_part_of_the_file_name() -> None:
    assert Jar("x", "g:thing:1.0:plugin:tar.gz", "?").file_name == "thing-1.0-plugin.tar.gz"


def test_an_archive_with_the_locked_hash_is_used(tmp_path: Path) -> None:
    context, locked = jar(tmp_path, CONTENT, lock.sha256_of(_file(tmp_path, CONTENT)))
    assert fetch.fetch(context, locked).read_bytes() == CONTENT


def test_an_archive_with_another_content_is_refused_and_removed(tmp_path: Path) -> None:
    context, locked = jar(tmp_path, b"cut off", SHA256)
    with pytest.raises(LocalError, match=r"org\.example:thing:1\.0"):
        fetch.fetch(context, locked)
    assert not list(tmp_path.rglob("thing-1.0.jar"))


def test_an_archive_that_cannot_be_had_is_named_with_what_to_try() -> None:
    context = MavenContext(repo_cache=Path("/nonexistent"), remote_repos={}, offline=True)
    with pytest.raises(LocalError, match=r"org\.example:thing:1\.0 could not be fetched: .*\n.*mirror"):
        fetch.fetch(context, Jar("libs", "org.example:thing:1.0", SHA256))


def test_the_stamp_changes_with_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = java_stamp()
    for name in ("jars.lock", "__main__.py", "unpack.py"):
        (tmp_path / name).write_bytes((lock.FILE.parent / name).read_bytes() + b"# changed\n")
    monkeypatch.setattr("local.install.JAVA_LOCK", tmp_path / "jars.lock")
    assert java_stamp() != before


def _file(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "content"
    file.write_bytes(content)
    return file
