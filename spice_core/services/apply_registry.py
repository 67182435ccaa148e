"""The registry handler: makes the catalogue what the commands on datasets, mappings, runs and records say, and notes resets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.class_resets import is_reset, reset_records
from spice_core.domain.commands import Command, CommandType, command_of
from spice_core.domain.dataset_records import (
    mapping_as_json,
    mapping_of_json,
    run_as_json,
    run_of_json,
    version_as_json,
    version_of_json,
)
from spice_core.domain.datasets import Dataset
from spice_core.domain.events import Event, RecordedEvent
from spice_core.errors import InvalidEvent
from spice_core.ports.registry import Registry, RegistryChange
from spice_core.services.domain_events import control_event, failed_event
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.graph_commands import Placed, placed
from spice_core.services.handling import Handler

_TYPES = frozenset(
    {
        CommandType.REGISTER_DATASET_VERSION,
        CommandType.DELETE_DATASET,
        CommandType.SAVE_MAPPING,
        CommandType.DELETE_MAPPING,
        CommandType.RECORD_OBJECTIFY_RUN,
        CommandType.SAVE_RECORD,
        CommandType.DELETE_RECORD,
    }
)
_EVENT_TYPES = frozenset(f"{command_type}_REQUESTED" for command_type in _TYPES)
_DATABASE_DELETED = "DATABASE_DELETED"


class RegistryHandler(Handler):
    """Changes the registry, then says so in the log.

    What a command does follows from the command alone (numbers of versions are its sequence number), so a repetition makes
    the same events whatever the registry holds by then. Deleting what is not there succeeds.
    """

    name: ClassVar[str] = "registry"

    def __init__(self, *, log: EventLog, registry: Registry) -> None:
        self._log = log
        self._registry = registry

    def wants(self, event: RecordedEvent) -> bool:
        """Whether it is a command on something in the catalogue, the end of the database, or that of a reset."""
        return is_catalogue_command(event) or event.event.event_type == _DATABASE_DELETED or is_reset(event)

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        """Apply the changes of `events` in one commit, then append what happened; see `Handler.handle`."""
        changes: list[RegistryChange] = []
        happened: list[Event] = []
        for event in events:
            if event.event.event_type == _DATABASE_DELETED:
                changes += catalogue_removals(self._registry, database, before=event.position)
                continue
            if is_reset(event):
                changes += reset_changes(event)
                continue
            item = placed(event)
            try:
                made, data = _decide(item.command, item)
            except (KeyError, TypeError, ValueError) as error:
                happened.append(failed_event(item, InvalidEvent(f"The command's payload is not complete: {error}")))
            else:
                changes += made
                happened.append(control_event(item, data, commit=None))
        if events:
            self._registry.apply(database, changes, position=events[-1].position)
        if happened:
            self._log.append(database, happened)


def is_catalogue_command(event: RecordedEvent) -> bool:
    """Whether it is a command that `registry_changes` knows."""
    return event.event.event_type in _EVENT_TYPES and event.event.is_command


def catalogue_removals(registry: Registry, database: str, *, before: int) -> list[RegistryChange]:
    """Return the changes that empty the catalogue of a database whose end stands at position `before`."""
    datasets = [dataset.dataset_id for dataset in registry.datasets(database) if dataset.position < before]
    gone = [RegistryChange(before, delete_dataset=dataset_id) for dataset_id in datasets]
    return [*gone, RegistryChange(before, delete_records_before=before)]


def reset_changes(event: RecordedEvent) -> list[RegistryChange]:
    """Return what the end of a reset notes of the classes that have to be made again."""
    return [RegistryChange(event.position, put_record=record) for record in reset_records(event)]


def registry_changes(event: RecordedEvent) -> list[RegistryChange]:
    """Return the changes of one accepted command: for a rebuild of the registry from the log."""
    return _decide(command_of(event.event), placed(event))[0]


def _decide(command: Command, item: Placed) -> tuple[list[RegistryChange], dict[str, Any]]:
    position, payload = item.position, command.payload
    match command.command_type:
        case CommandType.REGISTER_DATASET_VERSION:
            return _register(command, item)
        case CommandType.DELETE_DATASET:
            return [RegistryChange(position, delete_dataset=command.aggregate_id)], {"dataset_id": command.aggregate_id}
        case CommandType.SAVE_MAPPING:
            mapping = replace(mapping_of_json(payload), version=item.sequence_number)
            return [RegistryChange(position, put_mapping=mapping)], mapping_as_json(mapping)
        case CommandType.DELETE_MAPPING:
            mapping_id = str(payload["mapping_id"])
            return [RegistryChange(position, delete_mapping=mapping_id)], {"mapping_id": mapping_id}
        case CommandType.SAVE_RECORD | CommandType.DELETE_RECORD:
            return _change_record(command, item)
        case _:
            run = run_of_json(payload)
            return [RegistryChange(position, put_run=run)], run_as_json(run)


def _register(command: Command, item: Placed) -> tuple[list[RegistryChange], dict[str, Any]]:
    payload = command.payload
    version = replace(version_of_json(payload["version"]), number=item.sequence_number)
    database, branch, name = naming.split_aggregate_id(command.aggregate_id)
    dataset = Dataset(
        dataset_id=command.aggregate_id,
        database=database,
        branch=branch,
        name=name,
        source_type=str(payload["source_type"]),
        created_at=command.created_at,
        latest=None,
    )
    changes = [RegistryChange(item.position, put_dataset=dataset), RegistryChange(item.position, put_version=version)]
    return changes, {
        "dataset_id": dataset.dataset_id,
        "branch": branch,
        "name": name,
        "version_id": version.version_id,
        "version": version_as_json(version),
    }


def _change_record(command: Command, item: Placed) -> tuple[list[RegistryChange], dict[str, Any]]:
    kind, record_id = RecordKind(command.aggregate_type), command.aggregate_id
    if command.command_type is CommandType.DELETE_RECORD:
        return [RegistryChange(item.position, delete_record=(kind, record_id))], {"kind": kind, "record_id": record_id}
    document, parent, status = dict(command.payload["document"]), str(command.payload["parent"]), str(command.payload["status"])
    record = CatalogueRecord(
        kind=kind,
        record_id=record_id,
        database=command.db_name,
        branch=command.branch,
        document=document,
        parent=parent,
        status=status,
        version=item.sequence_number,
        position=item.position,
        changed_at=command.created_at,
        changed_by=command.created_by,
    )
    data = {"kind": kind, "record_id": record_id, "parent": parent, "status": status, "document": document}
    return [RegistryChange(item.position, put_record=record)], data
