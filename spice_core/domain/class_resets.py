"""Classes whose instances a migration deleted, for their sources to make them again: what has to run, and since when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind, record_id_of
from spice_core.domain.class_migrations import RESET_EDITS
from spice_core.domain.commands import EVENT_OF, CommandType
from spice_core.domain.datasets import ClassMapping
from spice_core.domain.events import RecordedEvent
from spice_core.domain.link_types import LinkType, ObjectSpec
from spice_core.domain.resolution import Ontology

_MIGRATED = EVENT_OF[CommandType.MIGRATE_ONTOLOGY_CLASS]


@dataclass(frozen=True, slots=True)
class ClassReset:
    """The newest reset of one class of a branch.

    The catalogue takes it from the last event of the migration, which stands in the log when the graph holds the effect: whoever
    finds it in the registry reads a graph without these instances.

    Attributes:
        reset_id: the command of the migration: another one for each.
        above: the classes above those that were reset.
        linked_by: by class, its relationships that may have led to what is gone.
    """

    class_id: str
    branch: str
    reset_id: str
    position: int
    above: frozenset[str] = frozenset()
    linked_by: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_of_mapping(self, mapping: ClassMapping) -> bool:
        """Whether it took instances of `mapping`, or links that it made."""
        targets = self.linked_by.get(mapping.class_id, frozenset())
        is_linking = any(entry.target_field in targets for entry in mapping.fields)
        return mapping.branch == self.branch and (mapping.class_id == self.class_id or is_linking)

    def is_of_link_type(self, link_type: LinkType) -> bool:
        """Whether it took links of `link_type`, their sources, or what they go through."""
        ends = {link_type.class_id, *([link_type.spec.object_type] if isinstance(link_type.spec, ObjectSpec) else [])}
        is_linking = link_type.predicate in self.linked_by.get(link_type.class_id, frozenset())
        return link_type.branch == self.branch and (is_linking or bool(ends & {self.class_id, *self.above}))


def is_reset(recorded: RecordedEvent) -> bool:
    """Whether the event is the end of a migration that deleted instances, and tells what led to them: older ones did not."""
    event, data = recorded.event, recorded.event.data
    is_end = event.event_type == _MIGRATED and not event.is_command
    return is_end and data.get("migration") == RESET_EDITS and "linked_by" in data


def reset_records(recorded: RecordedEvent) -> list[CatalogueRecord]:
    """Return what the catalogue keeps of a reset: a record per class whose key changed, in the place of the one before."""
    event, data = recorded.event, recorded.event.data
    database, branch = str(data["db_name"]), str(data["branch"])
    document = {"reset_id": event.command_id, "above": data.get("above", []), "linked_by": data.get("linked_by", {})}
    return [
        CatalogueRecord(
            kind=RecordKind.CLASS_RESET,
            record_id=record_id_of(database, branch, class_id),
            database=database,
            branch=branch,
            document={"class_id": class_id, **document},
            changed_at=event.occurred_at,
            changed_by=event.actor,
        )
        for class_id in data["classes"]
    ]


def reset_of(record: CatalogueRecord) -> ClassReset:
    """Read a record of the catalogue."""
    document: Mapping[str, Any] = record.document
    return ClassReset(
        class_id=str(document["class_id"]),
        branch=record.branch,
        reset_id=str(document["reset_id"]),
        position=record.position,
        above=frozenset(document["above"]),
        linked_by={name: frozenset(links) for name, links in document["linked_by"].items()},
    )


def above(ontology: Ontology, class_ids: Collection[str]) -> set[str]:
    """Return the classes above `class_ids`."""
    return {name for class_id in class_ids for name in ontology.ancestors(class_id)}


def linked_by(ontology: Ontology, class_ids: Collection[str]) -> dict[str, set[str]]:
    """Return by class its relationships that may lead to instances of `class_ids`, inherited ones included."""
    found: dict[str, set[str]] = {}
    for name in ontology.definitions:
        for predicate, targets in ontology.resolve(name).targets.items():
            if not targets.isdisjoint(class_ids):
                found.setdefault(name, set()).add(predicate)
    return found
