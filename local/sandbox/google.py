"""Google's side: the token endpoint, Sheets v4 and the part of Drive v3 that a reader of sheets needs.

Behaviour after what gspread sends and expects: `values` is absent from an empty range, trailing empty cells and rows
are left out, values come as text unless `valueRenderOption=UNFORMATTED_VALUE`. 60 reads a minute, then
429 RESOURCE_EXHAUSTED without Retry-After; Drive has a quota of its own. Cells: see `cells`.

Errors, by what people were sent:
- a file that is not shared: 403 PERMISSION_DENIED from Sheets (googleapis/google-api-ruby-client #461), 404 notFound
  "File not found: id." from Drive, as for one that is gone (google-api-php-client #287, prasmussen/gdrive #394);
- a file that is gone: 404 from both; one in the trash is still read by Sheets (obot-platform/obot #108);
- an unknown tab: 400 "Unable to parse range: …" (invokable/laravel-google-sheets #13); rows beyond the grid: 400
  "exceeds grid limits";
- `ranges` filters the list of tabs itself (measured in brekkylab/backlot #159), and `includeGridData` is ignored beside
  a field mask (reference). Drive gives kind, id, name and mimeType only, unless `fields` asks for more (reference).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from google.auth import exceptions, jwt

from local.company.moments import FOUNDED, utc_millis
from local.company.sheets import Grid, Spreadsheet, Tab
from local.sandbox import masks
from local.sandbox.a1 import Range, name, parse
from local.sandbox.cells import grid_data, unformatted
from local.sandbox.http import Refused, Reply, Request, as_json
from local.sandbox.limits import SlidingWindow
from local.sandbox.settings import Credentials, Settings
from local.sandbox.world import World

TOKEN_SECONDS = 3599
ROWS, COLUMNS = 1000, 26
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
SPREADSHEET = "application/vnd.google-apps.spreadsheet"
DRIVE_FIELDS = "kind,id,name,mimeType"


def error(status: int, message: str) -> Reply:
    """The vendor's error body."""
    return as_json({"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}, status)


def not_found(id: str) -> Reply:
    """Drive's body for a file that is gone or not shared."""
    message = f"File not found: {id}."
    detail = {
        "domain": "global",
        "reason": "notFound",
        "message": message,
        "locationType": "parameter",
        "location": "fileId",
    }
    return as_json({"error": {"errors": [detail], "code": 404, "message": message}}, 404)


class GoogleApi:
    """Answers requests under `/google`."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self.world = world
        self.credentials = credentials
        self.reads = SlidingWindow(60)
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
                self._count(settings, now)
                return self._sheets(request, settings)
        except Refused as refused:
            return refused.reply
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as reason:
            return error(400, f"Invalid request: {reason}")
        return error(404, "Requested entity was not found.")

    def _count(self, settings: Settings, now: float) -> None:
        if not self.reads.take(settings.sheets_reads_per_minute, now):
            message = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'"
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

    def _file(self, id: str, settings: Settings) -> Spreadsheet:
        if id in settings.unshared:
            raise Refused(error(403, "The caller does not have permission"))
        file = self.world.company.spreadsheets.get(id)
        if file is None:
            raise Refused(error(404, "Requested entity was not found."))
        return file

    def _drive(self, request: Request, settings: Settings) -> Reply:
        if request.method != "GET":
            return error(405, f"The sandbox does not support {request.method} on Drive.")
        if id := request.path.removeprefix("/drive/v3/files").strip("/"):
            return self._drive_file(id, request, settings)
        query = request.param("q") or ""
        title = re.search(r"name\s*=\s*[\"'](.*?)[\"']", query)
        shown = [f for f in self.world.company.spreadsheets.values() if f.id not in settings.unshared]
        files = [self._drive_record(f) for f in shown if title is None or f.title == title[1]]
        return as_json({"kind": "drive#fileList", "incompleteSearch": False, "files": files})

    def _drive_file(self, id: str, request: Request, settings: Settings) -> Reply:
        file = None if id in settings.unshared else self.world.company.spreadsheets.get(id)
        if file is None:
            return not_found(id)
        return as_json(masks.masked(self._drive_record(file), _mask(request) or masks.parse(DRIVE_FIELDS)))

    def _drive_record(self, file: Spreadsheet) -> dict[str, Any]:
        return {
            "kind": "drive#file",
            "id": file.id,
            "name": file.title,
            "mimeType": SPREADSHEET,
            "createdTime": utc_millis(FOUNDED),
            "modifiedTime": utc_millis(file.edited(self.world.clock.now())),
            "trashed": False,
        }

    # --- Sheets -----------------------------------------------------------------------------------------------------

    def _sheets(self, request: Request, settings: Settings) -> Reply:
        rest = request.raw_path.removeprefix("/v4/spreadsheets/")
        id, _, tail = rest.partition("/")
        file = self._file(unquote(id), settings)
        if request.method != "GET":
            return error(405, f"The sandbox does not support {request.method} on Sheets.")
        if not tail:
            return self._spreadsheet(file, request)
        if tail == "values:batchGet":
            ranges = [self._values(file, text, request) for text in request.query.get("ranges", [])]
            return as_json({"spreadsheetId": file.id, "valueRanges": ranges})
        if tail.startswith("values/"):
            return as_json(self._values(file, unquote(tail.removeprefix("values/")), request))
        return error(404, "Requested entity was not found.")

    def _spreadsheet(self, file: Spreadsheet, request: Request) -> Reply:
        mask = _mask(request)
        with_cells = _asks_for_cells(mask) if mask else request.param("includeGridData") == "true"
        ranges = [self._range(file, text) for text in request.query.get("ranges", [])]
        for sheet, range in ranges:
            self._refuse_beyond(sheet, range)
        asked = [(sheet, [r for s, r in ranges if s is sheet]) for sheet in file.tabs]
        sheets = [
            self._sheet(file, sheet, parts or [Range(sheet.title)], with_cells)
            for sheet, parts in asked
            if parts or not ranges
        ]
        properties = {"title": file.title, "locale": file.locale, "timeZone": "Europe/Berlin"}
        link = f"https://docs.google.com/spreadsheets/d/{file.id}/edit"
        body = {"spreadsheetId": file.id, "properties": properties, "sheets": sheets, "spreadsheetUrl": link}
        return as_json(masks.masked(body, mask))

    def _sheet(self, file: Spreadsheet, sheet: Tab, ranges: list[Range], with_cells: bool) -> dict[str, Any]:
        properties = {
            "sheetId": sheet.sheet_id,
            "title": sheet.title,
            "index": file.tabs.index(sheet),
            "sheetType": "GRID",
            "gridProperties": {"rowCount": self._rows(sheet), "columnCount": COLUMNS},
        }
        if not with_cells:
            return {"properties": properties}
        data = [grid_data(self._cells(sheet, range), range.row) for range in ranges]
        return {"properties": properties, "data": data}

    def _cells(self, sheet: Tab, range: Range) -> list[list[str]]:
        """The range's cells without trailing empty rows."""
        grid = self._grid(sheet)
        rows = [list(row[range.column : range.column_end]) for row in grid[range.row : range.row_end]]
        while rows and not any(rows[-1]):
            rows.pop()
        return rows

    def _refuse_beyond(self, sheet: Tab, range: Range) -> None:
        rows = self._rows(sheet)
        if range.row >= rows or (range.row_end or 0) > rows:
            shown = name(sheet.title, range.row, range.column, range.row_end or rows, range.column_end or COLUMNS)
            limits = f"Max rows: {rows}, max columns: {COLUMNS}"
            raise Refused(error(400, f"Range ({shown}) exceeds grid limits. {limits}"))

    def _rows(self, sheet: Tab) -> int:
        return max(ROWS, len(self._grid(sheet)))

    def _grid(self, sheet: Tab) -> Grid:
        return trimmed(sheet.cells(self.world.clock.now()))

    def _range(self, file: Spreadsheet, text: str) -> tuple[Tab, Range]:
        range = parse(text, [s.title for s in file.tabs])
        for sheet in file.tabs if range else ():
            if range.tab is None or sheet.title.casefold() == range.tab.casefold():
                return sheet, range
        raise Refused(error(400, f"Unable to parse range: {text}"))

    def _values(self, file: Spreadsheet, text: str, request: Request) -> dict[str, Any]:
        sheet, range = self._range(file, text)
        values: list[list[Any]] = [[str(cell) for cell in row] for row in self._cells(sheet, range)]
        if request.param("valueRenderOption") == "UNFORMATTED_VALUE":
            as_shown = request.param("dateTimeRenderOption") == "FORMATTED_STRING"
            values = [[unformatted(cell, times_as_shown=as_shown) for cell in row] for row in self._cells(sheet, range)]
        columns = request.param("majorDimension") == "COLUMNS"
        if columns and values:
            width = max(map(len, values))
            values = [
                list(column) for column in zip(*([*row, *[""] * (width - len(row))] for row in values), strict=True)
            ]
        end = range.row_end or self._rows(sheet), range.column_end or COLUMNS
        shown = name(sheet.title, range.row, range.column, *end)
        found: dict[str, Any] = {"range": shown, "majorDimension": "COLUMNS" if columns else "ROWS"}
        return found | ({"values": values} if values else {})


def _mask(request: Request) -> masks.Mask:
    try:
        return masks.parse(fields) if (fields := request.param("fields")) else {}
    except ValueError as reason:
        raise Refused(error(400, "Request contains an invalid argument.")) from reason


def _asks_for_cells(mask: masks.Mask) -> bool:
    sheets = mask.get("sheets")
    return "*" in mask or (sheets is not None and (not sheets or "data" in sheets))


def trimmed(grid: Grid) -> Grid:
    """A tab's cells without trailing empty cells and rows."""
    rows = [row[: max((n for n, cell in enumerate(row, 1) if cell != ""), default=0)] for row in grid]
    while rows and not rows[-1]:
        rows.pop()
    return rows
