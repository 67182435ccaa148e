"""Reading over HTTP: pages, filters, branches, history, search, why, audit."""

from typing import Any

import httpx2
import pytest

WAIT = {"Prefer": "wait=20"}


@pytest.fixture
def shop(oms: httpx2.Client, database: str) -> str:
    """Two customers and five products."""
    customers = [{"customer_id": name, "name": name.title()} for name in ("ann", "bob")]
    write(oms, database, "Customer", customers)
    products = [
        {"product_id": f"p{number}", "name": f"Shirt {number}", "price": price, "stock": number, "released": f"2024-0{number}-01"}
        for number, price in enumerate(["9.5", "10.25", "100", "2", "19.99"], start=1)
    ]
    for number, product in enumerate(products):
        product["owned_by"] = "Customer/ann" if number < 3 else "Customer/bob"
    write(oms, database, "Product", products)
    return database


def write(oms: httpx2.Client, database: str, class_id: str, rows: list[dict[str, Any]], branch: str = "main") -> None:
    path = f"/instances/{database}/async/{class_id}/bulk-create?branch={branch}"
    answer = oms.post(path, json={"instances": rows}, headers=WAIT)
    assert answer.json()["status"] == "COMPLETED", answer.text


def listed(client: httpx2.Client, database: str, class_id: str, **params: Any) -> dict[str, Any]:
    answer = client.get(f"/instance/{database}/class/{class_id}/instances", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [item["instance_id"] for item in page["instances"]]


@pytest.mark.parametrize(
    ("filter_text", "expected"),
    [
        ('{"price": {"gt": 9.9}}', ["p2", "p3", "p5"]),
        ('{"price": "2"}', ["p4"]),
        ('{"stock": {"gte": 2, "lt": 4}}', ["p2", "p3"]),
        ('{"released": {"lt": "2024-03-01"}}', ["p1", "p2"]),
        ('{"owned_by": "Customer/bob"}', ["p4", "p5"]),
        ('{"name": {"contains": "5"}}', ["p5"]),
    ],
)
def test_must_hold_15_filters_are_typed(oms: httpx2.Client, shop: str, filter_text: str, expected: list[str]) -> None:
    assert ids(listed(oms, shop, "Product", filter=filter_text)) == expected
    count = oms.get(f"/instance/{shop}/class/Product/count", params={"filter": filter_text}).json()["data"]["count"]
    assert count == len(expected)


def test_must_hold_14_pages_are_stable_and_sorted_by_type(bff: httpx2.Client, oms: httpx2.Client, shop: str) -> None:
    first = listed(bff, shop, "Product", sort="-price", limit=2)
    assert ids(first) == ["p3", "p5"]
    write(oms, shop, "Product", [{"product_id": "p9", "name": "Late", "price": "50"}])
    seen, after = ids(first), first["next_after"]
    while after:
        page = listed(bff, shop, "Product", sort="-price", limit=2, after=after, branch=first["commit"])
        seen, after = seen + ids(page), page["next_after"]
    assert seen == ["p3", "p5", "p2", "p1", "p4"], "what was written meanwhile is not in the commit that is paged"
    assert listed(bff, shop, "Product")["total"] == 6


def test_must_hold_14_reads_honour_the_branch(bff: httpx2.Client, oms: httpx2.Client, shop: str) -> None:
    created = bff.post(f"/branch/{shop}/create", json={"branch_name": "feature/a", "from_branch": "main"})
    assert (created.status_code, created.json()["status"]) == (200, "created"), created.text
    write(oms, shop, "Customer", [{"customer_id": "cho", "name": "Cho"}], branch="feature/a")
    write(oms, shop, "Customer", [{"customer_id": "dan", "name": "Dan"}])
    assert ids(listed(bff, shop, "Customer", branch="feature/a")) == ["ann", "bob", "cho"]
    assert ids(listed(bff, shop, "Customer")) == ["ann", "bob", "dan"]
    for branch, expected in (("feature/a", {"ann", "bob", "cho"}), ("main", {"ann", "bob", "dan"})):
        answer = bff.post(f"/graph-query/{shop}/simple?branch={branch}", json={"class_name": "Customer"}).json()
        assert {node["id"].partition("/")[2] for node in answer["nodes"]} == expected
        assert {node["data_status"] for node in answer["nodes"]} == {"FULL"}
        found = bff.post(f"/search/{shop}?branch={branch}", json={"classes": ["Customer"]}).json()
        assert {hit["id"].partition("/")[2] for hit in found["hits"]} == expected
    again = bff.post(f"/branch/{shop}/create", json={"branch_name": "feature/a"})
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert [item["name"] for item in bff.get(f"/branch/{shop}/list").json()["data"]["branches"]] == ["main", "feature/a"]
    assert bff.get(f"/branch/{shop}/branch/feature/a/info").json()["data"]["name"] == "feature/a"
    assert bff.delete(f"/branch/{shop}/branch/feature/a").status_code == 200
    assert bff.get(f"/branch/{shop}/branch/feature/a/info").status_code == 404
    assert bff.delete(f"/branch/{shop}/branch/main").status_code == 403


def test_history_and_diff_are_real(oms: httpx2.Client, bff: httpx2.Client, shop: str) -> None:
    path = f"/instances/{shop}/async/Customer/ann/update?expected_seq=1"
    assert oms.put(path, json={"data": {"name": "Anna"}}, headers=WAIT).json()["status"] == "COMPLETED"
    commits = bff.get(f"/version/{shop}/history", params={"limit": 5}).json()["data"]["commits"]
    assert all(commit["message"] and commit["author"] and len(commit["id"]) == 40 for commit in commits)
    assert oms.get(f"/version/{shop}/head").json()["data"]["commit"]["id"] == commits[0]["id"]
    changes = bff.get(f"/version/{shop}/diff", params={"from_ref": "HEAD~1", "to_ref": "HEAD"}).json()["data"]["changes"]
    assert [(item["id"], item["change"], item["fields"]) for item in changes] == [("Customer/ann", "changed", ["name"])]
    ancestor = bff.get(f"/version/{shop}/common-ancestor", params={"left": "main", "right": "HEAD~1"}).json()["data"]
    assert ancestor["commit"]["id"] == commits[1]["id"]
    old = listed(bff, shop, "Customer", branch="HEAD~1")
    assert old["instances"][0]["data"]["name"] == "Ann"


def test_graph_query_pages_over_start_nodes(bff: httpx2.Client, shop: str) -> None:
    hops = [{"predicate": "owned_by"}]
    seen, offset = [], 0
    while offset is not None:
        body = {"start_class": "Product", "hops": hops, "limit": 2, "offset": offset, "include_documents": False}
        answer = bff.post(f"/graph-query/{shop}", json=body).json()
        assert answer["total"] == 5
        seen += [node["id"] for node in answer["nodes"] if node["type"] == "Product"]
        offset = answer["page"]["next_offset"]
    assert seen == [f"Product/p{number}" for number in range(1, 6)]


def test_must_hold_16_answer_says_who_and_why(bff: httpx2.Client, shop: str) -> None:
    body = {
        "start_class": "Product",
        "hops": [{"predicate": "owned_by"}],
        "filters": {"product_id": "p1"},
        "include_audit": True,
        "include_provenance": True,
        "include_paths": True,
    }
    answer = bff.post(f"/graph-query/{shop}", json=body).json()
    product = answer["nodes"][0]
    assert product["display"] == {**product["display"], "primary_key": "p1", "name": "Shirt 1"}
    assert product["audit"]["actor"] == "anonymous"
    assert product["provenance"]["command_id"] == product["audit"]["command_id"]
    assert answer["paths"][0]["nodes"] == ["Product/p1", "Customer/ann"]
    plain = bff.post(f"/graph-query/{shop}", json={**body, "include_audit": False, "include_provenance": False}).json()
    assert plain["nodes"][0]["audit"] is None
    assert plain["nodes"][0]["provenance"] is None


def test_paths_route_follows_a_chain(bff: httpx2.Client, shop: str) -> None:
    answer = bff.get(f"/graph-query/{shop}/paths", params={"start_class": "Product", "hops": "owned_by:Customer"}).json()
    assert [path["nodes"] for path in answer["paths"]][:1] == [["Product/p1", "Customer/ann"]]
    assert len(answer["paths"]) == 5


def test_search_by_text_filter_facet_and_highlight(bff: httpx2.Client, shop: str) -> None:
    body = {"text": "shirt", "classes": ["Product"], "filters": {"price": {"lt": 50}}, "facets": ["owned_by"], "highlight": True}
    found = bff.post(f"/search/{shop}", json=body).json()
    assert {hit["id"] for hit in found["hits"]} == {"Product/p1", "Product/p2", "Product/p4", "Product/p5"}
    assert (found["total"], found["total_is_exact"]) == (4, True)
    assert "<em>" in found["hits"][0]["highlights"]["name"]
    assert found["facets"]["owned_by"] == [{"value": "Customer/ann", "count": 2}, {"value": "Customer/bob", "count": 2}]
    fuzzy = bff.post(f"/search/{shop}", json={"text": "shrit", "classes": ["Product"], "fuzzy": True}).json()
    assert fuzzy["total"] == 5
    cheapest = bff.post(f"/search/{shop}", json={"classes": ["Product"], "sort": {"field": "price"}, "limit": 1}).json()
    assert cheapest["hits"][0]["id"] == "Product/p4"


def test_why_for_a_node_and_a_link(oms: httpx2.Client, bff: httpx2.Client, shop: str) -> None:
    path = f"/instances/{shop}/async/Product/p1/update?expected_seq=1"
    moved = oms.put(path, json={"data": {"owned_by": "Customer/bob"}}, headers=WAIT).json()
    path = f"/instances/{shop}/async/Product/p1/update?expected_seq=2"
    renamed = oms.put(path, json={"data": {"name": "Blouse"}}, headers=WAIT).json()
    node = bff.get(f"/lineage/{shop}/why/node", params={"node_id": "Product/p1"}).json()["data"]
    assert node["because"]["command_id"] == renamed["command_id"]
    assert node["because"]["event_type"] == "INSTANCE_UPDATED"
    assert len(node["because"]["commit"]["id"]) == 40
    assert [step["event_type"] for step in node["history"]] == ["INSTANCE_UPDATED", "INSTANCE_UPDATED", "INSTANCE_CREATED"]
    asked = {"from_node": "Product/p1", "predicate": "owned_by", "to_node": "Customer/bob"}
    link = bff.get(f"/lineage/{shop}/why/edge", params=asked).json()["data"]
    assert link["because"]["command_id"] == moved["command_id"], "the later rename did not make the link"
    gone = bff.get(f"/lineage/{shop}/why/edge", params={**asked, "to_node": "Customer/ann"})
    assert (gone.status_code, gone.json()["code"]) == (404, "link_not_found")
    effects = bff.get(f"/lineage/{shop}/command/{moved['command_id']}").json()["data"]
    assert effects["artifacts"] == ["node:main:Product/p1"]
    graph = bff.get(f"/lineage/{shop}/graph", params={"root": "Product/p1"}).json()["data"]
    assert {node["kind"] for node in graph["nodes"]} == {"node", "command", "event", "commit"}


def test_why_on_a_branch_goes_back_to_where_it_came_from(oms: httpx2.Client, bff: httpx2.Client, shop: str) -> None:
    bff.post(f"/branch/{shop}/create", json={"branch_name": "try"})
    path = f"/instances/{shop}/async/Customer/ann/update?expected_seq=1"
    oms.put(path, json={"data": {"name": "Main only"}}, headers=WAIT)
    history = bff.get(f"/lineage/{shop}/why/node", params={"node_id": "Customer/ann", "branch": "try"}).json()["data"]["history"]
    assert [step["event_type"] for step in history] == ["INSTANCE_CREATED"]


def test_must_hold_20_audit_is_read_and_its_chain_verifies(bff: httpx2.Client, shop: str) -> None:
    report = bff.get("/audit/verify", params={"database": shop}).json()["data"]
    assert report["is_intact"] is True
    assert report["events"] == report["head"]["position"]
    bff.get(f"/lineage/{shop}/metrics")
    entries = bff.get("/audit/logs", params={"database": shop, "limit": 1000}).json()["data"]["entries"]
    assert entries
    assert {entry["actor"] for entry in entries} == {"anonymous"}
    page = bff.get("/audit/logs", params={"database": shop, "limit": 2}).json()["data"]
    rest = bff.get("/audit/logs", params={"database": shop, "limit": 2, "before": page["next_before"]}).json()["data"]
    positions = [entry["position"] for entry in page["entries"] + rest["entries"]]
    assert positions == sorted(positions, reverse=True)
    assert len(set(positions)) == 4


def test_ontology_is_read_validated_changed_and_deleted(oms: httpx2.Client, shop: str) -> None:
    found = oms.get(f"/database/{shop}/ontology/Product").json()["data"]
    assert found["primary_key"] == ["product_id"]
    assert found["title_key"] == "name"
    valid = oms.post(f"/database/{shop}/ontology/Product/validate", json={"data": {"product_id": "x", "name": 7}}).json()["data"]
    assert (valid["valid"], valid["errors"][0]["field"]) == (False, "name")
    definition = {name: found[name] for name in ("id", "label", "properties", "relationships")}
    definition["properties"] = [*found["properties"], {"name": "color", "type": "string"}]
    path = f"/database/{shop}/ontology/Product"
    changed = oms.put(f"{path}?expected_seq={found['version']}", json=definition, headers=WAIT)
    assert changed.json()["data"]["status"] == "completed", changed.text
    stale = oms.put(f"{path}?expected_seq={found['version']}", json=definition)
    assert stale.status_code == 409
    definition["properties"][-1] = {"name": "color", "type": "string", "required": True}
    breaks = oms.put(f"{path}?expected_seq={found['version'] + 1}", json=definition, headers=WAIT)
    assert "breaks_instances" in breaks.text or breaks.json()["data"]["status"] == "failed", breaks.text
    assert "5" in breaks.text, "the answer counts what it would break"


def test_monitoring_shows_no_lag_after_a_read(bff: httpx2.Client, shop: str) -> None:
    listed(bff, shop, "Product")
    progress = bff.get(f"/monitoring/databases/{shop}").json()["data"]
    assert progress["handlers"]["graph"]["position"] > 0
    assert progress["dead_letters"] == 0
    assert bff.get("/monitoring/status").json()["data"]["parts"] == {"log": "ok", "ledger": "ok", "graph": "ok", "search": "ok"}


def test_settings_are_shown_without_secrets(bff: httpx2.Client) -> None:
    settings = bff.get("/config/settings").json()["data"]["settings"]
    assert settings["postgres_url"] == "********"
    assert settings["oms_admin_token"] is None
