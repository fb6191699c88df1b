"""`python -m bench.mutants [MODULE …]`: change the core in small ways, and see whether a unit test fails.

Resumable: what was judged stays in `var/mutants/`, and is judged again when the module, its tests or their support
change. Survivors are read by a person; `survivors.toml` holds the reason for each. The last line is one JSON object;
the exit code is 1 when fewer than `KILLED_SHARE` are killed, or a survivor has no reason, or a reason no survivor.

Why our own runner: mutmut 3 leaves out what has a decorator (our properties) and all that stands outside functions
(patterns, defaults, tables of formats); cosmic-ray starts an interpreter and pytest for each mutant, which takes longer
than the tests.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.mutants.forks import SURVIVED, Experience, Job, run, warm
from bench.mutants.modules import MODULES, Module
from bench.mutants.operators import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "var" / "mutants"
REASONS = Path(__file__).with_name("survivors.toml")
KILLED_SHARE = 0.85
_OF_TESTS = re.compile(r"^from tests\.unit\.(\w+) import", re.MULTILINE)
LEAST_LIMIT = 20.0
"""Seconds: a busy machine is no infinite loop."""


@dataclass(frozen=True)
class Judged:
    """A module, its mutants, and what became of each."""

    module: Module
    mutants: tuple[Mutant, ...]
    results: Mapping[str, str]

    @property
    def survivors(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if self.results[mutant.name] == SURVIVED]


def main(names: list[str]) -> int:
    wanted = [m for m in MODULES if not names or m.path in names]
    if unknown := set(names) - {m.path for m in MODULES}:
        print(f"no such module: {', '.join(sorted(unknown))}. There are: {', '.join(m.path for m in MODULES)}")
        return 2
    side_by_side = int(os.environ.get("SIDE_BY_SIDE", os.cpu_count() or 1))
    sys.dont_write_bytecode = False  # or each mutant compiles the tests
    os.nice(int(os.environ.get("NICE", "10")))
    judged = [judge(module, side_by_side) for module in wanted]
    return report(judged, tomllib.loads(REASONS.read_text()), whole=not names)


def judge(module: Module, side_by_side: int) -> Judged:
    """Run the tests of a module against each of its mutants that has not been judged yet."""
    source = (ROOT / "plugins" / "catchment" / module.path).read_text()
    all_mutants = tuple(mutants(source, module.path))
    state = STATE / f"{module.path.replace('/', '.')}.{_digest(module, source)}.jsonl"
    state.parent.mkdir(parents=True, exist_ok=True)
    results = _read(state)
    todo = [mutant for mutant in all_mutants if mutant.name not in results]
    began = time.monotonic()
    if todo:
        _in_a_fork(lambda: _judge(module, todo, state, side_by_side))
    judged = Judged(module, all_mutants, _read(state))
    killed, took = len(all_mutants) - len(judged.survivors), time.monotonic() - began
    share = killed / len(all_mutants) if all_mutants else 1.0
    print(f"{module.path:24} {killed:4} of {len(all_mutants):4} killed  {share:6.1%}  {took:5.0f} s", flush=True)
    return judged


def _in_a_fork(work: Callable[[], None]) -> None:
    """What it imports is for one module's mutants, and not there for the next."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        if os.waitpid(pid, 0)[1]:
            raise SystemExit(1)
        return
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        print(end, flush=True)
    except KeyboardInterrupt:
        print("interrupted: what was judged stays", flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _judge(module: Module, todo: list[Mutant], state: Path, side_by_side: int) -> None:
    experience = Experience()
    for tests in (module.files, module.last):
        if not tests or not todo:
            continue
        limit, cpu = _prepare(module, tests, experience)
        jobs = [Job(mutant.name, module.name, mutant.tree, tests, limit, cpu) for mutant in todo]
        final = tests is module.last or not module.last
        survived = set()
        with state.open("a") as out:
            for outcome in run(jobs, side_by_side=side_by_side, experience=experience):
                if outcome.result == SURVIVED:
                    survived.add(outcome.name)
                if final or outcome.result != SURVIVED:
                    out.write(json.dumps([outcome.name, outcome.result]) + "\n")
                    out.flush()
        todo = [mutant for mutant in todo if mutant.name in survived]


def report(judged: Iterable[Judged], reasons: Mapping[str, str], *, whole: bool) -> int:
    """Print the survivors that nobody has read, the reasons that have no survivor, and the sum."""
    judged = list(judged)
    survivors = {mutant.name: mutant for one in judged for mutant in one.survivors}
    total = sum(len(one.mutants) for one in judged)
    unread = [mutant for name, mutant in survivors.items() if name not in reasons]
    stale = [name for name in reasons if name not in survivors] if whole else []
    for mutant in unread:
        print(f"not read  line {mutant.line}: {mutant.name}")
    for name in stale:
        print(f"no longer a survivor: {name}")
    killed = total - len(survivors)
    print(json.dumps({"mutants": total, "killed": killed, "survivors_read": len(survivors) - len(unread)}))
    return 1 if unread or stale or killed < KILLED_SHARE * total else 0


def _prepare(module: Module, tests: tuple[str, ...], experience: Experience) -> tuple[float, int]:
    """Import what the tests need. Seconds that a run may take, and seconds of a processor: as it is, several times.

    Raises:
        SystemExit: A test fails already, or there is none.
    """
    (outcome,) = run([Job("as it is", module.name, None, tests, 600)], side_by_side=1, experience=experience)
    if outcome.result != SURVIVED:
        raise SystemExit(f"{module.path}: its tests fail without a mutant: python -m pytest {' '.join(tests)}")
    warm(outcome.imported, without=module.name)
    return max(LEAST_LIMIT, 5 * outcome.seconds), math.ceil(2 + 3 * outcome.cpu)


def _digest(module: Module, source: str) -> str:
    """What the results depend on: the module, its tests, tests that these import, and their support."""
    files = {ROOT / name.partition("::")[0] for name in (*module.files, *module.last)}
    files |= {ROOT / "tests/unit" / f"{name}.py" for file in files for name in _OF_TESTS.findall(file.read_text())}
    texts = [source, *(file.read_text() for file in sorted({*files, *(ROOT / "tests" / "support").glob("*.py")}))]
    return hashlib.sha256("\0".join([*texts, repr(module)]).encode()).hexdigest()[:12]


def _read(state: Path) -> dict[str, str]:
    if not state.exists():
        return {}
    lines = (line for line in state.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return dict(json.loads(line) for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
