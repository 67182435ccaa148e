"""What class and mapping a dataset version suggests; the user edits both."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spice_core.domain.datasets import ClassMapping, Dataset, DatasetVersion, FieldMapping
from spice_core.domain.references import ReferenceTarget
from spice_core.domain.resolution import Ontology
from spice_core.domain.suggestions import Reference, class_definition, class_name, predicate_name, property_names
from spice_core.errors import DatasetNotFound
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.services.find_references import FindReferences
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_registry import mapping_id_of

_MOST_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A class definition (JSON, as the ontology API takes it), a mapping to it, and what it rests on."""

    class_definition: dict[str, Any]
    mapping: ClassMapping
    references: tuple[Reference, ...]
    notes: tuple[str, ...]


class SuggestMapping:
    """Suggestions from types, key candidates, and the datasets and mappings that are there."""

    def __init__(self, *, registry: Registry, reading: ReadDatasets, tables: TableEngine, commands: CommandService) -> None:
        self._registry = registry
        self._reading = reading
        self._commands = commands
        self._finding = FindReferences(registry=registry, reading=reading, tables=tables)

    def suggest(
        self, database: str, dataset_id: str, *, version_id: str | None = None, class_id: str | None = None
    ) -> Suggestion:
        """Suggest a class (named after the dataset unless `class_id` says) for a version (None: the latest).

        Raises:
            DatasetNotFound: there is no such dataset or version.
        """
        dataset, version = self._version(database, dataset_id, version_id)
        key = tuple(version.primary_key_candidates[0]) if version.primary_key_candidates else ()
        names = property_names([column.name for column in version.columns])
        references = tuple(self.references(database, dataset, version))
        links: dict[str, Reference] = {}
        for reference in references:
            links[predicate_name(reference, {*names.values(), *links})] = reference
        chosen = class_id or class_name(dataset.name)
        mapping = ClassMapping(
            mapping_id=mapping_id_of(database, dataset.branch, dataset_id, chosen),
            database=database,
            branch=dataset.branch,
            dataset_id=dataset_id,
            class_id=chosen,
            fields=(
                *(FieldMapping(names[column.name], (column.name,)) for column in version.columns),
                *(FieldMapping(predicate, reference.columns) for predicate, reference in links.items()),
            ),
            schema_hash=version.schema_hash,
            on_missing_target="drop_link" if any(entry.found < entry.given for entry in references) else "reject_row",
        )
        definition = class_definition(chosen, version.columns, names, key, links)
        return Suggestion(definition, mapping, references, tuple(_notes(version, key, references)))

    def references(self, database: str, dataset: Dataset, version: DatasetVersion) -> Iterator[Reference]:
        """Yield the columns whose values are keys of another dataset that has become a class (see `FindReferences`)."""
        targets = {
            (target.dataset_id, target.key): (target, version, class_id)
            for target, version, class_id in self._targets(database, dataset)
        }
        pairs = [(target, other) for target, other, _ in targets.values()]
        found = self._finding.to_targets(database, version, pairs, own=dataset.dataset_id)
        for target, reference in islice(found, _MOST_REFERENCES):
            class_id = targets[target.dataset_id, target.key][2]
            yield Reference(reference.columns, target.dataset_id, class_id, target.key, reference.given, reference.found)

    def _targets(self, database: str, dataset: Dataset) -> Iterator[tuple[ReferenceTarget, DatasetVersion, str]]:
        mappings = [entry for entry in self._registry.mappings(database) if entry.branch == dataset.branch]
        class_ids = frozenset(entry.class_id for entry in mappings)
        ontology = self._commands.settled.ontology(database, dataset.branch, class_ids, fresh=True)
        for mapping in mappings:
            other = self._registry.dataset(database, mapping.dataset_id)
            key = _key_columns(mapping, ontology)
            if other is not None and other.latest is not None and other.dataset_id != dataset.dataset_id and key:
                target = ReferenceTarget(other.dataset_id, other.name, key, other.latest.columns)
                yield target, other.latest, mapping.class_id

    def _version(self, database: str, dataset_id: str, version_id: str | None) -> tuple[Dataset, DatasetVersion]:
        dataset = self._registry.dataset(database, dataset_id)
        version = self._registry.version(database, version_id) if version_id else (dataset.latest if dataset else None)
        if dataset is None or version is None or version.dataset_id != dataset_id:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r}, or no such version of it")
        return dataset, version


def _key_columns(mapping: ClassMapping, ontology: Ontology) -> tuple[str, ...]:
    """The columns that a mapping puts into the primary key; empty where it does not fill it."""
    if mapping.class_id not in ontology.definitions:
        return ()
    sources = {field.target_field: field.source_fields[0] for field in mapping.fields}
    key = ontology.resolve(mapping.class_id).primary_key
    return tuple(sources[name] for name in key) if set(key) <= set(sources) else ()


def _notes(version: DatasetVersion, key: tuple[str, ...], references: tuple[Reference, ...]) -> Iterator[str]:
    if not key:
        yield "no columns identify a row: choose the properties of the primary key"
    for column in version.columns:
        if column.statistics.get("inferred_type", {}).get("metadata", {}).get("ambiguous"):
            yield f"{column.name}: {column.statistics['inferred_type']['reason']}"
    for reference in references:
        if reference.found < reference.given:
            missing = reference.given - reference.found
            yield f"{', '.join(reference.columns)}: {missing} of {reference.given} rows name no {reference.class_id}"
