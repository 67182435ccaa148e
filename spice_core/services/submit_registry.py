"""Commands on datasets, mappings and runs: checked against the catalogue and the classes, then appended."""

from dataclasses import replace
from typing import Unpack

from spice_core.domain import naming
from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS
from spice_core.domain.commands import CommandType
from spice_core.domain.dataset_records import mapping_as_json, run_as_json
from spice_core.domain.datasets import ClassMapping, Dataset, ObjectifyRun
from spice_core.domain.resolution import ResolvedClass
from spice_core.errors import DatasetNotFound, MappingNotFound, ObjectTypeMigrationRequired
from spice_core.ports.registry import Registry
from spice_core.services.check_mapping import mapping_problems, refusal_of
from spice_core.services.save_key_specs import key_specs_of
from spice_core.services.submit_commands import Accepted, CommandService, Origin


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
            ObjectTypeMismatch: it is the class that does not fit, likewise.
            ObjectTypeMigrationRequired: other columns would make the ids of instances that the mapping has made.
        """
        dataset = self._dataset(mapping.database, mapping.dataset_id)
        resolved = self.resolved_class(mapping)
        keys = key_specs_of(self._registry, mapping.database, mapping.dataset_id)
        problems = mapping_problems(mapping, dataset.latest, resolved, keys=keys)
        if problems:
            raise refusal_of(problems)
        if not self._commands.is_known(mapping.database, origin):
            self._refuse_other_key(mapping, dataset, resolved)
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

    def record_run(
        self, database: str, branch: str, run: ObjectifyRun, *, expected_seq: int | None = None, **origin: Unpack[Origin]
    ) -> Accepted:
        """Put the state of a run on record.

        Raises:
            OptimisticConcurrencyConflict: what is on record of it is not number `expected_seq`.
        """
        command = self._commands.command(CommandType.RECORD_OBJECTIFY_RUN, database, "Run", database, run.run_id, **origin)
        command = replace(command, branch=branch, payload=run_as_json(run), expected_seq=expected_seq)
        return self._commands.submit(database, [command])[0]

    def resolved_class(self, mapping: ClassMapping) -> ResolvedClass:
        """Return the class of `mapping` with what it inherits. Raises `ClassNotFound`, `LogBehind`."""
        ontology = self._commands.settled.ontology(mapping.database, mapping.branch, frozenset({mapping.class_id}), fresh=True)
        return ontology.resolve(mapping.class_id)

    def _refuse_other_key(self, mapping: ClassMapping, dataset: Dataset, resolved: ResolvedClass) -> None:
        """Refuse other columns for the key, where the ones before are still there: their instances would stay as strangers."""
        database, columns = mapping.database, {column.name for column in dataset.latest.columns} if dataset.latest else set()
        known = next((item for item in self._registry.mappings(database) if item.mapping_id == mapping.mapping_id), None)
        before, after = (_key_columns(item, resolved) for item in (known or mapping, mapping))
        if before == after or len(before) < len(resolved.primary_key) or not columns.issuperset(before):
            return
        if not self._registry.runs(database, mapping_id=mapping.mapping_id, limit=1):
            return
        count = self._commands.settled.view(database, mapping.branch).count([mapping.class_id])
        if count:
            key = ", ".join(resolved.primary_key)
            raise ObjectTypeMigrationRequired(
                f"the ids of the {count} instances of {mapping.class_id} are made of {', '.join(before)}: map {', '.join(after)} "
                f"to a property of its own, run, and make that the key of the class instead of {key} ({ID_REMAP} or "
                f"{RESET_EDITS}); or delete the instances before you save this mapping",
                details={"mapping_id": mapping.mapping_id, "count": count, "before": list(before), "after": list(after)},
            )

    def _dataset(self, database: str, dataset_id: str) -> Dataset:
        dataset = self._registry.dataset(database, dataset_id)
        if dataset is None:
            raise DatasetNotFound(f"There is no dataset {dataset_id[:200]!r}")
        return dataset


def mapping_id_of(database: str, branch: str, dataset_id: str, class_id: str) -> str:
    """Return the id of the one mapping of a dataset to a class."""
    return naming.aggregate_id(database, branch, naming.split_aggregate_id(dataset_id)[-1], class_id)


def _key_columns(mapping: ClassMapping, resolved: ResolvedClass) -> tuple[str, ...]:
    """Return the columns that make the ids of a mapping's instances, in the order of the key."""
    sources = {field.target_field: field.source_fields for field in mapping.fields}
    return tuple(name for part in resolved.primary_key for name in sources.get(part, ()))
