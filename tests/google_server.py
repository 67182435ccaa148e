"""A local HTTP server that speaks the endpoints of Google that reading sheets needs, errors and bad days included.

Shapes as documented: Drive v3 `files.get`, Sheets v4 `spreadsheets.get` and `spreadsheets.values.get`, the OAuth 2.0 token
endpoint with refresh tokens and PKCE.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-of-tests"
_RANGE = re.compile(r"'((?:[^']|'')*)'!([A-Z]+)(\d+):([A-Z]+)(\d+)")


@dataclass
class Sheet:
    """A worksheet: its cells as the interface gives them (texts, numbers, booleans), and their look where it differs."""

    sheet_id: int
    title: str
    cells: list[list[Any]]
    rows: int = 1000
    columns: int = 26
    kind: str = "GRID"


@dataclass
class Spreadsheet:
    """A spreadsheet; `readers` are the refresh tokens whose holder may see it."""

    title: str
    sheets: list[Sheet]
    version: int = 1
    is_public: bool = False
    is_trashed: bool = False
    readers: set[str] = field(default_factory=set)


@dataclass
class Fault:
    """What happens to the next requests whose path holds `path`: a status, or `hang`, `half`, `close`."""

    path: str
    what: int | str
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass
class GoogleServer:
    """The state behind the interface; tests change it between requests, as people do."""

    files: dict[str, Spreadsheet] = field(default_factory=dict)
    api_keys: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)  # code -> (challenge, refresh token)
    access_tokens: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def edit(self, file: str, sheet_id: int, cells: list[list[Any]]) -> None:
        """Change a worksheet, as a person would: the file's version moves."""
        next(sheet for sheet in self.files[file].sheets if sheet.sheet_id == sheet_id).cells = cells
        self.files[file].version += 1

    def expire_tokens(self) -> None:
        """Refuse every access token that was given out."""
        self.access_tokens.clear()

    def fault(self, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.path in path:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}
        if form["grant_type"] == "authorization_code":
            challenge, refresh_token = self.codes.pop(form["code"], ("", ""))
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                return 400, {"error": "invalid_grant", "error_description": "Malformed auth code."}
            self.refresh_tokens.add(refresh_token)
            given = {"refresh_token": refresh_token}
        else:
            refresh_token, given = form["refresh_token"], {}
            if refresh_token not in self.refresh_tokens:
                return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        token = f"ya29.{len(self.paths)}.{hashlib.sha256(refresh_token.encode()).hexdigest()[:20]}"
        self.access_tokens[token] = refresh_token
        return 200, {"access_token": token, "expires_in": 3599, "scope": "…", "token_type": "Bearer", **given}

    def answer(self, path: str, query: dict[str, str], headers: Any) -> tuple[int, dict[str, Any]]:
        who = self._who(headers)
        if who is None:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        name = next((name for name in self.files if f"/{name}" in path), None)
        file = self.files.get(name or "")
        is_seen = file is not None and (file.is_public or who in file.readers)
        if path.startswith("/drive/v3/files/"):
            if file is None or not is_seen:
                return _drive_error(404, "notFound", "File not found.")
            return 200, {
                "id": name,
                "name": file.title,
                "version": str(file.version),
                "modifiedTime": f"2026-01-01T00:00:{file.version % 60:02}.000Z",
                "trashed": file.is_trashed,
            }
        if file is None or not is_seen:
            not_found = (404, "NOT_FOUND", "Requested entity was not found.")
            return _error(*(not_found if file is None else (403, "PERMISSION_DENIED", "The caller does not have permission")))
        if "/values/" in path:
            return self._values(file, unquote(path.partition("/values/")[2]), query)
        return 200, {
            "properties": {"title": file.title},
            "sheets": [_sheet(place, item) for place, item in enumerate(file.sheets)],
        }

    def _who(self, headers: Any) -> str | None:
        """Return the refresh token behind the request's credential, empty for a key, None for nobody."""
        if headers.get("x-goog-api-key") in self.api_keys:
            return ""
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        return self.access_tokens.get(token) if scheme == "Bearer" else None

    def _values(self, file: Spreadsheet, range_: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        found = _RANGE.fullmatch(range_)
        title = found[1].replace("''", "'") if found else ""
        sheet = next((item for item in file.sheets if item.title == title), None)
        if found is None or sheet is None:
            return _error(400, "INVALID_ARGUMENT", f"Unable to parse range: {range_}")
        first, last, width = int(found[3]), int(found[5]), _column(found[4])
        rows = [[_rendered(cell, query) for cell in row[:width]] for row in sheet.cells[first - 1 : last]]
        rows = [_trimmed(row) for row in rows]
        while rows and not rows[-1]:
            rows.pop()
        body: dict[str, Any] = {"range": range_, "majorDimension": "ROWS"}
        return 200, body | ({"values": rows} if rows else {})


def _sheet(place: int, sheet: Sheet) -> dict[str, Any]:
    properties: dict[str, Any] = {"sheetId": sheet.sheet_id, "title": sheet.title, "index": place, "sheetType": sheet.kind}
    if sheet.kind == "GRID":
        properties["gridProperties"] = {"rowCount": sheet.rows, "columnCount": sheet.columns}
    return {"properties": properties}


def _rendered(cell: Any, query: dict[str, str]) -> Any:
    is_formatted = query.get("valueRenderOption", "FORMATTED_VALUE") == "FORMATTED_VALUE"
    if isinstance(cell, tuple):
        return cell[1] if is_formatted else cell[0]
    if isinstance(cell, bool):
        return ("TRUE" if cell else "FALSE") if is_formatted else cell
    return str(cell) if is_formatted and cell is not None else ("" if cell is None else cell)


def _trimmed(row: list[Any]) -> list[Any]:
    while row and row[-1] in ("", None):
        row.pop()
    return row


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _error(code: int, status: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"error": {"code": code, "message": message, "status": status}}


def _drive_error(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return code, {"error": {"code": code, "message": message, "errors": errors}}


class _Handler(BaseHTTPRequestHandler):
    state: GoogleServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._note(parts.path)
        if not self._suffer(parts.path):
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            with self.state.lock:
                status, body = self.state.answer(parts.path, query, self.headers)
            self._send(status, json.dumps(body).encode())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("content-length") or 0)).decode())
        self._note(self.path)
        if not self._suffer(self.path):
            with self.state.lock:
                status, body = self.state.token({name: values[0] for name, values in form.items()})
            self._send(status, json.dumps(body).encode())

    def _note(self, path: str) -> None:
        kind = "values" if "/values/" in path else "file" if "/drive/" in path else "token" if "/token" in path else "sheets"
        with self.state.lock:
            self.state.asked[kind] += 1
            self.state.paths.append(self.path)

    def _suffer(self, path: str) -> bool:
        fault = self.state.fault(path)
        if fault is None:
            return False
        if fault.what == "hang":
            self.state.stop.wait(30)
            self.close_connection = True
        elif fault.what == "close":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault.what == "half":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"values": [["a"')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            code = int(fault.what)
            _, body = _drive_error(code, fault.reason, "refused") if fault.reason else _error(code, "FAULT", "refused")
            self._send(code, json.dumps(body).encode(), fault.headers)
        return True

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@contextmanager
def google_server() -> Iterator[GoogleServer]:
    """Run one on a free port until the end of the block."""
    state = GoogleServer()

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    server.block_on_close = False
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
