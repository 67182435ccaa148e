"""Commands: what clients ask for, and how each becomes an event of the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from spice_core.domain import naming
from spice_core.domain.events import COMMAND, Event


class CommandType(StrEnum):
    """Every mutation there is. The domain event of each is in `EVENT_OF`."""

    CREATE_DATABASE = "CREATE_DATABASE"
    DELETE_DATABASE = "DELETE_DATABASE"
    CREATE_BRANCH = "CREATE_BRANCH"
    DELETE_BRANCH = "DELETE_BRANCH"
    CREATE_ONTOLOGY_CLASS = "CREATE_ONTOLOGY_CLASS"
    UPDATE_ONTOLOGY_CLASS = "UPDATE_ONTOLOGY_CLASS"
    MIGRATE_ONTOLOGY_CLASS = "MIGRATE_ONTOLOGY_CLASS"
    DELETE_ONTOLOGY_CLASS = "DELETE_ONTOLOGY_CLASS"
    CREATE_INSTANCE = "CREATE_INSTANCE"
    UPDATE_INSTANCE = "UPDATE_INSTANCE"
    DELETE_INSTANCE = "DELETE_INSTANCE"
    BULK_CREATE_INSTANCES = "BULK_CREATE_INSTANCES"
    BULK_UPDATE_INSTANCES = "BULK_UPDATE_INSTANCES"
    BULK_DELETE_INSTANCES = "BULK_DELETE_INSTANCES"
    REGISTER_DATASET_VERSION = "REGISTER_DATASET_VERSION"
    DELETE_DATASET = "DELETE_DATASET"
    SAVE_MAPPING = "SAVE_MAPPING"
    DELETE_MAPPING = "DELETE_MAPPING"
    RECORD_OBJECTIFY_RUN = "RECORD_OBJECTIFY_RUN"
    SAVE_RECORD = "SAVE_RECORD"
    DELETE_RECORD = "DELETE_RECORD"
    RETRY_DEAD_LETTER = "RETRY_DEAD_LETTER"
    DISCARD_DEAD_LETTER = "DISCARD_DEAD_LETTER"


EVENT_OF: Mapping[CommandType, str] = {
    CommandType.CREATE_DATABASE: "DATABASE_CREATED",
    CommandType.DELETE_DATABASE: "DATABASE_DELETED",
    CommandType.CREATE_BRANCH: "BRANCH_CREATED",
    CommandType.DELETE_BRANCH: "BRANCH_DELETED",
    CommandType.CREATE_ONTOLOGY_CLASS: "ONTOLOGY_CLASS_CREATED",
    CommandType.UPDATE_ONTOLOGY_CLASS: "ONTOLOGY_CLASS_UPDATED",
    CommandType.MIGRATE_ONTOLOGY_CLASS: "ONTOLOGY_CLASS_MIGRATED",
    CommandType.DELETE_ONTOLOGY_CLASS: "ONTOLOGY_CLASS_DELETED",
    CommandType.CREATE_INSTANCE: "INSTANCE_CREATED",
    CommandType.UPDATE_INSTANCE: "INSTANCE_UPDATED",
    CommandType.DELETE_INSTANCE: "INSTANCE_DELETED",
    CommandType.BULK_CREATE_INSTANCES: "INSTANCES_BULK_CREATED",
    CommandType.BULK_UPDATE_INSTANCES: "INSTANCES_BULK_UPDATED",
    CommandType.BULK_DELETE_INSTANCES: "INSTANCES_BULK_DELETED",
    CommandType.REGISTER_DATASET_VERSION: "DATASET_VERSION_CREATED",
    CommandType.DELETE_DATASET: "DATASET_DELETED",
    CommandType.SAVE_MAPPING: "MAPPING_SAVED",
    CommandType.DELETE_MAPPING: "MAPPING_DELETED",
    CommandType.RECORD_OBJECTIFY_RUN: "OBJECTIFY_RUN_RECORDED",
    CommandType.SAVE_RECORD: "RECORD_SAVED",
    CommandType.DELETE_RECORD: "RECORD_DELETED",
    CommandType.RETRY_DEAD_LETTER: "DEAD_LETTER_RETRIED",
    CommandType.DISCARD_DEAD_LETTER: "DEAD_LETTER_DISCARDED",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One accepted or about-to-be-accepted request to change something.

    `expected_seq` is required for update and delete and absent for create (create means "absent now", which the fold
    decides). `bulk_id` names the bulk request that this command is a member of. `source` says where the values came from
    (`dataset_id`, `version_id`, `row`, …) and is kept as provenance.
    """

    command_id: str
    command_type: CommandType
    db_name: str
    aggregate_type: str
    aggregate_id: str
    created_at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    branch: str = naming.MAIN
    class_id: str | None = None
    instance_id: str | None = None
    expected_seq: int | None = None
    created_by: str | None = None
    bulk_id: str | None = None
    source: Mapping[str, Any] | None = None
    trace: Mapping[str, Any] = field(default_factory=dict)

    def as_event(self) -> Event:
        """Return the envelope to append; `trace` (trace ids, request id) goes to the metadata."""
        metadata: dict[str, Any] = {"kind": COMMAND, "command_type": self.command_type.value, **self.trace}
        if self.bulk_id is not None:
            metadata["bulk_id"] = self.bulk_id
        if self.source is not None:
            metadata["source"] = dict(self.source)
        return Event(
            event_id=self.command_id,
            event_type=f"{self.command_type}_REQUESTED",
            aggregate_type=self.aggregate_type,
            aggregate_id=self.aggregate_id,
            occurred_at=self.created_at,
            actor=self.created_by,
            data=self.as_data(),
            metadata=metadata,
        )

    def as_data(self) -> dict[str, Any]:
        """Return the JSON object that stands in the event's `data`."""
        return {
            "command_type": self.command_type.value,
            "db_name": self.db_name,
            "branch": self.branch,
            "class_id": self.class_id,
            "instance_id": self.instance_id,
            "expected_seq": self.expected_seq,
            "payload": dict(self.payload),
        }


def command_of(event: Event) -> Command:
    """Read a command back from its event: the inverse of `Command.as_event`."""
    data, metadata = event.data, event.metadata
    return Command(
        command_id=event.event_id,
        command_type=CommandType(data["command_type"]),
        db_name=data["db_name"],
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        created_at=event.occurred_at,
        payload=data["payload"],
        branch=data["branch"],
        class_id=data["class_id"],
        instance_id=data["instance_id"],
        expected_seq=data["expected_seq"],
        created_by=event.actor,
        bulk_id=metadata.get("bulk_id"),
        source=metadata.get("source"),
        trace={key: value for key, value in metadata.items() if key not in {"kind", "command_type", "bulk_id", "source"}},
    )
