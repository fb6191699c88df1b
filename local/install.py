"""`python3 -m local.install NAME …`: make the Python environments and the Java programs, exactly as they are locked.

Runs on the system's Python with nothing but its standard library. What has a stamp that matches its lock is left
alone, without network. Names: `main` (.venv), `warehouse` (.venv-warehouse), `bench` (.venv-bench),
`quality` (.venv-quality), `java` (.java).
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent
OLDEST, TOO_NEW = (3, 11, 2), (3, 12)  # Debian 12 has 3.11.2; the locks are of 3.11


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`, and the lock that says what is in it."""

    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.folder / "catchment.stamp"


ENVIRONMENTS = {
    "main": Environment(ROOT / ".venv", ROOT / "requirements-dev.txt"),
    "warehouse": Environment(ROOT / ".venv-warehouse", ROOT / "local" / "warehouse" / "requirements.txt"),
    "bench": Environment(ROOT / ".venv-bench", ROOT / "bench" / "requirements.txt"),
    "quality": Environment(ROOT / ".venv-quality", ROOT / "bench" / "quality" / "requirements.txt"),
}
MAIN = ENVIRONMENTS["main"]
UV = MAIN.folder / "bin" / "uv"
JAVA = "java"
JAVA_LOCK = ROOT / "local" / "java" / "jars.lock"
JAVA_STAMP = ROOT / ".java" / "catchment.stamp"


def main(names: list[str]) -> int:
    try:
        require_python()
        for name in names or ["main", "warehouse", JAVA]:
            if name == JAVA:
                install_java()
            else:
                install(ENVIRONMENTS[name])
    except LocalError as error:
        print(f"install failed: {error}", file=sys.stderr)
        return 1
    return 0


def install(environment: Environment) -> None:
    """Make the environment what its lock says, or do nothing when it is that already.

    Raises:
        LocalError: a step failed; the message says which, why and what to try.
    """
    wanted = stamp(environment.lock.read_bytes(), sys.version_info[:3])
    if environment.stamp.exists() and environment.stamp.read_text() == wanted:
        return
    began = time.monotonic()
    folder = environment.folder.name
    print(f"installing {folder} from {environment.lock.relative_to(ROOT)}", flush=True)
    environment.stamp.unlink(missing_ok=True)
    if not _has_this_python(environment):
        _make_folder(environment)
    if not UV.exists():
        _install_uv()
    _install_packages(environment)
    environment.stamp.write_text(wanted)
    print(f"installed {folder} in {time.monotonic() - began:.0f} s", flush=True)


def install_java() -> None:
    """Fetch the Java programs (Kafka, Connect and its connectors), or do nothing when they are there as locked.

    The main environment does it: it has the client that knows Maven Central.

    Raises:
        LocalError: an archive could not be had; the message says which, why and what to try.
    """
    if JAVA_STAMP.exists() and JAVA_STAMP.read_text() == java_stamp():
        return
    began = time.monotonic()
    print(f"installing .java from {JAVA_LOCK.relative_to(ROOT)}", flush=True)
    done = subprocess.run(
        [str(MAIN.python), "-m", "local.java"], stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise LocalError(done.stderr.strip()[-1200:])
    print(f"installed .java in {time.monotonic() - began:.0f} s", flush=True)


def java_stamp() -> str:
    """What the Java programs were made from: the lock, and the code that lays them out."""
    made_from = (JAVA_LOCK, JAVA_LOCK.with_name("__main__.py"), JAVA_LOCK.with_name("unpack.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in made_from)).hexdigest()


def require_python(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Refuse a Python that the locks are not for.

    Raises:
        LocalError: `version` is older than OLDEST, or TOO_NEW.
    """
    if not OLDEST <= version < TOO_NEW:
        oldest, this = (".".join(map(str, numbers)) for numbers in (OLDEST, version))
        raise LocalError(
            f"Python 3.11 is needed, at least {oldest}; this is {this} ({sys.executable}). "
            "Name another one, for example: make demo PYTHON=/usr/bin/python3.11"
        )


def stamp(lock: bytes, version: tuple[int, ...]) -> str:
    """What an environment was made from: the lock's hash, the Python version and the checkout's folder.

    The folder counts because the programs of a virtual environment have its path in their first line.
    """
    return f"{hashlib.sha256(lock).hexdigest()} python{version[0]}.{version[1]}.{version[2]} {ROOT}"


def pinned(lock: str, package: str) -> str:
    """The lines of a lock that pin `package` with its hashes, as a requirements file of their own.

    Raises:
        LocalError: the lock does not pin it.
    """
    block = re.search(rf"^{re.escape(package)}==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", lock, re.MULTILINE)
    if block is None:
        raise LocalError(f"The lock does not pin {package} with hashes. Run: make lock")
    return block.group().rstrip("\\\n ") + "\n"


def uv_environment(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for what the user has told pip: another index, a folder of wheels, a CA file."""
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    names |= {"cert": "SSL_CERT_FILE"}
    told = {names[key]: value for key, value in pip.items() if key in names and value}
    return {name: value for name, value in told.items() if name not in environment}


def pip_configuration(listing: str) -> dict[str, str]:
    """`pip config list` as options: `global.index-url='…'` and `:env:.index-url='…'` become `index-url`."""
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listing, re.MULTILINE)
    return dict(found)


def _has_this_python(environment: Environment) -> bool:
    if not environment.python.exists():
        return False
    asked = subprocess.run([environment.python, "--version"], capture_output=True, text=True, check=False)
    return asked.stdout.split() == ["Python", sys.version.split()[0]]


def _make_folder(environment: Environment) -> None:
    _run(
        f"making {environment.folder.name}",
        [sys.executable, "-m", "venv", "--clear", str(environment.folder)],
        "Debian keeps this in a package of its own: apt-get install python3-venv",
    )


def _install_uv() -> None:
    """pip installs uv, checked against the main lock; uv then installs the rest, in a third of the time."""
    requirements = MAIN.folder / "uv.txt"
    requirements.write_text(pinned(MAIN.lock.read_text(), "uv"))
    _run(
        "installing uv with pip",
        [str(MAIN.python), "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", str(requirements)],
        "Look whether pip can reach its package index (proxy, certificates, pip config list)",
    )


def _install_packages(environment: Environment) -> None:
    listing = subprocess.run(
        [str(MAIN.python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    _run(
        f"installing the packages of {environment.lock.relative_to(ROOT)} with uv",
        [
            *(str(UV), "pip", "sync", "--quiet", "--require-hashes"),
            *("--python", str(environment.python), str(environment.lock)),
        ],
        "Run it again: what was fetched is kept. If a hash differs, the package on the index is not the locked one",
        extra=uv_environment(pip_configuration(listing), os.environ),
    )


def _run(step: str, command: list[str], advice: str, *, extra: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **(extra or {})}
    )
    if done.returncode:
        why = (done.stderr or done.stdout).strip()[-1200:]
        raise LocalError(f"{step} ended with status {done.returncode}:\n{why}\n{advice}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
