"""Types of columns over HTTP."""

from collections.abc import Iterator

import httpx2
import pytest
from running import Running


@pytest.fixture(scope="module")
def funnel(running: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url('funnel')}/api/v1/funnel", timeout=30) as client:
        yield client


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
    }
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    answer = funnel.post("/analyze", json={"columns": list(columns), "data": rows})
    assert answer.status_code == 200, answer.text
    found = {column["column_name"]: column["inferred_type"] for column in answer.json()["columns"]}
    types = {name: entry["type"] for name, entry in found.items()}
    assert types == {"zip": "string", "quantity": "integer", "seen_at": "dateTime", "price_eu": "decimal", "day_first": "date"}
    assert all(entry["reason"] for entry in found.values())
    assert answer.json()["risk_policy"] == {"stage": "funnel", "suggestion_only": True, "hard_gate": False}


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
