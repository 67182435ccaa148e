"""Rows of a dataset as instances of a class: values, links and identity, by a mapping."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping, FieldMapping
from spice_core.domain.queries import Kind
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.domain.values import Reader, ValueSpec, key_text
from spice_core.errors import InvalidName

Row = Mapping[str, Any]
Fit = Callable[[Any], Any]
"""Brings a table's value into the form that a property reads."""

_REMEMBERED_KEYS = 10_000
_ONE_SPELLING = frozenset({"string", "integer", "decimal", "double", "boolean", "date", "dateTime"})
"""Types of keys whose texts in one table differ where the keys do."""


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """Where a mapped relationship leads: the classes its targets may have, and how each part of their key is read."""

    predicate: str
    classes: tuple[str, ...]
    key_fits: tuple[Fit, ...]
    key_readers: tuple[Reader, ...]
    is_many: bool
    is_own_class: bool

    def candidates(self, parts: Sequence[Any]) -> tuple[str, ...]:
        """Return the node keys that these key values may stand for.

        Raises:
            ValueError: a part is no value of the target's key.
        """
        zipped = zip(self.key_readers, self.key_fits, parts, strict=True)
        texts = [key_text(reader(fit(value))) for reader, fit, value in zipped]
        try:
            instance = naming.instance_id_of_key(texts)
        except InvalidName as error:
            raise ValueError(error.message) from error
        return tuple(naming.node_key(name, instance) for name in self.classes)


@dataclass(frozen=True, slots=True)
class MappedRow:
    """One row as an instance.

    Attributes:
        instance_id: None where a part of the key is missing or no value.
        values: properties by name, canonical; None where the row has none.
        links: by predicate, the node keys that the link may mean (any one of them); empty where the row names none.
        problems: (field, message) pairs; a row with problems is rejected.
    """

    instance_id: str | None
    values: Mapping[str, Any]
    links: Mapping[str, tuple[str, ...]]
    problems: Sequence[tuple[str, str]] = field(default_factory=tuple)


class RowMapper:
    """Reads rows by one mapping; made once per run."""

    def __init__(self, mapping: ClassMapping, ontology: Ontology) -> None:
        """Raises `ClassNotFound`, `InvalidOntology` where the classes are not whole."""
        self.resolved: ResolvedClass = ontology.resolve(mapping.class_id)
        self.class_id = mapping.class_id
        self._properties = [entry for entry in mapping.fields if entry.target_field in self.resolved.properties]
        linked = [entry for entry in mapping.fields if entry.target_field in self.resolved.relationships]
        self._links: list[tuple[FieldMapping, LinkTarget]] = [
            (entry, link_target(self.resolved, entry.target_field, ontology)) for entry in linked
        ]
        self._readers: dict[str, tuple[str, Reader, Fit]] = {
            entry.target_field: (
                entry.source_fields[0],
                self.resolved.readers[entry.target_field],
                fit_of(self.resolved.properties[entry.target_field].spec),
            )
            for entry in self._properties
        }
        self._key_readers = {name: self._readers[name] for name in self.resolved.primary_key if name in self._readers}
        self._candidates: dict[tuple[str, tuple[Any, ...]], tuple[str, ...]] = {}
        sources = {entry.target_field: entry.source_fields[0] for entry in self._properties}
        self.key_columns: tuple[str, ...] = tuple(sources[name] for name in self.resolved.primary_key if name in sources)
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(name for entry in mapping.fields for name in entry.source_fields))
        self.own_links = frozenset(target.predicate for _, target in self._links if target.is_own_class)
        self.has_many = {target.predicate: target.is_many for _, target in self._links}

    def read(self, row: Row) -> MappedRow:
        """Return `row` as an instance; what does not fit is among its problems."""
        problems: list[tuple[str, str]] = []
        values = _values(self._readers, row, problems)
        links: dict[str, tuple[str, ...]] = {}
        for entry, target in self._links:
            parts = tuple(row[name] for name in entry.source_fields)
            if None in parts:
                links[target.predicate] = ()
                continue
            try:
                links[target.predicate] = self._candidates_of(target, parts)
            except ValueError as error:
                problems.append((target.predicate, f"names no {target.classes[0]}: {error}"))
        return MappedRow(self._identity(values, problems), values, links, problems)

    def instance_id(self, row: Row) -> str | None:
        """Return the id of the instance that `row` makes, None where its key is missing or no key."""
        problems: list[tuple[str, str]] = []
        return self._identity(_values(self._key_readers, row, problems), problems)

    @property
    def is_key_spelled(self) -> bool:
        """Whether two texts of one table may be the same key, as those of a UUID in capitals and in small letters."""
        types = {self.resolved.properties[name].spec.type for name in self._key_readers}
        return not types <= _ONE_SPELLING

    def changed_fields(self, before: Row | None, after: Row) -> frozenset[str]:
        """Return the target fields whose source columns differ; all where there was no row before."""
        fields = [*self._properties, *(entry for entry, _ in self._links)]
        return frozenset(
            entry.target_field
            for entry in fields
            if before is None or any(before.get(name) != after[name] for name in entry.source_fields)
        )

    def _candidates_of(self, target: LinkTarget, parts: tuple[Any, ...]) -> tuple[str, ...]:
        """The node keys for these parts; a few targets are named by many rows."""
        known = self._candidates.get((target.predicate, parts))
        if known is None:
            if len(self._candidates) >= _REMEMBERED_KEYS:
                self._candidates.clear()
            known = self._candidates[target.predicate, parts] = target.candidates(parts)
        return known

    def _identity(self, values: Mapping[str, Any], problems: list[tuple[str, str]]) -> str | None:
        parts = [values.get(name) for name in self.resolved.primary_key]
        if not parts or any(part is None for part in parts):
            problems.append((".".join(self.resolved.primary_key), "is the primary key and has no value"))
            return None
        try:
            return naming.instance_id_of_key([key_text(part) for part in parts])
        except InvalidName as error:
            problems.append((".".join(self.resolved.primary_key), error.message))
            return None


def link_target(resolved: ResolvedClass, predicate: str, ontology: Ontology) -> LinkTarget:
    """Return where `predicate` leads. Raises `ClassNotFound` where the target is not there."""
    relationship = resolved.relationships[predicate]
    target = ontology.resolve(relationship.target)
    others = sorted(resolved.targets[predicate] - {target.id})
    return LinkTarget(
        predicate=predicate,
        classes=(target.id, *others),
        key_fits=tuple(fit_of(target.properties[name].spec) for name in target.primary_key),
        key_readers=tuple(target.readers[name] for name in target.primary_key),
        is_many=relationship.is_many,
        is_own_class=bool({resolved.id, *resolved.ancestors} & {target.id, *others}),
    )


def instance_keys(class_id: str, ontology: Ontology) -> LinkTarget:
    """Return how the parts of a primary key name instances of a class, or of one below it. Raises `ClassNotFound`."""
    found = ontology.resolve(class_id)
    return LinkTarget(
        predicate="",
        classes=(found.id, *sorted(found.family - {found.id})),
        key_fits=tuple(fit_of(found.properties[name].spec) for name in found.primary_key),
        key_readers=tuple(found.readers[name] for name in found.primary_key),
        is_many=False,
        is_own_class=True,
    )


def fit_of(spec: ValueSpec) -> Fit:
    """Return what brings a table's value into the form that `spec` reads: numbers as text for text, whole decimals as int."""
    if spec.is_array:
        inner = fit_of(spec.items) if spec.items else _as_it_is
        return lambda value: [inner(value)]
    if spec.kind in {Kind.TEXT, Kind.JSON}:
        return _text
    if spec.kind is Kind.INTEGER:
        return _whole
    if spec.type in {"double", "float"}:
        return _double
    return _day if spec.kind is Kind.DATE else _as_it_is


def _values(readers: Mapping[str, tuple[str, Reader, Fit]], row: Row, problems: list[tuple[str, str]]) -> dict[str, Any]:
    """The canonical values of `row` by property; what does not fit is None and among `problems`."""
    values: dict[str, Any] = {}
    for name, (source, read, fit) in readers.items():
        value = row.get(source)
        if value is not None:
            try:
                value = read(fit(value))
            except ValueError as error:
                problems.append((name, str(error)))
                value = None
        values[name] = value
    return values


def _as_it_is(value: Any) -> Any:
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal | float) and value == int(value) else value


def _double(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else value


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) and value.time() == value.time().min else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
