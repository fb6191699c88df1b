"""`python -m local start|stop|status|clean|logs|environment`: what `make` calls.

`environment` prints the variables that `python -m catchment` needs, for a shell to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from local.airflow.environment import as_exports
from local.errors import LocalError
from local.profile import Profile, Status
from local.settings import Settings

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    arguments = _arguments()
    try:
        settings = Settings.load()
        if arguments.command == "clean":
            return clean(settings)
        profile = Profile(settings)
        if arguments.command == "start":
            profile.start(arguments.services, say=OUT.print)
            profile.switch_on()
            return status(profile, arguments.services)
        if arguments.command == "stop":
            profile.stop(say=OUT.print)
            return 0
        if arguments.command == "environment":
            sys.stdout.write(as_exports(profile.platform_environment()))
            return 0
        if arguments.command == "logs":
            return logs(profile, arguments.services)
        return status(profile, arguments.services)
    except LocalError as error:
        print(f"{arguments.command} failed: {error}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("start", "stop", "status", "clean", "logs", "environment"))
    parser.add_argument("services", nargs="*", help="only these services, or groups of them: cdc")
    return parser.parse_args()


def status(profile: Profile, names: list[str]) -> int:
    """Show every service; 1 when one that is named is not up, or when none is named, any."""
    rows = profile.status()
    wanted = {service.name for service in profile.named(names)}
    table = Table(box=None, pad_edge=False)
    for column in ("SERVICE", "STATE", "HEALTH", "PID", "SINCE", "URL"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    OUT.print(table)
    return 0 if all(row.up for row in rows if row.service.name in wanted) else 1


def _cells(row: Status) -> tuple[str, ...]:
    if row.process is None:
        return row.service.name, "STOPPED", "-", "-", "-", row.service.url
    health = "ok" if row.up else "[red]not healthy[/red]" if row.process.runs else "-"
    pid = str(row.process.pid) if row.process.runs else "-"
    return row.service.name, row.process.state, health, pid, _age(row.process.since), row.service.url


def _age(since: datetime) -> str:
    seconds = int((datetime.now(UTC) - since).total_seconds())
    if since.timestamp() == 0:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def logs(profile: Profile, names: list[str]) -> int:
    """Follow the logs of the named services, or of all, until interrupted."""
    services = profile.named(names)
    files = [path for service in services if (path := profile.log_file(service.name)).exists()]
    if not files:
        raise LocalError(f"There are no logs in {profile.settings.log} yet. Run: make start")
    os.execvp("tail", ["tail", "-n", "40", "-F", *map(str, files)])


def clean(settings: Settings) -> int:
    """Stop everything and remove the profile's state; say what went."""
    if not settings.var.exists():
        OUT.print(f"There is no {settings.var}: nothing to remove.")
        return 0
    Profile(settings).stop(say=OUT.print)
    removed = sorted(path.name for path in settings.var.iterdir())
    shutil.rmtree(settings.var)
    OUT.print(
        f"Removed {settings.var}: {', '.join(removed)}. The Python environments stay; make distclean removes them."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
