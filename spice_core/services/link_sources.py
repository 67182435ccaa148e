"""What data say about links: the rows of a table, or the objects in the middle, as pairs of source and target."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_core.domain import naming
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.graph import Difference, Direction, Link, Node
from spice_core.domain.link_types import LinkType, ObjectSpec, TableSpec
from spice_core.domain.resolution import Ontology
from spice_core.domain.row_mapping import LinkTarget, instance_keys
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.table_engine import TableEngine

BATCH = 1000


@dataclass(slots=True)
class Said:
    """What data say of one source.

    Attributes:
        source: the node keys that it may be (any one of them).
        targets: in the data's order, those that each link may lead to, with where that was said (`row`, or `object`).
        repeats: how many links were said again.
    """

    source: tuple[str, ...]
    targets: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)
    repeats: int = 0


class LinkSource(ABC):
    """Where the links of one type come from, at one version."""

    @abstractmethod
    def handles(self, *, since: Collection[str] | None) -> Iterator[Sequence[Any]]:
        """Yield, in batches, handles of the sources of which the data may say something else than at any of the versions
        `since` (None: of all sources); a source may come more than once."""

    @abstractmethod
    def said(self, handles: Sequence[Any]) -> Sequence[Said]:
        """Return what the data say of each source now."""

    @abstractmethod
    def handles_of(self, sources: Sequence[str], targets: Sequence[str]) -> Sequence[Any]:
        """Return handles of these source nodes, if the data name them, and of the sources that they link to these targets."""

    @abstractmethod
    def unreadable(self) -> Mapping[str, int]:
        """Return how many rows say nothing, by reason."""


class TableLinks(LinkSource):
    """Links from rows. A handle is the values of the source's key columns."""

    def __init__(
        self,
        link_type: LinkType,
        spec: TableSpec,
        ontology: Ontology,
        *,
        tables: TableEngine,
        table: Path,
        older: Mapping[str, Path],
    ) -> None:
        """`older` has the tables of earlier versions by id; one that is gone cannot be compared with."""
        self._spec = spec
        self._tables = tables
        self._table = table
        self._older = older
        self._sources = instance_keys(link_type.class_id, ontology)
        self._targets = instance_keys(link_type.target, ontology)
        self._key = tuple(spec.source_key_columns)
        self._columns = tuple(dict.fromkeys([*spec.source_key_columns, *spec.target_key_columns]))

    def handles(self, *, since: Collection[str] | None) -> Iterator[Sequence[Any]]:
        if since is None:
            for rows in self._tables.rows(self._table, list(self._key), batch=BATCH):
                yield self._handles(rows)
            return
        for version in since:
            old = self._older[version]
            for changes in self._tables.changes(old, self._table, key=self._columns, columns=self._columns, batch=BATCH):
                yield self._handles([change.after or change.before or {} for change in changes])

    def said(self, handles: Sequence[Any]) -> Sequence[Said]:
        found: dict[tuple[str, ...], Said] = {}
        for handle in handles:
            source = _candidates(self._sources, handle)
            if source:
                found.setdefault(source, Said(source))
        for rows in self._tables.rows_of(self._table, list(self._columns), key=list(self._key), values=handles, batch=BATCH):
            for number, row in rows:
                self._take(found, number, row)
        return list(found.values())

    def handles_of(self, sources: Sequence[str], targets: Sequence[str]) -> Sequence[Any]:
        found: dict[Any, None] = {}
        for columns, keys in ((self._key, sources), (tuple(self._spec.target_key_columns), targets)):
            parts = [naming.key_parts(naming.split_node_key(key)[1], len(columns)) for key in keys]
            asked = [item for item in parts if len(item) == len(columns)]
            for rows in self._tables.rows_of(self._table, list(self._key), key=list(columns), values=asked, batch=BATCH):
                found |= dict.fromkeys(self._handles([row for _, row in rows]))
        return list(found)

    def unreadable(self) -> Mapping[str, int]:
        missing, _, _ = self._tables.key_problems(self._table, self._key, limit=1)
        partial, repeated, _ = self._tables.key_problems(self._table, self._columns, limit=1)
        return {"key_missing": missing, "empty": partial - missing, "duplicates": repeated}

    def _take(self, found: dict[tuple[str, ...], Said], number: int, row: Mapping[str, Any]) -> None:
        source = _candidates(self._sources, [row[name] for name in self._key])
        said = found.get(source) if source else None
        parts = [row[name] for name in self._spec.target_key_columns]
        if said is None or any(part is None for part in parts):
            return
        target = _candidates(self._targets, parts) or (f"{self._targets.classes[0]}/{'|'.join(map(str, parts))}"[:500],)
        if target in said.targets:
            said.repeats += 1
        else:
            said.targets[target] = {"row": number}

    def _handles(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        found = (tuple(row[name] for name in self._key) for row in rows)
        return list(dict.fromkeys(parts for parts in found if None not in parts))


class ObjectLinks(LinkSource):
    """Links through objects in the middle. A handle is the key of a source; a version is a commit of the graph."""

    def __init__(self, link_type: LinkType, spec: ObjectSpec, ontology: Ontology, *, graph: GraphStore, view: GraphView) -> None:
        self._spec = spec
        self._database = link_type.database
        self._graph = graph
        self._view = view
        self._middle = sorted(ontology.family(spec.object_type))

    def handles(self, *, since: Collection[str] | None) -> Iterator[Sequence[Any]]:
        if since is None:
            after: str | None = None
            while True:
                page = self._view.page(self._middle, after=after, limit=BATCH)
                yield self._sources(page.nodes)
                after = page.next_after
                if after is None:
                    return
        for commit in since:
            for changes in changes_of(self._graph, self._database, (commit, self._view.commit.id), self._middle):
                yield self._sources([node for item in changes for node in (item.before, item.after) if node is not None])

    def said(self, handles: Sequence[Any]) -> Sequence[Said]:
        found = {key: Said((key,)) for key in handles}
        links = self._into(list(found), self._spec.source_predicate)
        middles = self._view.get({link.source for link in links})
        for link in links:
            node = middles.get(link.source)
            for target in node.links.get(self._spec.target_predicate, ()) if node is not None else ():
                said = found[link.target]
                if (target,) in said.targets:
                    said.repeats += 1
                elif node is not None:
                    said.targets[target,] = {"object": node.key, **_row_of(node)}
        return list(found.values())

    def handles_of(self, sources: Sequence[str], targets: Sequence[str]) -> Sequence[str]:
        spec = self._spec
        ends = ((spec.source_predicate, sources), (spec.target_predicate, targets))
        middles = {link.source for predicate, keys in ends for link in self._into(keys, predicate)}
        return self._sources(list(self._view.get(middles).values()))

    def unreadable(self) -> Mapping[str, int]:
        return {}

    def _into(self, keys: Sequence[str], predicate: str) -> Sequence[Link]:
        return self._view.expand(keys, predicate=predicate, direction=Direction.IN, target_classes=self._middle)

    def _sources(self, nodes: Sequence[Node]) -> Sequence[str]:
        return list(dict.fromkeys(key for node in nodes for key in node.links.get(self._spec.source_predicate, ())))


def changes_of(
    graph: GraphStore, database: str, commits: tuple[str, str], class_ids: Sequence[str]
) -> Iterator[Sequence[Difference]]:
    """Yield what became of the objects of some classes between two commits: their keys stand together in the order of keys."""
    for class_id in class_ids:
        prefix = after = f"{class_id}/"
        while True:
            page = graph.diff(database, *commits, after=after, limit=BATCH)
            yield [item for item in page if item.key.startswith(prefix)]
            if len(page) < BATCH or not page[-1].key.startswith(prefix):
                break
            after = page[-1].key


def has_moved(change: Difference, predicate: str, *, besides: str) -> bool:
    """Whether the links of an object are not what link type `besides` left: somebody changed them, or it or their target went."""
    if change.after is None:
        return True
    if (change.after.provenance.source or {}).get("link_type_id") == besides:
        return False
    return change.before is None or change.after.links.get(predicate) != change.before.links.get(predicate)


def has_columns(version: DatasetVersion, spec: TableSpec) -> bool:
    """Whether a version has the columns that a link type reads."""
    return {*spec.source_key_columns, *spec.target_key_columns} <= {column.name for column in version.columns}


def _candidates(keys: LinkTarget, parts: Sequence[Any]) -> tuple[str, ...]:
    try:
        return keys.candidates(parts)
    except ValueError:
        return ()


def _row_of(node: Node) -> Mapping[str, Any]:
    source = node.provenance.source or {}
    return {name: source[name] for name in ("dataset_id", "version_id", "row") if name in source}
