"""`python -m bench.fuzz.one TARGET [libFuzzer options]`: fuzz one target until it crashes or its time is over."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["catchment", "bench.fuzz.targets"]):
    from bench.fuzz.targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
