"""The HTTP server: upstream's routes, with logins that are checked, errors that are errors, and /healthz."""

from __future__ import annotations

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

from local.warehouse import departed, history, running
from local.warehouse.sessions import session_of
from local.warehouse.storage import PersistentFakeSnow

log = logging.getLogger("catchment.warehouse")
WRONG_PASSWORD = "390100"
UNKNOWN_DATABASE = "390201"
NO_SUCH_SESSION = "390104"


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


def failure(code: str, message: str, query_id: str | None = None, sqlstate: str = "08001") -> JSONResponse:
    """A refusal as Snowflake sends it: status 200, `success` false. (The connector retries other statuses.)"""
    data = {"errorCode": code, "sqlState": sqlstate, "queryId": query_id}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


def make_app(warehouse: PersistentFakeSnow, login: Login) -> Starlette:
    upstream.shared_fs = warehouse

    async def log_in(request: Request) -> JSONResponse:
        data = (await _body(request))["data"]
        user = str(data.get("LOGIN_NAME", ""))
        if not login.accepts(user, str(data.get("PASSWORD", ""))):
            return failure(WRONG_PASSWORD, "Incorrect username or password was specified.")
        database = request.query_params.get("databaseName")
        if database and normalise_ident(database) not in warehouse.databases():
            return failure(
                UNKNOWN_DATABASE,
                f"The database {database} does not exist. Connect without a database and CREATE DATABASE it first.",
            )
        response = await upstream.login_request(request)
        answer = json.loads(bytes(response.body))
        session = session_of(upstream.sessions[answer["data"]["token"]])
        session.user = user.upper() or session.user
        session.role = _name(request.query_params.get("roleName")) or "PUBLIC"
        session.warehouse = _name(request.query_params.get("warehouse"))
        parameters = data.get("SESSION_PARAMETERS") or {}
        session.parameters.update({k.upper(): str(v) for k, v in parameters.items() if k.upper() == "QUERY_TAG"})
        info = {"roleName": session.role, "warehouseName": session.warehouse}
        answer["data"]["sessionInfo"].update({k: v for k, v in info.items() if v})
        answer["data"]["sessionId"] = session.id
        return JSONResponse(answer)

    async def query(request: Request) -> Response:
        connection = upstream.sessions.get(upstream.to_token(request))
        if connection is None:
            return failure(NO_SUCH_SESSION, "This session is gone (the warehouse was restarted). Log in again.")
        statement = await _body(request)
        session = session_of(connection)
        session.peers.add(tuple(request.client or ()))
        with running.statement(session, request.query_params.get("requestId"), statement["sqlText"]) as run:
            try:
                response = await upstream.query_request(request)
            except Exception as error:
                log.exception("statement failed outside the engine: %s", statement["sqlText"])
                run.error = f"{type(error).__name__}: {error}"
                return failure("100132", run.error, run.query_id, "P0000")
        if response.status_code >= 400:
            run.error = json.loads(bytes(response.body))["message"]
            return failure("100132", run.error or "", run.query_id, "P0000")
        return response

    async def abort(request: Request) -> JSONResponse:
        running.cancel_request((await _body(request)).get("requestId", ""))
        return JSONResponse({"data": None, "code": None, "message": None, "success": True})

    async def close_or_keep(request: Request) -> Response:
        connection = upstream.sessions.get(upstream.to_token(request))
        response = await upstream.session(request)
        if connection is not None and request.query_params.get("delete"):
            await run_in_threadpool(departed.close, session_of(connection))
        return response

    def healthz(_: Request) -> JSONResponse:
        warehouse.duck_conn.cursor().execute("SELECT 1")
        return JSONResponse({"status": "ok", "databases": sorted(warehouse.databases())})

    replaced = {
        "/session/v1/login-request": log_in,
        "/queries/v1/query-request": query,
        "/queries/v1/abort-request": abort,
        "/session": close_or_keep,
    }
    routes = [
        Route(route.path, replaced[route.path], methods=["POST"]) if route.path in replaced else route
        for route in upstream.routes
    ]
    history.open_log(warehouse.db_path)
    return Starlette(routes=[*routes, Route("/healthz", healthz, methods=["GET"])])


def _name(value: str | None) -> str | None:
    return normalise_ident(value) if value else None
