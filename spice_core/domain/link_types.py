"""Link types: where links between two classes come from, what people put on top of them, and how indexing them came out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from spice_core.domain.catalogue_records import record_id_of
from spice_core.domain.ontology import Cardinality

FOREIGN_KEY, JOIN_TABLE, OBJECT_BACKED = "foreign_key", "join_table", "object_backed"
DANGLING_POLICIES = ("FAIL", "WARN_DROP")
DEDUPE_POLICIES = ("DEDUP", "FAIL")
ADD, REMOVE, WITHDRAWN = "ADD", "REMOVE", "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Links from the rows of a dataset: each names a source and a target by the parts of their primary keys.

    Attributes:
        kind: `foreign_key` (a row per source; columns of the from-class's own dataset) or `join_table` (a row per link).
        dangling_policy: what a row does whose target is not there: `FAIL` stops the run before it writes, `WARN_DROP` skips it.
        dedupe_policy: the same for rows that say what an earlier one says: `DEDUP` or `FAIL`.
    """

    kind: Literal["foreign_key", "join_table"]
    dataset_id: str
    source_key_columns: Sequence[str]
    target_key_columns: Sequence[str]
    dangling_policy: str = "FAIL"
    dedupe_policy: str = "DEDUP"


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """Links through instances of a class in the middle, which leads to both sides by its own relationships."""

    object_type: str
    source_predicate: str
    target_predicate: str
    kind: Literal["object_backed"] = "object_backed"


LinkSpec = TableSpec | ObjectSpec


@dataclass(frozen=True, slots=True)
class LinkType:
    """A relationship `predicate` from instances of `class_id` to those of `target`, whose links are made from data.

    The relationship is on the class; its links are this type's own: no mapping may name it. `version` is the number of the
    command that saved it. `trigger_index`: whether saving it, and a new version of its data or of its ends', index it by
    themselves.
    """

    name: str
    database: str
    branch: str
    class_id: str
    target: str
    predicate: str
    cardinality: Cardinality
    spec: LinkSpec
    label: str = ""
    trigger_index: bool = True
    version: int = 0

    @property
    def link_type_id(self) -> str:
        """The id of its record."""
        return record_id_of(self.database, self.branch, self.name)

    @property
    def is_many(self) -> bool:
        """Whether a source may have several targets."""
        return self.cardinality[-1] != "1"

    @property
    def is_exclusive(self) -> bool:
        """Whether a target may have one source only."""
        return self.cardinality[0] == "1"


@dataclass(frozen=True, slots=True)
class LinkEdit:
    """What a person says of one link, against or beside the data, until it is withdrawn. `source` and `target` are node keys."""

    link_type_id: str
    source: str
    target: str
    edit_type: str
    by: str | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class LinkRun:
    """The result of indexing a link type.

    Attributes:
        state: running, succeeded or failed.
        result: PASS, WARN (something was dropped) or FAIL (then no link was written, unless commands failed); empty until then.
        version_id: of the dataset; `commit_id`: of the graph, for links through objects.
        position: of the log when it began: link edits behind it are not in it.
        seen_commit: the graph as it began: the next run looks at sources whose links, and rows whose ends, changed since.
        statistics: counts: links, added, removed, unchanged, dangling, duplicates, source_missing, empty, …
    """

    run_id: str
    link_type_id: str
    link_type_version: int
    state: str
    result: str = ""
    version_id: str | None = None
    commit_id: str | None = None
    position: int = 0
    seen_commit: str | None = None
    statistics: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    started_at: datetime | None = None

    @property
    def basis(self) -> str | None:
        """What the links were made from."""
        return self.version_id or self.commit_id


def link_type_as_json(found: LinkType) -> dict[str, Any]:
    """Return a link type as a JSON object."""
    return asdict(found)


def link_type_of_json(record: Mapping[str, Any], *, version: int) -> LinkType:
    """Read `link_type_as_json` back."""
    spec = record["spec"]
    read = ObjectSpec if spec["kind"] == OBJECT_BACKED else TableSpec
    values = {name: spec[name] for name in read.__dataclass_fields__ if name in spec}
    known = {name: record[name] for name in LinkType.__dataclass_fields__ if name in record}
    return LinkType(**{**known, "spec": read(**values), "version": version})


def link_run_as_json(run: LinkRun) -> dict[str, Any]:
    """Return a run as a JSON object."""
    return {**asdict(run), "started_at": run.started_at.isoformat() if run.started_at else None}


def link_run_of_json(record: Mapping[str, Any]) -> LinkRun:
    """Read `link_run_as_json` back."""
    known = {name: record[name] for name in LinkRun.__dataclass_fields__ if name in record}
    started = known.get("started_at")
    return LinkRun(**{**known, "started_at": datetime.fromisoformat(started) if started else None})


def with_edits_of(links: Sequence[str], edits: Sequence[LinkEdit]) -> list[str]:
    """Return the targets that data name for one source, with what people added and without what they removed."""
    removed = {edit.target for edit in edits if edit.edit_type == REMOVE}
    added = [edit.target for edit in edits if edit.edit_type == ADD]
    return [target for target in dict.fromkeys([*links, *added]) if target not in removed]
