"""A small world of people and companies in memory, for tests of what reads the graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.graph import ONTOLOGY_CLASS, GraphBatch, Node, Provenance, Removal
from spice_core.domain.ontology_json import class_from_json, class_to_json
from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument
from spice_core.services.query_graph import GraphQueries, QueryLimits

DATABASE = "shop"
START = datetime(2024, 1, 1, tzinfo=UTC)

PERSON = {
    "id": "Person",
    "properties": [
        {"name": "person_id", "type": "string", "primaryKey": True},
        {"name": "full_name", "type": "string", "titleKey": True},
        {"name": "age", "type": "integer"},
        {"name": "height", "type": "decimal"},
        {"name": "born", "type": "date"},
    ],
    "relationships": [
        {"predicate": "knows", "target": "Person", "cardinality": "n:m"},
        {"predicate": "works_at", "target": "Company", "cardinality": "n:1"},
    ],
}
MANAGER = {"id": "Manager", "parent_class": "Person", "relationships": [{"predicate": "leads", "target": "Company"}]}
COMPANY = {
    "id": "Company",
    "properties": [{"name": "company_id", "type": "string", "primaryKey": True}, {"name": "name", "type": "string"}],
}


class NoWait:
    """A barrier that never waits; `behind` is what it reports."""

    def __init__(self, behind: Sequence[str] = ()) -> None:
        self.behind = behind

    def wait(self, database: str, *handlers: str) -> list[str]:
        return [name for name in handlers if name in self.behind]


@dataclass
class World:
    """A graph and a search index with the same ontology."""

    graph: MemoryGraphStore = field(default_factory=MemoryGraphStore)
    search: MemorySearchIndex = field(default_factory=MemorySearchIndex)
    position: int = 0
    limits: QueryLimits = field(default_factory=lambda: QueryLimits(10, 1000, 2000))
    behind: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.graph.create_database(DATABASE, author="ann", message="begin", at=START, position=self._next())
        self.define(COMPANY, PERSON, MANAGER)
        fields = [
            IndexedField("full_name", Kind.TEXT, is_text=True),
            IndexedField("name", Kind.TEXT, is_text=True),
            IndexedField("age", Kind.INTEGER),
        ]
        for name in ("Person", "Manager", "Company"):
            self.search.define(DATABASE, IndexedClass(name, fields, "full_name"))

    @property
    def queries(self) -> GraphQueries:
        return GraphQueries(self.graph, self.search, NoWait(self.behind), self.limits)  # type: ignore[arg-type]

    def define(self, *classes: Mapping[str, Any]) -> None:
        self._commit([self._node(ONTOLOGY_CLASS, item["id"], class_to_json(class_from_json(item)), {}) for item in classes])

    def person(
        self, name: str, *, class_id: str = "Person", knows: Sequence[str] = (), works_at: str | None = None, **data: Any
    ) -> str:
        """Write a person who knows the persons named by `knows` and return the node key."""
        links: dict[str, tuple[str, ...]] = {}
        document: dict[str, Any] = {"person_id": name, "full_name": f"{name.title()} Smith", **data}
        if knows:
            links["knows"] = tuple(key if "/" in key else f"Person/{key}" for key in knows)
            document["knows"] = list(links["knows"])
        if works_at:
            links["works_at"] = (f"Company/{works_at}",)
            document["works_at"] = links["works_at"][0]
        self._commit([self._node(class_id, name, document, links)])
        return f"{class_id}/{name}"

    def company(self, name: str) -> str:
        self._commit([self._node("Company", name, {"company_id": name, "name": name.upper()}, {})])
        return f"Company/{name}"

    def remove(self, key: str) -> None:
        position = self._next()
        self._commit([Removal(key, 2, position, _provenance(position))], position)

    def index(self, key: str, *, is_older: bool = False, is_deleted: bool = False) -> None:
        """Put the node's document into the search index, as new as the node or older."""
        node = self.graph.view(DATABASE).get([key])[key]
        version = node.position - is_older
        document = SearchDocument(key, node.class_id, node.document, version, version, "e1", START, START, is_deleted)
        self.search.write(DATABASE, "main", [document])
        self.search.refresh(DATABASE)

    def _commit(self, changes: Sequence[Node | Removal], position: int | None = None) -> None:
        at = position or self.position
        first = min((item.position for item in changes), default=at)
        last = max((item.position for item in changes), default=at)
        self.graph.apply(DATABASE, GraphBatch("main", changes, "ann", "write", START + timedelta(seconds=last), first, last))

    def _node(self, class_id: str, name: str, document: Mapping[str, Any], links: Mapping[str, tuple[str, ...]]) -> Node:
        position = self._next()
        return Node(f"{class_id}/{name}", class_id, document, links, 1, position, _provenance(position))

    def _next(self) -> int:
        self.position += 1
        return self.position


def _provenance(position: int) -> Provenance:
    return Provenance(f"event-{position}", f"command-{position}", "ann", START, {"row": position})
