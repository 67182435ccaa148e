"""From a table to instances over HTTP: suggestion, class, mapping, run, and why."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest

WAIT = {"Prefer": "wait=30"}
CUSTOMERS = b"customer_id,name\nc1,Ann\nc2,Bob\n"
ORDERS = b"order_id,customer_id,amount,placed\no1,c1,10.50,2024-01-05\no2,c2,7.25,2024-02-06\no3,c9,1.00,2024-02-07\n"


@pytest.fixture
def empty(oms: httpx2.Client, request: pytest.FixtureRequest) -> str:
    name = f"objectify_{abs(hash(request.node.name)) % 100_000}"
    assert oms.post("/database/create", json={"name": name}, headers=WAIT).json()["data"]["status"] == "completed"
    return name


def upload(bff: httpx2.Client, database: str, name: str, content: bytes, key: str) -> dict[str, Any]:
    files, headers = {"file": (f"{name}.csv", content, "text/csv")}, {"Idempotency-Key": key}
    answer = bff.post(f"/pipelines/datasets/csv-upload?db_name={database}", files=files, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def run(bff: httpx2.Client, dataset_id: str, mapping_id: str) -> dict[str, Any]:
    answer = bff.post(f"/objectify/datasets/{quote(dataset_id, safe='')}/run", json={"mapping_id": mapping_id}, headers=WAIT)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text
    found: dict[str, Any] = answer.json()["run"]
    return found


def take_suggestion(bff: httpx2.Client, database: str, uploaded: dict[str, Any]) -> str:
    """Define the suggested class, save the suggested mapping, and return its id."""
    suggestion = uploaded["schema_suggestion"]
    defined = bff.post(f"/database/{database}/ontology", json=suggestion["class_definition"], headers=WAIT)
    assert defined.json()["data"]["status"] == "completed", defined.text
    saved = bff.post("/objectify/mapping-specs", json=suggestion["mapping"], headers=WAIT)
    assert saved.json()["status"] == "COMPLETED", saved.text
    mapping_id: str = saved.json()["result"]["mapping_id"]
    return mapping_id


def test_tables_become_a_graph_that_knows_its_rows(bff: httpx2.Client, empty: str) -> None:
    customers = upload(bff, empty, "customers", CUSTOMERS, "k1")
    mapping = take_suggestion(bff, empty, customers)
    assert run(bff, customers["dataset"]["dataset_id"], mapping)["created"] == 2
    orders = upload(bff, empty, "orders", ORDERS, "k2")
    assert orders["schema_suggestion"]["mapping"]["on_missing_target"] in {"reject_row", "drop_link"}
    mapping = take_suggestion(bff, empty, orders)
    done = run(bff, orders["dataset"]["dataset_id"], mapping)
    assert done["created"] + done["rejected"] == 3
    class_id = orders["schema_suggestion"]["class_definition"]["id"]
    node = f"{class_id}/o2"
    why = bff.get(f"/lineage/{empty}/why/node", params={"node_id": node}).json()["data"]["because"]
    assert why["source"]["row"] == 2
    assert why["dataset_version"]["version_id"] == orders["version"]["version_id"]
    made = bff.get(f"/lineage/{empty}/version/{orders['version']['version_id']}").json()["data"]
    assert f"node:main:{node}" in made["artifacts"]
    again = run(bff, orders["dataset"]["dataset_id"], mapping)
    assert (again["created"], again["updated"]) == (0, 0)
    runs = bff.get("/objectify/runs", params={"db_name": empty, "mapping_id": mapping}).json()["data"]["runs"]
    assert len(runs) == 2


def test_mapping_that_does_not_fit_is_refused_with_every_reason(bff: httpx2.Client, empty: str) -> None:
    customers = upload(bff, empty, "customers", CUSTOMERS, "k1")
    take_suggestion(bff, empty, customers)
    body = {**customers["schema_suggestion"]["mapping"]}
    body["mappings"] = [{"target_field": "shoe", "source_fields": ["nowhere"]}]
    answer = bff.post("/objectify/mapping-specs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_mapping")
    assert {error["code"] for error in answer.json()["errors"]} >= {"MAPPING_SPEC_SOURCE_MISSING", "MAPPING_SPEC_TARGET_UNKNOWN"}
    unknown = bff.post("/objectify/mapping-specs", json={**body, "dataset_id": f"{empty}:main:ghost"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "dataset_not_found")
    assert bff.get("/tasks/nothing").status_code == 404
