"""Classes as instances meet them: with what they inherit, their keys, and the classes their links may lead to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from spice_core.domain.ontology import ClassDefinition, PropertyDefinition, RelationshipDefinition
from spice_core.domain.queries import Kind
from spice_core.domain.values import Reader, reader_of, widens
from spice_core.errors import ClassNotFound, InvalidOntology

MAX_ANCESTORS = 20
_USUAL_TITLES = ("name", "title", "label")


@dataclass(frozen=True)
class ResolvedClass:
    """One class with everything it inherits.

    Attributes:
        definition: as it was defined.
        ancestors: the parent, its parent, …
        family: the class and all classes below it.
        properties, relationships: by name, inherited ones first.
        targets: by predicate, the classes whose instances it may lead to.
    """

    definition: ClassDefinition
    ancestors: tuple[str, ...]
    family: frozenset[str]
    properties: Mapping[str, PropertyDefinition]
    relationships: Mapping[str, RelationshipDefinition]
    targets: Mapping[str, frozenset[str]]

    @property
    def id(self) -> str:
        """The class's name."""
        return self.definition.id

    @cached_property
    def readers(self) -> Mapping[str, Reader]:
        """How each property is read."""
        return {name: reader_of(item.spec) for name, item in self.properties.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The properties and relationships that every instance has."""
        return (
            *(name for name, item in self.properties.items() if item.is_required),
            *(name for name, item in self.relationships.items() if item.is_required),
        )

    @cached_property
    def defaults(self) -> Mapping[str, object]:
        """The values of properties that a new instance does not state."""
        return {name: item.default for name, item in self.properties.items() if item.default is not None}

    @cached_property
    def primary_key(self) -> tuple[str, ...]:
        """The properties whose values make the instance id: the marked ones in order.

        Where none is marked: `{class}_id` in lower case (of the class, then of its ancestors), else the first in
        alphabetic order that ends in `_id`, else none, and ids are generated.
        """
        marked = tuple(name for name, item in self.properties.items() if item.is_primary_key)
        if marked:
            return marked
        usable = [name for name, item in self.properties.items() if item.spec.kind is not Kind.JSON and not item.spec.is_array]
        named = [name for name in (f"{owner.lower()}_id" for owner in (self.id, *self.ancestors)) if name in usable]
        candidates = [*named, *sorted(name for name in usable if name.endswith("_id"))]
        return tuple(candidates[:1])

    @cached_property
    def title_key(self) -> str | None:
        """The property that names an instance for people: the marked one, else `name`, `title` or `label`, else none."""
        marked = [name for name, item in self.properties.items() if item.is_title_key]
        usual = [name for name in _USUAL_TITLES if name in self.properties]
        return next(iter((*marked, *usual)), None)


class Ontology:
    """All classes of one branch at one moment. Immutable; resolving a class is remembered."""

    def __init__(self, definitions: Iterable[ClassDefinition]) -> None:
        self.definitions: Mapping[str, ClassDefinition] = {item.id: item for item in definitions}
        self._children: dict[str, list[str]] = {}
        for item in self.definitions.values():
            if item.parent_class is not None:
                self._children.setdefault(item.parent_class, []).append(item.id)
        self._resolved: dict[str, ResolvedClass] = {}

    def get(self, class_id: str) -> ResolvedClass | None:
        """Return the class with what it inherits, None where there is none. Raises as `resolve` on a broken ontology."""
        return self.resolve(class_id) if class_id in self.definitions else None

    def resolve(self, class_id: str) -> ResolvedClass:
        """Return the class with what it inherits.

        Raises:
            ClassNotFound: there is no such class.
            InvalidOntology: a parent is missing, the inheritance is a cycle, or a property contradicts the inherited one.
        """
        found = self._resolved.get(class_id)
        if found is None:
            found = self._resolved[class_id] = self._resolve(class_id)
        return found

    def with_class(self, definition: ClassDefinition) -> "Ontology":
        """Return this ontology with `definition` added, or in the place of the one of its name."""
        return Ontology({**self.definitions, definition.id: definition}.values())

    def without_class(self, class_id: str) -> "Ontology":
        """Return this ontology without `class_id`."""
        return Ontology(item for item in self.definitions.values() if item.id != class_id)

    def family(self, class_id: str) -> frozenset[str]:
        """Return `class_id` and all classes below it."""
        found: set[str] = set()
        pending = [class_id]
        while pending:
            current = pending.pop()
            if current not in found:
                found.add(current)
                pending.extend(self._children.get(current, ()))
        return frozenset(found)

    def users_of(self, class_id: str) -> list[str]:
        """Return the other classes that name `class_id` as parent or target, in order."""
        return sorted(item.id for item in self.definitions.values() if class_id in item.referenced_classes)

    def incoming(self, class_id: str) -> list[tuple[str, RelationshipDefinition]]:
        """Return the (class, relationship) pairs that may lead to instances of `class_id`, as defined."""
        lineage = {class_id, *self.ancestors(class_id)}
        return [
            (item.id, relationship)
            for item in self.definitions.values()
            for relationship in item.relationships
            if relationship.target in lineage
        ]

    def _resolve(self, class_id: str) -> ResolvedClass:
        definition = self.definitions.get(class_id)
        if definition is None:
            raise ClassNotFound(f"there is no class {class_id!r}", details={"class_id": class_id})
        ancestors = self.ancestors(class_id)
        parent = self.resolve(ancestors[0]) if ancestors else None
        properties = dict(parent.properties) if parent else {}
        relationships = dict(parent.relationships) if parent else {}
        for item in definition.properties:
            _check_property(definition, item, properties.get(item.name), relationships)
            properties[item.name] = item
        for link in definition.relationships:
            self._check_relationship(definition, link, relationships.get(link.predicate), properties)
            relationships[link.predicate] = link
        return ResolvedClass(
            definition=definition,
            ancestors=ancestors,
            family=self.family(class_id),
            properties=properties,
            relationships=relationships,
            targets={name: self.family(link.target) for name, link in relationships.items()},
        )

    def ancestors(self, class_id: str) -> tuple[str, ...]:
        """Return the classes above `class_id`, nearest first; none for an unknown one. Raises `InvalidOntology`."""
        found: list[str] = []
        current = self.definitions[class_id].parent_class if class_id in self.definitions else None
        while current is not None:
            if current == class_id or current in found:
                raise _problem(class_id, "parent_class", f"{class_id} would be its own ancestor")
            if current not in self.definitions:
                raise _problem(class_id, "parent_class", f"there is no class {current!r}")
            found.append(current)
            if len(found) > MAX_ANCESTORS:
                raise _problem(class_id, "parent_class", f"a class has at most {MAX_ANCESTORS} ancestors")
            current = self.definitions[current].parent_class
        return tuple(found)

    def _check_relationship(
        self,
        definition: ClassDefinition,
        link: RelationshipDefinition,
        inherited: RelationshipDefinition | None,
        properties: Mapping[str, PropertyDefinition],
    ) -> None:
        field = f"relationships.{link.predicate}"
        if link.predicate in properties:
            raise _problem(definition.id, field, "a property of this name is inherited")
        if link.target not in self.definitions:
            raise _problem(definition.id, f"{field}.target", f"there is no class or type {link.target!r}")
        if inherited is not None and link.target not in self.family(inherited.target):
            raise _problem(
                definition.id, f"{field}.target", f"the inherited one leads to {inherited.target}; name it or a subclass"
            )


def _check_property(
    definition: ClassDefinition,
    item: PropertyDefinition,
    inherited: PropertyDefinition | None,
    relationships: Mapping[str, RelationshipDefinition],
) -> None:
    field = f"properties.{item.name}"
    if item.name in relationships:
        raise _problem(definition.id, field, "a relationship of this name is inherited")
    if inherited is not None and not widens(item.spec, inherited.spec):
        raise _problem(definition.id, f"{field}.type", f"must be within the inherited type {inherited.spec.type}")


def _problem(class_id: str, field: str, message: str) -> InvalidOntology:
    return InvalidOntology(f"class {class_id!r}: {field}: {message}", details={"errors": [{"field": field, "message": message}]})
