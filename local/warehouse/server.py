"""The HTTP server: upstream's routes, with logins that are checked, errors that are errors, and /healthz."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import logging
import os
from dataclasses import dataclass
from typing import Any

import fakesnow.server as upstream
from fakesnow.expr import normalise_ident
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.warehouse import history, orphaned_sessions, running
from local.warehouse.sessions import Session, session_of
from local.warehouse.storage import PersistentFakeSnow

log = logging.getLogger("catchment.warehouse")
WRONG_PASSWORD = "390100"
UNKNOWN_DATABASE = "390201"
NO_SUCH_SESSION = "390104"
FAILED = "100132"
LARGEST_KEPT = 1_000_000  # bytes of an answer to a client that still listens, in case it is asked for again


@dataclass(frozen=True)
class Login:
    """The one user that is let in; without a password in the settings anyone is."""

    user: str | None = os.environ.get("CATCHMENT_WAREHOUSE_USER")
    password: str | None = os.environ.get("CATCHMENT_WAREHOUSE_PASSWORD")

    def accepts(self, user: str, password: str) -> bool:
        right_user = self.user is None or user.upper() == self.user.upper()
        return right_user and (self.password is None or hmac.compare_digest(password.encode(), self.password.encode()))


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body) if body else {}


def failure(code: str, message: str, sqlstate: str = "08001") -> JSONResponse:
    """A refusal as Snowflake sends it: status 200, `success` false. (The connector retries other statuses.)"""
    data = {"errorCode": code, "sqlState": sqlstate, "queryId": None}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


@dataclass(frozen=True)
class Routes:
    """The routes that replace upstream's, over one warehouse."""

    warehouse: PersistentFakeSnow
    login: Login

    async def log_in(self, request: Request) -> JSONResponse:
        """Let a user in, to a database that exists; the session remembers role, warehouse and query tag."""
        data, asked = (await _body(request))["data"], request.query_params
        user = str(data.get("LOGIN_NAME", ""))
        if not self.login.accepts(user, str(data.get("PASSWORD", ""))):
            return failure(WRONG_PASSWORD, "Incorrect username or password was specified.")
        database = asked.get("databaseName")
        if database and normalise_ident(database) not in self.warehouse.databases():
            return failure(
                UNKNOWN_DATABASE,
                f"The database {database} does not exist. Connect without a database and CREATE DATABASE it first.",
            )
        answer = json.loads(bytes((await upstream.login_request(request)).body))
        session = session_of(upstream.sessions[answer["data"]["token"]])
        session.user = user.upper() or session.user
        session.role = _name(asked.get("roleName")) or "PUBLIC"
        session.warehouse = _name(asked.get("warehouse"))
        if tag := (data.get("SESSION_PARAMETERS") or {}).get("QUERY_TAG"):
            session.parameters["QUERY_TAG"] = str(tag)
        info = {"roleName": session.role, "warehouseName": session.warehouse}
        answer["data"]["sessionInfo"].update({k: v for k, v in info.items() if v})
        answer["data"]["sessionId"] = session.id
        answer["data"]["masterToken"] = answer["data"]["token"]  # without one the connector never ends its sessions
        return JSONResponse(answer)

    async def query(self, request: Request) -> Response:
        """Answer a statement. One that is asked again, by its request's id, is not run again.

        The connector asks again when it has heard nothing for a minute (`socket_timeout`); Snowflake knows the id, too.
        """
        connection = upstream.sessions.get(upstream.to_token(request))
        if connection is None:
            return failure(NO_SUCH_SESSION, "This session is gone (the warehouse was restarted). Log in again.")
        statement = await _body(request)
        session = session_of(connection)
        client = tuple(request.client or ())
        session.peers.add(client)
        request_id = request.query_params.get("requestId")
        if session.asked is None or request_id is None or session.asked[0] != request_id:
            session.asked = request_id, asyncio.ensure_future(self._run(session, request, statement["sqlText"]))
        answer = session.asked[1]
        response: Response = await asyncio.shield(answer)
        if len(response.body) > LARGEST_KEPT and client in session.peers and session.asked == (request_id, answer):
            session.asked = None
        return response

    async def _run(self, session: Session, request: Request, text: str) -> Response:
        """Run a statement through upstream; whatever goes wrong is a failed statement."""
        async with session.turn:
            with running.statement(session, request.query_params.get("requestId"), text) as run:
                try:
                    response = await upstream.query_request(request)
                except Exception as error:
                    log.exception("statement failed outside the engine: %s", text)
                    run.error = f"{type(error).__name__}: {error}"
                    return failure(FAILED, run.error, sqlstate="P0000")
                if response.status_code >= 400:
                    run.error = str(json.loads(bytes(response.body))["message"])
                    return failure(FAILED, run.error, sqlstate="P0000")
            return response

    async def abort(self, request: Request) -> JSONResponse:
        """Cancel the statement with the client's request id."""
        running.cancel_request((await _body(request)).get("requestId", ""))
        return JSONResponse({"data": None, "code": None, "message": None, "success": True})

    async def session(self, request: Request) -> Response:
        """End a session; its open transaction is rolled back."""
        connection = upstream.sessions.get(upstream.to_token(request))
        response = await upstream.session(request)
        if connection is not None and request.query_params.get("delete"):
            await run_in_threadpool(orphaned_sessions.close, session_of(connection))
        return response

    def healthz(self, _: Request) -> JSONResponse:
        """Whether the engine answers, and the databases it has."""
        self.warehouse.duck_conn.cursor().execute("SELECT 1")
        return JSONResponse({"status": "ok", "databases": sorted(self.warehouse.databases())})


def make_app(warehouse: PersistentFakeSnow, login: Login) -> Starlette:
    """Upstream's application over this warehouse, with our routes in place of its own."""
    upstream.shared_fs = warehouse
    history.open_log(warehouse.db_path)
    ours = Routes(warehouse, login)
    replaced = {
        "/session/v1/login-request": ours.log_in,
        "/queries/v1/query-request": ours.query,
        "/queries/v1/abort-request": ours.abort,
        "/session": ours.session,
    }
    routes = [
        Route(route.path, replaced[route.path], methods=["POST"]) if route.path in replaced else route
        for route in upstream.routes
    ]
    return Starlette(routes=[*routes, Route("/healthz", ours.healthz, methods=["GET"])])


def _name(value: str | None) -> str | None:
    return normalise_ident(value) if value else None
