"""Declared against running: what has to change so that Connect runs what is declared. Pure; nothing is ever deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from catchment.cdc.connectors.client import Config, Running
from catchment.cdc.connectors.configs import shown


@dataclass(frozen=True)
class ConfigDifference:
    """One setting that is not as declared; None means that it is not set. The values may be secrets: print `text`."""

    key: str
    running: str | None = field(repr=False)
    declared: str | None = field(repr=False)

    @property
    def text(self) -> str:
        """`max.batch.size: 2048 → 4096`, with secrets hidden."""
        return f"{self.key}: {shown(self.key, self.running)} → {shown(self.key, self.declared)}"


@dataclass(frozen=True)
class Change:
    """A declared connector that does not exist, or whose config is not as declared: then `differences` has how."""

    name: str
    config: Config = field(repr=False)
    differences: tuple[ConfigDifference, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for the same difference, so that a change that does not hold is not made for ever."""
        text = "\n".join(f"{d.key}={d.running}→{d.declared}" for d in self.differences)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Plan:
    """What to do. `undeclared` connectors run and are nobody's here: named, and left alone."""

    changes: tuple[Change, ...]
    same: tuple[str, ...]
    undeclared: tuple[str, ...]

    def change(self, name: str) -> Change | None:
        return next((change for change in self.changes if change.name == name), None)

    def lines(self) -> Iterator[str]:
        """The plan for a person: one line for each connector, and one for each setting that differs."""
        for change in self.changes:
            name, different = change.name, change.differences
            if different:
                yield f"~ {name}: differs from its declaration in {len(different)} settings"
                yield from (f"    {difference.text}" for difference in different)
            else:
                yield f"+ {name}: is declared and does not exist; it is created with {len(change.config)} settings"
        yield from (f"= {name}: as declared" for name in self.same)
        yield from (f"? {name}: runs and is not declared; left alone" for name in self.undeclared)


def plan(declared: Mapping[str, Config], running: Mapping[str, Running]) -> Plan:
    """The changes that make `running` what is `declared`."""
    changes = []
    same = []
    for name, config in sorted(declared.items()):
        if name not in running:
            changes.append(Change(name, config))
        elif found := differences(config, running[name].config):
            changes.append(Change(name, config, found))
        else:
            same.append(name)
    return Plan(tuple(changes), tuple(same), tuple(sorted(running.keys() - declared.keys())))


def differences(declared: Config, running: Config) -> tuple[ConfigDifference, ...]:
    """The settings in which two configs differ. Connect adds `name` by itself."""
    keys = sorted((declared.keys() | running.keys()) - {"name"})
    return tuple(
        ConfigDifference(key, running.get(key), declared.get(key))
        for key in keys
        if declared.get(key) != running.get(key)
    )
