"""A class whose key changes over HTTP: refused with counts, planned, and done in both ways; the log makes the same again."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.journeys.running import Running

WAIT = {"Prefer": "wait=30"}
STUDENTS = b"student_id,mail\ns1,ann@x\ns2,bob@x\n"
STUDENT = {
    "id": "Student",
    "label": "Student",
    "properties": [
        {"name": "student_id", "type": "string", "primaryKey": True, "required": True},
        {"name": "mail", "type": "string"},
        {"name": "nick", "type": "string"},
    ],
}
BY_MAIL = {
    **STUDENT,
    "properties": [
        {"name": "student_id", "type": "string"},
        {"name": "mail", "type": "string", "primaryKey": True, "required": True},
        {"name": "nick", "type": "string"},
    ],
}
VISIT = {
    "id": "Visit",
    "label": "Visit",
    "properties": [{"name": "visit_id", "type": "string", "primaryKey": True, "required": True}],
    "relationships": [{"predicate": "of", "target": "Student", "cardinality": "n:1"}],
}


@pytest.fixture
def school(oms: httpx2.Client, bff: httpx2.Client, request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """Two students of a table, one of them edited, and a visit; the database, the dataset and the mapping."""
    name = f"moving_{abs(hash(request.node.name)) % 100_000}"
    assert oms.post("/database/create", json={"name": name}, headers=WAIT).json()["data"]["status"] == "completed"
    for definition in (STUDENT, VISIT):
        assert bff.post(f"/database/{name}/ontology", json=definition, headers=WAIT).json()["data"]["status"] == "completed"
    files = {"file": ("students.csv", STUDENTS, "text/csv")}
    uploaded = bff.post(f"/pipelines/datasets/csv-upload?db_name={name}", files=files, headers={"Idempotency-Key": f"{name} 1"})
    dataset = uploaded.json()["data"]["dataset"]["dataset_id"]
    fields = [{"target_field": field, "source_fields": [field]} for field in ("student_id", "mail")]
    body = {"dataset_id": dataset, "target_class_id": "Student", "mappings": fields}
    mapping = bff.post("/objectify/mapping-specs", json=body, headers=WAIT).json()["result"]["mapping_id"]
    assert run(bff, dataset, mapping)["created"] == 2
    edit = bff.put(f"/instances/{name}/async/Student/s1/update?expected_seq=1", json={"data": {"nick": "An"}}, headers=WAIT)
    assert edit.json()["status"] == "COMPLETED", edit.text
    visit = {"data": {"visit_id": "v1", "of": "Student/s1"}}
    made = bff.post(f"/instances/{name}/async/Visit/create", json=visit, headers=WAIT)
    assert made.json()["status"] == "COMPLETED", made.text
    return name, dataset, mapping


def run(bff: httpx2.Client, dataset: str, mapping: str) -> dict[str, Any]:
    answer = bff.post(f"/objectify/datasets/{quote(dataset, safe='')}/run", json={"mapping_id": mapping}, headers=WAIT)
    found: dict[str, Any] = answer.json()["run"]
    assert found["state"] == "succeeded", answer.text
    return found


def visited(bff: httpx2.Client, database: str) -> list[str]:
    body = {"start_class": "Visit", "hops": [{"predicate": "of", "target_class": "Student"}], "limit": 10}
    answer = bff.post(f"/graph-query/{database}", json=body).json()
    assert {node["data_status"] for node in answer["nodes"]} <= {"FULL"}, answer
    return sorted(node["id"] for node in answer["nodes"])


def test_objects_move_to_the_ids_of_their_new_key(bff: httpx2.Client, running: Running, school: tuple[str, str, str]) -> None:
    database, dataset, mapping = school
    path = f"/database/{database}/ontology/Student"
    planned = bff.post(f"{path}/migrations/plan", json=BY_MAIL).json()["data"]
    counts = {"objects": 2, "moving": 2, "links": 1, "linking_objects": 1, "edits": 1, "objects_by_people": 0}
    assert {name: planned[name] for name in counts} == counts
    assert ([way["is_possible"] for way in planned["ways"]], planned["mappings"]) == ([True, True], [mapping])
    seq = planned["version"]
    refused = bff.put(f"{path}?expected_seq={seq}", json=BY_MAIL)
    assert (refused.status_code, refused.json()["code"]) == (409, "object_type_migration_required")
    assert {name: refused.json()["details"][name] for name in counts} == counts
    done = bff.put(f"{path}?expected_seq={seq}&migration=id_remap", json=BY_MAIL, headers=WAIT)
    assert done.json()["data"]["status"] == "completed", done.text
    status = bff.get(done.json()["data"]["status_url"].removeprefix("/api/v1")).json()
    assert (status["result"]["migration"]["moved"], status["result"]["migration"]["links"]) == (2, 1)
    assert visited(bff, database) == ["Student/ann@x", "Visit/v1"]
    why = bff.get(f"/lineage/{database}/why/node", params={"node_id": "Student/bob@x"}).json()["data"]["because"]
    assert why["source"]["row"] == 2
    found = bff.post(f"/search/{database}", json={"classes": ["Student"]}).json()
    assert sorted(hit["id"] for hit in found["hits"]) == ["Student/ann@x", "Student/bob@x"]
    about = {"db_name": database, "class_id": "Student", "instance_id": "ann@x"}
    assert [edit["field"] for edit in bff.get("/objectify/edits", params=about).json()["data"]["edits"]] == ["nick"]
    again = run(bff, dataset, mapping)
    assert (again["created"], again["updated"], again["deleted"]) == (0, 0, 0)
    code, said = running.spice("check", "--db", database)
    assert code == 0, said


def test_objects_are_made_again_after_a_reset(bff: httpx2.Client, running: Running, school: tuple[str, str, str]) -> None:
    database, dataset, mapping = school
    path = f"/database/{database}/ontology/Student"
    stale = bff.put(f"{path}?expected_seq=7&migration=reset_edits", json=BY_MAIL)
    assert stale.status_code == 409
    done = bff.put(f"{path}?expected_seq=1&migration=reset_edits", json=BY_MAIL, headers=WAIT)
    assert done.json()["data"]["status"] == "completed", done.text
    assert visited(bff, database) == ["Visit/v1"]
    assert run(bff, dataset, mapping)["created"] == 2
    about = {"db_name": database, "class_id": "Student", "instance_id": "ann@x"}
    assert bff.get("/objectify/edits", params=about).json()["data"]["edits"] == []
    code, said = running.spice("check", "--db", database)
    assert code == 0, said


def test_the_command_line_shows_the_plan_and_migrates(
    bff: httpx2.Client, running: Running, school: tuple[str, str, str], tmp_path: Path
) -> None:
    database, _, mapping = school
    code, said = running.spice("ontology", "show", "Student", "--db", database, "--json")
    shown = json.loads(said)
    assert (code, [item["name"] for item in shown["properties"]]) == (0, ["student_id", "mail", "nick"])
    by_mail, by_nick = tmp_path / "mail.json", tmp_path / "nick.json"
    by_mail.write_text(json.dumps(BY_MAIL))
    nick = {"name": "nick", "type": "string", "primaryKey": True}
    by_nick.write_text(
        json.dumps({**STUDENT, "properties": [*BY_MAIL["properties"][:1], {"name": "mail", "type": "string"}, nick]})
    )
    words = ("ontology", "migrate", "Student", "--db", database, "--definition")

    code, said = running.spice(*words, str(by_mail))
    assert (code, "2 instances, 2 of which id_remap gives another id" in said, mapping in said) == (0, True, True), said
    code, said = running.spice(*words, str(by_mail), "--json")
    assert (code, json.loads(said)["objects"], json.loads(said)["edits"]) == (0, 2, 1)
    code, said = running.spice(*words, str(by_nick), "--as", "id_remap", "--yes")
    assert (code, "key_missing: 1" in said, "Student/s2" in said) == (1, True, True), said
    code, said = running.spice(*words, str(by_mail), "--as", "id_remap")
    assert (code, "add --yes" in said) == (2, True), said

    code, said = running.spice(*words, str(by_mail), "--as", "id_remap", "--yes")
    assert (code, "2 instances got another id; 1 links, 1 objects that link to them" in said) == (0, True), said
    assert visited(bff, database) == ["Student/ann@x", "Visit/v1"]
    code, said = running.spice(*words, str(by_mail))
    assert (code, "the change needs no migration" in said) == (0, True), said
    code, said = running.spice("ontology", "list", "--db", database, "--json")
    assert [(row["class_id"], row["primary_key"], row["instances"]) for row in json.loads(said)] == [
        ("Student", ["mail"], 2),
        ("Visit", ["visit_id"], 1),
    ]
    by_id = tmp_path / "id.json"
    by_id.write_text(json.dumps(STUDENT))
    code, said = running.spice(*words[:-1], "--definition", str(by_id), "--as", "reset_edits", "--yes", "--json")
    told = json.loads(said)
    assert (code, told["status"], told["result"]["migration"]["deleted"]) == (0, "COMPLETED", 2), said
    code, said = running.spice("ontology", "show", "Student", "--db", "no_such")
    assert code == 1, said
