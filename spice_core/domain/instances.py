"""Instances: their ids, and what their state is after each command."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spice_core.domain import naming
from spice_core.domain.ontology import RelationshipDefinition
from spice_core.domain.resolution import ResolvedClass
from spice_core.domain.value_structures import MAX_ITEMS
from spice_core.domain.values import key_text
from spice_core.errors import InvalidInstance, InvalidName


@dataclass(frozen=True, slots=True)
class InstanceState:
    """The full state of one instance: its document (references included), and its links by predicate."""

    document: Mapping[str, Any]
    links: Mapping[str, tuple[str, ...]]


def key_id(resolved: ResolvedClass, document: Mapping[str, Any]) -> str | None:
    """Return the instance id that the primary key of a canonical document makes, None where a part is missing.

    Raises:
        InvalidInstance: the key has no parts that can identify: empty, too long, or not printable.
    """
    values = [document.get(name) for name in resolved.primary_key]
    if not values or any(value is None for value in values):
        return None
    try:
        return naming.instance_id_of_key([key_text(value) for value in values])
    except InvalidName as error:
        raise _invalid(resolved.id, [(".".join(resolved.primary_key), error.message)]) from error


def created(resolved: ResolvedClass, data: Mapping[str, Any]) -> InstanceState:
    """Return the state of a new instance. A null stands for an absent value; defaults are filled in.

    Raises:
        InvalidInstance: `details["errors"]` lists every problem as `{"field", "message"}`.
    """
    problems: list[tuple[str, str]] = []
    document, links = _read(resolved, data, problems)
    for name, value in resolved.defaults.items():
        document.setdefault(name, value)
    _check_required(resolved, document, problems)
    if resolved.definition.is_abstract:
        problems.append(("class_id", f"{resolved.id} is abstract: create instances of its subclasses"))
    if problems:
        raise _invalid(resolved.id, problems)
    return InstanceState(document, links)


def patched(resolved: ResolvedClass, current: InstanceState, patch: Mapping[str, Any]) -> InstanceState:
    """Return `current` with the fields of `patch` changed; a null removes a field.

    A required property that the class got with a default after the instance was made takes the default.

    Raises:
        InvalidInstance: as `created`, or the primary key would change.
    """
    problems: list[tuple[str, str]] = []
    changed, links = _read(resolved, patch, problems)
    document = {name: value for name, value in current.document.items() if name not in patch} | changed
    kept = {name: targets for name, targets in current.links.items() if name not in patch}
    for name, value in resolved.defaults.items():
        if name not in document and name not in patch and resolved.properties[name].is_required:
            document[name] = value
    _check_required(resolved, document, problems)
    problems.extend(
        (name, f"is the primary key and cannot change from {current.document[name]!r}")
        for name in resolved.primary_key
        if name in patch and name in current.document and document.get(name) != current.document[name]
    )
    if problems:
        raise _invalid(resolved.id, problems)
    return InstanceState(document, kept | links)


def checked_patch(resolved: ResolvedClass, patch: Mapping[str, Any]) -> None:
    """Check what can be known of a patch without the instance: names, types, references, required fields.

    Raises:
        InvalidInstance: as `created`.
    """
    problems: list[tuple[str, str]] = []
    _read(resolved, patch, problems)
    problems.extend(
        (name, "is required and cannot be removed") for name in resolved.required if name in patch and patch[name] is None
    )
    if problems:
        raise _invalid(resolved.id, problems)


def unlinked(resolved: ResolvedClass | None, current: InstanceState, target: str) -> InstanceState:
    """Return `current` without its links to `target` (a node key), whatever the predicate."""
    links = {name: tuple(key for key in targets if key != target) for name, targets in current.links.items()}
    document = dict(current.document)
    for name, targets in links.items():
        if targets == current.links[name]:
            continue
        is_many = isinstance(document.get(name), list) or (resolved is not None and resolved.relationships[name].is_many)
        if targets and is_many:
            document[name] = list(targets)
        elif not targets:
            document.pop(name, None)
    return InstanceState(document, {name: targets for name, targets in links.items() if targets})


def generated_id(class_id: str, command_id: str) -> str:
    """Return the id of an instance of a class without a primary key: the same for the same command."""
    return f"{class_id}_{command_id.replace('-', '')[:16]}"


def _read(
    resolved: ResolvedClass, data: Mapping[str, Any], problems: list[tuple[str, str]]
) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    document: dict[str, Any] = {}
    links: dict[str, tuple[str, ...]] = {}
    readers, relationships = resolved.readers, resolved.relationships
    for name, value in data.items():
        reader = readers.get(name)
        try:
            if reader is not None:
                if value is not None:
                    document[name] = reader(value)
            elif name not in relationships:
                problems.append((str(name)[:200], _unknown(resolved)))
            elif value is not None:
                targets = _references(relationships[name], resolved.targets[name], value)
                if targets:
                    links[name] = targets
                    document[name] = list(targets) if relationships[name].is_many else targets[0]
        except ValueError as error:
            problems.append((name, str(error)))
    return document, links


def _references(relationship: RelationshipDefinition, allowed: frozenset[str], value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list | tuple) else [value]
    if len(given) > MAX_ITEMS:
        raise ValueError(f"must have at most {MAX_ITEMS} references")
    targets = tuple(dict.fromkeys(_reference(relationship, allowed, item) for item in given))
    if len(targets) > 1 and not relationship.is_many:
        raise ValueError(f"takes one {relationship.target} only ({relationship.cardinality}), and {len(targets)} are given")
    return targets


def _reference(relationship: RelationshipDefinition, allowed: frozenset[str], item: Any) -> str:
    if not isinstance(item, str):
        raise ValueError(f"must be a reference such as {relationship.target}/id")  # noqa: TRY004 - collected with the others
    class_name, slash, instance = item.partition("/")
    if not slash:
        raise ValueError(f"must be a reference such as {relationship.target}/{item[:80] or 'id'}")
    if class_name not in allowed:
        raise ValueError(f"leads to {relationship.target}, not to {class_name[:100]!r}")
    try:
        naming.instance_id(instance)
    except InvalidName as error:
        raise ValueError(error.message) from error
    return item


def _check_required(resolved: ResolvedClass, document: Mapping[str, Any], problems: list[tuple[str, str]]) -> None:
    named = {name for name, _ in problems}
    problems.extend((name, "is required") for name in resolved.required if name not in document and name not in named)


def _unknown(resolved: ResolvedClass) -> str:
    known = sorted((*resolved.properties, *resolved.relationships))
    return f"is not of class {resolved.id}; it has {', '.join(known[:30]) or 'no properties'}{', …' if len(known) > 30 else ''}"


def _invalid(class_id: str, problems: list[tuple[str, str]]) -> InvalidInstance:
    field, message = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInstance(
        f"{class_id}: {field} {message}{more}",
        details={"errors": [{"field": name, "message": text} for name, text in problems]},
    )
