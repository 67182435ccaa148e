"""Shapes of mappings and runs."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict
from spice_api.waiting import StartedTask
from spice_core.domain.datasets import ClassMapping, FieldMapping, ObjectifyRun
from spice_core.services.suggest_mapping import Suggestion


class FieldBody(Strict):
    """One property or link from one column, or a link from several (one per part of the target's primary key)."""

    target_field: str = Field(min_length=1, max_length=100)
    source_fields: list[str] = Field(min_length=1, max_length=50)


class MappingBody(Strict):
    """How the rows of a dataset become instances of a class."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset_id": "demo:main:products",
                    "target_class_id": "Product",
                    "mappings": [{"target_field": "product_id", "source_fields": ["product_id"]}],
                }
            ]
        }
    )

    dataset_id: str = Field(min_length=1, max_length=400)
    target_class_id: str = Field(min_length=1, max_length=100)
    mappings: list[FieldBody] = Field(min_length=1, max_length=1000)
    on_missing_target: Literal["reject_row", "drop_link", "fail"] = Field(
        default="reject_row", description="What happens to a row whose link leads nowhere."
    )
    on_removed_row: Literal["delete", "keep"] = Field(
        default="delete", description="What happens to the instance of a row that a new version lacks."
    )
    auto_sync: bool = Field(default=True, description="Whether a new version is objectified by itself.")
    default_edit_policy: Literal["source_wins", "edit_wins", "newest"] = Field(
        default="source_wins", description="Who wins where a person changed a field that the source changes, too."
    )
    edit_policy: dict[str, Literal["source_wins", "edit_wins", "newest"]] = Field(
        default_factory=dict, max_length=1000, description="The same by target field, where it differs."
    )
    target_field_types: dict[str, str] = Field(
        default_factory=dict, max_length=1000, description="Types that the target fields are taken to have: checked, not applied."
    )


class MappingAnswer(MappingBody):
    """A mapping as it is kept."""

    model_config = ConfigDict(extra="ignore")

    mapping_id: str
    db_name: str
    branch: str
    schema_hash: str
    version: int


class MappingList(BaseModel):
    """Mappings by id."""

    mappings: list[MappingAnswer]


class RunBody(Strict):
    """A run to start."""

    mapping_id: str = Field(min_length=1, max_length=1000)
    version_id: str | None = Field(default=None, max_length=100, description="Left out: the newest version.")
    full: bool = Field(
        default=False,
        description="Compare every row with the graph, not only those that changed; unchanged values count against edits, too.",
    )
    accept_schema: bool = Field(
        default=False, description="Run also on a version whose columns are not those that the mapping was made for."
    )


class RunStarted(BaseModel):
    """A run that was started."""

    task_id: str
    status: Literal["accepted", "succeeded", "failed"]
    message: str
    status_url: str
    run: dict[str, Any] | None = None

    @classmethod
    def of(cls, task: StartedTask) -> "RunStarted":
        """Return the answer to a run that is a task."""
        return cls(task_id=task.task_id, status=task.status, message=task.message, status_url=task.status_url, run=task.result)


class RunResult(BaseModel):
    """The result of a run."""

    run_id: str
    mapping_id: str
    version_id: str
    previous_version_id: str | None
    state: str = Field(
        description="running, succeeded or failed; a run whose process died is failed for run_died once the next one starts."
    )
    shards: str = Field(description="Which shards it covered, as `0,3/16`; empty: all rows. The counts are of these.")
    rows: int
    created: int
    updated: int
    deleted: int
    unchanged: int
    rejected: int
    links_dropped: int
    edits_kept: int = Field(description="Fields whose edit stood against another value of the source.")
    edits_overwritten: int = Field(description="Fields whose edit gave way to the source.")
    reasons: dict[str, int] = Field(description="How many rows were rejected and links dropped, by reason.")
    samples: list[dict[str, Any]]
    seconds: float
    started_at: datetime | None


class RunList(BaseModel):
    """Runs, newest first."""

    runs: list[RunResult]


class ReferenceBody(BaseModel):
    """Columns whose values are keys of another class."""

    columns: list[str]
    class_id: str
    dataset_id: str
    key: list[str]
    given: int
    found: int


class SuggestionBody(BaseModel):
    """A class and a mapping to edit and save, and what they rest on."""

    class_definition: dict[str, Any]
    mapping: MappingBody
    references: list[ReferenceBody]
    notes: list[str]


def mapping_answer(mapping: ClassMapping) -> MappingAnswer:
    """Return a mapping as clients read it."""
    return MappingAnswer(
        **_wire(mapping),
        mapping_id=mapping.mapping_id,
        db_name=mapping.database,
        branch=mapping.branch,
        schema_hash=mapping.schema_hash,
        version=mapping.version,
    )


def mapping_of(body: MappingBody, *, mapping_id: str, database: str, branch: str, schema_hash: str) -> ClassMapping:
    """Return the mapping that a client sent."""
    return ClassMapping(
        mapping_id=mapping_id,
        database=database,
        branch=branch,
        dataset_id=body.dataset_id,
        class_id=body.target_class_id,
        fields=tuple(FieldMapping(field.target_field, tuple(field.source_fields)) for field in body.mappings),
        schema_hash=schema_hash,
        on_missing_target=body.on_missing_target,
        on_removed_row=body.on_removed_row,
        auto_run=body.auto_sync,
        default_edit_policy=body.default_edit_policy,
        edit_policy=dict(body.edit_policy),
        target_field_types=dict(body.target_field_types),
    )


def suggestion_body(found: Suggestion) -> SuggestionBody:
    """Return a suggestion as clients read it."""
    references = [
        ReferenceBody(
            columns=list(item.columns),
            class_id=item.class_id,
            dataset_id=item.dataset_id,
            key=list(item.target_columns),
            given=item.given,
            found=item.found,
        )
        for item in found.references
    ]
    return SuggestionBody(
        class_definition=found.class_definition,
        mapping=MappingBody(**_wire(found.mapping)),
        references=references,
        notes=list(found.notes),
    )


def run_result(run: ObjectifyRun) -> RunResult:
    """Return a run as clients read it."""
    return RunResult(
        run_id=run.run_id,
        mapping_id=run.mapping_id,
        version_id=run.version_id,
        previous_version_id=run.previous_version_id,
        state=run.state,
        shards=run.shards,
        rows=run.rows,
        created=run.created,
        updated=run.updated,
        deleted=run.deleted,
        unchanged=run.unchanged,
        rejected=run.rejected,
        links_dropped=run.links_dropped,
        edits_kept=run.edits_kept,
        edits_overwritten=run.edits_overwritten,
        reasons=dict(run.reasons),
        samples=[dict(sample) for sample in run.samples],
        seconds=run.seconds,
        started_at=run.started_at,
    )


def _wire(mapping: ClassMapping) -> dict[str, Any]:
    return {
        "dataset_id": mapping.dataset_id,
        "target_class_id": mapping.class_id,
        "mappings": [
            {"target_field": field.target_field, "source_fields": list(field.source_fields)} for field in mapping.fields
        ],
        "on_missing_target": mapping.on_missing_target,
        "on_removed_row": mapping.on_removed_row,
        "auto_sync": mapping.auto_run,
        "default_edit_policy": mapping.default_edit_policy,
        "edit_policy": dict(mapping.edit_policy),
        "target_field_types": dict(mapping.target_field_types),
    }
