"""Finding the edits that stand on objects: from what their last source command carries, and the events since."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spice_core.domain import naming
from spice_core.domain.class_migrations import origin_of
from spice_core.domain.graph import Node
from spice_core.domain.object_edits import EDITS, NO_EDITS, Edit, Edits, edits_of_json, is_of_source
from spice_core.domain.read_models import LineageRecord
from spice_core.errors import LogBehind
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.read_models import LineageStore
from spice_core.services.branch_numbers import beginning_of
from spice_core.services.event_log.event_log import EventLog

_POLL_SECONDS = 0.02
_FIRST_LOOK = 20
_DELETE, _MIGRATE = "DELETE_INSTANCE", "MIGRATE_ONTOLOGY_CLASS"


@dataclass(frozen=True, slots=True)
class _State:
    """The document after one event of an object, and whose doing that was."""

    document: Mapping[str, Any]
    at: datetime
    by: str | None
    source: Mapping[str, Any] | None
    is_side_effect: bool

    @property
    def is_of_source(self) -> bool:
        return not self.is_side_effect and is_of_source(self.source)


class EditReader:
    """Reads edits. An object that a source touched last carries its edits itself: that costs nothing.

    Of one that a person touched last the events since the last source command are read, and no more. A link that vanished
    with its target is nobody's edit.
    """

    def __init__(
        self, *, graph: GraphStore, lineage: LineageStore, log: EventLog, clock: Clock, patience_seconds: float = 60.0
    ) -> None:
        """Wait up to `patience_seconds` for a lineage worker that lags."""
        self._graph = graph
        self._lineage = lineage
        self._log = log
        self._clock = clock
        self._patience = patience_seconds

    def of(self, database: str, branch: str, nodes: Iterable[Node]) -> dict[str, Edits]:
        """Return by key the edits of those `nodes` (of `branch`, decided) that have any, or that no source has touched last.

        Raises:
            LogBehind: (retryable) the lineage worker does not arrive.
        """
        found: dict[str, Edits] = {}
        for node in nodes:
            source = node.provenance.source
            if not is_of_source(source):
                self._wait_for_lineage(database, node.provenance.event_id)
                found[node.key] = self._since_source(database, branch, node)
            elif source and EDITS in source:
                found[node.key] = Edits(edits_of_json(source[EDITS]), source)
        return {key: edits for key, edits in found.items() if edits is not NO_EDITS}

    def _since_source(self, database: str, branch: str, node: Node) -> Edits:
        states, base = self._states(database, branch, node)
        changes = _changes(base.document if base is not None else {}, states)
        if base is None:
            return Edits({name: Edit(at, by, is_said=False) for name, (at, by) in changes.items()}) if changes else NO_EDITS
        carried = edits_of_json((base.source or {}).get(EDITS))
        fields: dict[str, Edit] = {}
        for name in {*changes, *carried}:
            earlier = carried.get(name)
            is_said = earlier is None or earlier.is_said
            said = earlier.said if earlier else base.document.get(name)
            if not is_said or node.document.get(name) != said:
                at, by = changes.get(name) or (carried[name].at, carried[name].by)
                fields[name] = Edit(at, by, said, is_said)
        return Edits(fields, base.source)

    def _states(self, database: str, branch: str, node: Node) -> tuple[list[_State], _State | None]:
        """The states since the last that a source made, oldest first, and that one (None: there is none)."""
        newer: list[_State] = []
        begun: tuple[str, str] | None = (node.key, node.provenance.event_id)
        while begun is not None:
            moved: tuple[str, str] | None = None
            for record in self._records(database, branch, *begun):
                if record.event_type == "INSTANCE_DELETED":
                    return newer[::-1], None
                state = self._state(database, record)
                if state.is_of_source:
                    return newer[::-1], state
                newer.append(state)
                if (moved := origin_of(record.source)) is not None:
                    break
                if record.event_type == "INSTANCE_CREATED":
                    return newer[::-1], None
            if moved is not None:
                begun = moved
            else:
                begun, branch = self._beginning(database, branch, begun[0])
        return newer[::-1], None

    def _records(self, database: str, branch: str, key: str, event_id: str) -> Iterator[LineageRecord]:
        """The events of an object on a branch up to the state that `event_id` made, newest first; read as far as asked for."""
        limit, seen, is_reached = _FIRST_LOOK, 0, False
        while True:
            found = self._lineage.of_artifact(database, f"node:{branch}:{key}", limit=limit)
            for record in found[seen:]:
                is_reached = is_reached or record.event_id == event_id
                if is_reached:
                    yield record
            if len(found) < limit:
                return
            seen, limit = len(found), limit * 10

    def _beginning(self, database: str, branch: str, key: str) -> tuple[tuple[str, str] | None, str]:
        """The key and last event of the object as it was where its branch left another, and that one's name."""
        view = beginning_of(self._graph, database, branch) if branch != naming.MAIN else None
        node = view.get([key]).get(key) if view is not None else None
        if view is None or node is None:
            return None, branch
        return (key, node.provenance.event_id), view.commit.branch

    def _state(self, database: str, record: LineageRecord) -> _State:
        recorded = self._log.find(database, record.event_id)
        if recorded is None:
            raise LogBehind(f"The log does not find event {record.event_id} yet")
        event = recorded.event
        command_type = event.metadata.get("command_type")
        # A migration leaves the values of a source its own, and is nobody's edit where a person made them.
        is_side_effect = command_type == _DELETE or (command_type == _MIGRATE and not is_of_source(record.source))
        return _State(event.data.get("data") or {}, event.occurred_at, event.actor, record.source, is_side_effect)

    def _wait_for_lineage(self, database: str, event_id: str) -> None:
        """The graph may hold a state whose event is not told yet."""
        deadline = self._clock.monotonic() + self._patience
        while (told := self._log.find(database, event_id)) is None or self._lineage.position(database) < told.position:
            if self._clock.monotonic() >= deadline:
                raise LogBehind("The lineage does not arrive; are the graph and read-models workers running?")
            self._clock.sleep(_POLL_SECONDS)


def _changes(before: Mapping[str, Any], states: Sequence[_State]) -> dict[str, tuple[datetime, str | None]]:
    """Return by field when, and by whom, it was last changed by a person."""
    found: dict[str, tuple[datetime, str | None]] = {}
    for state in states:
        after = state.document
        if not state.is_side_effect:
            for name in {*before, *after}:
                if before.get(name) != after.get(name):
                    found[name] = (state.at, state.by)
        before = after
    return found
