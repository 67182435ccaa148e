"""Google Sheets over a real socket: pages, tokens, and every bad day that the interface documents."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google_server import CLIENT_ID, CLIENT_SECRET, Fault, GoogleServer, Sheet, Spreadsheet, google_server

from spice_core.adapters.google_sheets.connector import GoogleSheetsConnector
from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.adapters.google_sheets.reading import column_letters
from spice_core.errors import InvalidInput, InvalidSource, SourceGone, SourceNotAuthorized, SourceUnavailable, SpiceError
from spice_core.ports.connector import Access, SourceSpec
from tests.write_path import CountedIds, SteppedClock

BUDGET = "budget_0123456789"
SECRET = "refresh-token-of-ann"  # noqa: S105 - of these tests only
CELLS = [["id", "amount"], ["01", 10.5], [None, None], ["02", 1234567.891]]


class NotingClock(SteppedClock):
    """Remembers how long somebody wanted to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with google_server() as server:
        server.refresh_tokens.add(SECRET)
        sheets = [
            Sheet(0, "Q1", [list(row) for row in CELLS]),
            Sheet(7, "It's Q2", [["x"]]),
            Sheet(9, "Chart", [], kind="OBJECT"),
        ]
        server.files[BUDGET] = Spreadsheet("Budget", sheets, readers={SECRET})
        yield server


@pytest.fixture
def clock() -> NotingClock:
    return NotingClock()


def connector_of(google: GoogleServer, clock: NotingClock, **options: Any) -> GoogleSheetsConnector:
    own = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "timeout_seconds": 0.5, **options}
    urls = dict.fromkeys(("sheets_url", "drive_url", "token_url", "consent_url"), google.url)
    return GoogleSheetsConnector(GoogleOptions(**urls, **own), clock=clock, ids=CountedIds())


@pytest.fixture
def connector(google: GoogleServer, clock: NotingClock) -> Iterator[GoogleSheetsConnector]:
    made = connector_of(google, clock)
    yield made
    made.close()


def access(**secrets: str) -> Access:
    return Access("shop:budget", {"spreadsheets": BUDGET}, secrets or {"refresh_token": SECRET})


def spec(sheet: str = "0", **options: str) -> SourceSpec:
    return SourceSpec(f"{BUDGET}/{sheet}", {"values": "unformatted", **options})


def cells(connector: GoogleSheetsConnector, what: SourceSpec) -> list[list[object]]:
    with connector.read(access(), what, None) as reading:
        return [list(row) for batch in reading.batches() for row in batch]


def test_must_hold_30_every_worksheet_is_its_own_source(connector: GoogleSheetsConnector):
    found = connector.list_sources(access())
    assert [(item.key, item.title) for item in found] == [(f"{BUDGET}/0", "Budget / Q1"), (f"{BUDGET}/7", "Budget / It's Q2")]
    assert cells(connector, spec("7")) == [["x"]]


def test_a_renamed_worksheet_is_the_same_source(connector: GoogleSheetsConnector, google: GoogleServer):
    before = cells(connector, spec())
    google.files[BUDGET].sheets[0].title = "First 'quarter' !A1"
    assert cells(connector, spec()) == before


def test_cells_come_as_they_are_with_all_their_digits_or_as_they_look(connector: GoogleSheetsConnector, google: GoogleServer):
    google.edit(BUDGET, 0, [[(1234567.891, "$1,234,567.89"), (7, "007"), True, "", 12345678901234567890.0, 0.1]])
    assert cells(connector, spec()) == [["1234567.891", "7", "TRUE", "", "1.2345678901234567e+19", "0.1"]]
    assert cells(connector, spec(values="formatted"))[0][:3] == ["$1,234,567.89", "007", "TRUE"]


@pytest.mark.parametrize("page_cells", [26, 52, 78, 50_000])
def test_pages_of_any_size_give_the_same_rows_empty_ones_inside_included(
    google: GoogleServer, clock: NotingClock, page_cells: int
):
    google.files[BUDGET].sheets[0].rows = 12
    google.edit(BUDGET, 0, [["a"], [], [], ["b", "c"], [], ["d"], [], []])
    paged = connector_of(google, clock, page_cells=page_cells)
    assert cells(paged, spec()) == [["a"], [], [], ["b", "c"], [], ["d"]]
    assert google.asked["values"] == -(-12 // min(12, max(1, page_cells // 26)))
    paged.close()


def test_the_revision_moves_with_the_spreadsheet_and_is_of_before_the_read(
    connector: GoogleSheetsConnector, google: GoogleServer
):
    before = connector.revision(access(), spec(), None)
    assert connector.revision(access(), spec(), None) == before
    with connector.read(access(), spec(), None) as reading:
        google.edit(BUDGET, 0, [["edited while it was read"]])
        list(reading.batches())
        assert reading.end().revision == before
    assert connector.revision(access(), spec(), None) != before


@pytest.mark.parametrize("what", [429, 500, 502, 503, (403, "userRateLimitExceeded"), "half", "close", "hang"], ids=str)
def test_what_may_pass_is_repeated_with_growing_jittered_pauses(
    connector: GoogleSheetsConnector, google: GoogleServer, clock: NotingClock, what: Any
):
    what, reason = what if isinstance(what, tuple) else (what, "")
    google.faults.append(Fault("/values/", what, 2, reason=reason))
    assert cells(connector, spec())[1] == ["01", "10.5"]
    assert len(clock.slept) == 2
    assert 0.25 <= clock.slept[0] <= 0.5 <= clock.slept[1] <= 1.0


@pytest.mark.parametrize(("header", "waited"), [("7", 7.0), ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0)])
def test_retry_after_is_honoured(
    connector: GoogleSheetsConnector, google: GoogleServer, clock: NotingClock, header: str, waited: float
):
    google.faults.append(Fault("/values/", 429, 1, {"Retry-After": header}))
    cells(connector, spec())
    assert clock.slept == [waited]


def test_a_long_retry_after_is_left_to_the_caller(connector: GoogleSheetsConnector, google: GoogleServer, clock: NotingClock):
    google.faults.append(Fault("/values/", 503, 1, {"Retry-After": "120"}))
    with pytest.raises(SourceUnavailable) as refused:
        cells(connector, spec())
    assert (refused.value.details, clock.slept) == ({"retry_after": 120.0}, [])


def test_repetition_ends(connector: GoogleSheetsConnector, google: GoogleServer):
    google.faults.append(Fault("/values/", 500, 100))
    with pytest.raises(SourceUnavailable):
        cells(connector, spec())
    assert google.asked["values"] == 4


def test_an_expired_token_is_refreshed_once_and_a_revoked_consent_needs_authorization(
    connector: GoogleSheetsConnector, google: GoogleServer
):
    connector.check(access())
    google.expire_tokens()
    assert connector.check(access()) == "reads 'Budget'"
    assert google.asked["token"] == 2
    google.expire_tokens()
    google.refresh_tokens.clear()
    with pytest.raises(SourceNotAuthorized, match="invalid_grant"):
        connector.check(access())


def test_a_token_that_is_refused_again_needs_authorization_and_is_not_asked_for_ever(
    connector: GoogleSheetsConnector, google: GoogleServer
):
    google.faults.append(Fault("/drive/", 401, 100))
    with pytest.raises(SourceNotAuthorized):
        connector.check(access())
    assert (google.asked["file"], google.asked["token"]) == (2, 2)


def test_deleted_trashed_and_unshared_are_told_apart(connector: GoogleSheetsConnector, google: GoogleServer):
    google.files[BUDGET].sheets.pop(0)
    with pytest.raises(SourceGone, match="no worksheet 0"):
        cells(connector, spec())
    google.files[BUDGET].readers.clear()
    with pytest.raises(SourceNotAuthorized):
        connector.check(access())
    google.files[BUDGET].readers.add(SECRET)
    google.files[BUDGET].is_trashed = True
    with pytest.raises(SourceGone, match="trash"):
        connector.check(access())
    del google.files[BUDGET]
    with pytest.raises(SourceGone):
        connector.revision(access(), spec("7"), None)


def test_a_chart_is_no_source(connector: GoogleSheetsConnector):
    with pytest.raises(InvalidSource, match="no cells"):
        cells(connector, spec("9"))


def test_a_key_reads_public_sheets_and_stands_in_no_address(connector: GoogleSheetsConnector, google: GoogleServer):
    google.api_keys.add("key-1")
    google.files[BUDGET].is_public = True
    assert connector.check(access(api_key="key-1")) == "reads 'Budget'"
    assert not any("key-1" in path for path in google.paths)
    with pytest.raises(SourceNotAuthorized, match="no credentials"):
        connector.check(Access("shop:budget", {"spreadsheets": BUDGET}))


def test_no_error_names_a_secret(connector: GoogleSheetsConnector, google: GoogleServer):
    google.refresh_tokens.clear()
    with pytest.raises(SpiceError) as refused:
        connector.check(access())
    told = f"{refused.value.message} {refused.value.details} {access()!r} {connector._options!r}"
    assert SECRET not in told
    assert CLIENT_SECRET not in told


def test_an_address_names_a_spreadsheet_and_is_never_asked(connector: GoogleSheetsConnector):
    config, _ = connector.prepare({"spreadsheets": f"https://docs.google.com/spreadsheets/d/{BUDGET}/edit#gid=0, {BUDGET}"}, {})
    assert config == {"spreadsheets": BUDGET}
    for bad in ("http://169.254.169.254/latest", "https://evil.example/spreadsheets/d/0123456789", "../x", ""):
        with pytest.raises(InvalidInput):
            connector.prepare({"spreadsheets": bad}, {})


@pytest.mark.parametrize("key", ["", "x", f"{BUDGET}/", f"{BUDGET}/a", f"{BUDGET}/0/../1", f"{BUDGET}?x=/1"])
def test_a_key_that_is_none_is_refused(connector: GoogleSheetsConnector, key: str):
    with pytest.raises(InvalidInput):
        connector.prepare_source({}, SourceSpec(key))


def test_a_hanging_server_costs_a_bounded_time(google: GoogleServer, clock: NotingClock):
    google.faults.append(Fault("/drive/", "hang", 100))
    hasty = connector_of(google, clock, timeout_seconds=0.1)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable):
        hasty.check(access())
    assert time.monotonic() - began < 10
    hasty.close()


@pytest.mark.parametrize(("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA"), (18_278, "ZZZ")])
def test_columns_have_letters(number: int, letters: str):
    assert column_letters(number) == letters
