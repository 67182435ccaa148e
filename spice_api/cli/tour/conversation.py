"""The first conversation with the platform: a customer, her product, and the link between them, all without waiting."""

from typing import Any

from rich.console import Console

from spice_api.cli.report import print_table
from spice_api.cli.tour.client import Api
from spice_api.cli.tour.findings import Findings

CUSTOMER = {
    "id": "Customer",
    "label": "Customer",
    "properties": [
        {"name": "customer_id", "type": "string", "required": True},
        {"name": "name", "type": "string", "required": True},
    ],
    "relationships": [],
}
PRODUCT = {
    "id": "Product",
    "label": "Product",
    "properties": [
        {"name": "product_id", "type": "string", "required": True},
        {"name": "name", "type": "string", "required": True},
    ],
    "relationships": [{"predicate": "owned_by", "target": "Customer", "label": "Owned By", "cardinality": "n:1"}],
}
QUESTION = {
    "start_class": "Product",
    "hops": [{"predicate": "owned_by", "target_class": "Customer"}],
    "filters": {"product_id": "prod_001"},
    "limit": 10,
    "offset": 0,
    "max_nodes": 200,
    "max_edges": 500,
    "no_cycles": True,
    "include_documents": True,
}


def converse(api: Api, database: str, *, findings: Findings, console: Console) -> None:
    """Create database, classes and instances back to back, then ask over one hop."""
    api.post("oms", "/database/create", {"name": database, "description": "demo"})
    for definition in (CUSTOMER, PRODUCT):
        api.post("oms", f"/database/{database}/ontology", definition)
    instances: dict[str, dict[str, Any]] = {
        "Customer": {"customer_id": "cust_001", "name": "Alice"},
        "Product": {"product_id": "prod_001", "name": "Shirt", "owned_by": "Customer/cust_001"},
    }
    accepted = {
        name: api.post("oms", f"/instances/{database}/async/{name}/create", {"data": data}) for name, data in instances.items()
    }
    answer = api.post("bff", f"/graph-query/{database}", QUESTION)
    for name, command in accepted.items():
        status = api.completed(command["command_id"])
        findings.equal(f"the command that creates a {name} is COMPLETED", status["status"], "COMPLETED")
    nodes = {node["id"]: node["data_status"] for node in answer["nodes"]}
    print_table(["from", "predicate", "to"], [[e["from_node"], e["predicate"], e["to_node"]] for e in answer["edges"]])
    findings.equal(
        "asked at once, the graph answers with both nodes and their documents",
        nodes,
        {"Product/prod_001": "FULL", "Customer/cust_001": "FULL"},
    )
    console.print()
