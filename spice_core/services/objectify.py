"""From a dataset version to instances: only the rows that changed, through the one write path."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spice_core.domain.datasets import ClassMapping, DatasetVersion, ObjectifyRun
from spice_core.domain.resolution import Ontology
from spice_core.domain.row_mapping import RowMapper
from spice_core.domain.shards import WHOLE, Shards, shards_of_text
from spice_core.errors import DatasetNotFound, LogBehind, MappingNotFound
from spice_core.services.check_mapping import Problem, link_problems, mapping_problems, refusal_of, shard_problems
from spice_core.services.keep_gates import Gates, note_broken
from spice_core.services.objectify_batches import Tally
from spice_core.services.objectify_history import History, Part, class_state, histories_of, part_of
from spice_core.services.objectify_turn import Turn, end_of
from spice_core.services.objectify_write import Job, WriteVersion
from spice_core.services.run_parts import RunParts
from spice_core.services.save_key_specs import key_specs_of
from spice_core.services.submit_registry import RegistryCommands

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

    def run(
        self,
        database: str,
        mapping_id: str,
        *,
        version_id: str | None = None,
        full: bool = False,
        shards: Shards = WHOLE,
        accept_schema: bool = False,
        progress: Callable[[Progress], None] | None = None,
        actor: str | None = None,
    ) -> ObjectifyRun:
        """Make the instances of a dataset version (None: the latest) what its rows say; return the recorded result.

        Only the rows of `shards` are looked at, and each shard is compared with the version that the newest succeeded run of this
        mapping made of it. Every row is compared with the graph where that is not what the graph holds: with `full`, where the
        mapping or a class of its changed since, and where a run since then failed or died; what any such run made of rows that
        are gone now is removed, too. One run works on a row at a time. It is on record before it writes. All commands are decided
        when this returns, and its gates are on record. The run has failed where a command failed; where a target is missing under
        the policy `fail`, or rows break a key that is stated of the dataset, it has failed and submitted nothing.

        Raises:
            MappingNotFound, DatasetNotFound, ClassNotFound: there is nothing to run.
            InvalidMapping: the mapping does not fit the version or the class, or links it to itself and is run in shards; details
                list codes.
            ObjectTypeMismatch: the class does not fit, or (unless `accept_schema`) the version has other columns than the mapping
                was made for: the gate's FAIL is on record.
            Unavailable: (retryable) a part is down, a worker does not move, another run does not end, or (`LeaseLost`) has taken
                over; run again.

        A run whose dataset is deleted meanwhile writes nothing more, is on record as failed, and raises `DatasetNotFound`.
        """
        self._mapping(database, mapping_id)
        run_id = self._parts.ids.new_id()
        with self._parts.turn(database, mapping_id, run_id, shards=shards) as turn:
            started = self._parts.clock.monotonic()
            ready = self._ready(database, mapping_id, version_id, shards=shards, accept_schema=accept_schema, actor=actor)
            job = self._job(ready, shards, run_id=run_id, full=full, actor=actor)
            tally = Tally()
            keys = self._gates.keys(job.mapping, job.version)
            with self._watched(job, turn, actor=actor):
                has_failed = note_broken(keys, tally) or WriteVersion(self._parts, job, tally, turn).run(
                    self._reporter(started, progress)
                )
            run = self._result(job, tally, has_failed=has_failed, seconds=self._parts.clock.monotonic() - started)
            turn.keep()
            self._gates.record(job.mapping, job.version, run, keys, was_in_shards=job.was_in_shards, actor=actor)
            with end_of(run_id):
                accepted = self._catalogue.record_run(database, job.mapping.branch, run, expected_seq=job.number, actor=actor)
            self._parts.is_registered(database, accepted.position, seconds=_REGISTRY_WAIT_SECONDS)
        return run

    @contextmanager
    def _watched(self, job: Job, turn: Turn, *, actor: str | None) -> Iterator[None]:
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
        self._ready(database, mapping_id, version_id, shards=WHOLE, accept_schema=accept_schema, actor=actor)

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

    def _ready(
        self,
        database: str,
        mapping_id: str,
        version_id: str | None,
        *,
        shards: Shards,
        accept_schema: bool,
        actor: str | None,
    ) -> _Ready:
        mapping = self._mapping(database, mapping_id)
        view = self._parts.commands.settled.view(database, mapping.branch)
        version, ontology = self._version(mapping, version_id), self._ontology(mapping)
        problems = self._problems(mapping, version, ontology) or shard_problems(mapping, ontology, shards)
        if problems:
            raise refusal_of(problems)
        if not accept_schema:
            self._gates.require_schema(mapping, version, actor=actor)
        # Of before the classes were read: one that changes meanwhile makes the next run a full one.
        return _Ready(mapping, version, ontology, class_state(view, mapping.class_id, ontology))

    def _job(self, ready: _Ready, shards: Shards, *, run_id: str, full: bool, actor: str | None) -> Job:
        mapping, version = ready.mapping, ready.version
        run, number = self._started(ready, run_id, shards, actor=actor)
        histories = self._histories(mapping, shards, run_id, actor=actor)
        mapper = RowMapper(mapping, ready.ontology)
        table = self._table(mapping.database, version)
        parts = [self._part(ready, mapper, some, history, full=full) for some, history in histories]
        base = parts[0].old_version if len({part.old_version for part in parts}) == 1 else None
        rows = run.rows if shards.is_whole else self._parts.tables.count_rows(table, mapper.key_columns, shards=shards)
        return Job(
            run=replace(run, rows=rows, previous_version_id=base, class_state=ready.class_state),
            number=number,
            mapping=mapping,
            version=version,
            shards=shards,
            is_forced=full,
            was_in_shards=any(history.is_in_shards for _, history in histories),
            mapper=mapper,
            table=table,
            parts=parts,
        )

    def _part(self, ready: _Ready, mapper: RowMapper, shards: Shards, history: History, *, full: bool) -> Part:
        database = ready.mapping.database
        tables = {name: table for name in history.version_ids if (table := self._old_table(database, name, mapper))}
        stated = (ready.mapping.version, ready.class_state)
        return part_of(shards, history, tables, version_id=ready.version.version_id, stated=stated, full=full)

    def _started(self, ready: _Ready, run_id: str, shards: Shards, *, actor: str | None) -> tuple[ObjectifyRun, int]:
        """Put the beginning of a run on record, wait until the registry has it and all before it; also return its number."""
        mapping, version = ready.mapping, ready.version
        run = ObjectifyRun(
            run_id=run_id,
            mapping_id=mapping.mapping_id,
            version_id=version.version_id,
            previous_version_id=None,
            state="running",
            rows=version.row_count if shards.is_whole else 0,
            started_at=self._parts.clock.now(),
            mapping_version=mapping.version,
            shards=shards.text,
        )
        accepted = self._catalogue.record_run(mapping.database, mapping.branch, run, actor=actor)
        if not self._parts.is_registered(mapping.database, accepted.position, seconds=self._parts.stall_seconds):
            raise LogBehind(f"The registry has not taken up run {run_id}; is the registry worker running?")
        return run, accepted.sequence_number

    def _histories(
        self, mapping: ClassMapping, shards: Shards, run_id: str, *, actor: str | None
    ) -> list[tuple[Shards, History]]:
        """Read what was done before, and put the end of runs on record that did not live to do so: this one has their turn.

        Runs of shards that do not meet this one's, which count where the mapping has changed since, may be alive.
        """
        histories = histories_of(self._parts.registry, mapping, shards, besides=run_id)
        unfinished = {run.run_id: run for _, history in histories for run in history.unfinished}
        for run in (run for run in unfinished.values() if shards_of_text(run.shards).meets(shards)):
            ended = replace(run, state="failed", reasons={"run_died": 1})
            self._catalogue.record_run(mapping.database, mapping.branch, ended, actor=actor)
        return histories

    def _old_table(self, database: str, version_id: str, mapper: RowMapper) -> Path | None:
        """Return the table of an earlier version; None where it was deleted, or has no such key."""
        version = self._parts.registry.version(database, version_id)
        if version is None or not set(mapper.key_columns) <= {column.name for column in version.columns}:
            return None
        return self._table(database, version)

    def _table(self, database: str, version: DatasetVersion) -> Path:
        return self._parts.datasets.local_path(database, version.commit_id, version.path)

    def _reporter(self, started: float, progress: Callable[[Progress], None] | None) -> Callable[[int], None]:
        done = 0

        def report(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(Progress(done, done / max(1e-9, self._parts.clock.monotonic() - started)))

        return report

    def _result(self, job: Job, tally: Tally, *, has_failed: bool, seconds: float) -> ObjectifyRun:
        counts = tally.counts
        touched = counts["created"] + counts["updated"] + counts["rejected"]
        return replace(
            job.run,
            state="failed" if has_failed or counts["failed_commands"] else "succeeded",
            created=counts["created"],
            updated=counts["updated"],
            deleted=counts["deleted"],
            unchanged=0 if has_failed else max(0, job.run.rows - touched),
            rejected=counts["rejected"],
            links_dropped=counts["links_dropped"],
            edits_kept=counts["edit_kept"],
            edits_overwritten=counts["edit_overwritten"],
            reasons=dict(sorted((reason, count) for reason, count in tally.reasons.items() if count)),
            samples=tuple(tally.samples[:_MAX_SAMPLES]),
            seconds=round(seconds, 3),
        )
