"""What a change of the ontology could break, as questions to ask of the existing instances."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spice_core.domain.ontology import RelationshipDefinition
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.domain.values import reader_of, widens

Document = Mapping[str, Any]

PRIMARY_KEY = "primaryKey"
"""The field of the check that asks for instances whose ids would change."""


@dataclass(frozen=True, slots=True)
class Check:
    """Instances of `class_id` (not of its subclasses) that meet `filters` and `breaks` contradict the change.

    `breaks` None: all that meet the filters do.
    """

    class_id: str
    field: str
    message: str
    filters: tuple[Filter, ...] = ()
    breaks: Callable[[Document], bool] | None = None


@dataclass(frozen=True, slots=True)
class SharedTargets:
    """Links of `class_ids` under `field` to a target that another link reaches contradict the change."""

    class_ids: frozenset[str]
    field: str
    message: str


def checks_of(old: Ontology, new: Ontology) -> Iterator[Check | SharedTargets]:
    """Yield what must be asked before `new` may take the place of `old`; nothing where no instance could be broken.

    Both resolve. A class that is in one of them only is not looked at: instances of a new class do not exist yet, and a
    removed one must have none anyway.
    """
    for class_id in sorted(old.definitions.keys() & new.definitions.keys()):
        before, after = old.resolve(class_id), new.resolve(class_id)
        yield from _class_checks(before, after)
        yield from _property_checks(before, after)
        yield from _relationship_checks(before, after)
    yield from _shared_checks(old, new)


def rekeyed_classes(old: Ontology, new: Ontology) -> frozenset[str]:
    """Return the classes of both whose instances get other ids; both resolve."""
    both = old.definitions.keys() & new.definitions.keys()
    return frozenset(name for name in both if _is_rekeyed(old.resolve(name), new.resolve(name)))


def _is_rekeyed(old: ResolvedClass, new: ResolvedClass) -> bool:
    is_marked = any(new.properties[name].is_primary_key for name in new.primary_key)
    return old.primary_key != new.primary_key and bool(old.primary_key or is_marked)


def _class_checks(old: ResolvedClass, new: ResolvedClass) -> Iterator[Check]:
    if new.definition.is_abstract and not old.definition.is_abstract:
        yield Check(new.id, "abstract", "an abstract class has no instances")
    if _is_rekeyed(old, new):
        names = ", ".join(old.primary_key) or "a generated id"
        yield Check(new.id, PRIMARY_KEY, f"the ids of existing instances are made of {names}")


def _property_checks(old: ResolvedClass, new: ResolvedClass) -> Iterator[Check]:
    for name in old.properties.keys() - new.properties.keys():
        yield Check(new.id, f"properties.{name}", "is removed and has values", (_has(name),))
    for name, item in new.properties.items():
        before = old.properties.get(name)
        field = f"properties.{name}"
        if item.is_required and item.default is None and not (before and before.is_required):
            yield Check(new.id, field, "is required and missing", (_lacks(name),))
        if before is not None and not widens(before.spec, item.spec):
            yield Check(new.id, field, "does not take the value", (_has(name),), _refuses(name, reader_of(item.spec)))


def _relationship_checks(old: ResolvedClass, new: ResolvedClass) -> Iterator[Check]:
    for name in old.relationships.keys() - new.relationships.keys():
        yield Check(new.id, f"relationships.{name}", "is removed and has links", (_has(name),))
    for name, item in new.relationships.items():
        before = old.relationships.get(name)
        field = f"relationships.{name}"
        if item.is_required and not (before and before.is_required):
            yield Check(new.id, field, "is required and missing", (_lacks(name),))
        if before is None:
            continue
        if not old.targets[name] <= new.targets[name]:
            yield Check(
                new.id, field, f"does not lead to {item.target}", (_has(name),), _leads_elsewhere(name, new.targets[name])
            )
        if before.is_many and not item.is_many:
            yield Check(new.id, field, "has more than one target", (_has(name),), _has_several(name))


def _shared_checks(old: Ontology, new: Ontology) -> Iterator[SharedTargets]:
    """A relationship that was not exclusive before, or is shared by more classes than before."""
    for class_id, definition in sorted(new.definitions.items()):
        for item in definition.relationships:
            if item.is_exclusive and _is_wider(old, new, class_id, item):
                message = f"{item.cardinality} allows one source for each target"
                yield SharedTargets(new.family(class_id), item.predicate, message)


def _is_wider(old: Ontology, new: Ontology, class_id: str, item: RelationshipDefinition) -> bool:
    family = new.family(class_id) & old.definitions.keys()
    linked = {name for name in family if item.predicate in old.resolve(name).relationships}
    if not linked:
        return False
    was_exclusive = all(old.resolve(name).relationships[item.predicate].is_exclusive for name in linked)
    declaring = {name for name in linked if any(own.predicate == item.predicate for own in old.definitions[name].relationships)}
    was_one = any(linked <= old.family(name) for name in declaring)
    return not (was_exclusive and was_one)


def _has(name: str) -> Filter:
    return Filter(name, Operator.NOT_NULL, kind=Kind.JSON)


def _lacks(name: str) -> Filter:
    return Filter(name, Operator.IS_NULL, kind=Kind.JSON)


def _refuses(name: str, read: Callable[[Any], Any]) -> Callable[[Document], bool]:
    def breaks(document: Document) -> bool:
        try:
            read(document[name])
        except ValueError:
            return True
        return False

    return breaks


def _leads_elsewhere(name: str, allowed: frozenset[str]) -> Callable[[Document], bool]:
    return lambda document: any(target.partition("/")[0] not in allowed for target in targets_in(document, name))


def _has_several(name: str) -> Callable[[Document], bool]:
    return lambda document: len(targets_in(document, name)) > 1


def targets_in(document: Document, name: str) -> list[str]:
    """Return the references that a document holds under a relationship."""
    found = document.get(name)
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]
