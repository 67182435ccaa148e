"""Nodes and batches for the graph store's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spice_core.domain.graph import Branch, Commit, GraphBatch, Node, Provenance, Removal
from spice_core.domain.node_records import check_text
from spice_core.ports.graph_store import GraphStore

START = datetime(2024, 1, 1, tzinfo=UTC)


def provenance(position: int) -> Provenance:
    return Provenance(f"e{position}", f"c{position}", "ann", START + timedelta(seconds=position), {"row": position})


def node(
    key: str,
    document: Mapping[str, Any] | None = None,
    links: Mapping[str, Sequence[str]] | None = None,
    *,
    position: int = 1,
    sequence: int = 1,
) -> Node:
    check_text(key)
    targets = {name: tuple(values) for name, values in (links or {}).items()}
    full = {**(document or {}), **{name: list(values) for name, values in targets.items()}}
    return Node(key, key.partition("/")[0], full, targets, sequence, position, provenance(position))


def removal(key: str, *, position: int = 1, sequence: int = 2) -> Removal:
    return Removal(key, sequence, position, provenance(position))


def batch(changes: Sequence[Node | Removal], *, first: int, last: int | None = None, branch: str = "main") -> GraphBatch:
    end = first if last is None else last
    return GraphBatch(branch, changes, "ann", f"commit {first}", START + timedelta(seconds=end), first, end)


@dataclass(slots=True)
class Writer:
    """Writes on one database with positions that always move on."""

    store: GraphStore
    database: str = "shop"
    position: int = field(default=0)

    def next(self) -> int:
        self.position += 1
        return self.position

    def create(self) -> Commit:
        return self.store.create_database(self.database, author="ann", message="begin", at=START, position=self.next())

    def drop(self) -> None:
        self.store.drop_database(self.database, position=self.next())

    def write(self, *changes: Node | Removal, branch: str = "main") -> Commit:
        return self.store.apply(self.database, batch(changes, first=self.next(), branch=branch))

    def remove(self, *keys: str, branch: str = "main") -> Commit:
        return self.write(*(removal(key) for key in keys), branch=branch)

    def branch(self, name: str, source: str = "main") -> Branch:
        return self.store.create_branch(self.database, name, source=source, at=START, position=self.next())

    def delete(self, name: str) -> None:
        self.store.delete_branch(self.database, name, position=self.next())

    def document(self, key: str, ref: str = "main") -> Mapping[str, Any] | None:
        found = self.store.view(self.database, ref).get([key]).get(key)
        return None if found is None else found.document
