"""The walk-through, as printed: curl after curl, without waiting between them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running import TOKEN, Running

DEMO = Path(__file__).parents[2] / "docs" / "demo.sh"
JQ = """#!{python}
import json, sys
text = sys.stdin.read()
found = json.loads(text)
print(found["command_id"] if "-r" in sys.argv else json.dumps(found, indent=2))
"""


def run_demo(running: Running, home: Path) -> list[dict[str, Any]]:
    """Run the script and return what it printed, one JSON document per command that prints."""
    tools = home / "bin"
    tools.mkdir()
    if shutil.which("jq") is None:
        jq = tools / "jq"
        jq.write_text(JQ.format(python=shutil.which("python3")))
        jq.chmod(0o755)
    ports = {name: running.environment[name] for name in ("OMS_PORT", "BFF_PORT")}
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home), "CURL_HOME": str(home), **ports}
    done = subprocess.run(["bash", str(DEMO)], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return documents(done.stdout)


def documents(text: str) -> list[dict[str, Any]]:
    found, decoder, at = [], json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, length = decoder.raw_decode(text[at:])
        found.append(document)
        at += length
    return found


def check_answers(printed: list[dict[str, Any]]) -> None:
    created, customer, product, first, second, graph = printed
    assert created["status"] == customer["status"] == product["status"] == "accepted"
    assert created["data"]["mode"] == "event_sourcing"
    assert {first["status"], second["status"]} <= {"PENDING", "PROCESSING", "COMPLETED"}
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert nodes.keys() == {"Product/prod_001", "Customer/cust_001"}
    edges = [(edge["from_node"], edge["predicate"], edge["to_node"]) for edge in graph["edges"]]
    assert edges == [("Product/prod_001", "owned_by", "Customer/cust_001")]
    assert graph["warnings"] == []
    assert {node["data_status"] for node in graph["nodes"]} == {"FULL"}
    assert nodes["Customer/cust_001"]["display"]["name"] == "Alice"
    assert nodes["Product/prod_001"]["data"]["name"] == "Shirt"


def test_walk_through_runs_back_to_back_and_finds_both_nodes_and_the_edge(running: Running, tmp_path: Path) -> None:
    check_answers(run_demo(running, tmp_path))


def test_walk_through_runs_with_tokens(secured: Running, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text(f'header = "X-API-Key: {TOKEN}"\n')
    check_answers(run_demo(secured, tmp_path))


def test_walk_through_without_a_token_is_refused_by_default(secured: Running, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="401"):
        run_demo(secured, tmp_path)
