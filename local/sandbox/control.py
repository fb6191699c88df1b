"""`/_sandbox`: the clock, faults, settings, the log of requests, and the truth."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from local.company.truth import STREAMS, truth
from local.sandbox.faults import Rule
from local.sandbox.http import Reply, Request, as_json

if TYPE_CHECKING:
    from local.sandbox.app import Sandbox


def handle(sandbox: Sandbox, request: Request) -> Reply:
    """One reply of the control side. Mistakes come back as 400 with a sentence."""
    try:
        return _route(sandbox, request)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError) as reason:
        return as_json({"error": f"{request.method} /_sandbox{request.path}: {reason}"}, 400)


def _route(sandbox: Sandbox, request: Request) -> Reply:
    match request.method, request.path.strip("/").split("/"):
        case "GET", ["health"]:
            return as_json({"ok": True})
        case "GET", ["clock"]:
            return _clock(sandbox)
        case "POST", ["clock"]:
            _set_clock(sandbox, request.json())
            return _clock(sandbox)
        case "GET", ["faults"]:
            return as_json([{**msgspec.structs.asdict(a.rule), "seen": a.seen} for a in sandbox.faults.active])
        case "POST", ["faults"]:
            rules = msgspec.json.decode(request.body, type=list[Rule] | Rule)
            for rule in rules if isinstance(rules, list) else [rules]:
                sandbox.faults.add(rule)
            return as_json({"faults": len(sandbox.faults.active)})
        case "DELETE", ["faults"]:
            sandbox.faults.clear()
            return as_json({"faults": 0})
        case "GET", ["requests"]:
            return as_json(list(sandbox.log))
        case "DELETE", ["requests"]:
            sandbox.log.clear()
            return as_json([])
        case "GET", ["settings"]:
            return as_json(sandbox.settings)
        case "POST", ["settings"]:
            sandbox.settings = sandbox.settings.changed(request.json())
            return as_json(sandbox.settings)
        case "POST", ["reset"]:
            sandbox.reset()
            return as_json({"ok": True})
        case "GET", ["truth"]:
            return as_json(_counts(sandbox, request))
        case "GET", ["truth", source, stream]:
            return _lines(sandbox, request, source, stream)
    return as_json({"error": f"There is no {request.method} /_sandbox{request.path}."}, 404)


def _clock(sandbox: Sandbox) -> Reply:
    clock = sandbox.world.clock
    now = clock.now()
    shown = datetime.fromtimestamp(now).astimezone().isoformat()
    return as_json({"now": now, "iso": shown, "running": clock.frozen is None})


def _set_clock(sandbox: Sandbox, body: dict[str, Any]) -> None:
    """`{"now": unix or ISO, "running": bool}`, `{"advance": seconds}` or `{"real": true}`."""
    clock = sandbox.world.clock
    if body.get("real"):
        clock.reset()
    if "now" in body:
        clock.set(_moment(body["now"]), bool(body.get("running")))
    if "advance" in body:
        clock.advance(float(body["advance"]))


def _moment(value: float | str) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no offset: write 2026-11-23T10:00:00+00:00 or a Unix time.")
    return moment.timestamp()


def _truth(sandbox: Sandbox, request: Request, source: str, stream: str) -> dict[tuple[Any, ...], bytes]:
    at = request.param("at")
    options: dict[str, Any] = {"everything": request.param("everything") == "true"}
    if start := request.param("start"):
        options["start"] = date.fromisoformat(start)
    moment = int(_moment(float(at) if at.isdigit() else at)) if at else sandbox.world.clock.now()
    cells = None if at else sandbox.world.files.cells
    return truth(sandbox.world.company, source, stream, moment, cells=cells, **options)


def _counts(sandbox: Sandbox, request: Request) -> dict[str, dict[str, int]]:
    return {
        source: {stream: len(_truth(sandbox, request, source, stream)) for stream in streams}
        for source, streams in STREAMS.items()
    }


def _lines(sandbox: Sandbox, request: Request, source: str, stream: str) -> Reply:
    """JSON Lines of the current records; with `keys=true` each as `{"key": […], "record": {…}}`."""
    found = _truth(sandbox, request, source, stream)
    if request.param("keys") == "true":
        lines = [b'{"key":%s,"record":%s}\n' % (msgspec.json.encode(key), body) for key, body in found.items()]
    else:
        lines = [body + b"\n" for body in found.values()]
    return Reply(200, b"".join(lines), content_type="application/x-ndjson")
