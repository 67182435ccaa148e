"""Link types on record: checked against classes and data, with their relationship on the class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.link_types import (
    DANGLING_POLICIES,
    DEDUPE_POLICIES,
    FOREIGN_KEY,
    LinkType,
    ObjectSpec,
    TableSpec,
    link_type_as_json,
    link_type_of_json,
)
from spice_core.domain.ontology import UNLINK, RelationshipDefinition
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.errors import DatasetNotFound, InvalidMapping, LogBehind, ObjectTypeMismatch
from spice_core.ports.registry import Registry
from spice_core.services.check_mapping import Problem, key_problems_of
from spice_core.services.submit_commands import Accepted, CommandService, Origin
from spice_core.services.submit_records import RecordCommands

_PREDICATE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_CARDINALITIES = ("1:1", "1:n", "n:1", "n:m")


class LinkTypes:
    """Saves, finds and forgets link types."""

    def __init__(self, *, commands: CommandService, registry: Registry) -> None:
        self._commands = commands
        self._records = RecordCommands(commands=commands, registry=registry)
        self._registry = registry

    def save(self, wanted: LinkType, **origin: Unpack[Origin]) -> Accepted:
        """Keep a link type; its relationship is put on the class first, where it is not there.

        Raises:
            ClassNotFound, DatasetNotFound: there is nothing to link.
            InvalidMapping: it does not fit; `details["errors"]` lists codes and messages.
            ObjectTypeMismatch: the class has another relationship of this name, or a mapping writes it.
            OptimisticConcurrencyConflict: the class changed meanwhile; save again.
            LogBehind: (retryable) the change of the class is undecided yet.
        """
        naming.dataset_name(wanted.name)
        wanted = self._completed(wanted)
        class_ids = frozenset({wanted.class_id, wanted.target, *_middle(wanted.spec)})
        ontology = self._commands.settled.ontology(wanted.database, wanted.branch, class_ids, fresh=True)
        problems = [*_form_problems(wanted), *self._data_problems(wanted, ontology)]
        if problems:
            raise InvalidMapping("; ".join(item.message for item in problems), details=_details(problems))
        conflicts = self._conflicts(wanted, ontology.resolve(wanted.class_id))
        if conflicts:
            raise ObjectTypeMismatch("; ".join(item.message for item in conflicts), details=_details(conflicts))
        self._relate(wanted, ontology.resolve(wanted.class_id), **origin)
        return self._records.save(
            wanted.database,
            RecordKind.LINK_TYPE,
            wanted.link_type_id,
            link_type_as_json(wanted),
            branch=wanted.branch,
            parent=wanted.spec.dataset_id if isinstance(wanted.spec, TableSpec) else "",
            status=wanted.class_id,
            **_without_id(origin),
        )

    def delete(self, database: str, link_type_id: str, **origin: Unpack[Origin]) -> Accepted:
        """Forget a link type; its links and the relationship stay. Raises `RecordNotFound`."""
        return self._records.delete(database, RecordKind.LINK_TYPE, link_type_id, **origin)

    def require(self, database: str, link_type_id: str) -> LinkType:
        """Return a link type. Raises `RecordNotFound`."""
        return _read(self._records.require(database, RecordKind.LINK_TYPE, link_type_id))

    def all(self, database: str, *, dataset_id: str | None = None) -> list[LinkType]:
        """Return the link types of a database, of one dataset where asked for, by name."""
        return link_types_of(self._registry, database, dataset_id=dataset_id)

    def _completed(self, wanted: LinkType) -> LinkType:
        """A foreign key stands in the dataset that makes the sources: the mapping says by which columns they are known."""
        spec = wanted.spec
        if not isinstance(spec, TableSpec) or spec.kind != FOREIGN_KEY or spec.source_key_columns:
            return wanted
        mappings = self._registry.mappings(wanted.database, dataset_id=spec.dataset_id)
        mapping = next((item for item in mappings if item.class_id == wanted.class_id), None)
        if mapping is None:
            message = f"no mapping makes {wanted.class_id} of {spec.dataset_id}: state source_key_columns"
            raise InvalidMapping(message, details=_details([Problem("LINK_TYPE_SOURCE_KEY_MISSING", message)]))
        columns = {field.target_field: field.source_fields[0] for field in mapping.fields}
        class_ids = frozenset({wanted.class_id})
        resolved = self._commands.settled.ontology(wanted.database, wanted.branch, class_ids).resolve(wanted.class_id)
        key = tuple(columns[name] for name in resolved.primary_key if name in columns)
        return replace(wanted, spec=replace(spec, source_key_columns=key))

    def _data_problems(self, wanted: LinkType, ontology: Ontology) -> list[Problem]:
        source, target = ontology.resolve(wanted.class_id), ontology.resolve(wanted.target)
        if isinstance(wanted.spec, ObjectSpec):
            return _object_problems(wanted.spec, source, target, ontology.resolve(wanted.spec.object_type))
        version = self._version(wanted.database, wanted.spec.dataset_id)
        columns = [column.name for column in version.columns]
        lacking = [name for name in (*wanted.spec.source_key_columns, *wanted.spec.target_key_columns) if name not in columns]
        if lacking:
            return [Problem("LINK_TYPE_COLUMN_MISSING", f"the dataset has no column {', '.join(lacking)}")]
        return [
            *key_problems_of(f"{wanted.predicate} (source)", wanted.spec.source_key_columns, version, source),
            *key_problems_of(f"{wanted.predicate} (target)", wanted.spec.target_key_columns, version, target),
        ]

    def _version(self, database: str, dataset_id: str) -> DatasetVersion:
        dataset = self._registry.dataset(database, dataset_id)
        if dataset is None or dataset.latest is None:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r}, or it has no version yet")
        return dataset.latest

    def _conflicts(self, wanted: LinkType, source: ResolvedClass) -> list[Problem]:
        found: list[Problem] = []
        there = source.relationships.get(wanted.predicate)
        if wanted.predicate in source.properties:
            found.append(Problem("LINK_TYPE_PREDICATE_TAKEN", f"{source.id} has a property {wanted.predicate}"))
        if there is not None and (there.target, there.cardinality) != (wanted.target, wanted.cardinality):
            told = f"{source.id} has a relationship {wanted.predicate} to {there.target} ({there.cardinality})"
            found.append(Problem("LINK_TYPE_PREDICATE_TAKEN", f"{told}, not to {wanted.target} ({wanted.cardinality})"))
        if there is not None and there.is_required:
            message = f"{source.id}.{wanted.predicate} is required: objects could not be made before their links"
            found.append(Problem("LINK_TYPE_PREDICATE_REQUIRED", message))
        for mapping in self._registry.mappings(wanted.database):
            is_same = (mapping.branch, mapping.class_id) == (wanted.branch, wanted.class_id)
            if is_same and any(field.target_field == wanted.predicate for field in mapping.fields):
                message = f"mapping {mapping.mapping_id} writes {wanted.predicate}: take it out, or leave the links to it"
                found.append(Problem("LINK_TYPE_PREDICATE_MAPPED", message))
        for other in self.all(wanted.database):
            is_same = (other.branch, other.class_id, other.predicate) == (wanted.branch, wanted.class_id, wanted.predicate)
            if is_same and other.name != wanted.name:
                found.append(Problem("LINK_TYPE_PREDICATE_TAKEN", f"link type {other.name} makes the links {wanted.predicate}"))
        return found

    def _relate(self, wanted: LinkType, source: ResolvedClass, **origin: Unpack[Origin]) -> None:
        """Put the relationship on the class and wait until that is decided; it goes with its target, as rows do."""
        if wanted.predicate in source.relationships:
            return
        link = RelationshipDefinition(
            wanted.predicate,
            wanted.target,
            label=wanted.label or wanted.predicate,
            cardinality=wanted.cardinality,
            on_delete=UNLINK,
        )
        settled, class_ids = self._commands.settled, frozenset({source.id})
        number = settled.class_number(wanted.database, wanted.branch, source.id)
        definition = settled.ontology(wanted.database, wanted.branch, class_ids, fresh=True).resolve(source.id).definition
        definition = replace(definition, relationships=(*definition.relationships, link))
        self._commands.update_class(
            wanted.database, wanted.branch, source.id, definition, expected_seq=number, **_without_id(origin)
        )
        changed = settled.ontology(wanted.database, wanted.branch, class_ids, fresh=True).resolve(source.id)
        if wanted.predicate not in changed.relationships:
            raise LogBehind(f"The change of class {source.id} is undecided yet; is the graph worker running? Save again")


def link_types_of(registry: Registry, database: str, *, dataset_id: str | None = None) -> list[LinkType]:
    """Return the link types of a database, of one dataset where asked for, by name."""
    found = registry.records(database, RecordKind.LINK_TYPE, parent=dataset_id)
    return sorted(map(_read, found), key=lambda item: (item.name, item.branch))


def _read(record: CatalogueRecord) -> LinkType:
    return link_type_of_json(record.document, version=record.version)


def _middle(spec: TableSpec | ObjectSpec) -> set[str]:
    return {spec.object_type} if isinstance(spec, ObjectSpec) else set()


def _form_problems(wanted: LinkType) -> list[Problem]:
    found: list[Problem] = []
    if not _PREDICATE.fullmatch(wanted.predicate):
        message = f"{wanted.predicate[:100]!r} is no predicate: use lower case letters, digits and _, a letter first"
        found.append(Problem("LINK_TYPE_PREDICATE_INVALID", message))
    if wanted.cardinality not in _CARDINALITIES:
        found.append(Problem("LINK_TYPE_CARDINALITY_INVALID", f"a cardinality is one of {', '.join(_CARDINALITIES)}"))
    if isinstance(wanted.spec, TableSpec):
        policies = ((wanted.spec.dangling_policy, DANGLING_POLICIES), (wanted.spec.dedupe_policy, DEDUPE_POLICIES))
        found += [
            Problem("LINK_TYPE_POLICY_UNKNOWN", f"{given} is none of {', '.join(known)}")
            for given, known in policies
            if given not in known
        ]
    return found


def _object_problems(spec: ObjectSpec, source: ResolvedClass, target: ResolvedClass, middle: ResolvedClass) -> list[Problem]:
    found: list[Problem] = []
    for predicate, end in ((spec.source_predicate, source), (spec.target_predicate, target)):
        if predicate not in middle.relationships or end.id not in middle.targets[predicate]:
            message = f"{middle.id} has no relationship {predicate} to {end.id}"
            found.append(Problem("LINK_TYPE_OBJECT_RELATIONSHIP_MISSING", message))
    return found


def _details(problems: Sequence[Problem]) -> Mapping[str, Any]:
    return {"errors": [{"code": item.code, "message": item.message} for item in problems]}


def _without_id(origin: Origin) -> Origin:
    """Two commands cannot have one id: each gets its own."""
    return Origin(actor=origin.get("actor"), trace=origin.get("trace") or {})
