"""Shapes of class definitions. Their rules are `spice_core.domain.ontology_json`'s, which names every bad field."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Label = str | dict[str, str]


class PropertyBody(BaseModel):
    """One property of a class. A property whose type is another class, or `link`, becomes a relationship."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    name: str = Field(examples=["customer_id"])
    type: str | None = Field(
        default=None,
        description="An XML Schema type (string, integer, decimal, date, dateTime …), a complex type, or a class.",
        examples=["string"],
    )
    label: Label | None = Field(default=None, description="Text, or a text per language. Left out: the name.")
    description: str | None = None
    required: bool | None = None
    primaryKey: bool | None = Field(default=None, description="Part of the primary key; keys may be composite.")  # noqa: N815 - the wire name
    titleKey: bool | None = Field(default=None, description="Names an instance for people.")  # noqa: N815 - the wire name
    default: Any = None
    constraints: dict[str, Any] | None = Field(default=None, examples=[{"min": 0, "max": 100}])
    items: Any = Field(default=None, description="Of an array: the type of its items.")


class RelationshipBody(BaseModel):
    """One relationship of a class."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    predicate: str = Field(examples=["owned_by"])
    target: str = Field(examples=["Customer"])
    label: Label | None = None
    cardinality: str | None = Field(default=None, description="1:1, 1:n (the default), n:1 or n:m.", examples=["n:1"])
    description: str | None = None
    required: bool | None = None
    inverse_predicate: str | None = None
    inverse_label: Label | None = None
    on_delete: Literal["refuse", "unlink"] | None = Field(
        default=None, description="What happens to the link when its target is deleted."
    )


class ClassBody(BaseModel):
    """The definition of a class. Unknown fields are refused by name."""

    model_config = ConfigDict(
        extra="allow",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "id": "Product",
                    "label": "Product",
                    "properties": [
                        {"name": "product_id", "type": "string", "required": True},
                        {"name": "name", "type": "string", "required": True},
                    ],
                    "relationships": [{"predicate": "owned_by", "target": "Customer", "cardinality": "n:1"}],
                }
            ]
        },
    )

    id: str = Field(description="Letters, digits, _, : and -, a letter first.", examples=["Product"])
    label: Label | None = None
    description: str | None = None
    parent_class: str | None = None
    abstract: bool | None = None
    properties: list[PropertyBody] = Field(default_factory=list)
    relationships: list[RelationshipBody] = Field(default_factory=list)
    metadata: dict[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        """Return what the client sent, for the domain to read."""
        return self.model_dump(exclude_unset=True)


class ClassAnswer(BaseModel):
    """A class as it is defined, what it inherits, and the number that changing it expects."""

    model_config = ConfigDict(extra="allow")

    id: str
    label: Label
    description: str | None
    parent_class: str | None
    abstract: bool
    properties: list[dict[str, Any]]
    relationships: list[dict[str, Any]]
    metadata: dict[str, Any]
    version: int = Field(description="The sequence number: pass it as `expected_seq` to change or delete the class.")
    ancestors: list[str]
    inherited_properties: list[str]
    primary_key: list[str]
    title_key: str | None


class ClassList(BaseModel):
    """All classes of a branch, by name."""

    branch: str
    classes: list[ClassAnswer]


class Validation(BaseModel):
    """Whether a definition would be accepted, and if not, why."""

    valid: bool
    errors: list[dict[str, Any]]


class ValidateInstance(BaseModel):
    """An instance to try."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    data: dict[str, Any]


class KeyChange(BaseModel):
    """A class whose primary key would change."""

    class_id: str
    before: list[str] = Field(description="The parts of the key now; none where ids are generated.")
    after: list[str]


class MigrationWay(BaseModel):
    """One way to migrate, and what speaks against it."""

    migration: Literal["reset_edits", "id_remap"]
    is_possible: bool
    problems: dict[str, int] = Field(description="Counts by reason; empty where it is possible.", examples=[{"key_repeated": 2}])
    samples: list[dict[str, Any]] = Field(description="The first instances of each reason.")


class MigrationPlanAnswer(BaseModel):
    """What a change of a class would do to its instances."""

    class_id: str
    version: int = Field(description="The number of the class: pass it as `expected_seq` with the change.")
    is_required: bool = Field(description="Whether the change is refused without a migration.")
    keys: list[KeyChange]
    objects: int = Field(description="Instances of the classes whose key changes.")
    moving: int = Field(description="Those of them that `id_remap` gives another id.")
    links: int = Field(description="Links that lead to them.")
    linking_objects: int = Field(description="Instances of other classes that these links come from.")
    edits: int = Field(description="Fields that people edited: `reset_edits` drops them, `id_remap` keeps them.")
    objects_with_edits: int
    is_every_edit_counted: bool = Field(description="False where people touched so many instances last that not all were asked.")
    objects_by_people: int = Field(description="Instances that no source makes: `reset_edits` deletes them for good.")
    mappings: list[str] = Field(description="Mappings that make these instances or link to them: see whether they still fit.")
    link_types: list[str]
    ways: list[MigrationWay]
