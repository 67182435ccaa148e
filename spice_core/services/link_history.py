"""What earlier runs of a link type may have left in the graph, and the link edits that stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.link_types import WITHDRAWN, LinkEdit, LinkRun, LinkType, link_run_of_json
from spice_core.ports.registry import Registry

_FIRST_LOOK = 100
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class LinkHistory:
    """The newest run that succeeded, None before the first, and the runs since then, newest first: each may have written."""

    succeeded: LinkRun | None
    since: Sequence[LinkRun]

    @property
    def bases(self) -> list[str]:
        """The versions (or commits) whose links may be in the graph, without repeats."""
        runs = [*([self.succeeded] if self.succeeded else []), *self.since]
        return list(dict.fromkeys(run.basis for run in runs if run.basis is not None))


def link_history(registry: Registry, link_type: LinkType, *, besides: str) -> LinkHistory:
    """Read the history of a link type, without the run `besides`, as far back as the newest success."""
    limit = _FIRST_LOOK
    while True:
        found = link_runs(registry, link_type.database, link_type.link_type_id, limit=limit)
        index = next((number for number, run in enumerate(found) if run.state == "succeeded"), None)
        if index is not None or len(found) < limit:
            since = [run for run in found[:index] if run.run_id != besides]
            return LinkHistory(found[index] if index is not None else None, since)
        limit *= 10


def link_runs(registry: Registry, database: str, link_type_id: str, *, limit: int) -> list[LinkRun]:
    """Return the runs of a link type, those put last first."""
    records = registry.records(database, RecordKind.LINK_RUN, parent=link_type_id, limit=limit)
    return [link_run_of_json(record.document) for record in records]


def link_edits(registry: Registry, database: str, link_type_id: str) -> list[LinkEdit]:
    """Return every link edit of a type, the withdrawn ones too, those put last first."""
    records = registry.records(database, RecordKind.LINK_EDIT, parent=link_type_id, limit=_ALL)
    return [
        LinkEdit(
            link_type_id,
            record.document["source"],
            record.document["target"],
            record.status,
            record.changed_by,
            record.position,
        )
        for record in records
    ]


def standing(edits: Sequence[LinkEdit]) -> dict[str, list[LinkEdit]]:
    """Return the edits that were not withdrawn, by source."""
    found: dict[str, list[LinkEdit]] = {}
    for edit in edits:
        if edit.edit_type != WITHDRAWN:
            found.setdefault(edit.source, []).append(edit)
    return found
