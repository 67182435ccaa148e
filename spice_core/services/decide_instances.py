"""Deciding a run of instance commands against one state of the graph, each seeing the effect of those before it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.graph import Node, Removal
from spice_core.domain.instances import InstanceState, created, key_id, patched, unlinked
from spice_core.domain.ontology import REFUSE
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.errors import (
    AlreadyExists,
    ClassNotFound,
    Conflict,
    InstanceNotFound,
    InvalidInput,
    InvalidInstance,
    NotFound,
    StillReferenced,
)
from spice_core.ports.graph_store import GraphView
from spice_core.services.branch_numbers import check_unmoved, inherited_numbers
from spice_core.services.domain_events import aggregate_of_key, provenance_of, unlink_provenance
from spice_core.services.graph_commands import BULK_MARKERS, Outcome, Placed
from spice_core.services.incoming_links import IncomingLinks


class InstanceDecisions:
    """Decides instance commands; everything they need of the graph is fetched at the beginning, in a few round trips."""

    def __init__(
        self, view: GraphView, ontology: Ontology, commands: Sequence[Placed], *, begun: GraphView | None = None
    ) -> None:
        """`begun` is the state that the branch of `view` began with (see `beginning_of`)."""
        self._ontology = ontology
        needs = _Needs(ontology)
        for item in commands:
            needs.add(item.command)
        self._nodes: dict[str, Node] = dict(view.get(needs.keys))
        self._incoming = IncomingLinks(view, deleted=needs.deleted, exclusive=needs.exclusive)
        referrers = self._incoming.sources(needs.deleted) - self._nodes.keys()
        if referrers:
            self._nodes |= view.get(referrers)
        self._inherited = inherited_numbers(begun, {*needs.own, *referrers, *self._incoming.sources(needs.deleted)})

    def decide(self, placed: Placed) -> Outcome:
        """Decide the next command; a refusal changes nothing."""
        if placed.command.command_type in BULK_MARKERS:
            return Outcome(placed)
        try:
            changes = self._changes(placed)
        except (InvalidInput, NotFound, Conflict) as error:
            return Outcome(placed, failure=error)
        for change in changes:
            self._take(change)
        return Outcome(placed, changes, inherited=self._inherited)

    def _changes(self, placed: Placed) -> Sequence[Node | Removal]:
        command = placed.command
        class_id, instance_id = command.class_id or "", command.instance_id or ""
        key = naming.node_key(class_id, instance_id)
        resolved = self._ontology.get(class_id)
        if resolved is None:
            raise ClassNotFound(f"there is no class {class_id!r}", details={"class_id": class_id})
        check_unmoved(placed, self._inherited.get(key, 0))
        present = self._nodes.get(key)
        if command.command_type is CommandType.CREATE_INSTANCE:
            return [self._created(placed, resolved, key, present)]
        if present is None:
            raise InstanceNotFound(
                f"there is no {class_id} {instance_id!r}", details={"class_id": class_id, "instance_id": instance_id}
            )
        if command.command_type is CommandType.UPDATE_INSTANCE:
            return [self._updated(placed, resolved, present)]
        return self._deleted(placed, present)

    def _created(self, placed: Placed, resolved: ResolvedClass, key: str, present: Node | None) -> Node:
        command = placed.command
        if present is not None:
            raise AlreadyExists(f"{key} exists", details={"class_id": resolved.id, "instance_id": command.instance_id})
        state = created(resolved, command.payload)
        made = key_id(resolved, state.document)
        if made is not None and made != command.instance_id:
            raise InvalidInstance(f"the primary key makes the id {made!r}, not {command.instance_id!r}")
        self._check_links(resolved, key, state.links)
        return self._node(placed, key, resolved.id, state)

    def _updated(self, placed: Placed, resolved: ResolvedClass, present: Node) -> Node:
        patch = placed.command.payload
        state = patched(resolved, InstanceState(present.document, present.links), patch)
        self._check_links(resolved, present.key, {name: targets for name, targets in state.links.items() if name in patch})
        return self._node(placed, present.key, resolved.id, state)

    def _deleted(self, placed: Placed, present: Node) -> Sequence[Node | Removal]:
        links = sorted(link for link in self._incoming.of(present.key) if link[0] != present.key)
        holding = [(source, predicate) for source, predicate in links if not self._may_unlink(source, predicate, present.key)]
        if holding or self._incoming.is_cut(present.key):
            shown = [{"source": source, "predicate": predicate} for source, predicate in holding[:10]]
            count = len({source for source, _ in holding or links})
            raise StillReferenced(
                f"{count}{'+' if self._incoming.is_cut(present.key) else ''} instances still link to {present.key}, "
                f"for example {(holding or links)[0][0]}; remove their links first",
                details={"count": count, "links": shown},
            )
        number = self._number(placed, present.key)
        removal = Removal(present.key, number, placed.position, provenance_of(placed.command))
        referrers = sorted({source for source, _ in links})
        return [removal, *(self._unlinked(placed, self._nodes[source], present.key) for source in referrers)]

    def _may_unlink(self, source: str, predicate: str, target: str) -> bool:
        resolved = self._ontology.get(naming.split_node_key(source)[0])
        relationship = resolved.relationships.get(predicate) if resolved else None
        if relationship is None or relationship.on_delete == REFUSE:
            return False
        return not relationship.is_required or set(self._nodes[source].links[predicate]) != {target}

    def _unlinked(self, placed: Placed, node: Node, target: str) -> Node:
        resolved = self._ontology.get(node.class_id)
        state = unlinked(resolved, InstanceState(node.document, node.links), target)
        provenance = unlink_provenance(placed.command, aggregate_of_key(placed.command, node.key))
        return Node(node.key, node.class_id, state.document, state.links, node.sequence_number, placed.position, provenance)

    def _check_links(self, resolved: ResolvedClass, key: str, links: Mapping[str, tuple[str, ...]]) -> None:
        problems: list[dict[str, str]] = []
        for predicate, targets in links.items():
            missing = [target for target in targets if target not in self._nodes and target != key]
            problems.extend({"field": predicate, "message": f"there is no {target}"} for target in missing)
            if resolved.relationships[predicate].is_exclusive:
                problems.extend(self._shared(resolved, key, predicate, targets))
        if problems:
            first = problems[0]
            raise InvalidInstance(f"{key}: {first['field']}: {first['message']}", details={"errors": problems})

    def _shared(self, resolved: ResolvedClass, key: str, predicate: str, targets: Collection[str]) -> list[dict[str, str]]:
        rivals = _declaring_family(self._ontology, resolved, predicate)
        cardinality = resolved.relationships[predicate].cardinality
        found = []
        for target in targets:
            others = (
                source
                for source, name in self._incoming.of(target)
                if name == predicate and source != key and naming.split_node_key(source)[0] in rivals
            )
            other = min(others, default=None)
            if other is not None:
                message = f"{target} already has this link from {other}, and {cardinality} allows one source"
                found.append({"field": predicate, "message": message})
        return found

    def _node(self, placed: Placed, key: str, class_id: str, state: InstanceState) -> Node:
        number, provenance = self._number(placed, key), provenance_of(placed.command)
        return Node(key, class_id, state.document, state.links, number, placed.position, provenance)

    def _number(self, placed: Placed, key: str) -> int:
        """Return the number that clients know the new state of the command's own node by."""
        return self._inherited.get(key, 0) + placed.sequence_number

    def _take(self, change: Node | Removal) -> None:
        before = self._nodes.pop(change.key, None)
        after = change if isinstance(change, Node) else None
        if after is not None:
            self._nodes[change.key] = after
        self._incoming.change(change.key, before.links if before else {}, after.links if after else {})


class _Needs:
    """What a run needs of the graph: nodes by key, and who links to what."""

    def __init__(self, ontology: Ontology) -> None:
        self.keys: set[str] = set()
        self.own: set[str] = set()
        self.deleted: set[str] = set()
        self.exclusive: dict[str, set[str]] = {}
        self._ontology = ontology

    def add(self, command: Command) -> None:
        """Note what `command` needs."""
        if command.command_type in BULK_MARKERS:
            return
        key = naming.node_key(command.class_id or "", command.instance_id or "")
        self.keys.add(key)
        self.own.add(key)
        if command.command_type is CommandType.DELETE_INSTANCE:
            self.deleted.add(key)
            return
        resolved = self._ontology.get(command.class_id or "")
        if resolved is None:
            return
        for predicate, relationship in resolved.relationships.items():
            targets = _stated(command.payload.get(predicate))
            self.keys.update(targets)
            if relationship.is_exclusive and targets:
                self.exclusive.setdefault(predicate, set()).update(targets)


def _stated(value: Any) -> list[str]:
    given = value if isinstance(value, list | tuple) else [value]
    return [item for item in given if isinstance(item, str) and "/" in item]


def _declaring_family(ontology: Ontology, resolved: ResolvedClass, predicate: str) -> frozenset[str]:
    """Return the classes that share this very relationship: the one that defines it and all below."""
    for name in (resolved.id, *resolved.ancestors):
        if any(item.predicate == predicate for item in ontology.definitions[name].relationships):
            return ontology.family(name)
    return resolved.family
