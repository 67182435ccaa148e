"""From every kind of source to objects and links that know their rows, and its next version at the cost of what changed."""

import itertools
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import arriving
import httpx2
import pytest
from arriving import WAIT, Bring, Row, Site, saved
from google_server import GoogleServer
from running import Running

_NUMBERS = itertools.count()
SHOPS = ("s0", "s1", "s2")
FIRST: list[Row] = [(f"o{number:02d}", SHOPS[number % 3], f"{number}.25") for number in range(1, 41)]
ORDER = {
    "id": "Order",
    "label": "Order",
    "properties": [
        {"name": "order_id", "type": "string", "primaryKey": True, "required": True},
        {"name": "shop", "type": "string"},
        {"name": "amount", "type": "decimal"},
    ],
}
SHOP = {"id": "Shop", "label": "Shop", "properties": [{"name": "code", "type": "string", "primaryKey": True, "required": True}]}


def following(rows: Sequence[Row]) -> list[Row]:
    """The next version: an order costs something else, one is of another shop, one goes, one comes."""
    found = {row[0]: row for row in rows} | {
        "o03": ("o03", "s0", "99.75"),
        "o10": ("o10", "s2", "10.25"),
        "o41": ("o41", "s1", "1.50"),
    }
    del found["o07"]
    return list(found.values())


@pytest.fixture
def site(
    connected: Running, connected_bff: httpx2.Client, google: GoogleServer, oms: httpx2.Client, module_database: str
) -> Site:
    """A database with the class Shop, its three instances, and the class Order."""
    name = f"source_{next(_NUMBERS)}"
    created = oms.post("/database/create", json={"name": name}, headers=WAIT)
    assert created.json()["data"]["status"] == "completed", created.text
    for definition in (SHOP, ORDER):
        answer = oms.post(f"/database/{name}/ontology", json=definition, headers=WAIT)
        assert answer.json()["data"]["status"] == "completed", answer.text
    for code in SHOPS:
        saved(connected_bff.post(f"/instances/{name}/async/Shop/create", json={"data": {"code": code}}, headers=WAIT))
    return Site(connected, connected_bff, google, module_database, name)


def map_to_orders(site: Site, columns: Sequence[str]) -> str:
    fields = [{"target_field": field, "source_fields": [column]} for field, column in zip(arriving.COLUMNS, columns, strict=True)]
    body = {"dataset_id": site.dataset_id, "target_class_id": "Order", "mappings": fields, "on_removed_row": "delete"}
    mapping_id: str = saved(site.bff.post("/objectify/mapping-specs", json=body, headers=WAIT))["mapping_id"]
    return mapping_id


def link_to_shops(site: Site, column: str) -> None:
    spec = {"kind": "foreign_key", "dataset_id": site.dataset_id, "fk_columns": [column]}
    ends = {"id": "sold_at", "db_name": site.database, "from": "Order", "to": "Shop", "predicate": "sold_at"}
    body = {**ends, "cardinality": "n:1", "trigger_index": False, "relationship_spec": spec}
    saved(site.bff.post("/link-types", json=body, headers=WAIT))


def run(site: Site, mapping_id: str) -> dict[str, Any]:
    url = f"/objectify/datasets/{quote(site.dataset_id, safe='')}/run"
    answer = site.bff.post(url, json={"mapping_id": mapping_id}, headers=WAIT)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text
    found: dict[str, Any] = answer.json()["run"]
    return found


def counts(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run[name] for name in ("created", "updated", "deleted", "rejected"))


def index(site: Site) -> tuple[str, int, int]:
    answer = site.bff.post("/link-types/sold_at/reindex", params={"db_name": site.database}, json={}, headers=WAIT).json()
    assert answer["status"] == "succeeded", answer
    statistics = answer["run"]["statistics"]
    return answer["run"]["result"], statistics.get("added", 0), statistics.get("removed", 0)


def row_of(site: Site, version: dict[str, Any], order: str) -> int:
    """At which row of a version an order stands, counted from 1; of a workbook at which row of its sheet."""
    url = f"/pipelines/datasets/{quote(site.dataset_id, safe='')}/versions/{version['version_id']}/preview?limit=100"
    rows = site.bff.get(url).json()["data"]["rows"]
    above: int = version["region"]["bbox"][0] + 2 if version["filename"].endswith("xlsx") else 0
    return 1 + above + [next(iter(row.values())) for row in rows].index(order)


def why(site: Site, **asked: str) -> tuple[dict[str, Any], str]:
    """What an object (`node_id`) or a link was made of: the source, and the dataset version."""
    kind = "node" if "node_id" in asked else "edge"
    because = site.bff.get(f"/lineage/{site.database}/why/{kind}", params=asked).json()["data"]["because"]
    return because["source"], because["dataset_version"]["version_id"]


def links(site: Site) -> dict[str, str]:
    body = {"start_class": "Order", "hops": [{"predicate": "sold_at", "target_class": "Shop"}], "limit": 100}
    edges = site.bff.post(f"/graph-query/{site.database}", json=body).json()["edges"]
    return {edge["from_node"].removeprefix("Order/"): edge["to_node"].removeprefix("Shop/") for edge in edges}


@pytest.mark.parametrize(
    ("bring", "sees_removed"),
    [
        (arriving.csv_file, True),
        (arriving.messy_workbook, True),
        (arriving.json_lines_file, True),
        (arriving.parquet_file, True),
        (arriving.watched_folder, True),
        (arriving.watched_prefix, True),
        (arriving.google_sheet, True),
        (arriving.sql_table, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_source_becomes_objects_and_links_and_its_next_version_costs_what_changed(
    site: Site, bring: Bring, *, sees_removed: bool
) -> None:
    bring(site, FIRST)
    first = site.versions()[0]
    columns = [column["name"] for column in first["columns"]][:3]
    assert (first["number"], first["row_count"], first["reject_count"]) == (1, 40, 0)
    assert [column["type"] for column in first["columns"]][:3] == ["string", "string", "decimal"]
    mapping = map_to_orders(site, columns)
    link_to_shops(site, columns[1])
    assert counts(run(site, mapping)) == (40, 0, 0, 0)
    assert index(site) == ("PASS", 40, 0)

    bring(site, following(FIRST))
    second, before = site.versions()
    assert (second["number"], before["version_id"]) == (2, first["version_id"])
    assert counts(run(site, mapping)) == (1, 2, int(sees_removed), 0)
    assert index(site) == ("PASS", 2, 1)
    assert counts(run(site, mapping)) == (0, 0, 0, 0)
    assert index(site) == ("PASS", 0, 0)
    rows = following(FIRST) if sees_removed else [*following(FIRST), FIRST[6]]
    assert links(site) == {order: shop for order, shop, _ in rows}

    effects = site.bff.get(f"/lineage/{site.database}/version/{second['version_id']}").json()["data"]["artifacts"]
    objects = {name.rpartition("/")[2] for name in effects if name.startswith("node:")}
    assert objects == {"o03", "o10", "o41", *(["o07"] if sees_removed else [])}
    for order, version in (("o05", first), ("o03", second), ("o41", second)):
        source, of_version = why(site, node_id=f"Order/{order}")
        assert (source["row"], of_version) == (row_of(site, version, order), version["version_id"])
    for order, shop, version in (("o05", "s2", first), ("o10", "s2", second)):
        source, of_version = why(site, from_node=f"Order/{order}", predicate="sold_at", to_node=f"Shop/{shop}")
        assert (source["links"][f"Shop/{shop}"]["row"], of_version) == (row_of(site, version, order), version["version_id"])
