"""From a dataset version to instances: only the rows that changed, through the one write path."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spice_core.domain.datasets import ClassMapping, DatasetVersion, ObjectifyRun
from spice_core.domain.resolution import Ontology
from spice_core.domain.row_mapping import RowMapper, link_target
from spice_core.errors import DatasetNotFound, MappingNotFound
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.read_models import CommandStatuses
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import RowChange, TableEngine
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.objectify_batches import CommandBatches, Tally
from spice_core.services.objectify_plan import RowPlanner
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_registry import Problem, RegistryCommands, invalid_mapping, mapping_problems

_BATCH = 1000
_MAX_SAMPLES = 200
_REGISTRY_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows looked at that differ, and rows per second so far."""

    rows: int
    rows_per_second: float


@dataclass(frozen=True, slots=True)
class _Job:
    """One run: what is compared with what, and how rows become instances."""

    mapping: ClassMapping
    version: DatasetVersion
    previous: DatasetVersion | None
    newest_run: str
    is_full: bool
    mapper: RowMapper
    table: Path
    old_table: Path | None


class Objectify:
    """Runs mappings. A run may die at any point: run again, it finds what is there and does the rest.

    What a command changes is decided against the graph: an instance that is there is patched with the fields whose source
    changed, one that is not is created, so edits by people to other fields stay. Memory does not grow with the table.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        datasets: DatasetStore,
        tables: TableEngine,
        graph: GraphStore,
        commands: CommandService,
        statuses: CommandStatuses,
        work: WorkLedger,
        log: EventLog,
        clock: Clock,
        ids: IdSource,
        max_ahead: int = 5000,
        stall_seconds: float = 120.0,
    ) -> None:
        """Keep the ports.

        At most `max_ahead` rows are undecided at a time; a worker that stands still for `stall_seconds` ends the run.
        """
        self._registry = registry
        self._datasets = datasets
        self._tables = tables
        self._graph = graph
        self._commands = commands
        self._catalogue = RegistryCommands(commands=commands, registry=registry)
        self._statuses = statuses
        self._work = work
        self._log = log
        self._clock = clock
        self._ids = ids
        self._max_ahead = max_ahead
        self._stall_seconds = stall_seconds

    def run(
        self,
        database: str,
        mapping_id: str,
        *,
        version_id: str | None = None,
        full: bool = False,
        progress: Callable[[Progress], None] | None = None,
        actor: str | None = None,
    ) -> ObjectifyRun:
        """Make the instances of a dataset version (None: the latest) what its rows say; return the recorded result.

        Compared with the version that the newest succeeded run of this mapping made; with `full`, or when the mapping has
        changed since, every row is compared with the graph. All commands are decided when this returns. The run has failed
        where a command failed, or a target is missing under the policy `fail`, which then submits nothing.

        Raises:
            MappingNotFound, DatasetNotFound, ClassNotFound: there is nothing to run.
            InvalidMapping: the mapping does not fit the version or the class; details list codes.
            Unavailable: (retryable) a part is down or a worker does not move; run again.
        """
        started, started_at = self._clock.monotonic(), self._clock.now()
        mapping = self._mapping(database, mapping_id)
        job = self._job(mapping, version_id, full=full)
        tally = Tally()
        batches = self._batches(job, tally)
        batches.settle()
        self._note_key_problems(job, tally)
        has_failed = mapping.on_missing_target == "fail" and self._misses_targets(job, tally)
        if not has_failed:
            planner = self._planner(job, tally)
            self._upsert(job, planner, batches, self._reporter(started, progress))
            self._remove(job, planner, batches, tally)
            batches.finish()
        run = self._result(job, tally, started_at, has_failed=has_failed, seconds=self._clock.monotonic() - started)
        accepted = self._catalogue.record_run(database, mapping.branch, run, actor=actor)
        self._wait_for_registry(database, accepted.position)
        return run

    def preflight(self, database: str, mapping_id: str, *, version_id: str | None = None) -> list[Problem]:
        """Return why a mapping cannot run on a version (None: the latest); empty where it can."""
        mapping = self._mapping(database, mapping_id)
        return self._problems(mapping, self._version(mapping, version_id), self._ontology(mapping))

    def _mapping(self, database: str, mapping_id: str) -> ClassMapping:
        found = [mapping for mapping in self._registry.mappings(database) if mapping.mapping_id == mapping_id]
        if not found:
            raise MappingNotFound(f"There is no mapping {mapping_id[:200]!r}")
        return found[0]

    def _version(self, mapping: ClassMapping, version_id: str | None) -> DatasetVersion:
        if version_id is not None:
            version = self._registry.version(mapping.database, version_id)
        else:
            dataset = self._registry.dataset(mapping.database, mapping.dataset_id)
            version = dataset.latest if dataset else None
        if version is None or version.dataset_id != mapping.dataset_id:
            raise DatasetNotFound(f"Dataset {mapping.dataset_id} has no version {version_id or 'yet'}")
        return version

    def _ontology(self, mapping: ClassMapping) -> Ontology:
        class_ids = frozenset({mapping.class_id})
        return self._commands.settled.ontology(mapping.database, mapping.branch, class_ids, fresh=True)

    def _problems(self, mapping: ClassMapping, version: DatasetVersion, ontology: Ontology) -> list[Problem]:
        resolved = ontology.resolve(mapping.class_id)
        problems = mapping_problems(mapping, version, resolved)
        for entry in mapping.fields:
            if entry.target_field in resolved.relationships:
                parts = len(link_target(resolved, entry.target_field, ontology).key_fits)
                if parts != len(entry.source_fields):
                    message = f"link {entry.target_field} needs {parts} columns, one per part of the target's primary key"
                    problems.append(Problem("MAPPING_SPEC_LINK_KEY_MISMATCH", message))
        return problems

    def _job(self, mapping: ClassMapping, version_id: str | None, *, full: bool) -> _Job:
        version, ontology = self._version(mapping, version_id), self._ontology(mapping)
        problems = self._problems(mapping, version, ontology)
        if problems:
            raise invalid_mapping(problems)
        mapper = RowMapper(mapping, ontology)
        runs = self._runs(mapping)
        last = next((run for run in runs if run.state == "succeeded"), None)
        previous = self._registry.version(mapping.database, last.version_id) if last else None
        if previous is not None and not set(mapper.key_columns) <= {column.name for column in previous.columns}:
            previous = None
        is_full = full or previous is None or last is None or last.mapping_version != mapping.version
        old_table = self._table(mapping.database, previous) if previous else None
        newest_run = runs[0].run_id if runs else ""
        return _Job(mapping, version, previous, newest_run, is_full, mapper, self._table(mapping.database, version), old_table)

    def _runs(self, mapping: ClassMapping) -> list[ObjectifyRun]:
        return self._registry.runs(mapping.database, mapping_id=mapping.mapping_id)

    def _table(self, database: str, version: DatasetVersion) -> Path:
        return self._datasets.local_path(database, version.commit_id, version.path)

    def _batches(self, job: _Job, tally: Tally) -> CommandBatches:
        return CommandBatches(
            mapping=job.mapping,
            # A run that died left no record: the one that finishes it makes the same batches. After a recorded one they are new.
            scope=f"{job.mapping.mapping_id}:{job.version.version_id}:{job.newest_run}",
            tally=tally,
            commands=self._commands,
            statuses=self._statuses,
            work=self._work,
            log=self._log,
            clock=self._clock,
            max_ahead=self._max_ahead,
            stall_seconds=self._stall_seconds,
        )

    def _planner(self, job: _Job, tally: Tally) -> RowPlanner:
        return RowPlanner(
            mapping=job.mapping,
            version_id=job.version.version_id,
            mapper=job.mapper,
            graph=self._graph,
            tally=tally,
            is_full=job.is_full,
        )

    def _note_key_problems(self, job: _Job, tally: Tally) -> None:
        missing, repeated, rows = self._tables.key_problems(job.table, job.mapper.key_columns)
        tally.counts["rejected"] += missing + repeated
        for reason, count in (("key_missing", missing), ("key_repeated", repeated)):
            if count:
                tally.reasons[reason] += count
        tally.samples.extend({"reason": "key_missing_or_repeated", "row": row} for row in rows)

    def _changes(self, job: _Job) -> Iterator[Sequence[RowChange]]:
        """The rows to look at: those that differ from the previous version, or all."""
        old = None if job.is_full else job.old_table
        for batch in self._tables.changes(old, job.table, key=job.mapper.key_columns, columns=job.mapper.columns, batch=_BATCH):
            if upserts := [change for change in batch if change.after is not None]:
                yield upserts

    def _misses_targets(self, job: _Job, tally: Tally) -> bool:
        """Plan all rows without submitting anything; say whether a link leads nowhere."""
        found = Tally()
        planner = self._planner(job, found)
        for changes in self._changes(job):
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
            batches.submit("update", plan.updates)
            report(len(changes))
        if job.mapper.own_links:
            batches.finish()
            for changes in self._changes(job):
                batches.submit("update", planner.own_links(changes).updates, counted=False)

    def _remove(self, job: _Job, planner: RowPlanner, batches: CommandBatches, tally: Tally) -> None:
        """Handle the rows of the previous version that are gone, by the mapping's policy."""
        if job.old_table is None:
            return
        key = job.mapper.key_columns
        for batch in self._tables.changes(job.old_table, job.table, key=key, columns=key, batch=_BATCH):
            removed = [change for change in batch if change.kind == "removed"]
            if job.mapping.on_removed_row == "keep":
                tally.reasons["removed_row_kept"] += len(removed)
            else:
                batches.submit("delete", planner.removals(removed))

    def _reporter(self, started: float, progress: Callable[[Progress], None] | None) -> Callable[[int], None]:
        done = 0

        def report(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(Progress(done, done / max(1e-9, self._clock.monotonic() - started)))

        return report

    def _result(self, job: _Job, tally: Tally, started_at: datetime, *, has_failed: bool, seconds: float) -> ObjectifyRun:
        counts = tally.counts
        touched = counts["created"] + counts["updated"] + counts["rejected"]
        return ObjectifyRun(
            run_id=self._ids.new_id(),
            mapping_id=job.mapping.mapping_id,
            version_id=job.version.version_id,
            previous_version_id=job.previous.version_id if job.previous else None,
            state="failed" if has_failed or counts["failed_commands"] else "succeeded",
            rows=job.version.row_count,
            created=counts["created"],
            updated=counts["updated"],
            deleted=counts["deleted"],
            unchanged=0 if has_failed else max(0, job.version.row_count - touched),
            rejected=counts["rejected"],
            links_dropped=counts["links_dropped"],
            reasons=dict(sorted((reason, count) for reason, count in tally.reasons.items() if count)),
            samples=tuple(tally.samples[:_MAX_SAMPLES]),
            seconds=round(seconds, 3),
            started_at=started_at,
            mapping_version=job.mapping.version,
        )

    def _wait_for_registry(self, database: str, position: int) -> None:
        """Wait, for a bounded time, until the next run can see this one."""
        deadline = self._clock.monotonic() + _REGISTRY_WAIT_SECONDS
        while self._registry.position(database) < position and self._clock.monotonic() < deadline:
            self._clock.sleep(_POLL_SECONDS)
