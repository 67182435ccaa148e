"""Shapes of link types, link edits and runs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict
from spice_core.domain.link_types import LinkEdit, LinkRun, LinkSpec, LinkType, ObjectSpec, TableSpec
from spice_core.domain.naming import MAIN

Columns = Annotated[list[str], Field(min_length=1, max_length=50)]
Dangling = Literal["FAIL", "WARN_DROP"]
Dedupe = Literal["DEDUP", "FAIL"]


class ForeignKeyBody(Strict):
    """Links from the rows that make the sources: columns that hold the target's primary key."""

    kind: Literal["foreign_key"]
    dataset_id: str = Field(min_length=1, max_length=400)
    fk_columns: Columns = Field(description="One per part of the target's primary key.")
    source_key_columns: list[str] = Field(
        default_factory=list, max_length=50, description="Left out: those that the dataset's mapping to the class reads."
    )
    dangling_policy: Dangling = Field(default="FAIL", description="What a row does whose target is not there.")


class JoinTableBody(Strict):
    """Links from a dataset with a row per link."""

    kind: Literal["join_table"]
    dataset_id: str = Field(min_length=1, max_length=400)
    source_key_columns: Columns
    target_key_columns: Columns
    dedupe_policy: Dedupe = "DEDUP"
    dangling_policy: Dangling = Field(default="FAIL", description="What a row does whose source or target is not there.")


class ObjectBackedBody(Strict):
    """Links through the instances of a class that leads to both sides."""

    kind: Literal["object_backed"]
    relationship_object_type: str = Field(min_length=1, max_length=100)
    source_predicate: str = Field(min_length=1, max_length=100, description="Its relationship to the from-class.")
    target_predicate: str = Field(min_length=1, max_length=100, description="Its relationship to the to-class.")


class LinkTypeBody(Strict):
    """A link type: where the links of a predicate come from."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "made_by",
                    "db_name": "demo",
                    "from": "Product",
                    "to": "Maker",
                    "predicate": "made_by",
                    "cardinality": "n:1",
                    "relationship_spec": {"kind": "foreign_key", "dataset_id": "demo:main:products", "fk_columns": ["maker"]},
                }
            ]
        },
    )

    id: str = Field(min_length=1, max_length=100)
    db_name: str = Field(min_length=1, max_length=100)
    branch: str = Field(default=MAIN, max_length=100)
    label: str = Field(default="", max_length=1000)
    from_class: str = Field(alias="from", min_length=1, max_length=100)
    to_class: str = Field(alias="to", min_length=1, max_length=100)
    predicate: str = Field(min_length=1, max_length=100, description="Lower case letters, digits and _.")
    cardinality: Literal["1:1", "1:n", "n:1", "n:m"] = "n:m"
    relationship_spec: Annotated[ForeignKeyBody | JoinTableBody | ObjectBackedBody, Field(discriminator="kind")]
    trigger_index: bool = Field(
        default=True, description="Whether saving it, and a new version of its data or its ends', index it."
    )


class LinkTypeAnswer(BaseModel):
    """A link type as it is kept."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    link_type_id: str
    db_name: str
    branch: str
    label: str
    from_class: str = Field(serialization_alias="from")
    to_class: str = Field(serialization_alias="to")
    predicate: str
    cardinality: str
    relationship_spec: dict[str, Any]
    trigger_index: bool
    version: int


class LinkTypeList(BaseModel):
    """Link types by id."""

    link_types: list[LinkTypeAnswer]


class ReindexBody(Strict):
    """A run to start."""

    full: bool = Field(default=False, description="Look at every source, and take away links that nothing speaks for.")


class LinkRunAnswer(BaseModel):
    """How indexing a link type came out."""

    run_id: str
    link_type_id: str
    state: Literal["running", "succeeded", "failed"]
    result: str = Field(description="PASS, WARN (something was dropped) or FAIL; empty while it runs.")
    version_id: str | None
    commit_id: str | None
    statistics: dict[str, int] = Field(description="Of the sources that were looked at: links, added, removed, dangling, …")
    samples: list[dict[str, Any]]
    seconds: float
    started_at: datetime | None


class LinkRunList(BaseModel):
    """Runs, newest first."""

    runs: list[LinkRunAnswer]


class LinkEditBody(Strict):
    """One link that a person adds or removes, or leaves to the data again."""

    source_instance_id: str = Field(min_length=1, max_length=700)
    target_instance_id: str = Field(min_length=1, max_length=700)
    edit_type: Literal["ADD", "REMOVE", "WITHDRAW"]


class LinkEditAnswer(BaseModel):
    """A link edit that stands."""

    source: str
    target: str
    edit_type: str
    by: str | None


class LinkEditList(BaseModel):
    """Link edits, newest first."""

    edits: list[LinkEditAnswer]


def link_type_of(body: LinkTypeBody) -> LinkType:
    """Return the link type that a client sent."""
    return LinkType(
        name=body.id,
        database=body.db_name,
        branch=body.branch,
        class_id=body.from_class,
        target=body.to_class,
        predicate=body.predicate,
        cardinality=body.cardinality,
        spec=_spec(body.relationship_spec),
        label=body.label,
        trigger_index=body.trigger_index,
    )


def link_type_answer(found: LinkType) -> LinkTypeAnswer:
    """Return a link type as clients read it."""
    return LinkTypeAnswer(
        id=found.name,
        link_type_id=found.link_type_id,
        db_name=found.database,
        branch=found.branch,
        label=found.label,
        from_class=found.class_id,
        to_class=found.target,
        predicate=found.predicate,
        cardinality=found.cardinality,
        relationship_spec=_spec_answer(found.spec),
        trigger_index=found.trigger_index,
        version=found.version,
    )


def link_run_answer(run: LinkRun) -> LinkRunAnswer:
    """Return a run as clients read it."""
    values = {name: getattr(run, name) for name in LinkRunAnswer.model_fields}
    return LinkRunAnswer(**values | {"statistics": dict(run.statistics), "samples": [dict(sample) for sample in run.samples]})


def link_edit_answer(edit: LinkEdit) -> LinkEditAnswer:
    """Return a link edit as clients read it."""
    return LinkEditAnswer(source=edit.source, target=edit.target, edit_type=edit.edit_type, by=edit.by)


def _spec(body: ForeignKeyBody | JoinTableBody | ObjectBackedBody) -> LinkSpec:
    if isinstance(body, ObjectBackedBody):
        return ObjectSpec(body.relationship_object_type, body.source_predicate, body.target_predicate)
    if isinstance(body, ForeignKeyBody):
        source, target = tuple(body.source_key_columns), tuple(body.fk_columns)
        return TableSpec("foreign_key", body.dataset_id, source, target, body.dangling_policy)
    source, target = tuple(body.source_key_columns), tuple(body.target_key_columns)
    return TableSpec("join_table", body.dataset_id, source, target, body.dangling_policy, body.dedupe_policy)


def _spec_answer(spec: LinkSpec) -> dict[str, Any]:
    if isinstance(spec, ObjectSpec):
        names = {"source_predicate": spec.source_predicate, "target_predicate": spec.target_predicate}
        return {"kind": spec.kind, "relationship_object_type": spec.object_type, **names}
    found: dict[str, Any] = {
        "kind": spec.kind,
        "dataset_id": spec.dataset_id,
        "source_key_columns": list(spec.source_key_columns),
        "dangling_policy": spec.dangling_policy,
    }
    if spec.kind == "foreign_key":
        return {**found, "fk_columns": list(spec.target_key_columns)}
    return {**found, "target_key_columns": list(spec.target_key_columns), "dedupe_policy": spec.dedupe_policy}
