"""Links, keys, gates and edits over HTTP: what a person states holds against the next version of the data."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest

WAIT = {"Prefer": "wait=30"}
STUDENTS = b"student_id,name\ns1,Ann\ns2,Bob\n"
COURSES = b"course_id,title\nc1,Logic\nc2,Music\n"
PAIRS = b"student_id,course_id\ns1,c1\ns2,c2\n"


@pytest.fixture
def school(oms: httpx2.Client, request: pytest.FixtureRequest) -> str:
    name = f"school_{abs(hash(request.node.name)) % 100_000}"
    assert oms.post("/database/create", json={"name": name}, headers=WAIT).json()["data"]["status"] == "completed"
    return name


def upload(bff: httpx2.Client, database: str, name: str, content: bytes) -> dict[str, Any]:
    files = {"file": (f"{name}.csv", content, "text/csv")}
    headers = {"Idempotency-Key": f"{database} {name} {hash(content)}"}
    answer = bff.post(f"/pipelines/datasets/csv-upload?db_name={database}", files=files, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def run(bff: httpx2.Client, dataset_id: str, mapping_id: str, **body: Any) -> httpx2.Response:
    path = f"/objectify/datasets/{quote(dataset_id, safe='')}/run"
    return bff.post(path, json={"mapping_id": mapping_id, **body}, headers=WAIT)


def make(bff: httpx2.Client, database: str, name: str, content: bytes, class_id: str, **policies: Any) -> tuple[str, str]:
    """Upload a table of an id and a text, map it to a new class, run; return dataset and mapping."""
    key, word = content.split(b"\n", 1)[0].decode().split(",")
    properties = [{"name": key, "type": "string", "primaryKey": True, "required": True}, {"name": word, "type": "string"}]
    body = {"id": class_id, "label": class_id, "properties": properties}
    defined = bff.post(f"/database/{database}/ontology", json=body, headers=WAIT)
    assert defined.json()["data"]["status"] == "completed", defined.text
    dataset_id = upload(bff, database, name, content)["dataset"]["dataset_id"]
    fields = [{"target_field": field, "source_fields": [field]} for field in (key, word)]
    mapping = {"dataset_id": dataset_id, "target_class_id": class_id, "mappings": fields, **policies}
    saved = bff.post("/objectify/mapping-specs", json=mapping, headers=WAIT)
    assert saved.json()["status"] == "COMPLETED", saved.text
    mapping_id = saved.json()["result"]["mapping_id"]
    assert run(bff, dataset_id, mapping_id).json()["run"]["state"] == "succeeded"
    return dataset_id, mapping_id


def instance(bff: httpx2.Client, database: str, class_id: str, identity: str) -> dict[str, Any]:
    body = {"start_class": class_id, "hops": [], "limit": 100}
    nodes = bff.post(f"/graph-query/{database}", json=body).json()["nodes"]
    found: dict[str, Any] = next(node for node in nodes if node["id"] == f"{class_id}/{identity}")
    return found


def test_an_edit_survives_the_next_version_until_it_is_withdrawn(bff: httpx2.Client, school: str) -> None:
    dataset, mapping = make(bff, school, "students", STUDENTS, "Student", edit_policy={"name": "edit_wins"})
    object_ = {"db_name": school, "class_id": "Student", "instance_id": "s1"}
    path = f"/instances/{school}/async/Student/s1/update?expected_seq=1"
    assert bff.put(path, json={"data": {"name": "Anya"}}, headers=WAIT).json()["status"] == "COMPLETED"
    upload(bff, school, "students", STUDENTS.replace(b"Ann", b"Anna"))
    assert run(bff, dataset, mapping).json()["run"]["edits_kept"] == 1
    edits = bff.get("/objectify/edits", params=object_).json()["data"]
    assert [(edit["field"], edit["source_value"]) for edit in edits["edits"]] == [("name", "Anna")]
    assert edits["source"]["row"] == 1
    assert bff.post("/objectify/edits/withdraw", json=object_, headers=WAIT).json()["status"] == "COMPLETED"
    assert bff.get("/objectify/edits", params=object_).json()["data"]["edits"] == []
    again = bff.post("/objectify/edits/withdraw", json=object_, headers=WAIT)
    assert (again.status_code, again.json()["code"]) == (400, "invalid_input")


def test_gates_and_stated_keys_stop_what_does_not_fit_and_say_why(bff: httpx2.Client, school: str) -> None:
    dataset, mapping = make(bff, school, "students", STUDENTS, "Student")
    gates = bff.get("/objectify/gates", params={"db_name": school, "mapping_id": mapping}).json()["data"]["gates"]
    assert [gate["status"] for gate in gates] == ["PASS"]
    upload(bff, school, "students", b"student_id,name,shoe\ns1,Ann,40\ns2,Ann,41\n")
    refused = run(bff, dataset, mapping)
    assert (refused.status_code, refused.json()["code"]) == (409, "object_type_mismatch")
    assert refused.json()["errors"][0]["code"] == "OBJECT_TYPE_SCHEMA_HASH_MISMATCH"
    failed = bff.get("/objectify/gates", params={"db_name": school, "status": "FAIL"}).json()["data"]["gates"]
    assert failed[0]["checks"][0]["details"]["added"] == ["shoe"]
    key = {"dataset_id": dataset, "kind": "unique", "columns": ["name"]}
    saved = bff.post("/objectify/key-specs", json=key, headers=WAIT).json()
    assert (saved["status"], saved["result"]["check"]["repeated"]) == ("COMPLETED", 1)
    stopped = run(bff, dataset, mapping, accept_schema=True).json()["run"]
    assert (stopped["state"], stopped["reasons"]) == ("failed", {"name.key_repeated": 1})
    listed = bff.get("/objectify/key-specs", params={"dataset_id": dataset}).json()["data"]["keys"]
    assert [(found["holds"], found["rows"]) for found in listed] == [(False, [2])]
    assert bff.post("/objectify/key-specs/delete", json=key, headers=WAIT).json()["status"] == "COMPLETED"
    assert run(bff, dataset, mapping, accept_schema=True).json()["run"]["state"] == "succeeded"


def test_links_are_made_from_a_join_table_and_edited_by_people(bff: httpx2.Client, school: str) -> None:
    make(bff, school, "students", STUDENTS, "Student")
    make(bff, school, "courses", COURSES, "Course")
    pairs = upload(bff, school, "pairs", PAIRS)["dataset"]["dataset_id"]
    body = {
        "id": "takes",
        "db_name": school,
        "from": "Student",
        "to": "Course",
        "predicate": "takes",
        "cardinality": "n:m",
        "trigger_index": False,
        "relationship_spec": {
            "kind": "join_table",
            "dataset_id": pairs,
            "source_key_columns": ["student_id"],
            "target_key_columns": ["course_id"],
        },
    }
    saved = bff.post("/link-types", json=body, headers=WAIT)
    assert saved.json()["status"] == "COMPLETED", saved.text
    there = {"db_name": school}
    assert bff.get("/link-types/takes", params=there).json()["data"]["relationship_spec"] == {
        **body["relationship_spec"],  # type: ignore[dict-item]
        "dedupe_policy": "DEDUP",
        "dangling_policy": "FAIL",
    }
    indexed = bff.post("/link-types/takes/reindex", params=there, json={}, headers=WAIT).json()
    assert (indexed["status"], indexed["run"]["result"], indexed["run"]["statistics"]["added"]) == ("succeeded", "PASS", 2)
    edit = {"source_instance_id": "s1", "target_instance_id": "c2", "edit_type": "ADD"}
    assert bff.post("/link-types/takes/edits", params=there, json=edit, headers=WAIT).json()["status"] == "COMPLETED"
    upload(bff, school, "pairs", b"student_id,course_id\ns2,c1\n")
    assert bff.post("/link-types/takes/reindex", params=there, json={}, headers=WAIT).json()["run"]["result"] == "PASS"
    body_of_query = {"start_class": "Student", "hops": [{"predicate": "takes", "target_class": "Course"}]}
    edges = bff.post(f"/graph-query/{school}", json=body_of_query).json()["edges"]
    assert sorted((edge["from_node"], edge["to_node"]) for edge in edges) == [
        ("Student/s1", "Course/c2"),
        ("Student/s2", "Course/c1"),
    ]
    link = {"from_node": "Student/s2", "predicate": "takes", "to_node": "Course/c1"}
    why = bff.get(f"/lineage/{school}/why/edge", params=link).json()["data"]["because"]
    assert why["source"]["links"]["Course/c1"] == {"row": 1}
    assert len(bff.get("/link-types/takes/runs", params=there).json()["data"]["runs"]) == 2
    assert bff.get("/link-types/takes/edits", params=there).json()["data"]["edits"][0]["target"] == "Course/c2"
    wrong = bff.post("/link-types", json={**body, "predicate": "Takes It"})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "LINK_TYPE_PREDICATE_INVALID")
    taken = bff.post("/link-types", json={**body, "cardinality": "1:1"})
    assert (taken.status_code, taken.json()["errors"][0]["code"]) == (409, "LINK_TYPE_PREDICATE_TAKEN")
    assert bff.delete("/link-types/takes", params=there, headers=WAIT).json()["status"] == "COMPLETED"
    assert bff.get("/link-types/takes", params=there).status_code == 404
