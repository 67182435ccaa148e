"""What is wrong is refused with a clear error, and leaves nothing behind: no input gives a 5xx."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "category", "http_status", "retryable", "request_id"}


@dataclass(frozen=True)
class Bad:
    """A request and the answer it must get; `{db}` in the path is the database of the test."""

    name: str
    method: str
    path: str
    status: int
    code: str
    body: Any = None
    raw: bytes | None = None
    field: str | None = None


CREATE = "/instances/{db}/async/Customer/create"
GOOD = {"data": {"customer_id": "c1", "name": "Ann"}}
QUERY = {"start_class": "Customer"}

BAD = [
    Bad("malformed JSON", "POST", CREATE, 400, "malformed_json", raw=b'{"data": '),
    Bad("no JSON at all", "POST", CREATE, 400, "malformed_json", raw=b"\xff\xfe\x00"),
    Bad("NUL in a value", "POST", CREATE, 400, "malformed_json", raw=b'{"data": {"customer_id": "a\\u0000", "name": "x"}}'),
    Bad("NaN", "POST", CREATE, 400, "malformed_json", raw=b'{"data": {"customer_id": "a", "name": NaN}}'),
    Bad("unknown field", "POST", CREATE, 422, "invalid_request", body={**GOOD, "dta": 1}, field="dta"),
    Bad("missing field", "POST", CREATE, 422, "invalid_request", body={}, field="data"),
    Bad("body of another type", "POST", CREATE, 422, "invalid_request", body=[1], field="body"),
    Bad("unknown property", "POST", CREATE, 422, "invalid_instance", body={"data": {**GOOD["data"], "shoe": 9}}, field="shoe"),
    Bad("missing property", "POST", CREATE, 422, "invalid_instance", body={"data": {"customer_id": "c1"}}, field="name"),
    Bad("wrong type", "POST", CREATE, 422, "invalid_instance", body={"data": {"customer_id": "c1", "name": 7}}, field="name"),
    Bad("unknown class", "POST", "/instances/{db}/async/Ghost/create", 404, "class_not_found", body=GOOD),
    Bad("unknown database", "POST", "/instances/ghost/async/Customer/create", 404, "database_not_found", body=GOOD),
    Bad("unknown branch", "POST", CREATE + "?branch=ghost", 404, "branch_not_found", body=GOOD),
    Bad("branch outside the rules", "POST", CREATE + "?branch=a..b", 404, "branch_not_found", body=GOOD),
    Bad("database outside the rules", "POST", "/database/create", 400, "invalid_name", body={"name": "No Such Name"}),
    Bad("system database", "POST", "/database/create", 403, "forbidden", body={"name": "_system"}),
    Bad("delete of a system database", "DELETE", "/database/_system?expected_seq=1", 403, "forbidden"),
    Bad("class outside the rules", "POST", "/database/{db}/ontology", 422, "invalid_ontology", body={"id": "1 x"}, field="id"),
    Bad("class that exists", "POST", "/database/{db}/ontology", 409, "already_exists", body={"id": "Customer"}),
    Bad(
        "relationship to no class",
        "POST",
        "/database/{db}/ontology",
        422,
        "invalid_ontology",
        body={"id": "Box", "relationships": [{"predicate": "in", "target": "Ghost"}]},
        field="relationships.in.target",
    ),
    Bad(
        "property defined twice",
        "POST",
        "/database/{db}/ontology",
        422,
        "invalid_ontology",
        body={"id": "Box", "properties": [{"name": "a", "type": "string"}, {"name": "a", "type": "string"}]},
        field="properties.a",
    ),
    Bad(
        "update of nothing",
        "PUT",
        "/instances/{db}/async/Customer/ghost/update?expected_seq=1",
        404,
        "instance_not_found",
        body=GOOD,
    ),
    Bad(
        "number that is none",
        "DELETE",
        "/instances/{db}/async/Customer/x/delete?expected_seq=one",
        422,
        "invalid_request",
        field="expected_seq",
    ),
    Bad(
        "number that is too large",
        "DELETE",
        "/instances/{db}/async/Customer/x/delete?expected_seq=99999999999999999999",
        422,
        "invalid_request",
        field="expected_seq",
    ),
    Bad(
        "empty bulk",
        "POST",
        "/instances/{db}/async/Customer/bulk-create",
        422,
        "invalid_request",
        body={"instances": []},
        field="instances",
    ),
    Bad("unknown filter field", "GET", '/instance/{db}/class/Customer/instances?filter={"shoe":1}', 400, "invalid_query"),
    Bad("filter that is no JSON", "GET", "/instance/{db}/class/Customer/instances?filter={", 400, "invalid_query"),
    Bad("unknown sort field", "GET", "/instance/{db}/class/Customer/instances?sort=shoe", 400, "invalid_query"),
    Bad("page of another query", "GET", "/instance/{db}/class/Customer/instances?after=xyz", 400, "invalid_query"),
    Bad("limit below one", "GET", "/instance/{db}/class/Customer/instances?limit=0", 422, "invalid_request", field="limit"),
    Bad("list of an unknown class", "GET", "/instance/{db}/class/Ghost/instances", 404, "class_not_found"),
    Bad("instance that is not there", "GET", "/instance/{db}/instance/Customer/ghost", 404, "instance_not_found"),
    Bad("commit that is not there", "GET", "/version/{db}/diff?from_ref=deadbeef00&to_ref=main", 404, "commit_not_found"),
    Bad("ref of nothing", "GET", "/version/{db}/history?branch=ghost", 404, "branch_not_found"),
    Bad(
        "branch from nothing",
        "POST",
        "/branch/{db}/create",
        404,
        "branch_not_found",
        body={"branch_name": "b", "from_branch": "ghost"},
    ),
    Bad("reserved branch", "POST", "/branch/{db}/create", 400, "invalid_name", body={"branch_name": "HEAD"}),
    Bad("question about an unknown class", "POST", "/graph-query/{db}", 400, "invalid_query", body={"start_class": "Ghost"}),
    Bad("unknown predicate", "POST", "/graph-query/{db}", 400, "invalid_query", body={**QUERY, "hops": [{"predicate": "owns"}]}),
    Bad(
        "too many hops",
        "POST",
        "/graph-query/{db}",
        400,
        "invalid_query",
        body={"start_class": "Product", "hops": [{"predicate": "owned_by"}] * 11},
    ),
    Bad("limit over the setting", "POST", "/graph-query/{db}", 400, "invalid_query", body={**QUERY, "limit": 100_000}),
    Bad("question to an unknown database", "POST", "/graph-query/ghost", 404, "database_not_found", body=QUERY),
    Bad("question on an unknown branch", "POST", "/graph-query/{db}?branch=ghost", 404, "branch_not_found", body=QUERY),
    Bad("search in an unknown class", "POST", "/search/{db}", 400, "invalid_query", body={"classes": ["Ghost"]}),
    Bad("facet without a class", "POST", "/search/{db}", 400, "invalid_query", body={"facets": ["name"]}),
    Bad("why of nothing", "GET", "/lineage/{db}/why/node?node_id=Customer/ghost", 404, "instance_not_found"),
    Bad("why of what is no node", "GET", "/lineage/{db}/why/node?node_id=nonsense", 400, "invalid_name"),
    Bad("audit of nothing", "GET", "/audit/verify?database=ghost", 404, "database_not_found"),
    Bad("dead letter that is not there", "POST", "/dead-letters/{db}/graph/nothing/retry", 404, "dead_letter_not_found"),
    Bad("status of nonsense", "GET", "/commands/nonsense/status", 400, "invalid_input"),
    Bad("no such route", "GET", "/nothing/here", 404, "not_found"),
    Bad("no such method", "PATCH", "/database/list", 405, "method_not_allowed"),
]


@pytest.fixture(scope="module")
def ready(oms: httpx2.Client) -> str:
    """One database for all cases: each must leave it as it was."""
    wait = {"Prefer": "wait=20"}
    oms.post("/database/create", json={"name": "bad_input"}, headers=wait)
    customer = {
        "id": "Customer",
        "properties": [
            {"name": "customer_id", "type": "string", "primaryKey": True},
            {"name": "name", "type": "string", "required": True},
        ],
    }
    product = {
        "id": "Product",
        "properties": [{"name": "product_id", "type": "string", "primaryKey": True}],
        "relationships": [{"predicate": "owned_by", "target": "Customer", "cardinality": "n:1"}],
    }
    for definition in (customer, product):
        answer = oms.post("/database/bad_input/ontology", json=definition, headers=wait)
        assert answer.json()["data"]["status"] == "completed", answer.text
    return "bad_input"


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_input_is_named_and_leaves_nothing_behind(bff: httpx2.Client, ready: str, case: Bad) -> None:
    before = bff.get("/audit/chain-head", params={"database": ready}).json()["data"]["position"]
    path = case.path.replace("{db}", ready)
    content = {"content": case.raw} if case.raw is not None else {"json": case.body} if case.body is not None else {}
    answer = bff.request(case.method, path, headers={"Content-Type": "application/json"}, **content)
    assert (answer.status_code, answer.json()["code"]) == (case.status, case.code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() >= PROBLEM_FIELDS
    assert body["detail"]
    if case.field is not None:
        assert case.field in [error["field"] for error in body["errors"]], body["errors"]
    after = bff.get("/audit/chain-head", params={"database": ready}).json()["data"]["position"]
    assert after == before, "a refused request left something in the log"


def test_body_over_the_limit_is_413(bff: httpx2.Client, ready: str) -> None:
    limit = bff.get("/config/limits").json()["data"]["max_request_bytes"]
    answer = bff.post(f"/graph-query/{ready}", content=b" " * (limit + 1), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_nothing_of_what_was_refused_exists(bff: httpx2.Client, ready: str) -> None:
    assert bff.get(f"/instance/{ready}/class/Customer/count").json()["data"]["count"] == 0
    classes = bff.get(f"/database/{ready}/ontology").json()["data"]["classes"]
    assert [item["id"] for item in classes] == ["Customer", "Product"]
    names = [item["name"] for item in bff.get(f"/branch/{ready}/list").json()["data"]["branches"]]
    assert names == ["main"]
