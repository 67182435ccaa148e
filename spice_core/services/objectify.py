"""From a dataset version to instances: only the rows that changed, through the one write path."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spice_core.domain.datasets import ClassMapping, DatasetVersion, ObjectifyRun
from spice_core.domain.object_edits import Assertion
from spice_core.domain.resolution import Ontology
from spice_core.domain.row_mapping import RowMapper
from spice_core.errors import DatasetNotFound, LogBehind, MappingNotFound
from spice_core.ports.table_engine import RowChange
from spice_core.services.check_mapping import Problem, link_problems, mapping_problems, refusal_of
from spice_core.services.keep_gates import Gates, note_broken
from spice_core.services.objectify_batches import Again, CommandBatches, Tally
from spice_core.services.objectify_history import History, class_state, history_of
from spice_core.services.objectify_plan import Plan, RowPlanner
from spice_core.services.objectify_turn import Turn
from spice_core.services.run_parts import RunParts
from spice_core.services.save_key_specs import key_specs_of
from spice_core.services.submit_registry import RegistryCommands

_BATCH = 1000
_MAX_SAMPLES = 200
_REGISTRY_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows looked at that differ, and rows per second so far."""

    rows: int
    rows_per_second: float


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a run rests on; `class_state` is what its classes were at least."""

    mapping: ClassMapping
    version: DatasetVersion
    ontology: Ontology
    class_state: str


@dataclass(frozen=True, slots=True)
class _Job:
    """One run: what is compared with what, and how rows become instances.

    `is_full`: every row is looked at; `is_forced`: somebody asked for that, so that unchanged values count against edits, too.
    `stale_tables` are those of other versions whose rows may be in the graph, `old_table` the one that it was last known to hold.
    """

    run: ObjectifyRun
    mapping: ClassMapping
    version: DatasetVersion
    is_full: bool
    is_forced: bool
    mapper: RowMapper
    table: Path
    old_table: Path | None
    stale_tables: tuple[Path, ...]


class Objectify:
    """Runs mappings. A run may die at any point: run again, it finds what is there and does the rest.

    What a command changes is decided against the graph: an instance that is there is patched with the fields whose source
    changed, one that is not is created. Where a person changed such a field meanwhile, the mapping's policy decides; the edits
    that stand are carried along in the source of the command. Memory does not grow with the table.
    """

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts
        self._catalogue = RegistryCommands(commands=parts.commands, registry=parts.registry)
        self._gates = Gates(commands=parts.commands, registry=parts.registry, datasets=parts.datasets, tables=parts.tables)
        self._edits = parts.edits()

    def run(
        self,
        database: str,
        mapping_id: str,
        *,
        version_id: str | None = None,
        full: bool = False,
        accept_schema: bool = False,
        progress: Callable[[Progress], None] | None = None,
        actor: str | None = None,
    ) -> ObjectifyRun:
        """Make the instances of a dataset version (None: the latest) what its rows say; return the recorded result.

        Compared with the version that the newest succeeded run of this mapping made. Every row is compared with the graph where
        that is not what the graph holds: with `full`, where the mapping or a class of its changed since, and where a run since
        then failed or died; what any such run made of rows that are gone now is removed, too. One run of a mapping works at a
        time. It is on record before it writes. All commands are decided when this returns, and its gates are on record. The run
        has failed where a command failed; where a target is missing under the policy `fail`, or rows break a key that is stated
        of the dataset, it has failed and submitted nothing.

        Raises:
            MappingNotFound, DatasetNotFound, ClassNotFound: there is nothing to run.
            InvalidMapping: the mapping does not fit the version or the class; details list codes.
            ObjectTypeMismatch: the class does not fit, or (unless `accept_schema`) the version has other columns than the mapping
                was made for: the gate's FAIL is on record.
            Unavailable: (retryable) a part is down, a worker does not move, or another run does not end; run again.

        A run whose dataset is deleted meanwhile writes nothing more, is on record as failed, and raises `DatasetNotFound`.
        """
        self._mapping(database, mapping_id)
        run_id = self._parts.ids.new_id()
        with self._parts.turn(database, mapping_id, run_id) as turn:
            started = self._parts.clock.monotonic()
            ready = self._ready(database, mapping_id, version_id, accept_schema=accept_schema, actor=actor)
            job = self._job(database, ready, run_id=run_id, full=full, actor=actor)
            tally = Tally()
            keys = self._gates.keys(job.mapping, job.version)
            with self._watched(job, turn, actor=actor):
                has_failed = note_broken(keys, tally) or self._write(job, tally, turn, self._reporter(started, progress))
            run = self._result(job, tally, has_failed=has_failed, seconds=self._parts.clock.monotonic() - started)
            self._gates.record(job.mapping, job.version, run, keys, actor=actor)
            accepted = self._catalogue.record_run(database, job.mapping.branch, run, actor=actor)
            self._parts.is_registered(database, accepted.position, seconds=_REGISTRY_WAIT_SECONDS)
        return run

    @contextmanager
    def _watched(self, job: _Job, turn: Turn, *, actor: str | None) -> Iterator[None]:
        """End a run whose version goes, on record."""
        database, mapping = job.mapping.database, job.mapping

        def is_there() -> None:
            if self._parts.registry.version(database, job.version.version_id) is None:
                raise DatasetNotFound(f"dataset {mapping.dataset_id} was deleted while run {job.run.run_id} worked on it")

        turn.watch(is_there)
        try:
            yield
        except DatasetNotFound:
            ended = replace(job.run, state="failed", reasons={"dataset_deleted": 1})
            self._catalogue.record_run(database, mapping.branch, ended, actor=actor)
            raise

    def _write(self, job: _Job, tally: Tally, turn: Turn, report: Callable[[int], None]) -> bool:
        """Bring the graph to what the version says; return whether the run failed before it wrote anything."""
        batches = self._parts.batches(job.mapping, job.run.run_id, tally, turn)
        batches.settle()
        self._note_key_problems(job, tally)
        if job.mapping.on_missing_target == "fail" and self._misses_targets(job, tally, turn):
            return True
        planner = self._planner(job, tally)
        self._upsert(job, planner, batches, report)
        self._remove(job, planner, batches, tally)
        batches.finish()
        return False

    def preflight(
        self,
        database: str,
        mapping_id: str,
        *,
        version_id: str | None = None,
        accept_schema: bool = False,
        actor: str | None = None,
    ) -> None:
        """Raise what `run` would raise before it begins, on a version (None: the latest)."""
        self._ready(database, mapping_id, version_id, accept_schema=accept_schema, actor=actor)

    def _mapping(self, database: str, mapping_id: str) -> ClassMapping:
        found = [mapping for mapping in self._parts.registry.mappings(database) if mapping.mapping_id == mapping_id]
        if not found:
            raise MappingNotFound(f"There is no mapping {mapping_id[:200]!r}")
        return found[0]

    def _version(self, mapping: ClassMapping, version_id: str | None) -> DatasetVersion:
        if version_id is not None:
            version = self._parts.registry.version(mapping.database, version_id)
        else:
            dataset = self._parts.registry.dataset(mapping.database, mapping.dataset_id)
            version = dataset.latest if dataset else None
        if version is None or version.dataset_id != mapping.dataset_id:
            raise DatasetNotFound(f"Dataset {mapping.dataset_id} has no version {version_id or 'yet'}")
        return version

    def _ontology(self, mapping: ClassMapping) -> Ontology:
        class_ids = frozenset({mapping.class_id})
        return self._parts.commands.settled.ontology(mapping.database, mapping.branch, class_ids, fresh=True)

    def _problems(self, mapping: ClassMapping, version: DatasetVersion, ontology: Ontology) -> list[Problem]:
        resolved = ontology.resolve(mapping.class_id)
        keys = key_specs_of(self._parts.registry, mapping.database, mapping.dataset_id)
        problems = mapping_problems(mapping, version, resolved, keys=keys)
        return [*problems, *link_problems(mapping, version, resolved, ontology)]

    def _ready(self, database: str, mapping_id: str, version_id: str | None, *, accept_schema: bool, actor: str | None) -> _Ready:
        mapping = self._mapping(database, mapping_id)
        view = self._parts.commands.settled.view(database, mapping.branch)
        version, ontology = self._version(mapping, version_id), self._ontology(mapping)
        problems = self._problems(mapping, version, ontology)
        if problems:
            raise refusal_of(problems)
        if not accept_schema:
            self._gates.require_schema(mapping, version, actor=actor)
        # Of before the classes were read: one that changes meanwhile makes the next run a full one.
        return _Ready(mapping, version, ontology, class_state(view, mapping.class_id, ontology))

    def _job(self, database: str, ready: _Ready, *, run_id: str, full: bool, actor: str | None) -> _Job:
        mapping, version = ready.mapping, ready.version
        run = self._started(mapping, version, run_id, actor=actor)
        history = self._history(mapping, run_id, actor=actor)
        mapper = RowMapper(mapping, ready.ontology)
        last = history.succeeded
        tables = {name: table for name in history.version_ids if (table := self._old_table(database, name, mapper))}
        old_table = tables.get(last.version_id) if last else None
        is_full = full or last is None or old_table is None or bool(history.since) or last.mapping_version != mapping.version
        is_full = is_full or (last is not None and last.class_state not in {"", ready.class_state})
        previous = last.version_id if last and old_table else None
        return _Job(
            run=replace(run, previous_version_id=previous, class_state=ready.class_state),
            mapping=mapping,
            version=version,
            is_full=is_full,
            is_forced=full,
            mapper=mapper,
            table=self._table(database, version),
            old_table=old_table,
            stale_tables=tuple(tables[name] for name in tables if name != version.version_id),
        )

    def _started(self, mapping: ClassMapping, version: DatasetVersion, run_id: str, *, actor: str | None) -> ObjectifyRun:
        """Put the beginning of a run on record, and wait until the registry has it and all that came before."""
        run = ObjectifyRun(
            run_id=run_id,
            mapping_id=mapping.mapping_id,
            version_id=version.version_id,
            previous_version_id=None,
            state="running",
            rows=version.row_count,
            started_at=self._parts.clock.now(),
            mapping_version=mapping.version,
        )
        accepted = self._catalogue.record_run(mapping.database, mapping.branch, run, actor=actor)
        if not self._parts.is_registered(mapping.database, accepted.position, seconds=self._parts.stall_seconds):
            raise LogBehind(f"The registry has not taken up run {run_id}; is the registry worker running?")
        return run

    def _history(self, mapping: ClassMapping, run_id: str, *, actor: str | None) -> History:
        """Read what was done before, and put the end of runs on record that did not live to do so: this one has their turn."""
        history = history_of(self._parts.registry, mapping, besides=run_id)
        for run in history.unfinished:
            ended = replace(run, state="failed", reasons={"run_died": 1})
            self._catalogue.record_run(mapping.database, mapping.branch, ended, actor=actor)
        return history

    def _old_table(self, database: str, version_id: str, mapper: RowMapper) -> Path | None:
        """Return the table of an earlier version; None where it was deleted, or has no such key."""
        version = self._parts.registry.version(database, version_id)
        if version is None or not set(mapper.key_columns) <= {column.name for column in version.columns}:
            return None
        return self._table(database, version)

    def _table(self, database: str, version: DatasetVersion) -> Path:
        return self._parts.datasets.local_path(database, version.commit_id, version.path)

    def _planner(self, job: _Job, tally: Tally) -> RowPlanner:
        return RowPlanner(
            mapping=job.mapping,
            version_id=job.version.version_id,
            mapper=job.mapper,
            graph=self._parts.graph,
            edits=self._edits,
            tally=tally,
            is_full=job.is_full,
            assertion=Assertion(job.version.created_at, is_forced=job.is_forced),
        )

    def _note_key_problems(self, job: _Job, tally: Tally) -> None:
        missing, repeated, rows = self._parts.tables.key_problems(job.table, job.mapper.key_columns)
        tally.counts["rejected"] += missing + repeated
        for reason, count in (("key_missing", missing), ("key_repeated", repeated)):
            if count:
                tally.reasons[reason] += count
        tally.samples.extend({"reason": "key_missing_or_repeated", "row": row} for row in rows)

    def _changes(self, job: _Job) -> Iterator[Sequence[RowChange]]:
        """The rows to look at: those that differ from the previous version, or all."""
        old = None if job.is_full else job.old_table
        for batch in self._parts.tables.changes(
            old, job.table, key=job.mapper.key_columns, columns=job.mapper.columns, batch=_BATCH
        ):
            if upserts := [change for change in batch if change.after is not None]:
                yield upserts

    def _misses_targets(self, job: _Job, tally: Tally, turn: Turn) -> bool:
        """Plan all rows without submitting anything; say whether a link leads nowhere."""
        found = Tally()
        planner = self._planner(job, found)
        for changes in self._changes(job):
            turn.keep()
            planner.upserts(changes)
        missing = {reason: count for reason, count in found.reasons.items() if reason.endswith(".missing_target")}
        tally.reasons.update(missing)
        tally.samples.extend(found.samples)
        return bool(missing)

    def _upsert(self, job: _Job, planner: RowPlanner, batches: CommandBatches, report: Callable[[int], None]) -> None:
        """Create and update; links to the own class in a second pass, when all instances are there."""
        for changes in self._changes(job):
            plan = planner.upserts(changes)
            batches.submit("create", plan.creates)
            batches.submit("update", plan.updates, again=_again(planner, plan))
            report(len(changes))
        if job.mapper.own_links:
            batches.finish()
            for changes in self._changes(job):
                plan = planner.own_links(changes)
                batches.submit("update", plan.updates, counted=False, again=_again(planner, plan))

    def _remove(self, job: _Job, planner: RowPlanner, batches: CommandBatches, tally: Tally) -> None:
        """Handle the rows that are gone, by the mapping's policy: those of every version that the graph may hold some of."""
        if job.mapping.on_removed_row == "keep":
            gone = self._removed(job.old_table, job) if job.old_table else ()
            tally.reasons["removed_row_kept"] += sum(len(rows) for rows in gone)
            return
        for table in job.stale_tables:
            for removed in self._removed(table, job):
                batches.submit("delete", planner.removals(removed))
            batches.finish()  # a row of two versions is deleted once

    def _removed(self, old: Path, job: _Job) -> Iterator[list[RowChange]]:
        key = job.mapper.key_columns
        for batch in self._parts.tables.changes(old, job.table, key=key, columns=key, batch=_BATCH):
            yield [change for change in batch if change.kind == "removed"]

    def _reporter(self, started: float, progress: Callable[[Progress], None] | None) -> Callable[[int], None]:
        done = 0

        def report(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(Progress(done, done / max(1e-9, self._parts.clock.monotonic() - started)))

        return report

    def _result(self, job: _Job, tally: Tally, *, has_failed: bool, seconds: float) -> ObjectifyRun:
        counts = tally.counts
        touched = counts["created"] + counts["updated"] + counts["rejected"]
        return replace(
            job.run,
            state="failed" if has_failed or counts["failed_commands"] else "succeeded",
            created=counts["created"],
            updated=counts["updated"],
            deleted=counts["deleted"],
            unchanged=0 if has_failed else max(0, job.version.row_count - touched),
            rejected=counts["rejected"],
            links_dropped=counts["links_dropped"],
            edits_kept=counts["edit_kept"],
            edits_overwritten=counts["edit_overwritten"],
            reasons=dict(sorted((reason, count) for reason, count in tally.reasons.items() if count)),
            samples=tuple(tally.samples[:_MAX_SAMPLES]),
            seconds=round(seconds, 3),
        )


def _again(planner: RowPlanner, plan: Plan) -> Again:
    return lambda row, number: planner.again(plan, row, number=number)
