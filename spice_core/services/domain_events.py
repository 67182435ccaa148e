"""The domain events of decided commands: repeatable, with the full state, and enough to rebuild the graph from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spice_core.domain import naming
from spice_core.domain.commands import EVENT_OF, Command, CommandType
from spice_core.domain.events import COMMAND_FAILED, DOMAIN, Event, domain_event_id
from spice_core.domain.graph import ONTOLOGY_CLASS, Node, Provenance, Removal
from spice_core.errors import SpiceError
from spice_core.services.branch_numbers import number_metadata
from spice_core.services.graph_commands import BULK_MARKERS, Outcome, Placed

INSTANCE_UPDATED = "INSTANCE_UPDATED"
ONTOLOGY_TYPE, INSTANCE_TYPE = "OntologyClass", "Instance"


def provenance_of(command: Command) -> Provenance:
    """Return why the command's own aggregate has its new state."""
    event_type = EVENT_OF[command.command_type]
    event_id = domain_event_id(command.command_id, event_type, command.aggregate_id)
    return Provenance(event_id, command.command_id, command.created_by, command.created_at, command.source)


def unlink_provenance(command: Command, aggregate_id: str) -> Provenance:
    """Return why another instance lost its links to the one that `command` deleted."""
    event_id = domain_event_id(command.command_id, INSTANCE_UPDATED, aggregate_id)
    return Provenance(event_id, command.command_id, command.created_by, command.created_at, command.source)


def events_of(outcomes: Sequence[Outcome], *, commit: str | None) -> Iterator[Event]:
    """Yield the events of `outcomes`, in order; `commit` is the graph commit of those that change something."""
    return (event for outcome in outcomes for event in _events(outcome, commit))


def failed_event(placed: Placed, error: SpiceError) -> Event:
    """Return the COMMAND_FAILED of a refused command."""
    data = {"error": error.message, "code": error.code, "details": error.details}
    command = placed.command
    event_id = domain_event_id(command.command_id, COMMAND_FAILED, command.aggregate_id)
    return _event(placed, event_id, COMMAND_FAILED, command.aggregate_id, data, commit=None)


def control_event(placed: Placed, data: Mapping[str, Any], *, commit: str | None) -> Event:
    """Return the event of a command that took effect on no node: on a database, a branch, or as the marker of a bulk request."""
    command = placed.command
    event_type = EVENT_OF[command.command_type]
    event_id = domain_event_id(command.command_id, event_type, command.aggregate_id)
    return _event(placed, event_id, event_type, command.aggregate_id, {"db_name": command.db_name, **data}, commit=commit)


def aggregate_of_key(command: Command, key: str) -> str:
    """Return the aggregate id of the instance or class at node `key` on the command's branch."""
    class_name, name = naming.split_node_key(key)
    if class_name == ONTOLOGY_CLASS:
        return naming.aggregate_id(command.db_name, command.branch, name)
    return naming.aggregate_id(command.db_name, command.branch, class_name, name)


def _events(outcome: Outcome, commit: str | None) -> Iterator[Event]:
    if outcome.failure is not None:
        yield failed_event(outcome.placed, outcome.failure)
        return
    command = outcome.placed.command
    if command.command_type in BULK_MARKERS:
        data = {"branch": command.branch, "class_id": command.class_id, **command.payload}
        yield control_event(outcome.placed, data, commit=None)
    for number, change in enumerate(outcome.changes):
        is_own = number == 0
        event_type = outcome.event_types.get(change.key) or (EVENT_OF[command.command_type] if is_own else INSTANCE_UPDATED)
        aggregate_id = command.aggregate_id if is_own else aggregate_of_key(command, change.key)
        event = _event(
            outcome.placed,
            change.provenance.event_id,
            event_type,
            aggregate_id,
            _state(command, change),
            commit=commit,
            number=change.sequence_number,
            sequence_number=max(0, change.sequence_number - outcome.inherited.get(change.key, 0)),
        )
        yield event if command.command_type is not CommandType.MIGRATE_ONTOLOGY_CLASS else _of_node(event, change)
    if command.command_type is CommandType.MIGRATE_ONTOLOGY_CLASS:
        # The last one: a crash between two appends leaves a command that is not told, and all its events are made again.
        yield control_event(outcome.placed, outcome.summary, commit=commit)


def _of_node(event: Event, change: Node | Removal) -> Event:
    """Return an event of a migration as that of the node it is about: with that one's kind and source."""
    metadata = {name: value for name, value in event.metadata.items() if name != "source"}
    if change.provenance.source is not None:
        metadata["source"] = dict(change.provenance.source)
    is_class = naming.split_node_key(change.key)[0] == ONTOLOGY_CLASS
    return replace(event, aggregate_type=ONTOLOGY_TYPE if is_class else INSTANCE_TYPE, metadata=metadata)


def _state(command: Command, change: Node | Removal) -> dict[str, Any]:
    """Return the full state after a change; `links` names the fields of `data` that hold references."""
    class_name, name = naming.split_node_key(change.key)
    document = change.document if isinstance(change, Node) else None
    if class_name == ONTOLOGY_CLASS:
        return {"db_name": command.db_name, "branch": command.branch, "class_id": name, "definition": document}
    state: dict[str, Any] = {
        "db_name": command.db_name,
        "branch": command.branch,
        "class_id": class_name,
        "instance_id": name,
        "data": document,
    }
    if isinstance(change, Node) and change.links:
        state["links"] = sorted(change.links)
    return state


def _event(
    placed: Placed,
    event_id: str,
    event_type: str,
    aggregate_id: str,
    data: Mapping[str, Any],
    *,
    commit: str | None,
    number: int | None = None,
    sequence_number: int | None = None,
) -> Event:
    """`number` is the one that clients know the new state by, `sequence_number` the log's."""
    command = placed.command
    logged = placed.sequence_number if sequence_number is None else sequence_number
    metadata: dict[str, Any] = {
        **command.trace,
        "kind": DOMAIN,
        "command_id": command.command_id,
        "command_type": command.command_type.value,
        "position": placed.position,
    }
    if number is not None:
        metadata |= number_metadata(number, logged)
    if commit is not None:
        metadata["commit"] = commit
    if command.bulk_id is not None:
        metadata["bulk_id"] = command.bulk_id
    if command.source is not None:
        metadata["source"] = dict(command.source)
    return Event(
        event_id=event_id,
        event_type=event_type,
        aggregate_type=command.aggregate_type,
        aggregate_id=aggregate_id,
        occurred_at=command.created_at,
        data=data,
        metadata=metadata,
        actor=command.created_by,
        sequence_number=logged,
    )
