"""Commands on datasets, mappings and runs: checked against the catalogue and the classes, then appended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from spice_core.domain import naming
from spice_core.domain.commands import CommandType
from spice_core.domain.dataset_records import mapping_as_json, run_as_json
from spice_core.domain.datasets import ClassMapping, Dataset, DatasetVersion, ObjectifyRun
from spice_core.domain.resolution import ResolvedClass
from spice_core.errors import DatasetNotFound, InvalidMapping, MappingNotFound
from spice_core.ports.registry import Registry
from spice_core.services.submit_commands import Accepted, CommandService, Origin

MISSING_TARGET_POLICIES = ("reject_row", "drop_link", "fail")
REMOVED_ROW_POLICIES = ("delete", "keep")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a mapping cannot run: a stable code, and a sentence."""

    code: str
    message: str


class RegistryCommands:
    """The way in for changes of the catalogue."""

    def __init__(self, *, commands: CommandService, registry: Registry) -> None:
        self._commands = commands
        self._registry = registry

    def save_mapping(self, mapping: ClassMapping, **origin: Unpack[Origin]) -> Accepted:
        """Add or replace a mapping, which must fit its dataset's latest version and its class.

        Raises:
            DatasetNotFound, ClassNotFound: there is nothing to map.
            InvalidMapping: it does not fit; `details["errors"]` lists codes and messages.
        """
        dataset = self._dataset(mapping.database, mapping.dataset_id)
        resolved = self.resolved_class(mapping)
        problems = mapping_problems(mapping, dataset.latest, resolved)
        if problems:
            raise invalid_mapping(problems)
        command = self._commands.command(
            CommandType.SAVE_MAPPING, mapping.database, "Mapping", mapping.database, mapping.mapping_id, **origin
        )
        command = replace(command, branch=mapping.branch, payload=mapping_as_json(mapping))
        return self._commands.submit(mapping.database, [command])[0]

    def delete_mapping(self, database: str, mapping_id: str, **origin: Unpack[Origin]) -> Accepted:
        """Remove a mapping; what it made stays. Raises `MappingNotFound`."""
        if not any(mapping.mapping_id == mapping_id for mapping in self._registry.mappings(database)):
            raise MappingNotFound(f"There is no mapping {mapping_id[:100]!r}")
        command = self._commands.command(CommandType.DELETE_MAPPING, database, "Mapping", database, mapping_id, **origin)
        return self._commands.submit(database, [replace(command, payload={"mapping_id": mapping_id})])[0]

    def delete_dataset(self, database: str, dataset_id: str, **origin: Unpack[Origin]) -> Accepted:
        """Remove a dataset with its versions and mappings from the catalogue. Raises `DatasetNotFound`."""
        dataset = self._dataset(database, dataset_id)
        command = self._commands.command(
            CommandType.DELETE_DATASET, database, "Dataset", database, dataset.branch, dataset.name, **origin
        )
        return self._commands.submit(database, [replace(command, branch=dataset.branch)])[0]

    def record_run(self, database: str, branch: str, run: ObjectifyRun, **origin: Unpack[Origin]) -> Accepted:
        """Put the result of a run on record."""
        command = self._commands.command(CommandType.RECORD_OBJECTIFY_RUN, database, "Run", database, run.run_id, **origin)
        return self._commands.submit(database, [replace(command, branch=branch, payload=run_as_json(run))])[0]

    def resolved_class(self, mapping: ClassMapping) -> ResolvedClass:
        """Return the class of `mapping` with what it inherits. Raises `ClassNotFound`, `LogBehind`."""
        ontology = self._commands.settled.ontology(mapping.database, mapping.branch, frozenset({mapping.class_id}), fresh=True)
        return ontology.resolve(mapping.class_id)

    def _dataset(self, database: str, dataset_id: str) -> Dataset:
        dataset = self._registry.dataset(database, dataset_id)
        if dataset is None:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r}")
        return dataset


def mapping_problems(mapping: ClassMapping, version: DatasetVersion | None, resolved: ResolvedClass) -> list[Problem]:
    """Return why `mapping` cannot run on `version`; empty where it can."""
    if version is None:
        return [Problem("MAPPING_SPEC_SOURCE_MISSING", "the dataset has no version yet")]
    columns = {column.name for column in version.columns}
    targets = [field.target_field for field in mapping.fields]
    properties, relationships = resolved.properties, resolved.relationships
    key = [name for name, found in properties.items() if found.is_primary_key]
    tests: list[tuple[str, Sequence[str], str]] = [
        ("MAPPING_SPEC_SOURCE_MISSING", sorted(_sources(mapping) - columns), "the dataset has no column"),
        ("MAPPING_SPEC_TARGET_UNKNOWN", sorted(set(targets) - set(properties) - set(relationships)), "the class has no field"),
        ("MAPPING_SPEC_TARGET_REPEATED", sorted({name for name in targets if targets.count(name) > 1}), "mapped twice"),
        ("MAPPING_SPEC_PRIMARY_KEY_MISSING", [name for name in key if name not in targets], "the primary key is not mapped"),
        ("MAPPING_SPEC_REQUIRED_MISSING", _lacking(properties, targets), "a required property is not mapped"),
        ("MAPPING_SPEC_UNSUPPORTED_TYPES", _joined_properties(mapping, properties), "only a link takes several columns"),
        ("MAPPING_SPEC_POLICY_UNKNOWN", _unknown_policies(mapping), "no such policy"),
    ]
    problems = [Problem(code, f"{text}: {', '.join(names)}") for code, names, text in tests if names]
    if not key:
        problems.append(
            Problem("OBJECT_TYPE_PRIMARY_KEY_MISSING", f"class {resolved.id} has no primary key: rows have no identity")
        )
    return problems


def invalid_mapping(problems: Sequence[Problem]) -> InvalidMapping:
    """Return the error that names all `problems`."""
    errors = [{"code": problem.code, "message": problem.message} for problem in problems]
    return InvalidMapping("; ".join(problem.message for problem in problems), details={"errors": errors})


def _sources(mapping: ClassMapping) -> set[str]:
    return {name for field in mapping.fields for name in field.source_fields}


def _lacking(properties: Mapping[str, Any], targets: Sequence[str]) -> list[str]:
    return [name for name, found in properties.items() if found.is_required and found.default is None and name not in targets]


def _joined_properties(mapping: ClassMapping, properties: Mapping[str, Any]) -> list[str]:
    return [field.target_field for field in mapping.fields if field.target_field in properties and len(field.source_fields) != 1]


def _unknown_policies(mapping: ClassMapping) -> list[str]:
    found = [] if mapping.on_missing_target in MISSING_TARGET_POLICIES else [f"on_missing_target={mapping.on_missing_target}"]
    return found + ([] if mapping.on_removed_row in REMOVED_ROW_POLICIES else [f"on_removed_row={mapping.on_removed_row}"])


def mapping_id_of(database: str, branch: str, dataset_id: str, class_id: str) -> str:
    """Return the id of the one mapping of a dataset to a class."""
    return naming.aggregate_id(database, branch, naming.split_aggregate_id(dataset_id)[-1], class_id)
