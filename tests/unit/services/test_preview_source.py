"""Worksheets are looked into on the way that a sync takes; nothing is stored, and credentials open what they were given for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from connectors_world import BUDGET, REFRESH, ConnectorWorld, google_connector, with_budget
from google_server import GoogleServer, Sheet, Spreadsheet, google_server

from spice_core.bootstrap.file_readers import source_files_of
from spice_core.errors import InvalidInput, SourceGone, SourceNotAuthorized, TooLarge, UnreadableFile
from spice_core.services import preview_source
from spice_core.services.preview_source import PreviewSource, Worksheet
from spice_core.settings import load_settings

PUBLIC = "public_0123456789"
MESSY = [
    ["Sales 2024"],
    [],
    ["region", "units", "on"],
    ["North", "1.234,50", "2024-01-31"],
    ["South", "7,25", "2024-02-29"],
]


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with google_server() as server:
        with_budget(server)
        server.api_keys.add("key-1")
        sheets = [Sheet(0, "Sales", MESSY), Sheet(7, "a / b", [["id"], ["1"]]), Sheet(9, "b", [["x", "y"], ["1", "2"]])]
        server.files[PUBLIC] = Spreadsheet("Numbers", sheets, is_public=True)
        yield server


@pytest.fixture
def world(google: GoogleServer, tmp_path: Path) -> Iterator[ConnectorWorld]:
    world = ConnectorWorld(folder=tmp_path)
    yield world.open(google_connector(google, world))
    world.connectors["google_sheets"].close()
    world.close()


@pytest.fixture
def look(world: ConnectorWorld, tmp_path: Path) -> PreviewSource:
    sources = source_files_of(load_settings(_env_file=None))
    return PreviewSource(world.connectors["google_sheets"], sources=sources, tables=world.tables, scratch=tmp_path / "look")


def sheet(look: PreviewSource, name: str | None = None, sheet_id: str | None = None) -> Worksheet:
    access = look.access(PUBLIC, api_key="key-1")
    return look.find(access, name=name, sheet_id=sheet_id, values="unformatted")


def test_a_preview_shows_the_tables_that_a_sync_would_make(look: PreviewSource, tmp_path: Path) -> None:
    found = look.preview(sheet(look), sample_size=1000, limit=1)
    (table,) = found.tables
    assert {column.name: column.type for column in table.built.columns} == {"region": "string", "units": "decimal", "on": "date"}
    assert (table.built.row_count, table.rows) == (2, [{"region": "North", "units": "1234.50", "on": "2024-01-31"}])
    assert (found.row_count, found.is_whole) == (5, True)
    assert list((tmp_path / "look").iterdir()) == []


def test_a_preview_asks_for_no_more_pages_than_it_reads(look: PreviewSource, google: GoogleServer) -> None:
    google.files[PUBLIC].sheets[2] = Sheet(9, "b", [["x", "y"], *([["1", "2"]] * 50_000)], rows=60_000, columns=2)
    found = look.preview(sheet(look, "b"), sample_size=100, limit=5)
    assert (found.row_count, found.is_whole, google.asked["values"]) == (100, False, 1)


def test_a_worksheet_is_found_by_its_own_name_by_its_id_or_first(look: PreviewSource) -> None:
    assert sheet(look).found.name == "Sales"
    assert sheet(look, "b").found.key == f"{PUBLIC}/9"
    assert sheet(look, sheet_id="7").found.name == "a / b"
    with pytest.raises(InvalidInput, match="no worksheet 'c'; it has 'Sales', 'a / b', 'b'"):
        sheet(look, "c")
    with pytest.raises(InvalidInput, match="no worksheet '70'"):
        sheet(look, sheet_id="70")


def test_structure_of_a_worksheet_is_found(look: PreviewSource) -> None:
    tables = look.structure(sheet(look)).structure.tables
    assert [(table.title, table.bbox.top, table.bbox.bottom) for table in tables] == [("Sales 2024", 2, 4)]


def test_a_worksheet_that_is_too_large_is_refused(look: PreviewSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_source, "MOST_CELLS", 10)
    with pytest.raises(TooLarge, match="sync it as a source"):
        look.structure(sheet(look))


def test_an_empty_worksheet_has_no_table(look: PreviewSource, google: GoogleServer) -> None:
    google.files[PUBLIC].sheets[0] = Sheet(0, "Sales", [])
    with pytest.raises(UnreadableFile):
        look.preview(sheet(look), sample_size=10, limit=1)


def test_a_connection_opens_the_spreadsheets_that_it_names_and_no_others(look: PreviewSource, world: ConnectorWorld) -> None:
    connection = world.connections.connection("shop", world.connect_budget())
    access = world.connections.access(connection)
    found = look.find(look.access_by(connection, access, BUDGET), name=None, sheet_id=None, values="unformatted")
    assert look.preview(found, sample_size=10, limit=10).tables[0].built.row_count == 2
    with pytest.raises(InvalidInput, match="does not name this spreadsheet"):
        look.access_by(connection, access, PUBLIC)
    with pytest.raises(InvalidInput, match="of kind sql"):
        look.access_by(replace(connection, kind="sql"), access, BUDGET)


def test_requests_go_where_the_settings_say_whatever_address_is_given(look: PreviewSource, google: GoogleServer) -> None:
    for address in ("http://169.254.169.254/latest", "https://docs.google.com.evil.example/spreadsheets/d/abcdefghijk", ""):
        with pytest.raises(InvalidInput, match="spreadsheets"):
            look.access(address)
    with pytest.raises(InvalidInput, match="one spreadsheet"):
        look.access(f"{PUBLIC},{BUDGET}")
    assert google.paths == []


def test_a_private_spreadsheet_needs_its_reader(look: PreviewSource, google: GoogleServer) -> None:
    with pytest.raises(SourceNotAuthorized):
        look.find(look.access(BUDGET, api_key="key-1"), name=None, sheet_id=None, values="unformatted")
    with pytest.raises(SourceGone):
        look.find(look.access("nothing_0123456789", api_key="key-1"), name=None, sheet_id=None, values="unformatted")
    assert REFRESH not in " ".join(google.paths)
