"""Archives from Maven Central, by jgo as a plain downloader: each is named exactly, and nothing is resolved.

What is fetched stays in Maven's local repository (`~/.m2/repository`, or `M2_REPO`), so a second checkout fetches
nothing. jgo's own configuration (`~/.config/jgo.conf`, `[repositories]`) names a mirror, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from local.errors import LocalError
from local.java.lock import UNKNOWN, Jar, sha256_of

THREADS = 8
SECONDS = 60
ADVICE = (
    "Run it again: what was fetched is kept. Without access to Maven Central, name a mirror in ~/.config/jgo.conf:\n"
    "  [repositories]\n  central = <the mirror's URL>"
)


def fetch_all(jars: Iterable[Jar], done: Callable[[Jar], None]) -> dict[Jar, Path]:
    """Every archive as a verified file, several at a time; `done` hears of each.

    Raises:
        LocalError: one could not be had, or is not the one that was locked; those under way are finished first.
    """
    context = MavenContext(remote_repos=_repositories(), timeout=SECONDS)
    files: dict[Jar, Path] = {}
    with ThreadPoolExecutor(THREADS) as together:
        waiting = {together.submit(fetch, context, jar): jar for jar in jars}
        try:
            for future in as_completed(waiting):
                files[waiting[future]] = future.result()
                done(waiting[future])
        except LocalError:
            together.shutdown(cancel_futures=True)
            raise
    return files


def fetch(context: MavenContext, jar: Jar) -> Path:
    """One archive's file, with the locked content.

    A file that is there with another content (a download that was cut off) is fetched again, once.
    """
    group, name, version, classifier, packaging = jar.parts
    artifact = context.project(group, name).at_version(version).artifact(classifier, packaging)
    for _ in range(2):
        try:
            path = Path(artifact.resolve())
        except (OSError, RuntimeError) as error:
            raise LocalError(f"{jar.coordinate} could not be fetched: {error}\n{ADVICE}") from error
        found = sha256_of(path)
        if jar.sha256 in (found, UNKNOWN):
            return path
        path.unlink()
    raise LocalError(
        f"{jar.coordinate} is not the archive that was locked: its SHA-256 is {found}, not {jar.sha256}. "
        "Nothing of it is used. Look whether a mirror or a proxy changes what it passes on."
    )


def _repositories() -> dict[str, str] | None:
    """jgo's own notion of Central, with what the user's configuration adds or puts in its place."""
    named = GlobalSettings.load().repositories
    return {**MavenContext().remote_repos, **named} if named else None
