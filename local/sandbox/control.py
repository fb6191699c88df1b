"""`/_sandbox`: the clock, faults, settings, the log of requests, and the truth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from local.company.truth import STREAMS, truth
from local.sandbox.edits import Edit
from local.sandbox.faults import Rule
from local.sandbox.http import Reply, Request, as_json

if TYPE_CHECKING:
    from local.sandbox.app import Sandbox


Handler = Callable[["Sandbox", Request], Reply]


def handle(sandbox: Sandbox, request: Request) -> Reply:
    """One reply of the control side. Mistakes come back as 400 with a sentence."""
    name, *rest = request.path.strip("/").split("/")
    try:
        if (request.method, name, len(rest)) == ("GET", "truth", 2):
            return _lines(sandbox, request, *rest)
        if not rest and (handler := ROUTES.get((request.method, name))):
            return handler(sandbox, request)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError) as reason:
        return as_json({"error": f"{request.method} /_sandbox{request.path}: {reason}"}, 400)
    return as_json({"error": f"There is no {request.method} /_sandbox{request.path}."}, 404)


def _health(sandbox: Sandbox, request: Request) -> Reply:
    return as_json({"ok": True})


def _list_faults(sandbox: Sandbox, request: Request) -> Reply:
    return as_json([{**msgspec.structs.asdict(a.rule), "seen": a.seen} for a in sandbox.faults.active])


def _add_faults(sandbox: Sandbox, request: Request) -> Reply:
    rules = msgspec.json.decode(request.body, type=list[Rule] | Rule)
    for rule in rules if isinstance(rules, list) else [rules]:
        sandbox.faults.add(rule)
    return _list_faults(sandbox, request)


def _clear_faults(sandbox: Sandbox, request: Request) -> Reply:
    sandbox.faults.clear()
    return as_json([])


def _list_requests(sandbox: Sandbox, request: Request) -> Reply:
    return as_json(list(sandbox.log))


def _count(sandbox: Sandbox, request: Request) -> Reply:
    """By vendor: requests answered by status, those that a rule spoiled, and the most at one time."""
    return as_json(sandbox.counts)


def _clear_requests(sandbox: Sandbox, request: Request) -> Reply:
    sandbox.log.clear()
    sandbox.counts.clear()
    return as_json([])


def _edit(sandbox: Sandbox, request: Request) -> Reply:
    edits = msgspec.json.decode(request.body, type=list[Edit] | Edit)
    met = [sandbox.world.edit(edit) for edit in (edits if isinstance(edits, list) else [edits])]
    return as_json({"records": met})


def _list_edits(sandbox: Sandbox, request: Request) -> Reply:
    return as_json(sandbox.world.editor.applied)


def _undo_edits(sandbox: Sandbox, request: Request) -> Reply:
    sandbox.world.editor.undo()
    return as_json([])


def _settings(sandbox: Sandbox, request: Request) -> Reply:
    return as_json(sandbox.settings)


def _change_settings(sandbox: Sandbox, request: Request) -> Reply:
    sandbox.settings = sandbox.settings.changed(request.json())
    return as_json(sandbox.settings)


def _reset(sandbox: Sandbox, request: Request) -> Reply:
    sandbox.reset()
    return as_json({"ok": True})


def _clock(sandbox: Sandbox, request: Request) -> Reply:
    clock = sandbox.world.clock
    now = clock.now()
    return as_json({"now": now, "iso": datetime.fromtimestamp(now, UTC).isoformat(), "running": clock.frozen is None})


def _set_clock(sandbox: Sandbox, request: Request) -> Reply:
    """`{"now": unix or ISO, "running": bool}`, `{"advance": seconds}` or `{"real": true}`."""
    body = request.json()
    clock = sandbox.world.clock
    if body.get("real"):
        clock.reset()
    if "now" in body:
        clock.set(_moment(body["now"]), bool(body.get("running")))
    if "advance" in body:
        clock.advance(float(body["advance"]))
    return _clock(sandbox, request)


def _moment(value: float | str) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no offset: write 2026-11-23T10:00:00+00:00 or a Unix time.")
    return moment.timestamp()


def _truth(sandbox: Sandbox, request: Request, source: str, stream: str) -> dict[tuple[Any, ...], bytes]:
    at = request.param("at")
    options: dict[str, Any] = {"everything": request.param("everything") != "false"}
    for name in ("start", "end"):
        if day := request.param(name):
            options[name] = date.fromisoformat(day)
    moment = int(_moment(float(at) if at.isdigit() else at)) if at else sandbox.world.clock.now()
    return truth(sandbox.world.company, source, stream, moment, **options)


def _counts(sandbox: Sandbox, request: Request) -> Reply:
    counts = {
        source: {stream: len(_truth(sandbox, request, source, stream)) for stream in streams}
        for source, streams in STREAMS.items()
    }
    return as_json(counts)


def _lines(sandbox: Sandbox, request: Request, source: str, stream: str) -> Reply:
    """JSON Lines of the current records; with `keys=true` each as `{"key": […], "record": {…}}`."""
    found = _truth(sandbox, request, source, stream)
    if request.param("keys") == "true":
        lines = [b'{"key":%s,"record":%s}\n' % (msgspec.json.encode(key), body) for key, body in found.items()]
    else:
        lines = [body + b"\n" for body in found.values()]
    return Reply(200, b"".join(lines), content_type="application/x-ndjson")


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "health"): _health,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "counts"): _count,
    ("GET", "edits"): _list_edits,
    ("POST", "edits"): _edit,
    ("DELETE", "edits"): _undo_edits,
    ("GET", "requests"): _list_requests,
    ("DELETE", "requests"): _clear_requests,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _change_settings,
    ("POST", "reset"): _reset,
    ("GET", "truth"): _counts,
}
