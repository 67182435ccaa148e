"""Class definitions as JSON: reading them with every error named by its field, and writing them."""

from collections.abc import Mapping
from typing import Any

from spice_core.domain import naming
from spice_core.domain.ontology import (
    REFUSE,
    Cardinality,
    ClassDefinition,
    Label,
    PropertyDefinition,
    RelationshipDefinition,
)
from spice_core.domain.ontology_fields import (
    Problems,
    known_fields,
    read_cardinality,
    read_description,
    read_flag,
    read_label,
    read_list,
    read_on_delete,
    read_optional_text,
    read_parent,
    required_text,
)
from spice_core.domain.value_structures import read_object
from spice_core.domain.values import ARRAY, LINK, ValueSpec, canonical, spec_json, spec_of, type_name
from spice_core.errors import InvalidOntology

MAX_PROPERTIES = 100
_CLASS_FIELDS: Mapping[str, str] = {
    "id": "id",
    "label": "label",
    "description": "description",
    "parent_class": "parent_class",
    "parentClass": "parent_class",
    "abstract": "abstract",
    "properties": "properties",
    "relationships": "relationships",
    "metadata": "metadata",
}
_READ_ONLY = frozenset({"version", "created_at", "updated_at", "sequence_number"})
_PROPERTY_FIELDS: Mapping[str, str] = {
    "name": "name",
    "type": "type",
    "label": "label",
    "description": "description",
    "required": "required",
    "primaryKey": "primaryKey",
    "primary_key": "primaryKey",
    "titleKey": "titleKey",
    "title_key": "titleKey",
    "default": "default",
    "constraints": "constraints",
    "items": "items",
    "valueTypeRef": "valueTypeRef",
    "value_type_ref": "valueTypeRef",
    "sharedPropertyRef": "sharedPropertyRef",
    "shared_property_ref": "sharedPropertyRef",
    "isRelationship": "isRelationship",
    "target": "target",
    "linkTarget": "target",
    "link_target": "target",
    "cardinality": "cardinality",
    "inverse_predicate": "inverse_predicate",
    "inverse_label": "inverse_label",
    "on_delete": "on_delete",
    "onDelete": "on_delete",
}
_LINK_ONLY = frozenset({"target", "cardinality", "inverse_predicate", "inverse_label", "on_delete"})
_VALUE_ONLY = frozenset({"primaryKey", "titleKey", "default", "constraints", "valueTypeRef", "sharedPropertyRef"})
_RELATIONSHIP_FIELDS: Mapping[str, str] = {
    "predicate": "predicate",
    "target": "target",
    "label": "label",
    "cardinality": "cardinality",
    "description": "description",
    "inverse_predicate": "inverse_predicate",
    "inversePredicate": "inverse_predicate",
    "inverse_label": "inverse_label",
    "inverseLabel": "inverse_label",
    "required": "required",
    "on_delete": "on_delete",
    "onDelete": "on_delete",
}


def class_from_json(data: Any, *, max_properties: int = MAX_PROPERTIES) -> ClassDefinition:
    """Read the definition of a class.

    A property whose type is another class, `link`, or an `array` of either becomes a relationship. Labels default to the
    name.

    Raises:
        InvalidOntology: `details["errors"]` lists every problem as `{"field", "message"}`.
    """
    if not isinstance(data, Mapping):
        raise InvalidOntology("a class definition must be a JSON object")
    problems = Problems()
    given = known_fields({key: value for key, value in data.items() if key not in _READ_ONLY}, _CLASS_FIELDS, "", problems)
    name = problems.take("id", lambda: naming.class_id(required_text(given.get("id"))), str(given.get("id"))[:100])
    properties, relationships = _members(given, max_properties, problems)
    _check_distinct(properties, relationships, problems)
    parent = problems.take("parent_class", lambda: read_parent(given.get("parent_class"), name), None)
    found = ClassDefinition(
        id=name,
        label=read_label(given.get("label"), name, "label", problems),
        description=read_description(given.get("description"), "description", problems),
        parent_class=parent,
        is_abstract=problems.take("abstract", lambda: read_flag(given.get("abstract")), False),
        properties=tuple(properties),
        relationships=tuple(relationships),
        metadata=problems.take("metadata", lambda: read_object(given.get("metadata") or {}), {}),
    )
    problems.raise_any(name)
    return found


def class_to_json(definition: ClassDefinition) -> dict[str, Any]:
    """Return the JSON form of a definition: what `class_from_json` reads, always in the same shape."""
    return {
        "id": definition.id,
        "label": _plain_label(definition.label),
        "description": definition.description,
        "parent_class": definition.parent_class,
        "abstract": definition.is_abstract,
        "properties": [_property_json(item) for item in definition.properties],
        "relationships": [_relationship_json(item) for item in definition.relationships],
        "metadata": dict(definition.metadata),
    }


def _members(
    given: Mapping[str, Any], max_properties: int, problems: Problems
) -> tuple[list[PropertyDefinition], list[RelationshipDefinition]]:
    properties: list[PropertyDefinition] = []
    relationships: list[RelationshipDefinition] = []
    stated = read_list(given.get("properties"), "properties", problems)
    linked = read_list(given.get("relationships"), "relationships", problems)
    if len(stated) + len(linked) > max_properties:
        problems.add("properties", f"a class has at most {max_properties} properties and relationships")
        return properties, relationships
    for number, item in enumerate(stated):
        member = _property(item, f"properties[{number}]", problems)
        if isinstance(member, PropertyDefinition):
            properties.append(member)
        elif member is not None:
            relationships.append(member)
    for number, item in enumerate(linked):
        link = _relationship(item, f"relationships[{number}]", problems)
        if link is not None:
            relationships.append(link)
    return properties, relationships


def _property(data: Any, path: str, problems: Problems) -> PropertyDefinition | RelationshipDefinition | None:
    given = _named_object(data, path, _PROPERTY_FIELDS, "name", problems)
    if given is None:
        return None
    name, field = given["name"], f"properties.{given['name']}"
    type_text = given.get("type")
    if type_text is None and given.get("target") is not None:
        type_text = LINK
    if not isinstance(type_text, str):
        problems.add(f"{field}.type", "is required and must be text")
        return None
    target, is_list = _link_target(type_text, given)
    if target is not None:
        return _link_property(given, target, field, is_list=is_list, problems=problems)
    if given.get("isRelationship"):
        problems.add(f"{field}.target", "a relationship needs its target class")
        return None
    for other in sorted(_LINK_ONLY & given.keys()):
        if given[other] is not None:
            problems.add(f"{field}.{other}", f"goes with relationships only, and {type_text} is a type of values")
    spec = problems.take(
        f"{field}.type", lambda: spec_of(type_text, items=given.get("items"), constraints=given.get("constraints")), None
    )
    return None if spec is None else _value_property(given, name, spec, field, problems)


def _value_property(
    given: Mapping[str, Any], name: str, spec: ValueSpec, field: str, problems: Problems
) -> PropertyDefinition | None:
    is_key = problems.take(f"{field}.primaryKey", lambda: read_flag(given.get("primaryKey")), False)
    if is_key and (spec.is_array or spec.kind == "json"):
        problems.add(f"{field}.primaryKey", f"a property of type {spec.type} cannot be a key")
    default = given.get("default")
    if default is not None:
        default = problems.take(f"{field}.default", lambda: canonical(given["default"], spec, field="it"), None)
    return PropertyDefinition(
        name=name,
        spec=spec,
        label=read_label(given.get("label"), name, f"{field}.label", problems),
        description=read_description(given.get("description"), f"{field}.description", problems),
        is_required=problems.take(f"{field}.required", lambda: read_flag(given.get("required")), False) or is_key,
        is_primary_key=is_key,
        is_title_key=problems.take(f"{field}.titleKey", lambda: read_flag(given.get("titleKey")), False),
        default=default,
        value_type_ref=problems.take(f"{field}.valueTypeRef", lambda: read_optional_text(given.get("valueTypeRef")), None),
        shared_property_ref=problems.take(
            f"{field}.sharedPropertyRef", lambda: read_optional_text(given.get("sharedPropertyRef")), None
        ),
    )


def _link_target(type_text: str, given: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the class that a property leads to (None: it holds values) and whether it holds a list of links."""
    stated = given.get("target")
    if type_text == LINK:
        return (stated if isinstance(stated, str) else ""), False
    known = type_name(type_text)
    if known is None:
        return (stated if isinstance(stated, str) else type_text), False
    if known != ARRAY:
        return None, False
    items = given.get("items")
    if isinstance(items, Mapping) and (items.get("type") == LINK or items.get("target") or items.get("linkTarget")):
        inner = items.get("target") or items.get("linkTarget") or stated
        return (inner if isinstance(inner, str) else ""), True
    item_type = items.get("type") if isinstance(items, Mapping) else items
    if item_type == LINK:
        return (stated if isinstance(stated, str) else ""), True
    return (item_type, True) if isinstance(item_type, str) and type_name(item_type) is None else (None, False)


def _link_property(
    given: Mapping[str, Any], target: str, field: str, *, is_list: bool, problems: Problems
) -> RelationshipDefinition | None:
    for other in sorted(_VALUE_ONLY & given.keys()):
        if given[other]:
            problems.add(f"{field}.{other}", f"goes with values only, and {given['name']} leads to the class {target}")
    if not target:
        problems.add(f"{field}.target", "a link needs its target class")
        return None
    is_plain_link = given.get("type") in {LINK, None} and not is_list
    return _relationship_of(
        {**given, "predicate": given["name"], "target": target}, field, "n:1" if is_plain_link else "1:n", problems
    )


def _relationship(data: Any, path: str, problems: Problems) -> RelationshipDefinition | None:
    given = _named_object(data, path, _RELATIONSHIP_FIELDS, "predicate", problems)
    if given is None:
        return None
    return _relationship_of(given, f"relationships.{given['predicate']}", "1:n", problems)


def _relationship_of(
    given: Mapping[str, Any], field: str, usual: Cardinality, problems: Problems
) -> RelationshipDefinition | None:
    predicate = given["predicate"]
    target = problems.take(f"{field}.target", lambda: naming.class_id(required_text(given.get("target"))), None)
    inverse = given.get("inverse_predicate")
    if inverse is not None:
        inverse = problems.take(f"{field}.inverse_predicate", lambda: naming.property_name(required_text(inverse)), None)
    inverse_label = given.get("inverse_label")
    return (
        target
        and RelationshipDefinition(
            predicate=predicate,
            target=target,
            label=read_label(given.get("label"), predicate, f"{field}.label", problems),
            cardinality=problems.take(f"{field}.cardinality", lambda: read_cardinality(given.get("cardinality"), usual), usual),
            description=read_description(given.get("description"), f"{field}.description", problems),
            inverse_predicate=inverse,
            inverse_label=None if inverse_label is None else read_label(inverse_label, "", f"{field}.inverse_label", problems),
            is_required=problems.take(f"{field}.required", lambda: read_flag(given.get("required")), False),
            on_delete=problems.take(f"{field}.on_delete", lambda: read_on_delete(given.get("on_delete")), REFUSE),
        )
    ) or None


def _named_object(data: Any, path: str, known: Mapping[str, str], key: str, problems: Problems) -> dict[str, Any] | None:
    if not isinstance(data, Mapping):
        problems.add(path, "must be a JSON object")
        return None
    given = known_fields(data, known, f"{path}.", problems)
    name = problems.take(f"{path}.{key}", lambda: naming.property_name(required_text(given.get(key))), None)
    return None if name is None else given


def _check_distinct(
    properties: list[PropertyDefinition], relationships: list[RelationshipDefinition], problems: Problems
) -> None:
    seen: set[str] = set()
    for name in [*(item.name for item in properties), *(item.predicate for item in relationships)]:
        if name in seen:
            problems.add(f"properties.{name}", "is defined twice; names of properties and predicates are unique in a class")
        seen.add(name)
    if sum(item.is_title_key for item in properties) > 1:
        problems.add("properties", "at most one property is the title key")


def _property_json(item: PropertyDefinition) -> dict[str, Any]:
    found = {
        "name": item.name,
        **spec_json(item.spec),
        "label": _plain_label(item.label),
        "required": item.is_required,
        "primaryKey": item.is_primary_key,
        "titleKey": item.is_title_key,
    }
    optional = {
        "description": item.description,
        "default": item.default,
        "valueTypeRef": item.value_type_ref,
        "sharedPropertyRef": item.shared_property_ref,
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _relationship_json(item: RelationshipDefinition) -> dict[str, Any]:
    found = {
        "predicate": item.predicate,
        "target": item.target,
        "label": _plain_label(item.label),
        "cardinality": item.cardinality,
        "required": item.is_required,
        "on_delete": item.on_delete,
    }
    optional = {
        "description": item.description,
        "inverse_predicate": item.inverse_predicate,
        "inverse_label": None if item.inverse_label is None else _plain_label(item.inverse_label),
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _plain_label(label: Label) -> Any:
    return label if isinstance(label, str) else dict(label)
