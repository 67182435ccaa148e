"""Classes of the ontology: their properties and relationships, as a client defines them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spice_core.domain.values import ValueSpec

Label = str | Mapping[str, str]
"""One text, or a text per language code (`{"en": "Product", "ko": "제품"}`)."""

Cardinality = Literal["1:1", "1:n", "n:1", "n:m"]
OnDelete = Literal["refuse", "unlink"]

REFUSE: OnDelete = "refuse"
UNLINK: OnDelete = "unlink"


@dataclass(frozen=True, slots=True)
class PropertyDefinition:
    """One property. The primary key is made of the properties marked `is_primary_key`, in the order of the class."""

    name: str
    spec: ValueSpec
    label: Label = ""
    description: str | None = None
    is_required: bool = False
    is_primary_key: bool = False
    is_title_key: bool = False
    default: Any = None
    value_type_ref: str | None = None
    shared_property_ref: str | None = None


@dataclass(frozen=True, slots=True)
class RelationshipDefinition:
    """One relationship: `predicate` leads from this class to `target`.

    The right side of the cardinality says how many targets a source has, the left side how many sources a target has;
    both are held. `on_delete` says what happens to the link when its target is deleted: the deletion is refused, or the
    link goes.
    """

    predicate: str
    target: str
    label: Label = ""
    cardinality: Cardinality = "1:n"
    description: str | None = None
    inverse_predicate: str | None = None
    inverse_label: Label | None = None
    is_required: bool = False
    on_delete: OnDelete = REFUSE

    @property
    def is_many(self) -> bool:
        """Whether a source may have several targets: the document then holds a list."""
        return self.cardinality[-1] != "1"

    @property
    def is_exclusive(self) -> bool:
        """Whether a target may have one source only."""
        return self.cardinality[0] == "1"


@dataclass(frozen=True, slots=True)
class ClassDefinition:
    """One class as it was defined, without what it inherits."""

    id: str
    label: Label
    description: str | None = None
    parent_class: str | None = None
    is_abstract: bool = False
    properties: tuple[PropertyDefinition, ...] = ()
    relationships: tuple[RelationshipDefinition, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def referenced_classes(self) -> frozenset[str]:
        """The classes that must exist for this one: the parent and the targets, itself left out."""
        named = {relationship.target for relationship in self.relationships}
        return frozenset(named | ({self.parent_class} if self.parent_class else set())) - {self.id}


def label_text(label: Label, language: str = "en") -> str:
    """Return the text of a label in `language`, else in English, else in the first language there is."""
    if isinstance(label, str):
        return label
    return label.get(language) or label.get("en") or next(iter(label.values()), "")
