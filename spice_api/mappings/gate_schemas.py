"""Shapes of keys, gates and edits."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.envelope import Strict
from spice_core.domain.catalogue_records import CatalogueRecord
from spice_core.domain.key_specs import KeyCheck
from spice_core.domain.naming import MAIN
from spice_core.domain.object_edits import Edits


class KeySpecBody(Strict):
    """A key of a dataset: the primary one, or columns that are unique together."""

    dataset_id: str = Field(min_length=1, max_length=400, examples=["demo:main:products"])
    kind: Literal["primary", "unique"] = "primary"
    columns: list[str] = Field(min_length=1, max_length=50, examples=[["product_id"]])


class KeyCheckAnswer(BaseModel):
    """A key, and what the newest version says to it."""

    dataset_id: str
    kind: Literal["primary", "unique"]
    columns: list[str]
    holds: bool
    missing: int = Field(description="Rows that lack a part of the key.")
    repeated: int = Field(description="Rows that repeat the key of an earlier row.")
    rows: list[int] = Field(description="Some of those rows, counted from 1.")


class KeyCheckList(BaseModel):
    """The keys of a dataset, the primary one first."""

    keys: list[KeyCheckAnswer]


class GateCheckAnswer(BaseModel):
    """One thing that was checked."""

    code: str
    status: Literal["PASS", "WARN", "FAIL"]
    message: str
    details: dict[str, Any]


class GateAnswer(BaseModel):
    """How the gates of a mapping and a version came out the last time."""

    model_config = ConfigDict(extra="ignore")

    mapping_id: str
    version_id: str
    status: Literal["PASS", "FAIL"]
    checks: list[GateCheckAnswer]
    run_id: str | None
    shards: str = Field("", description="Of which shards of the rows, as `0,3/16`; empty: of all.")
    at: datetime | None


class GateList(BaseModel):
    """Gates, newest first."""

    gates: list[GateAnswer]


class EditAnswer(BaseModel):
    """One field that a person changed against its source."""

    field: str
    at: datetime
    by: str | None
    source_value: Any = Field(description="What the source last said.")
    has_source_value: bool = Field(description="False where no source has ever spoken of the field.")


class EditList(BaseModel):
    """The edits that stand on an object, and the row that it was last made of."""

    edits: list[EditAnswer]
    source: dict[str, Any] | None


class WithdrawBody(Strict):
    """Edits to withdraw."""

    db_name: str = Field(min_length=1, max_length=100, examples=["demo"])
    branch: str = Field(default=MAIN, max_length=100)
    class_id: str = Field(min_length=1, max_length=100, examples=["Product"])
    instance_id: str = Field(min_length=1, max_length=512)
    fields: list[str] | None = Field(default=None, max_length=1000, description="Left out: all that were edited.")


def key_check_answer(check: KeyCheck) -> KeyCheckAnswer:
    """Return a key as clients read it."""
    spec = check.spec
    return KeyCheckAnswer(
        dataset_id=spec.dataset_id,
        kind=spec.kind,
        columns=list(spec.columns),
        holds=check.holds,
        missing=check.missing,
        repeated=check.repeated,
        rows=list(check.rows),
    )


def gate_answer(record: CatalogueRecord) -> GateAnswer:
    """Return a gate as clients read it."""
    return GateAnswer(**{**record.document, "at": record.changed_at})


def edit_list(edits: Edits) -> EditList:
    """Return edits as clients read them."""
    found = [
        EditAnswer(field=name, at=edit.at, by=edit.by, source_value=edit.said, has_source_value=edit.is_said)
        for name, edit in sorted(edits.fields.items())
    ]
    source = {name: value for name, value in (edits.source or {}).items() if name != "edits"}
    return EditList(edits=found, source=source or None)
