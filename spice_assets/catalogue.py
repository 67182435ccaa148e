"""What the code location is built from: a plain snapshot of the registry that a run can be given again, unchanged."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from spice_assets.owners import owner_of
from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping, Dataset
from spice_core.domain.graph import ONTOLOGY_CLASS
from spice_core.domain.link_types import LinkType, ObjectSpec, TableSpec
from spice_core.domain.ontology import label_text
from spice_core.domain.resolution import Ontology
from spice_core.domain.row_mapping import RowMapper
from spice_core.errors import BranchNotFound, ClassNotFound, DatabaseNotFound, InvalidOntology
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.registry import Registry
from spice_core.services.save_link_types import link_types_of
from spice_core.services.settled_graph import read_ontology


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """One dataset: its columns are (name, type, nullable) of the newest version, empty before the first.

    `owner` is the e-mail address of who uploaded that version, empty where that was a program, or is not known.
    """

    database: str
    branch: str
    dataset_id: str
    name: str
    source_type: str
    columns: tuple[tuple[str, str, bool], ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """One mapping into a class: `key_columns` are the source columns of the class's primary key.

    `fields` are the properties and links that it fills, each with its source columns.
    """

    mapping_id: str
    version: int
    dataset_id: str
    on_missing_target: str
    on_removed_row: str
    key_columns: tuple[str, ...] = ()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One class that mappings fill: its properties are (name, type, required), `links_to` are the classes it points at.

    `description` and `labels` (property, text) hold what people wrote, where it says more than the name. `shards` is the number
    of its partitions, 1 where it has none.
    """

    database: str
    branch: str
    class_id: str
    description: str
    properties: tuple[tuple[str, str, bool], ...]
    links_to: tuple[str, ...]
    mappings: tuple[MappingEntry, ...]
    labels: tuple[tuple[str, str], ...] = ()
    shards: int = 1


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One link type: made from the rows of `dataset`, or from the instances of `object_type` (the other is empty)."""

    database: str
    branch: str
    link_type_id: str
    name: str
    version: int
    kind: str
    class_id: str
    target: str
    predicate: str
    dataset: str = ""
    object_type: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Datasets, mapped classes and link types, in a fixed order."""

    datasets: tuple[DatasetEntry, ...] = ()
    classes: tuple[ClassEntry, ...] = ()
    links: tuple[LinkEntry, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever the definitions made of it would."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return it as text, the same for equal catalogues."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Catalogue":
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(
            datasets=tuple(DatasetEntry(**{**row, "columns": _triples(row["columns"])}) for row in data["datasets"]),
            classes=tuple(_class_entry(row) for row in data["classes"]),
            links=tuple(LinkEntry(**row) for row in data.get("links", ())),
        )


def read_catalogue(registry: Registry, graph: GraphStore, databases: Sequence[str], *, shards: int = 1) -> Catalogue:
    """Read the catalogue of `databases` as it is now; a class that the graph does not know yet is left out until it does.

    Classes are in `shards`, except those that their mappings may link to themselves.
    """
    datasets: list[DatasetEntry] = []
    classes: list[ClassEntry] = []
    links: list[LinkEntry] = []
    for database in databases:
        found = registry.datasets(database)
        datasets.extend(_dataset_entry(dataset) for dataset in found)
        classes.extend(_class_entries(database, registry.mappings(database), graph, shards))
        links.extend(_link_entry(link_type) for link_type in link_types_of(registry, database))
    return Catalogue(
        datasets=tuple(sorted(datasets, key=lambda entry: entry.dataset_id)),
        classes=tuple(sorted(classes, key=lambda entry: (entry.database, entry.branch, entry.class_id))),
        links=tuple(sorted(links, key=lambda entry: entry.link_type_id)),
    )


def _dataset_entry(dataset: Dataset) -> DatasetEntry:
    columns = dataset.latest.columns if dataset.latest else ()
    return DatasetEntry(
        database=dataset.database,
        branch=dataset.branch,
        dataset_id=dataset.dataset_id,
        name=dataset.name,
        source_type=dataset.source_type,
        columns=tuple((column.name, column.type, column.nullable) for column in columns),
        owner=owner_of(dataset.latest.created_by) if dataset.latest else "",
    )


def _link_entry(link_type: LinkType) -> LinkEntry:
    spec = link_type.spec
    return LinkEntry(
        database=link_type.database,
        branch=link_type.branch,
        link_type_id=link_type.link_type_id,
        name=link_type.name,
        version=link_type.version,
        kind=spec.kind,
        class_id=link_type.class_id,
        target=link_type.target,
        predicate=link_type.predicate,
        dataset=naming.split_aggregate_id(spec.dataset_id)[-1] if isinstance(spec, TableSpec) else "",
        object_type=spec.object_type if isinstance(spec, ObjectSpec) else "",
    )


def _class_entries(database: str, mappings: Sequence[ClassMapping], graph: GraphStore, shards: int) -> list[ClassEntry]:
    by_class: dict[tuple[str, str], list[ClassMapping]] = {}
    for mapping in mappings:
        by_class.setdefault((mapping.branch, mapping.class_id), []).append(mapping)
    ontology_of = cache(lambda branch: read_ontology(graph.view(database, branch)))
    entries = []
    for (branch, class_id), members in sorted(by_class.items()):
        definition = _definition(graph, database, branch, class_id)
        if definition is not None:
            entry = _described(database, branch, class_id, definition, members)
            is_whole = shards == 1 or _is_linked_to_itself(ontology_of(branch), members)
            entries.append(entry if is_whole else replace(entry, shards=shards))
    return entries


def _is_linked_to_itself(ontology: Ontology, mappings: Sequence[ClassMapping]) -> bool:
    """Whether a mapping makes links that may lead to the class itself, as a run of shards asks; no run takes a broken class."""
    try:
        return any(RowMapper(mapping, ontology).own_links for mapping in mappings)
    except (ClassNotFound, InvalidOntology):
        return False


def _definition(graph: GraphStore, database: str, branch: str, class_id: str) -> Mapping[str, Any] | None:
    key = naming.node_key(ONTOLOGY_CLASS, class_id)
    try:
        node = graph.view(database, branch).get([key]).get(key)
    except (DatabaseNotFound, BranchNotFound):
        return None
    return node.document if node else None


def _described(
    database: str, branch: str, class_id: str, definition: Mapping[str, Any], mappings: Sequence[ClassMapping]
) -> ClassEntry:
    properties = definition.get("properties", ())
    return ClassEntry(
        database=database,
        branch=branch,
        class_id=class_id,
        description=_told(definition, class_id),
        properties=tuple((item["name"], str(item["type"]), bool(item.get("required"))) for item in properties),
        labels=tuple((item["name"], text) for item in properties if (text := _told(item, item["name"]))),
        links_to=tuple(sorted({item["target"] for item in definition.get("relationships", ())})),
        mappings=tuple(_mapping_entry(mapping, definition) for mapping in sorted(mappings, key=lambda entry: entry.mapping_id)),
    )


def _told(definition: Mapping[str, Any], name: str) -> str:
    """The description of a class or property, or its label; empty where that only repeats its name."""
    text = definition.get("description") or label_text(definition.get("label") or "")
    return "" if text == name else text


def _mapping_entry(mapping: ClassMapping, definition: Mapping[str, Any]) -> MappingEntry:
    keys = [item["name"] for item in definition.get("properties", ()) if item.get("primaryKey")]
    sources = {field.target_field: tuple(field.source_fields) for field in mapping.fields}
    return MappingEntry(
        mapping_id=mapping.mapping_id,
        version=mapping.version,
        dataset_id=mapping.dataset_id,
        on_missing_target=mapping.on_missing_target,
        on_removed_row=mapping.on_removed_row,
        key_columns=tuple(column for name in keys for column in sources.get(name, ())),
        fields=tuple(sorted(sources.items())),
    )


def _class_entry(row: Mapping[str, Any]) -> ClassEntry:
    mappings = tuple(_read_mapping(entry) for entry in row["mappings"])
    labels = tuple((str(name), str(text)) for name, text in row["labels"])
    changed = {"properties": _triples(row["properties"]), "links_to": tuple(row["links_to"]), "mappings": mappings}
    return ClassEntry(**{**row, **changed, "labels": labels})


def _read_mapping(row: Mapping[str, Any]) -> MappingEntry:
    fields = tuple((str(target), tuple(sources)) for target, sources in row.get("fields", ()))
    return MappingEntry(**{**row, "key_columns": tuple(row["key_columns"]), "fields": fields})


def _triples(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((str(name), str(kind), bool(flag)) for name, kind, flag in rows)
