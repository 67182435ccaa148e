"""Tables in sheets over HTTP."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2
import pytest
import xlsxwriter
from running import Running

GRID = [
    ["Sales report", None, None, None],
    ["Report date:", "2024-01-31", None, None],
    [],
    [None, "2023", None, "2024"],
    ["region", "Q1", "Q2", "Q1"],
    ["N", 1, 2.5, 3],
    ["S", 3, 4.5, 5],
    ["Total", 4, 7, 8],
    [],
    ["Source: own"],
]


@pytest.fixture(scope="module")
def structure(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url('funnel')}/api/v1/funnel/structure", timeout=30) as client:
        yield client


def analyzed(structure: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = structure.post("/analyze", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_tables_of_a_grid_are_told_with_their_headers_and_reasons(structure: httpx2.Client) -> None:
    found = analyzed(structure, data=GRID, sheet="Sales")
    (table,) = found["tables"]
    assert table["mode"] == "table"
    assert table["bbox"] == {"top": 3, "left": 0, "bottom": 6, "right": 3}
    assert table["title"] == "Sales report"
    assert 0 < table["confidence"] <= 1
    assert table["reason"]
    assert [node["text"] for node in table["header_tree"]] == ["region", "2023", "2024"]
    assert [node["text"] for node in table["header_tree"][1]["children"]] == ["Q1", "Q2"]
    provenance = [(column["name"], column["letter"]) for column in table["column_provenance"]]
    assert provenance == [("region", "A"), ("2023 / Q1", "B"), ("2023 / Q2", "C"), ("2024 / Q1", "D")]
    assert found["key_values"] == [{"name": "Report date", "value": "2024-01-31", "row": 1, "column": 0}]
    assert found["notes"] == [{"row": 9, "text": "Source: own"}]
    assert len(found["sheet_signature"]) == 64


def test_uploaded_workbooks_and_texts_are_analyzed_by_their_content(structure: httpx2.Client) -> None:
    file = BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        for name in ("one", "two"):
            sheet = book.add_worksheet(name)
            sheet.write_row("A2", ["id", "amount"])
            sheet.write_row("A3", [1, 2.5])
            sheet.write_row("A4", [2, 3.5])
    answer = structure.post("/analyze/excel", files={"file": ("misnamed.csv", file.getvalue())})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["format"], [sheet["sheet"] for sheet in body["sheets"]]) == ("workbook", ["one", "two"])
    assert body["sheets"][1]["tables"][0]["bbox"] == {"top": 1, "left": 0, "bottom": 3, "right": 1}
    text = structure.post("/analyze/excel", files={"file": ("t.xlsx", b"id;name\n1;a\n2;b\n")}).json()
    assert (text["format"], text["sheets"][0]["tables"][0]["header_rows"]) == ("text", 1)


def test_corrections_are_applied_to_what_was_found(structure: httpx2.Client) -> None:
    found = analyzed(structure, data=GRID)
    corrections = [{"table": 1, "bbox": {"top": 4, "left": 0, "bottom": 7, "right": 3}, "header_rows": 1, "title": ""}]
    answer = structure.post("/patch", json={"structure": found, "corrections": corrections, "data": GRID})
    assert answer.status_code == 200, answer.text
    (table,) = answer.json()["tables"]
    assert (table["bbox"]["top"], table["bbox"]["bottom"], table["title"], table["confidence"]) == (4, 7, None, 1.0)
    assert [node["text"] for node in table["header_tree"]] == ["region", "Q1", "Q2", "Q1"]
    assert [column["name"] for column in table["column_provenance"]] == ["region", "Q1", "Q2", "Q1_2"]
    assert answer.json()["sheet_signature"] == found["sheet_signature"]
    again = structure.post("/patch", json={"structure": answer.json(), "corrections": [{"table": 1, "drop": True}]})
    assert again.json()["tables"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/analyze", {"data": "x"}),
        ("/analyze", {"data": [[{"a": 1}]]}),
        ("/analyze", {"data": [["a"]], "merged": [{"top": -1, "left": 0, "bottom": 0, "right": 0}]}),
        ("/analyze", {"data": [], "colour": "red"}),
        ("/patch", {"structure": {}, "corrections": []}),
    ],
)
def test_bodies_that_cannot_be_are_refused(structure: httpx2.Client, path: str, body: dict[str, Any]) -> None:
    answer = structure.post(path, json=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["message"]


def test_corrections_that_cannot_be_and_files_that_cannot_be_read_say_why(structure: httpx2.Client) -> None:
    found = analyzed(structure, data=GRID)
    unknown = structure.post("/patch", json={"structure": found, "corrections": [{"table": 7, "drop": True}]})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "invalid_input")
    assert "there is no table 7" in unknown.json()["message"]
    damaged = structure.post("/analyze/excel", files={"file": ("book.xlsx", b"PK\x03\x04nothing")})
    assert (damaged.status_code, damaged.json()["code"]) == (400, "unreadable_file")
    missing = structure.post("/analyze/excel", files={"file": ("t.csv", b"a,b\n1,2\n")}, data={"sheet": "nowhere"})
    assert missing.status_code == 400


def test_empty_grids_hold_nothing(structure: httpx2.Client) -> None:
    found = analyzed(structure, data=[[], [None, ""]])
    assert (found["tables"], found["key_values"], found["notes"], found["row_count"]) == ([], [], [], 0)
