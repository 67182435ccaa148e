"""The connector of Google Sheets: every worksheet is a source, known by the spreadsheet's id and its own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from spice_core.adapters.google_sheets.http import Answer, GoogleHttp
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.google_sheets.reading import SheetReading, Worksheet
from spice_core.adapters.google_sheets.tokens import AccessTokens, GoogleOAuth
from spice_core.domain.connectors import Config
from spice_core.errors import Closed, InvalidInput, InvalidSource, SourceGone, SourceNotAuthorized, SourceUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Access, ConfigField, Connector, ConnectorKind, FoundSource, Reading, SourceSpec
from spice_core.ports.id_source import IdSource

_ID = re.compile(r"[A-Za-z0-9_-]{10,200}")
_ADDRESS = re.compile(r"https://docs\.google\.com/spreadsheets/d/([A-Za-z0-9_-]{10,200})(?:/.*)?")
_KEY = re.compile(r"([A-Za-z0-9_-]{10,200})/(\d{1,12})")
_SHEET_FIELDS = "properties.title,sheets.properties(sheetId,title,index,sheetType,hidden,gridProperties(rowCount,columnCount))"
_FILE_FIELDS = "id,name,version,modifiedTime,trashed"
_RENDERINGS = {"unformatted": "UNFORMATTED_VALUE", "formatted": "FORMATTED_VALUE"}

KIND = ConnectorKind(
    name="google_sheets",
    title="Google Sheets",
    connection_fields=(
        ConfigField("spreadsheets", "Ids or addresses of spreadsheets, separated by commas.", is_required=True),
        ConfigField("refresh_token", "Of a person's consent; the authorization puts it here.", is_secret=True),
        ConfigField("api_key", "Reads public spreadsheets; without one, the operator's GOOGLE_API_KEY does.", is_secret=True),
    ),
    source_fields=(
        ConfigField(
            "values",
            "unformatted: what a cell holds, with all digits; formatted: what a person sees (currency, leading zeros).",
            choices=tuple(_RENDERINGS),
            default="unformatted",
        ),
    ),
)


class GoogleSheetsConnector(Connector):
    """Reads worksheets through the Sheets and Drive interfaces, as the person who consented or with a key."""

    kind = KIND

    def __init__(self, options: GoogleOptions, *, clock: Clock, ids: IdSource) -> None:
        self._options = options
        self._http = GoogleHttp(options, clock=clock, ids=ids)
        self._flow = GoogleOAuth(options, self._http)
        self.oauth = self._flow
        self._tokens = AccessTokens(self._flow, clock=clock)
        self._is_closed = False

    def prepare(self, config: Config, secrets: Mapping[str, str]) -> tuple[Config, Mapping[str, str]]:
        named = [part for part in re.split(r"[\s,]+", str(config.get("spreadsheets") or "")) if part]
        if not named:
            raise InvalidInput("spreadsheets: name at least one spreadsheet, by its id or its address")
        return {**config, "spreadsheets": ",".join(dict.fromkeys(_spreadsheet_id(part) for part in named))}, secrets

    def prepare_source(self, config: Config, spec: SourceSpec) -> SourceSpec:
        del config  # whose spreadsheet it is shows when it is read
        if not _KEY.fullmatch(spec.key):
            raise InvalidInput("the key of a worksheet is `spreadsheetId/sheetId`, as the list of sources names it")
        if spec.watermark_column is not None:
            raise InvalidInput("a worksheet is always read whole: it takes no watermark column")
        return replace(spec, options={"values": "unformatted", **spec.options})

    def check(self, access: Access) -> str:
        names = [str(self._file(access, name).get("name", name)) for name in _spreadsheets(access)]
        return f"reads {', '.join(repr(name) for name in names)}"

    def list_sources(self, access: Access) -> Sequence[FoundSource]:
        found = []
        for spreadsheet in _spreadsheets(access):
            body = self._spreadsheet(access, spreadsheet)
            title = str(body.get("properties", {}).get("title", spreadsheet))
            sheets = [Worksheet.of(item.get("properties", {})) for item in body.get("sheets", ())]
            found += [
                FoundSource(
                    f"{spreadsheet}/{sheet.sheet_id}",
                    f"{title} / {sheet.title}",
                    "worksheet",
                    row_count=sheet.row_count,
                    name=sheet.title,
                )
                for sheet in sheets
                if sheet.is_grid
            ]
        return found[:10_000]

    def revision(self, access: Access, spec: SourceSpec, cursor: str | None) -> str | None:
        del cursor  # the token is of the whole spreadsheet
        return self._revision(access, _parts(spec)[0])

    @contextmanager
    def read(self, access: Access, spec: SourceSpec, cursor: str | None) -> Iterator[Reading]:
        del cursor  # a worksheet is always read whole
        spreadsheet, sheet_id = _parts(spec)
        # Asked before the cells: an edit that comes between them makes the next look differ, and is read then.
        revision = self._revision(access, spreadsheet)
        sheet = self._worksheet(access, spreadsheet, sheet_id)
        rendering = _RENDERINGS[str(spec.options.get("values", "unformatted"))]

        def read_range(range_: str) -> Sequence[Sequence[Any]]:
            return self._values(access, spreadsheet, range_, rendering)

        yield SheetReading(sheet, read_range, revision=revision, page_cells=self._options.page_cells)

    def close(self) -> None:
        self._is_closed = True
        self._http.close()

    def _revision(self, access: Access, spreadsheet: str) -> str:
        body = self._file(access, spreadsheet)
        return str(body.get("version") or body.get("modifiedTime") or "")

    def _file(self, access: Access, spreadsheet: str) -> Mapping[str, Any]:
        url = f"{self._options.drive_url}/drive/v3/files/{spreadsheet}"
        answer = self._ask(access, url, {"fields": _FILE_FIELDS, "supportsAllDrives": "true"})
        if answer.status == 404:
            # Drive hides what may not be seen; Sheets says which of the two it is.
            self._spreadsheet(access, spreadsheet)
        body = _body(answer)
        if body.get("trashed") is True:
            raise SourceGone(f"spreadsheet {spreadsheet} is in the trash")
        return body

    def _spreadsheet(self, access: Access, spreadsheet: str) -> Mapping[str, Any]:
        url = f"{self._options.sheets_url}/v4/spreadsheets/{spreadsheet}"
        return _body(self._ask(access, url, {"fields": _SHEET_FIELDS}))

    def _worksheet(self, access: Access, spreadsheet: str, sheet_id: str) -> Worksheet:
        for item in self._spreadsheet(access, spreadsheet).get("sheets", ()):
            sheet = Worksheet.of(item.get("properties", {}))
            if sheet.sheet_id == sheet_id:
                if not sheet.is_grid:
                    raise InvalidSource(f"worksheet {sheet.title!r} holds no cells: it is a chart or a connected sheet")
                return sheet
        raise SourceGone(f"spreadsheet {spreadsheet} has no worksheet {sheet_id} any more")

    def _values(self, access: Access, spreadsheet: str, range_: str, rendering: str) -> Sequence[Sequence[Any]]:
        url = f"{self._options.sheets_url}/v4/spreadsheets/{spreadsheet}/values/{quote(range_, safe='')}"
        asked = {"majorDimension": "ROWS", "valueRenderOption": rendering, "dateTimeRenderOption": "FORMATTED_STRING"}
        answer = self._ask(access, url, asked)
        if answer.status == 400:
            raise SourceUnavailable(f"the worksheet was renamed or cut while it was read: {answer.message}")
        found: Sequence[Sequence[Any]] = _body(answer).get("values", ())
        return found

    def _ask(self, access: Access, url: str, params: Mapping[str, str]) -> Answer:
        """Return the answer to a GET; a refused token is refreshed once."""
        if self._is_closed:
            raise Closed("The connector is closed.")
        refresh_token = access.secrets.get("refresh_token")
        if not refresh_token:
            return self._http.get(url, params, {"x-goog-api-key": self._api_key(access)})
        token = self._tokens.token(access, refresh_token)
        answer = self._http.get(url, params, {"authorization": f"Bearer {token}"})
        if answer.status == 401:
            token = self._tokens.token(access, refresh_token, instead_of=token)
            answer = self._http.get(url, params, {"authorization": f"Bearer {token}"})
        return answer

    def _api_key(self, access: Access) -> str:
        key = access.secrets.get("api_key") or self._options.api_key
        if not key:
            raise SourceNotAuthorized("the connection has no credentials: authorize it, or give it an API key (public sheets)")
        return key


def _body(answer: Answer) -> Mapping[str, Any]:
    if answer.status != 200:
        raise answer.error()
    return answer.body


def _spreadsheet_id(text: str) -> str:
    """Return the id in a text that is one, or an address; the address itself is never asked."""
    if found := _ADDRESS.fullmatch(text):
        return found[1]
    if not _ID.fullmatch(text):
        raise InvalidInput(f"spreadsheets: {text[:100]!r} is no id and no https://docs.google.com/spreadsheets/d/… address")
    return text


def _spreadsheets(access: Access) -> list[str]:
    return [name for name in str(access.config.get("spreadsheets", "")).split(",") if name]


def _parts(spec: SourceSpec) -> tuple[str, str]:
    spreadsheet, _, sheet_id = spec.key.partition("/")
    return spreadsheet, sheet_id
