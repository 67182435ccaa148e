"""Datasets, their versions, the mappings that turn rows into instances, and runs of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, inferred type (a property type of `domain.values`), and statistics (JSON)."""

    name: str
    type: str
    nullable: bool = True
    statistics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One immutable version of a dataset.

    Attributes:
        version_id: the id of the command that registered it.
        dataset_id: `{db}:{branch}:{name}` encoded by `naming.aggregate_id`.
        number: 1, 2, 3 … within the dataset.
        commit_id: the commit of the dataset store.
        path: the key of the table in that commit (Parquet), `raw_path` of the bytes as uploaded.
        content_sha256: of the uploaded bytes, hex.
        row_count: rows accepted; `reject_count`: rows refused, listed with reasons under `rejects_path` (None if there are none).
        columns: in file order.
        schema_hash: sha256 hex over names and types.
        primary_key_candidates: column lists, best first.
        region: where in its file the table lies: `format`, and of a found table sheet, box, mode, headers, confidence, …
        notes: for people: what stands around the table, and what was changed on the way.
        schema_diff: against the version before (`against`), see `compare_schemas`; empty for a first version.
        sample_path: the key of a JSON list of its first rows.
        request_id: the ingest request that made it; `source`: what that said of where the file came from.
    """

    version_id: str
    dataset_id: str
    number: int
    commit_id: str
    path: str
    raw_path: str
    content_sha256: str
    size_bytes: int
    row_count: int
    reject_count: int
    columns: Sequence[Column]
    schema_hash: str
    primary_key_candidates: Sequence[Sequence[str]]
    created_at: datetime
    created_by: str | None
    filename: str
    rejects_path: str | None = None
    dialect: Mapping[str, Any] = field(default_factory=dict)
    content_id: str = ""
    region: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    schema_diff: Mapping[str, Any] = field(default_factory=dict)
    sample_path: str | None = None
    request_id: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named line of versions on a branch of a database."""

    dataset_id: str
    database: str
    branch: str
    name: str
    source_type: str
    created_at: datetime
    latest: DatasetVersion | None
    position: int = 0


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One target property from one source column, or several joined into a link's key (`source_fields`)."""

    target_field: str
    source_fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class ClassMapping:
    """How the rows of a dataset become instances of a class.

    Attributes:
        mapping_id: stable; one active mapping per (dataset, class).
        fields: properties and links (a link's value is the target's key).
        schema_hash: of the dataset version it was made for.
        on_missing_target: `reject_row`, `drop_link` or `fail`.
        on_removed_row: `delete` or `keep`.
        auto_run: whether a new version is objectified by itself.
        default_edit_policy: who wins where a person changed a field: `source_wins`, `edit_wins` or `newest`.
        edit_policy: the same by target field, where it differs.
        target_field_types: the types that whoever wrote the mapping takes the target fields to have; checked, never applied.
    """

    mapping_id: str
    database: str
    branch: str
    dataset_id: str
    class_id: str
    fields: Sequence[FieldMapping]
    schema_hash: str
    on_missing_target: str = "reject_row"
    on_removed_row: str = "delete"
    auto_run: bool = True
    version: int = 1
    default_edit_policy: str = "source_wins"
    edit_policy: Mapping[str, str] = field(default_factory=dict)
    target_field_types: Mapping[str, str] = field(default_factory=dict)

    def edit_policy_of(self, name: str) -> str:
        """Return who wins where a person changed target field `name`."""
        return self.edit_policy.get(name, self.default_edit_policy)


@dataclass(frozen=True, slots=True)
class ObjectifyRun:
    """The result of objectifying one version by one mapping.

    `rows` counts the version's rows, `unchanged` those that needed no command. `reasons` counts rejects, dropped links and
    empty links by reason, `samples` names some of them. `edits_kept` counts the fields whose edit stood against another value
    of the source, `edits_overwritten` those whose edit gave way. `class_state` says at which state of its classes it began (see
    `class_state`; empty of a run that did not note it). `shards` says which it covered (`Shards.text`; empty: all): what is
    counted is of those.
    """

    run_id: str
    mapping_id: str
    version_id: str
    previous_version_id: str | None
    state: str  # running | succeeded | failed
    rows: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected: int = 0
    links_dropped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    started_at: datetime | None = None
    mapping_version: int = 0
    edits_kept: int = 0
    edits_overwritten: int = 0
    class_state: str = ""
    shards: str = ""
