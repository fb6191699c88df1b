"""Google's side: the token endpoint, Sheets v4 and the part of Drive v3 that a reader of sheets needs.

Behaviour after what gspread sends and expects: `values` is absent from an empty range, trailing empty cells and rows
are left out, values come as text unless `valueRenderOption=UNFORMATTED_VALUE`. 60 reads and 60 writes a minute, then
429 RESOURCE_EXHAUSTED without Retry-After; Drive has a quota of its own.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from google.auth import exceptions, jwt

from local.company.moments import utc_millis
from local.sandbox.a1 import Range, name, parse
from local.sandbox.files import COLUMNS, ROWS, File, Sheet
from local.sandbox.http import Refused, Reply, Request, as_json
from local.sandbox.limits import SlidingWindow
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World

TOKEN_SECONDS = 3599
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def error(status: int, message: str) -> Reply:
    """The vendor's error body."""
    return as_json({"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}, status)


class GoogleApi:
    """Answers requests under `/google`."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self.reads = SlidingWindow(60)
        self.writes = SlidingWindow(60)
        self.tokens: dict[str, float] = {}

    def handle(self, request: Request, settings: Settings, now: float) -> Reply:
        """One reply; `now` is a monotonic clock for the limits and the life of tokens."""
        if request.path == "/token":
            return self._token(request, now)
        if self.tokens.get(request.bearer or "", 0) <= now:
            return error(401, "Request had invalid authentication credentials. Expected OAuth 2 access token.")
        try:
            if request.path.startswith("/drive/v3/files"):
                return self._drive(request, settings)
            if request.path.startswith("/v4/spreadsheets/"):
                self._count(request, settings, now)
                return self._sheets(request, settings)
        except Refused as refused:
            return refused.reply
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as reason:
            return error(400, f"Invalid request: {reason}")
        return error(404, "Requested entity was not found.")

    def _count(self, request: Request, settings: Settings, now: float) -> None:
        reading = request.method == "GET"
        limit = settings.sheets_reads_per_minute if reading else settings.sheets_writes_per_minute
        if not (self.reads if reading else self.writes).take(limit, now):
            kind = "Read" if reading else "Write"
            message = (
                f"Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per user'"
            )
            raise Refused(error(429, f"{message} of service 'sheets.googleapis.com'."))

    # --- tokens -----------------------------------------------------------------------------------------------------

    def _token(self, request: Request, now: float) -> Reply:
        form = parse_qs(request.body.decode())
        assertion = (form.get("assertion") or [""])[0]
        try:
            claims = jwt.decode(assertion, certs=self.credentials.google_public_key, clock_skew_in_seconds=60)
        except (ValueError, exceptions.GoogleAuthError):
            return as_json({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
        if claims.get("iss") != self.credentials.google_email:
            return as_json({"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400)
        token = "ya29." + hashlib.sha256(f"{assertion}{len(self.tokens)}".encode()).hexdigest()
        self.tokens = {t: end for t, end in self.tokens.items() if end > now} | {token: now + TOKEN_SECONDS}
        return as_json({"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"})

    # --- Drive ------------------------------------------------------------------------------------------------------

    def _file(self, id: str, settings: Settings) -> File:
        if id in settings.unshared:
            raise Refused(error(403, "The caller does not have permission"))
        file = self.world.files.find(id)
        if file is None:
            raise Refused(error(404, "Requested entity was not found."))
        return file

    def _drive(self, request: Request, settings: Settings) -> Reply:
        if request.method != "GET":
            return error(405, f"The sandbox does not support {request.method} on Drive.")
        id = request.path.removeprefix("/drive/v3/files").strip("/")
        if id:
            return as_json(self._drive_record(self._file(id, settings)))
        query = request.param("q") or ""
        title = re.search(r"name\s*=\s*[\"'](.*?)[\"']", query)
        shown = [f for f in self.world.files.all() if f.id not in settings.unshared]
        files = [self._drive_record(f) for f in shown if title is None or f.title == title[1]]
        return as_json({"kind": "drive#fileList", "incompleteSearch": False, "files": files})

    def _drive_record(self, file: File) -> dict[str, str]:
        modified = utc_millis(file.modified(self.world.clock.now()))
        return {"id": file.id, "name": file.title, "createdTime": utc_millis(file.created), "modifiedTime": modified}

    # --- Sheets -----------------------------------------------------------------------------------------------------

    def _sheets(self, request: Request, settings: Settings) -> Reply:
        rest = request.raw_path.removeprefix("/v4/spreadsheets/")
        id, _, tail = rest.partition("/")
        id, _, action = unquote(id).partition(":")
        file = self._file(id, settings)
        match request.method, tail, action:
            case "GET", "", "":
                return as_json(self._metadata(file))
            case "POST", "", "batchUpdate":
                return self._batch_update(file, request.json()["requests"])
        if tail.startswith("values:"):
            return self._many_ranges(file, request, tail)
        if tail.startswith("values/"):
            return self._one_range(file, request, tail.removeprefix("values/"))
        return error(404, "Requested entity was not found.")

    def _many_ranges(self, file: File, request: Request, tail: str) -> Reply:
        match request.method, tail:
            case "GET", "values:batchGet":
                ranges = [self._values(file, text, request) for text in request.query.get("ranges", [])]
                return as_json({"spreadsheetId": file.id, "valueRanges": ranges})
            case "POST", "values:batchUpdate":
                body = request.json()
                done = [self._write(file, part["range"], part, body["valueInputOption"]) for part in body["data"]]
                return as_json({"spreadsheetId": file.id, "responses": done, **_totals(done)})
            case "POST", "values:batchClear":
                cleared = [self._clear(file, text) for text in request.json()["ranges"]]
                return as_json({"spreadsheetId": file.id, "clearedRanges": cleared})
        return error(405, f"The sandbox does not support {request.method} here.")

    def _one_range(self, file: File, request: Request, tail: str) -> Reply:
        text, verb = _range_and_verb(tail)
        option = request.param("valueInputOption") or "RAW"
        match request.method, verb:
            case "GET", "":
                return as_json(self._values(file, text, request))
            case "PUT", "":
                return as_json(self._write(file, text, request.json(), option))
            case "POST", "append":
                return as_json(self._append(file, text, request.json(), option))
            case "POST", "clear":
                return as_json({"spreadsheetId": file.id, "clearedRange": self._clear(file, text)})
        return error(405, f"The sandbox does not support {request.method} here.")

    def _metadata(self, file: File) -> dict[str, Any]:
        sheets = [
            {
                "properties": {
                    "sheetId": sheet.sheet_id,
                    "title": sheet.title,
                    "index": index,
                    "sheetType": "GRID",
                    "gridProperties": {"rowCount": self._rows(file, sheet), "columnCount": COLUMNS},
                }
            }
            for index, sheet in enumerate(file.sheets)
        ]
        properties = {"title": file.title, "locale": "de_DE", "timeZone": "Europe/Berlin"}
        link = f"https://docs.google.com/spreadsheets/d/{file.id}/edit"
        return {"spreadsheetId": file.id, "properties": properties, "sheets": sheets, "spreadsheetUrl": link}

    def _rows(self, file: File, sheet: Sheet) -> int:
        return max(ROWS, len(file.grid(sheet, self.world.clock.now())))

    def _range(self, file: File, text: str) -> tuple[Sheet, Range]:
        range = parse(text, [s.title for s in file.sheets])
        sheet = file.sheet(range.tab) if range else None
        if range is None or sheet is None:
            raise Refused(error(400, f"Unable to parse range: {text}"))
        return sheet, range

    def _values(self, file: File, text: str, request: Request) -> dict[str, Any]:
        sheet, range = self._range(file, text)
        grid = file.grid(sheet, self.world.clock.now())
        rows = [row[range.column : range.column_end] for row in grid[range.row : range.row_end]]
        values: list[list[Any]] = [list(r) for r in rows]
        while values and not any(values[-1]):
            values.pop()
        if request.param("valueRenderOption") == "UNFORMATTED_VALUE":
            values = [[_unformatted(cell) for cell in row] for row in values]
        columns = request.param("majorDimension") == "COLUMNS"
        if columns and values:
            width = max(map(len, values))
            values = [
                list(column) for column in zip(*([*row, *[""] * (width - len(row))] for row in values), strict=True)
            ]
        end = range.row_end or self._rows(file, sheet), range.column_end or COLUMNS
        shown = name(sheet.title, range.row, range.column, *end)
        found: dict[str, Any] = {"range": shown, "majorDimension": "COLUMNS" if columns else "ROWS"}
        return found | ({"values": values} if values else {})

    def _write(self, file: File, text: str, body: dict[str, Any], option: str) -> dict[str, Any]:
        sheet, range = self._range(file, text)
        return self._put(file, sheet, range.row, range.column, body.get("values", []), option)

    def _append(self, file: File, text: str, body: dict[str, Any], option: str) -> dict[str, Any]:
        sheet, range = self._range(file, text)
        last = len(file.grid(sheet, self.world.clock.now()))
        updates = self._put(file, sheet, last, range.column, body.get("values", []), option)
        return {"spreadsheetId": file.id, "updates": updates}

    def _put(
        self, file: File, sheet: Sheet, row: int, column: int, values: list[list[Any]], option: str
    ) -> dict[str, Any]:
        typed = [[None if cell is None else _as_typed(cell, option) for cell in line] for line in values]
        file.write(sheet, self.world.clock.now(), row, column, typed)
        width = max(map(len, values), default=0)
        shown = name(sheet.title, row, column, row + max(1, len(values)), column + max(1, width))
        return {
            "spreadsheetId": file.id,
            "updatedRange": shown,
            "updatedRows": len(values),
            "updatedColumns": width,
            "updatedCells": sum(map(len, values)),
        }

    def _clear(self, file: File, text: str) -> str:
        sheet, range = self._range(file, text)
        grid = [list(row) for row in file.grid(sheet, self.world.clock.now())]
        for row in grid[range.row : range.row_end]:
            for column, _ in list(enumerate(row))[range.column : range.column_end]:
                row[column] = ""
        file.replace(sheet, self.world.clock.now(), grid)
        end = range.row_end or self._rows(file, sheet), range.column_end or COLUMNS
        return name(sheet.title, range.row, range.column, *end)

    def _batch_update(self, file: File, requests: list[dict[str, Any]]) -> Reply:
        replies: list[dict[str, Any]] = []
        at = self.world.clock.now()
        for change in requests:
            (kind, what) = next(iter(change.items()))
            match kind:
                case "addSheet":
                    number = max((s.sheet_id for s in file.sheets), default=0) + 1
                    properties = {"sheetId": number, "sheetType": "GRID", **what["properties"]}
                    file.sheets.append(Sheet(properties["title"], properties["sheetId"], lambda _: []))
                    grid = {"rowCount": ROWS, "columnCount": COLUMNS}
                    replies.append(
                        {
                            "addSheet": {
                                "properties": {"index": len(file.sheets) - 1, "gridProperties": grid} | properties
                            }
                        }
                    )
                case "deleteSheet":
                    file.sheets = [s for s in file.sheets if s.sheet_id != what["sheetId"]]
                    replies.append({})
                case "updateSheetProperties":
                    sheet = next(s for s in file.sheets if s.sheet_id == what["properties"]["sheetId"])
                    sheet.title = what["properties"].get("title", sheet.title)
                    replies.append({})
                case "deleteDimension":
                    self._delete_rows(file, what["range"], at)
                    replies.append({})
                case _:
                    return error(400, f"The sandbox does not support the request {kind}.")
        file.touch(at)
        return as_json({"spreadsheetId": file.id, "replies": replies})

    def _delete_rows(self, file: File, range: dict[str, Any], at: int) -> None:
        if range["dimension"] != "ROWS":
            raise Refused(error(400, "The sandbox deletes rows only."))
        sheet = next(s for s in file.sheets if s.sheet_id == range["sheetId"])
        grid = [list(row) for row in file.grid(sheet, at)]
        del grid[range["startIndex"] : range["endIndex"]]
        file.replace(sheet, at, grid)


def _range_and_verb(text: str) -> tuple[str, str]:
    for verb in ("append", "clear"):
        if text.endswith(f":{verb}"):
            return unquote(text.removesuffix(f":{verb}")), verb
    return unquote(text), ""


def _as_typed(cell: Any, option: str) -> str:
    """What a cell shows after a value was written: numbers and booleans as text, typed text interpreted."""
    if isinstance(cell, bool):
        return str(cell).upper()
    text = str(cell)
    if option == "USER_ENTERED":
        if text.startswith("'"):
            return text[1:]
        if text.isdigit():
            return str(int(text))
    return text


def _unformatted(cell: str) -> Any:
    """A cell's value: a plain number or boolean, else its text (leading zeros make a text)."""
    if cell in ("TRUE", "FALSE"):
        return cell == "TRUE"
    if NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


def _totals(done: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "totalUpdatedRows": sum(d["updatedRows"] for d in done),
        "totalUpdatedColumns": sum(d["updatedColumns"] for d in done),
        "totalUpdatedCells": sum(d["updatedCells"] for d in done),
        "totalUpdatedSheets": len(done),
    }
