"""Bringing the graph to what a dataset version says: what one run of a mapping submits, pass by pass."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spice_core.domain.datasets import ClassMapping, DatasetVersion, ObjectifyRun
from spice_core.domain.object_edits import Assertion
from spice_core.domain.row_mapping import RowMapper
from spice_core.domain.shards import Shards
from spice_core.ports.table_engine import RowChange
from spice_core.services.objectify_batches import Again, CommandBatches, Tally
from spice_core.services.objectify_history import MISSING_TARGET, Part
from spice_core.services.objectify_plan import Plan, RowPlanner
from spice_core.services.objectify_turn import Turn
from spice_core.services.released_links import ended_by, exclusive_links, left_for_later, released_links
from spice_core.services.removed_rows import RemovedRows
from spice_core.services.run_parts import RunParts
from spice_core.services.submit_rows import BulkRow

_BATCH = 1000
_REMEMBERED_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Job:
    """One run: what is compared with what, and how rows become instances.

    `number` is the one that its beginning has on record. `is_forced`: somebody asked for all rows, so that unchanged values
    count against edits, too. `was_in_shards`: so were earlier runs that it rests on.
    """

    run: ObjectifyRun
    number: int
    mapping: ClassMapping
    version: DatasetVersion
    shards: Shards
    is_forced: bool
    was_in_shards: bool
    mapper: RowMapper
    table: Path
    parts: Sequence[Part]


class WriteVersion:
    """Writes for one run: rows that differ become commands, in passes that keep every link's target there before the link."""

    def __init__(self, parts: RunParts, job: Job, tally: Tally, turn: Turn) -> None:
        """Count what is done, and what cannot be, into `tally`; keep `turn` also while no row needs a command."""
        self._parts = parts
        self._job = job
        self._tally = tally
        self._turn = turn
        self._edits = parts.edits()

    def run(self, report: Callable[[int], None]) -> bool:
        """Bring the graph to what the version says; return whether the run failed before it wrote anything.

        `report` is called with the number of rows of each batch that was looked at. Raises as `Objectify.run`.
        """
        job, tally = self._job, self._tally
        batches = self._parts.batches(job.mapping, job.run.run_id, tally, self._turn)
        batches.settle()
        self._note_key_problems()
        if job.mapping.on_missing_target == "fail" and self._misses_targets():
            return True
        planned = [(part, self._planner(part, tally)) for part in job.parts]
        made: set[int] = set()
        if exclusive := exclusive_links(job.mapper):
            for part in job.parts:
                self._release(part, batches, exclusive)
        for part, planner in planned:
            made |= self._upsert(part, planner, batches, report)
        if job.mapper.own_links:
            batches.finish()
            for part, planner in planned:
                self._link_own(part, planner, batches, made)
        for part, planner in planned:
            self._remove(part, planner, batches)
        batches.finish()
        return False

    def _planner(self, part: Part, tally: Tally) -> RowPlanner:
        job = self._job
        return RowPlanner(
            mapping=job.mapping,
            version_id=job.version.version_id,
            mapper=job.mapper,
            graph=self._parts.graph,
            edits=self._edits,
            tally=tally,
            is_full=part.is_full,
            assertion=Assertion(job.version.created_at, is_forced=job.is_forced),
        )

    def _note_key_problems(self) -> None:
        job, tally = self._job, self._tally
        missing, repeated, rows = self._parts.tables.key_problems(job.table, job.mapper.key_columns, shards=job.shards)
        tally.counts["rejected"] += missing + repeated
        for reason, count in (("key_missing", missing), ("key_repeated", repeated)):
            if count:
                tally.reasons[reason] += count
        tally.samples.extend({"reason": "key_missing_or_repeated", "row": row} for row in rows)

    def _changes(self, part: Part) -> Iterator[Sequence[RowChange]]:
        """The rows to look at: those that differ from the previous version, or all."""
        job, old = self._job, None if part.is_full else part.old_table
        for batch in self._parts.tables.changes(
            old, job.table, key=job.mapper.key_columns, columns=job.mapper.columns, batch=_BATCH, shards=part.shards
        ):
            self._turn.keep()
            if upserts := [change for change in batch if change.after is not None]:
                yield upserts

    def _misses_targets(self) -> bool:
        """Plan all rows without submitting anything; say whether a link leads nowhere."""
        found = Tally()
        for part in self._job.parts:
            planner = self._planner(part, found)
            for changes in self._changes(part):
                planner.upserts(changes)
        missing = {reason: count for reason, count in found.reasons.items() if reason.endswith(MISSING_TARGET)}
        self._tally.reasons.update(missing)
        self._tally.samples.extend(found.samples)
        return bool(missing)

    def _release(self, part: Part, batches: CommandBatches, exclusive: frozenset[str]) -> None:
        """Take away changed links whose targets take one source only: all that go are gone before any comes."""
        planner = self._planner(part, Tally())
        for changes in self._changes(part):
            plan = planner.upserts(changes)
            done, begun = ended_by(released_links(plan, exclusive, self._job.mapper.resolved), plan)
            batches.submit("update", done, again=left_for_later)
            batches.submit("update", begun, counted=False, again=left_for_later)
        batches.finish()
        if self._job.mapper.own_links & exclusive:
            for changes in self._changes(part):
                own = released_links(planner.own_links(changes), exclusive, self._job.mapper.resolved)
                batches.submit("update", own, counted=False, again=left_for_later)
            batches.finish()

    def _upsert(self, part: Part, planner: RowPlanner, batches: CommandBatches, report: Callable[[int], None]) -> set[int]:
        """Create and update, without links to the own class.

        Return the numbers of the rows that were there before and whose instances were not; more than `_REMEMBERED_ROWS` stand
        for all rows.
        """
        made: set[int] = set()
        for changes in self._changes(part):
            plan = planner.upserts(changes)
            if len(made) <= _REMEMBERED_ROWS:
                made |= {change.row for change in changes if change.before is not None} & _rows_of(plan.creates)
            batches.submit("create", plan.creates)
            batches.submit("update", plan.updates, again=_again(planner, plan))
            report(len(changes))
        return made

    def _link_own(self, part: Part, planner: RowPlanner, batches: CommandBatches, made: Collection[int]) -> None:
        """Link to the own class: a second pass, when all instances are there. Of the rows `made` every link is new."""
        is_any_new = len(made) > _REMEMBERED_ROWS
        for changes in self._changes(part):
            plan = planner.own_links(
                [replace(change, before=None) if is_any_new or change.row in made else change for change in changes]
            )
            batches.submit("update", plan.updates, counted=False, again=_again(planner, plan))

    def _remove(self, part: Part, planner: RowPlanner, batches: CommandBatches) -> None:
        """Handle the rows that are gone, by the mapping's policy: those of every version that the graph may hold some of."""
        job = self._job
        rows = RemovedRows(tables=self._parts.tables, mapper=job.mapper, table=job.table, keep=self._turn.keep)
        if job.mapping.on_removed_row == "keep":
            gone = rows.since(part.old_table, part.shards) if part.old_table else ()
            self._tally.reasons["removed_row_kept"] += sum(map(len, gone))
            return
        for table in part.stale_tables:
            for removed in rows.since(table, part.shards):
                batches.submit("delete", planner.removals(removed))
            batches.finish()  # a row of two versions is deleted once


def _rows_of(rows: Sequence[BulkRow]) -> set[int]:
    return {int((row.source or {})["row"]) for row in rows}


def _again(planner: RowPlanner, plan: Plan) -> Again:
    return lambda row, number: planner.again(plan, row, number=number)
