"""Deciding ontology commands: whether the new classes hold together, and what existing instances say to them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spice_core.domain.class_migrations import ID_REMAP, MIGRATIONS, RESET_EDITS
from spice_core.domain.commands import CommandType
from spice_core.domain.graph import ONTOLOGY_CLASS, Node, Removal
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_changes import PRIMARY_KEY, Check, Document, SharedTargets, checks_of, targets_in
from spice_core.domain.ontology_json import class_from_json, class_to_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import (
    AlreadyExists,
    BreaksInstances,
    ClassNotFound,
    Conflict,
    InvalidInput,
    NotFound,
    ObjectTypeMigrationRequired,
    StillReferenced,
)
from spice_core.ports.graph_store import GraphView
from spice_core.services.branch_numbers import check_unmoved, inherited_numbers
from spice_core.services.domain_events import provenance_of
from spice_core.services.graph_commands import Outcome, Placed
from spice_core.services.settled_graph import class_key

MAX_PROPERTIES = 1_000_000
_PAGE = 1000


class ClassDecisions:
    """Decides ontology commands of one run. Instances are those of `view`: a run holds no instance commands."""

    def __init__(self, view: GraphView, ontology: Ontology, *, begun: GraphView | None = None) -> None:
        """`begun` is the state that the branch of `view` began with (see `beginning_of`)."""
        self.ontology = ontology
        self._view = view
        self._begun = begun

    def decide(self, placed: Placed) -> Outcome:
        """Decide the next command; a refusal changes nothing."""
        try:
            inherited = inherited_numbers(self._begun, {class_key(placed.command.class_id or "")})
            return Outcome(placed, [self._change(placed, sum(inherited.values()))], inherited=inherited)
        except (InvalidInput, NotFound, Conflict) as error:
            return Outcome(placed, failure=error)

    def _change(self, placed: Placed, inherited: int) -> Node | Removal:
        check_unmoved(placed, inherited)
        command, number = placed.command, inherited + placed.sequence_number
        class_id = command.class_id or ""
        is_there = class_id in self.ontology.definitions
        if command.command_type is CommandType.CREATE_ONTOLOGY_CLASS:
            if is_there:
                raise AlreadyExists(f"class {class_id!r} exists", details={"class_id": class_id})
            return self._put(placed, number)
        if not is_there:
            raise ClassNotFound(f"there is no class {class_id!r}", details={"class_id": class_id})
        if command.command_type is CommandType.UPDATE_ONTOLOGY_CLASS:
            return self._put(placed, number)
        return self._remove(placed, class_id, number)

    def _put(self, placed: Placed, number: int) -> Node:
        definition = class_from_json(placed.command.payload, max_properties=MAX_PROPERTIES)
        changed = with_resolved(self.ontology, definition)
        refuse_breaking(self._view, definition.id, checks_of(self.ontology, changed))
        self.ontology = changed
        return Node(
            key=class_key(definition.id),
            class_id=ONTOLOGY_CLASS,
            document=class_to_json(definition),
            links={},
            sequence_number=number,
            position=placed.position,
            provenance=provenance_of(placed.command),
        )

    def _remove(self, placed: Placed, class_id: str, number: int) -> Removal:
        users = self.ontology.users_of(class_id)
        if users:
            raise StillReferenced(
                f"class {class_id!r} is the parent or a target of {', '.join(users[:10])}; change or delete them first",
                details={"class_id": class_id, "classes": users[:100]},
            )
        count = self._view.count([class_id])
        if count:
            raise BreaksInstances(
                f"class {class_id!r} has {count} instances; delete them first",
                details={"class_id": class_id, "count": count, "breaks": [_break(class_id, "class", "has instances", count)]},
            )
        self.ontology = self.ontology.without_class(class_id)
        return Removal(class_key(class_id), number, placed.position, provenance_of(placed.command))


def with_resolved(ontology: Ontology, definition: ClassDefinition) -> Ontology:
    """Return `ontology` with `definition`, all of it whole. Raises `ClassNotFound`, `InvalidOntology`."""
    changed = ontology.with_class(definition)
    for member in sorted(changed.definitions):
        changed.resolve(member)
    return changed


def refuse_breaking(view: GraphView, class_id: str, checks: Iterable[Check | SharedTargets]) -> None:
    """Ask the instances at `view` all `checks` that the change of `class_id` raises.

    Raises:
        BreaksInstances: some contradict it; details count them.
        ObjectTypeMigrationRequired: nothing but their ids do.
    """
    found = breaks_of(view, checks)
    if not found:
        return
    worst = max(found, key=lambda item: int(item["count"]))
    details = {"class_id": class_id, "count": worst["count"], "breaks": found}
    if all(item["field"] == PRIMARY_KEY for item in found):
        raise migration_required(class_id, sum(int(item["count"]) for item in found), details)
    raise BreaksInstances(
        f"the change of class {class_id!r} contradicts {worst['count']} existing instances of {worst['class_id']}: "
        f"{worst['field']} {worst['message']}",
        details=details,
    )


def breaks_of(view: GraphView, checks: Iterable[Check | SharedTargets]) -> list[dict[str, Any]]:
    """Return what instances at `view` contradict, as `{"class_id", "field", "message", "count"}`."""
    return [_break(_classes(check), check.field, check.message, count) for check in checks if (count := _count(view, check))]


def migration_required(class_id: str, count: int, details: Mapping[str, Any]) -> ObjectTypeMigrationRequired:
    """Return the refusal of a change of the key of `count` existing instances, which names the ways to do it."""
    return ObjectTypeMigrationRequired(
        f"the change of class {class_id!r} gives {count} existing instances other ids: send it with migration={ID_REMAP} "
        f"(they move to their new ids, with their links and edits) or migration={RESET_EDITS} (they are deleted with their "
        "edits, and made again from their sources)",
        details={**details, "migrations": list(MIGRATIONS)},
    )


def _count(view: GraphView, check: Check | SharedTargets) -> int:
    if isinstance(check, SharedTargets):
        return _count_shared(view, check)
    if check.breaks is None:
        return view.count([check.class_id], filters=check.filters)
    return sum(check.breaks(document) for document in _documents(view, frozenset({check.class_id}), check))


def _count_shared(view: GraphView, check: SharedTargets) -> int:
    sources: Counter[str] = Counter()
    for document in _documents(view, check.class_ids, None):
        sources.update(targets_in(document, check.field))
    return sum(count for count in sources.values() if count > 1)


def _documents(view: GraphView, class_ids: frozenset[str], check: Check | None) -> Iterator[Document]:
    after: str | None = None
    while True:
        page = view.page(class_ids, filters=check.filters if check else (), after=after, limit=_PAGE)
        for node in page.nodes:
            yield node.document
        after = page.next_after
        if after is None:
            return


def _classes(check: Check | SharedTargets) -> str:
    return check.class_id if isinstance(check, Check) else ", ".join(sorted(check.class_ids))


def _break(class_id: str, field: str, message: str, count: int) -> dict[str, Any]:
    return {"class_id": class_id, "field": field, "message": message, "count": count}
