"""Statements about access and compute are accepted and enforce nothing; questions about them are errors.

Upstream (fakesnow 0.12.1) fails on GRANT, roles, warehouses, integrations, policies, streams and tasks. The platform's
provisioning sends them, so they succeed here and are logged; SHOW GRANTS and the like would have to lie, so they fail.
"""

from __future__ import annotations

import logging

from local.warehouse import errors, hooks

log = logging.getLogger("catchment.warehouse")
OBJECTS = (
    r"(?:role|database\s+role|warehouse|user|resource\s+monitor|masking\s+policy|row\s+access\s+policy|"
    r"network\s+(?:policy|rule)|session\s+policy|password\s+policy|authentication\s+policy|aggregation\s+policy|"
    r"(?:storage|notification|api|security|external\s+access)\s+integration|integration|share|account|tag)"
)
ACCEPTED = (
    r"(?:grant|revoke)\b",
    rf"(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:or\s+alter\s+)?{OBJECTS}\b",
    r"alter\s+(?:table|view)\s.*\b(?:masking\s+policy|row\s+access\s+policy|search\s+optimization|"
    r"change_tracking|data_retention_time_in_days)\b",
    r"alter\s+(?:database|schema)\s.*\bset\b",
    r"comment\s+(?:if\s+exists\s+)?on\s+(?!table|column|view)\w+",
    r"use\s+secondary\s+roles\b",
)
REFUSED = (
    r"show\s+(?:\w+\s+)?(?:grants|roles|users|warehouses|integrations|policies|masking|row\s+access|"
    r"resource\s+monitors|shares)\b"
)


def _accept(call: hooks.Call) -> hooks.Answer:
    log.info("accepted without effect: %s", call.text.split("\n")[0][:200])
    return hooks.Answer()


def _refuse(call: hooks.Call) -> hooks.Answer:
    raise errors.unsupported(f"{call.text[:60]!r}: users, roles, grants and warehouses are accepted but not kept")


def apply() -> None:
    for pattern in ACCEPTED:
        hooks.handle(pattern, _accept)
    hooks.handle(REFUSED, _refuse)
