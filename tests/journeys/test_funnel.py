"""Types of columns over HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from running import Running


@pytest.fixture(scope="module")
def funnel(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url('funnel')}/api/v1/funnel", timeout=30) as client:
        yield client


def analyzed(funnel: httpx2.Client, columns: dict[str, list[Any]]) -> dict[str, Any]:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    answer = funnel.post("/analyze", json={"columns": list(columns), "data": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_must_hold_27_types_are_told_with_reasons(funnel: httpx2.Client) -> None:
    columns = {
        "zip": ["01234", "00567", "99999", "10115"],
        "quantity": [0, 1, 2, 1],
        "seen_at": [
            "2024-01-02T03:04:05.678Z",
            "2024-02-02T03:04:05.001Z",
            "2024-03-02T03:04:05.999Z",
            "2024-03-03T00:00:00.000Z",
        ],
        "price_eu": ["1.234,50", "99,00", "0,95", "12,10"],
        "day_first": ["25/12/2024", "01/02/2024", "03/04/2024", "31/01/2024"],
        "share": ["5%", "12,5%", "7%", "100%"],
        "balance": ["(1.234,50)", "99,00", "(0,95)", "12,10"],
    }
    answer = analyzed(funnel, columns)
    found = {column["column_name"]: column["inferred_type"] for column in answer["columns"]}
    types = {name: entry["type"] for name, entry in found.items()}
    numbers = {"quantity": "integer", "price_eu": "decimal", "share": "decimal", "balance": "decimal"}
    assert types == {"zip": "string", "seen_at": "dateTime", "day_first": "date", **numbers}
    assert all(entry["reason"] for entry in found.values())
    assert answer["risk_policy"] == {"stage": "funnel", "suggestion_only": True, "hard_gate": False}


@pytest.mark.parametrize(("last", "is_open"), [("07/08/2024", True), ("07/28/2024", False)])
def test_must_hold_27_one_day_settles_the_order_of_a_column_and_an_open_one_says_so(
    funnel: httpx2.Client, last: str, *, is_open: bool
) -> None:
    (column,) = analyzed(funnel, {"day": ["01/02/2024", "03/04/2024", "05/06/2024", last]})["columns"]
    assert (column["inferred_type"]["type"], column["inferred_type"]["metadata"]["ambiguous"]) == ("date", is_open)
    assert ("ambiguous_date_format" in {flag["code"] for flag in column["risk_flags"]}) == is_open


def test_suggested_class_is_accepted_by_the_ontology(funnel: httpx2.Client, oms: httpx2.Client, database: str) -> None:
    body = {
        "columns": ["id", "full name", "2nd", "이름"],
        "data": [["a", "A A", 1, "가"], ["b", "B B", 2, "나"]],
        "class_name": "Person",
    }
    suggested = funnel.post("/suggest-schema", json=body).json()["schema_suggestion"]
    valid = oms.post(f"/database/{database}/ontology/validate", json=suggested).json()["data"]
    assert valid == {"valid": True, "errors": []}
    assert [item["name"] for item in suggested["properties"] if item.get("primaryKey")] == ["id"]


@pytest.mark.parametrize(
    "body", [{"columns": ["a"], "data": [[1, 2]]}, {"columns": [], "data": []}, {"data": [[1]]}, {"columns": ["a"]}]
)
def test_rows_that_are_no_table_are_refused(funnel: httpx2.Client, body: dict[str, object]) -> None:
    answer = funnel.post("/analyze", json=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in {"invalid_input", "invalid_request"}
