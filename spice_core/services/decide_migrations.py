"""Deciding the migration of a class: the definition and every instance that gets another id, in one commit or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain.class_migrations import ID_REMAP, Migration, checked_migration, moved, moved_source
from spice_core.domain.class_resets import above, linked_by
from spice_core.domain.commands import EVENT_OF, CommandType
from spice_core.domain.events import domain_event_id
from spice_core.domain.graph import ONTOLOGY_CLASS, Node, Provenance, Removal
from spice_core.domain.instances import InstanceState, unlinked
from spice_core.domain.ontology_changes import rekeyed_classes
from spice_core.domain.ontology_json import MAX_PROPERTIES, class_from_json, class_to_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import Conflict, InvalidInput, NotFound
from spice_core.ports.graph_store import GraphView
from spice_core.services.branch_numbers import check_unmoved, inherited_numbers
from spice_core.services.decide_classes import refuse_breaking, with_resolved
from spice_core.services.domain_events import INSTANCE_UPDATED, aggregate_of_key
from spice_core.services.graph_commands import Outcome, Placed
from spice_core.services.migrate_nodes import (
    Load,
    Makers,
    Problems,
    check_size,
    links_into,
    moves_of,
    nodes_of,
    read_nodes,
    remaining_checks,
    required_links,
)
from spice_core.services.settled_graph import class_key, required_class

_UPDATED = EVENT_OF[CommandType.UPDATE_ONTOLOGY_CLASS]
_INSTANCE_CREATED = EVENT_OF[CommandType.CREATE_INSTANCE]
_INSTANCE_DELETED = EVENT_OF[CommandType.DELETE_INSTANCE]


@dataclass(slots=True)
class _Changes:
    """What becomes of nodes, by key, and what the summary tells of it."""

    nodes: dict[str, Node | Removal]
    event_types: dict[str, str]
    summary: dict[str, Any]


class MigrationDecisions:
    """Decides one migration against the state that it finds: what was accepted before it is in it, what comes later is not."""

    def __init__(self, view: GraphView, ontology: Ontology, *, begun: GraphView | None = None) -> None:
        """`begun` is the state that the branch of `view` began with (see `beginning_of`)."""
        self.ontology = ontology
        self._view = view
        self._begun = begun

    def decide(self, placed: Placed) -> Outcome:
        """Decide the migration; a refusal changes nothing."""
        try:
            return self._decide(placed)
        except (InvalidInput, NotFound, Conflict) as error:
            return Outcome(placed, failure=error)

    def _decide(self, placed: Placed) -> Outcome:
        class_id = placed.command.class_id or ""
        own = class_key(class_id)
        own_inherited = sum(inherited_numbers(self._begun, {own}).values())
        check_unmoved(placed, own_inherited)
        required_class(self.ontology, class_id)
        payload = placed.command.payload
        definition = class_from_json(payload["definition"], max_properties=MAX_PROPERTIES)
        migration = checked_migration(str(payload["migration"]))
        changed = with_resolved(self.ontology, definition)
        rekeyed = rekeyed_classes(self.ontology, changed)
        check_size(self._view, rekeyed)
        makers, load = Makers(), Load()
        nodes = list(load.of(makers.watch(nodes_of(self._view, rekeyed))))
        work = _Work(placed, self._view, changed, self._begun, load)
        found = work.remapped(nodes) if migration == ID_REMAP else work.reset(nodes)
        refuse_breaking(self._view, class_id, remaining_checks(self.ontology, changed, migration))
        number = own_inherited + placed.sequence_number
        provenance = work.provenance(own, _UPDATED, placed.command.source)
        node = Node(own, ONTOLOGY_CLASS, class_to_json(definition), {}, number, placed.position, provenance)
        self.ontology = changed
        return Outcome(
            placed,
            [node, *found.nodes.values()],
            inherited={**inherited_numbers(self._begun, found.nodes), own: own_inherited},
            event_types={own: _UPDATED, **found.event_types},
            summary={
                **_summary(placed, migration, rekeyed, found, makers, objects=len(nodes)),
                "above": sorted(above(changed, rekeyed)),
                "linked_by": {name: sorted(links) for name, links in sorted(linked_by(changed, rekeyed).items())},
            },
        )


class _Work:
    """One migration at work on the instances of a state. `ontology` is the one that it leads to."""

    def __init__(self, placed: Placed, view: GraphView, ontology: Ontology, begun: GraphView | None, load: Load) -> None:
        self._placed = placed
        self._view = view
        self._ontology = ontology
        self._begun = begun
        self._load = load

    def remapped(self, nodes: Sequence[Node]) -> _Changes:
        """Move `nodes` to the ids that their new key makes, with the links into them. Raises `BreaksInstances`, `TooLarge`."""
        problems = Problems()
        moves = moves_of(nodes, self._ontology, problems)
        problems.refuse(self._placed.command.class_id or "")
        links = list(links_into(self._view, moves))
        numbers = inherited_numbers(self._begun, set(moves.values()))
        found = _Changes({}, {}, {"moved": len(moves), "links": len(links)})
        for node in nodes:
            if node.key in moves:
                self._take(found, self._removal(node), _INSTANCE_DELETED)
        for node in nodes:
            if node.key in moves:
                number = numbers.get(moves[node.key], 0)
                self._take(found, self._moved(node, moves, key=moves[node.key], number=number), _INSTANCE_CREATED)
        for node in self._load.of(read_nodes(self._view, {link.source for link in links} - moves.keys())):
            self._take(found, self._moved(node, moves, key=node.key, number=node.sequence_number), INSTANCE_UPDATED)
        return found

    def reset(self, nodes: Sequence[Node]) -> _Changes:
        """Delete `nodes` with the links into them. Raises `BreaksInstances`, `TooLarge`."""
        keys = {node.key for node in nodes}
        links = [link for link in links_into(self._view, keys) if link.source not in keys]
        linking = list(self._load.of(read_nodes(self._view, {link.source for link in links})))
        problems = Problems()
        required_links(linking, self._ontology, keys, problems)
        problems.refuse(self._placed.command.class_id or "")
        found = _Changes({}, {}, {"deleted": len(keys), "links": len(links)})
        for node in nodes:
            self._take(found, self._removal(node), _INSTANCE_DELETED)
        for node in linking:
            self._take(found, self._unlinked(node, keys), INSTANCE_UPDATED)
        return found

    def provenance(self, key: str, event_type: str, source: Mapping[str, Any] | None) -> Provenance:
        """Return why the node at `key` has its new state."""
        command = self._placed.command
        event_id = domain_event_id(command.command_id, event_type, aggregate_of_key(command, key))
        return Provenance(event_id, command.command_id, command.created_by, command.created_at, source)

    def _take(self, found: _Changes, change: Node | Removal, event_type: str) -> None:
        """The last change of a key counts: where an instance takes the id of another that moves, there is no deletion."""
        found.nodes[change.key] = change
        found.event_types[change.key] = event_type

    def _removal(self, node: Node) -> Removal:
        provenance = self.provenance(node.key, _INSTANCE_DELETED, None)
        return Removal(node.key, node.sequence_number, self._placed.position, provenance)

    def _moved(self, node: Node, moves: Mapping[str, str], *, key: str, number: int) -> Node:
        state = moved(InstanceState(node.document, node.links), moves)
        has_moved = key != node.key
        origin = {"key": node.key, "event_id": node.provenance.event_id} if has_moved else None
        predicates = self._ontology.resolve(node.class_id).relationships
        source = moved_source(node.provenance.source, moves, predicates, origin=origin)
        provenance = self.provenance(key, _INSTANCE_CREATED if has_moved else INSTANCE_UPDATED, source)
        return Node(key, node.class_id, state.document, state.links, number, self._placed.position, provenance)

    def _unlinked(self, node: Node, gone: set[str]) -> Node:
        state = InstanceState(node.document, node.links)
        resolved = self._ontology.get(node.class_id)
        for target in sorted({key for targets in node.links.values() for key in targets} & gone):
            state = unlinked(resolved, state, target)
        provenance = self.provenance(node.key, INSTANCE_UPDATED, None)
        number = node.sequence_number
        return Node(node.key, node.class_id, state.document, state.links, number, self._placed.position, provenance)


def _summary(
    placed: Placed, migration: Migration, rekeyed: frozenset[str], found: _Changes, makers: Makers, *, objects: int
) -> dict[str, Any]:
    command = placed.command
    return {
        "branch": command.branch,
        "class_id": command.class_id,
        "migration": migration,
        "classes": sorted(rekeyed),
        "objects": objects,
        **found.summary,
        "linking_objects": sum(kind == INSTANCE_UPDATED for kind in found.event_types.values()),
        "edits": makers.edits,
        "objects_with_edits": makers.with_edits,
        "objects_by_people": makers.by_people,
    }
