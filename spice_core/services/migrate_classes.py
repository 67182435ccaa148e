"""Changing classes, with what becomes of instances whose ids would change: planned, refused, or asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Unpack

from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS, Migration
from spice_core.domain.commands import CommandType
from spice_core.domain.graph import Node
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_changes import rekeyed_classes
from spice_core.domain.ontology_json import MAX_PROPERTIES, class_from_json, class_to_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import InvalidOntology
from spice_core.ports.graph_store import GraphView
from spice_core.ports.registry import Registry
from spice_core.services.decide_classes import breaks_of, migration_required, with_resolved
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
from spice_core.services.read_edits import EditReader
from spice_core.services.save_link_types import link_types_of
from spice_core.services.settled_graph import ONTOLOGY_AGGREGATE, required_class
from spice_core.services.submit_commands import Accepted, CommandService, Origin
from spice_core.services.submit_rows import required_seq


@dataclass(frozen=True, slots=True)
class Way:
    """One way to migrate: why it cannot be gone (counts by reason, empty where it can), and the first instances that say so."""

    migration: Migration
    problems: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()

    @property
    def is_possible(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What a change of a class would do to instances; nothing is written.

    Attributes:
        version: the number of the class that the plan was made at: the `expected_seq` of the change.
        keys: by class whose key changes, the parts of its key before and after.
        objects: instances of these classes; `moving`: those that get another id.
        links: links that lead to them; `linking_objects`: instances of other classes that these come from.
        edits: fields that stand edited; `objects_with_edits`: the objects they are on. Objects that people touched last are asked
            one by one, up to 1,000: where there are more, `is_every_edit_counted` is False.
        objects_by_people: objects that no source makes: a reset deletes them for good.
        mappings, link_types: ids of those that make, or link to, these objects: look whether they still fit.
    """

    class_id: str
    version: int
    keys: Mapping[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)
    objects: int = 0
    moving: int = 0
    links: int = 0
    linking_objects: int = 0
    edits: int = 0
    objects_with_edits: int = 0
    is_every_edit_counted: bool = True
    objects_by_people: int = 0
    mappings: Sequence[str] = ()
    link_types: Sequence[str] = ()
    ways: Sequence[Way] = ()

    @property
    def is_required(self) -> bool:
        """Whether the change needs a migration."""
        return bool(self.objects)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        keys = [{"class_id": name, "before": list(old), "after": list(new)} for name, (old, new) in sorted(self.keys.items())]
        ways = [{**asdict(way), "is_possible": way.is_possible} for way in self.ways]
        return {**asdict(self), "keys": keys, "ways": ways, "is_required": self.is_required}


class ClassChanges:
    """Replaces definitions of classes. What is planned is what the graph holds now; the graph worker has the last word."""

    def __init__(
        self,
        *,
        commands: CommandService,
        registry: Registry,
        edits: EditReader,
        max_properties: int = MAX_PROPERTIES,
    ) -> None:
        self._commands = commands
        self._registry = registry
        self._edits = edits
        self._max_properties = max_properties

    def plan(self, database: str, branch: str, class_id: str, definition: Mapping[str, Any]) -> MigrationPlan:
        """Count what a change would touch, and look whether either way can be gone.

        Raises:
            InvalidOntology, ClassNotFound, DatabaseNotFound, BranchNotFound: as the change itself.
            TooLarge: it would touch more instances than one migration takes.
            LogBehind: (retryable) the lineage lags behind the graph.
        """
        return self._plan(database, branch, self._definition(class_id, definition))

    def update(
        self,
        database: str,
        branch: str,
        class_id: str,
        definition: Mapping[str, Any],
        *,
        expected_seq: int | None,
        migration: Migration | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Replace the definition of a class, with a `migration` where its instances get other ids.

        Raises:
            ObjectTypeMigrationRequired: they would, and no migration is named; details are the plan.
            BreaksInstances: the named way cannot be gone; details count the reasons and name instances.
            InvalidOntology, ClassNotFound, TooLarge, LogBehind: as `plan`.
            OptimisticConcurrencyConflict: the class changed meanwhile.
        """
        found = self._definition(class_id, definition)
        if not self._commands.is_known(database, origin):
            self._check(database, branch, found, migration)
        if migration is None:
            return self._commands.update_class(database, branch, class_id, found, expected_seq=expected_seq, **origin)
        command = self._commands.command(
            CommandType.MIGRATE_ONTOLOGY_CLASS, database, ONTOLOGY_AGGREGATE, database, branch, class_id, **origin
        )
        payload = {"definition": class_to_json(found), "migration": migration}
        command = replace(command, branch=branch, class_id=class_id, payload=payload, expected_seq=required_seq(expected_seq))
        return self._commands.submit(database, [command])[0]

    def _check(self, database: str, branch: str, found: ClassDefinition, migration: Migration | None) -> None:
        plan = self._plan(database, branch, found)
        if migration is None:
            if plan.is_required:
                raise migration_required(found.id, plan.objects, plan.as_json())
            return
        for way in plan.ways:
            if way.migration == migration:
                Problems.of(way.problems, way.samples).refuse(found.id)

    def _plan(self, database: str, branch: str, definition: ClassDefinition) -> MigrationPlan:
        names = definition.referenced_classes | {definition.id}
        settled = self._commands.settled
        settled.ontology(database, branch, names, fresh=True)
        version = settled.class_number(database, branch, definition.id)
        ontology = settled.ontology(database, branch, names, fresh=True)
        required_class(ontology, definition.id)
        changed = with_resolved(ontology, definition)
        rekeyed = rekeyed_classes(ontology, changed)
        view = settled.view(database, branch)
        if not check_size(view, rekeyed):
            return MigrationPlan(definition.id, version)
        keys = {name: (ontology.resolve(name).primary_key, changed.resolve(name).primary_key) for name in rekeyed}
        counted = self._counted(view, database, branch, (ontology, changed), rekeyed)
        return replace(counted, class_id=definition.id, version=version, keys=keys)

    def _counted(
        self, view: GraphView, database: str, branch: str, change: tuple[Ontology, Ontology], rekeyed: frozenset[str]
    ) -> MigrationPlan:
        changed = change[1]
        makers, load, unable, needed = Makers(), Load(), Problems(), Problems()
        known: set[str] = set()
        moves = moves_of(_noted(load.of(makers.watch(nodes_of(view, rekeyed))), known), changed, unable)
        links = list(links_into(view, known))
        foreign = [link for link in links if link.source not in known]
        linking = {link.source for link in foreign}
        required_links(load.of(read_nodes(view, linking)), changed, known, needed)
        edits, edited, lost = self._edits_of(database, branch, makers.people)
        return MigrationPlan(
            class_id="",
            version=0,
            objects=len(known),
            moving=len(moves),
            links=len(links),
            linking_objects=len(linking),
            edits=edits + makers.edits,
            objects_with_edits=edited + makers.with_edits,
            is_every_edit_counted=len(makers.people) == makers.by_people,
            objects_by_people=lost,
            mappings=self._mappings(database, branch, changed, rekeyed),
            link_types=[
                item.link_type_id
                for item in link_types_of(self._registry, database)
                if item.branch == branch and rekeyed & (changed.family(item.class_id) | changed.family(item.target))
            ],
            ways=[_way(ID_REMAP, unable, view, change), _way(RESET_EDITS, needed, view, change)],
        )

    def _edits_of(self, database: str, branch: str, nodes: Sequence[Node]) -> tuple[int, int, int]:
        """Count edits, the objects they are on, and the objects that no source makes."""
        found = self._edits.of(database, branch, nodes) if nodes else {}
        edited = [item for item in found.values() if item.source is not None and item.fields]
        made = sum(node.key not in found or found[node.key].source is None for node in nodes)
        return sum(len(item.fields) for item in edited), len(edited), made

    def _mappings(self, database: str, branch: str, changed: Ontology, rekeyed: frozenset[str]) -> list[str]:
        found = []
        for mapping in self._registry.mappings(database):
            resolved = changed.get(mapping.class_id) if mapping.branch == branch else None
            if resolved is None:
                continue
            targets = {name for entry in mapping.fields for name in resolved.targets.get(entry.target_field, ())}
            if rekeyed & {mapping.class_id, *targets}:
                found.append(mapping.mapping_id)
        return found

    def _definition(self, class_id: str, definition: Mapping[str, Any]) -> ClassDefinition:
        found = class_from_json(definition, max_properties=self._max_properties)
        if found.id != class_id:
            raise InvalidOntology(f"the id of a class cannot change from {class_id!r} to {found.id!r}")
        return found


def _noted(nodes: Iterator[Node], keys: set[str]) -> Iterator[Node]:
    """Yield `nodes`, and note their keys."""
    for node in nodes:
        keys.add(node.key)
        yield node


def _way(migration: Migration, problems: Problems, view: GraphView, change: tuple[Ontology, Ontology]) -> Way:
    """Return a way with what instances have against the rest of the change, too."""
    breaks = breaks_of(view, remaining_checks(*change, migration))
    counts = {f"{item['class_id']}.{item['field']} {item['message']}": int(item["count"]) for item in breaks}
    return Way(migration, {**problems.counts, **counts}, tuple(problems.samples))
