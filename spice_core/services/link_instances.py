"""Links from data: compared with what was indexed last, and written for the sources whose links changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spice_core.domain.catalogue_records import RecordKind, record_id_of
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.gates import FAIL, PASS, WARN
from spice_core.domain.graph import Node
from spice_core.domain.link_types import (
    FOREIGN_KEY,
    WITHDRAWN,
    LinkEdit,
    LinkRun,
    LinkType,
    ObjectSpec,
    TableSpec,
    link_run_as_json,
)
from spice_core.domain.resolution import Ontology
from spice_core.errors import DatasetNotFound, LogBehind, NotFound
from spice_core.ports.graph_store import GraphView
from spice_core.services.link_history import LinkHistory, link_edits, link_history, standing
from spice_core.services.link_plan import LinkPlanner, SourcePlan, note_shared
from spice_core.services.link_sources import BATCH, LinkSource, ObjectLinks, TableLinks, changes_of, has_columns, has_moved
from spice_core.services.objectify_batches import Again, Tally
from spice_core.services.objectify_turn import Turn, end_of
from spice_core.services.run_parts import RunParts
from spice_core.services.save_link_types import LinkTypes
from spice_core.services.submit_commands import Accepted
from spice_core.services.submit_records import RecordCommands

_REGISTRY_WAIT_SECONDS = 10.0
_MAX_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class LinkProgress:
    """How far a run is: sources looked at, and which of its passes it is in (`checking`, `writing`)."""

    sources: int
    step: str


@dataclass(frozen=True, slots=True)
class _Job:
    """One run. `is_full`: every source is looked at; `is_reset`: also those that data no longer name.

    `number` is the one that its beginning has on record, `edited` are sources whose link edits are looked at in any case.
    """

    run: LinkRun
    number: int
    link_type: LinkType
    source: LinkSource
    planner: LinkPlanner
    since: Sequence[str]
    is_full: bool
    is_reset: bool
    edited: frozenset[str]
    seen_commit: str | None


class LinkInstances:
    """Indexes link types. A run may die at any point: run again, it finds what is there and does the rest.

    What a policy refuses is found before anything is written: a run whose result is FAIL for its data submits nothing. Direct
    changes of the relationship by people are undone by the next run: link edits are not.
    """

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts
        self._records = RecordCommands(commands=parts.commands, registry=parts.registry)
        self._types = LinkTypes(commands=parts.commands, registry=parts.registry)
        self._object_edits = parts.edits()

    def run(
        self,
        database: str,
        link_type_id: str,
        *,
        full: bool = False,
        progress: Callable[[LinkProgress], None] | None = None,
        actor: str | None = None,
    ) -> LinkRun:
        """Make the links of a type what its data and its link edits say; return the recorded result.

        Only sources of which the data say something else than at the newest success are looked at, those with newer link edits,
        and those of which an end came or went since, or whose links somebody changed. All are where somebody asks for it (`full`:
        then links that nothing speaks for go, too), after a run that failed or died, and after a change of the type.

        Raises:
            RecordNotFound, DatasetNotFound, ClassNotFound: there is nothing to run.
            Unavailable: (retryable) a part is down, a worker does not move, another run does not end, or (`LeaseLost`) has taken
                over; run again.

        A run whose dataset is deleted meanwhile writes nothing more, is on record as failed, and raises `DatasetNotFound`.
        """
        self._types.require(database, link_type_id)
        run_id = self._parts.ids.new_id()
        with self._parts.turn(database, link_type_id, run_id) as turn:
            started = self._parts.clock.monotonic()
            job = self._job(database, link_type_id, run_id=run_id, full=full, turn=turn, actor=actor)
            report = progress or _silent
            found, written = Tally(), Tally()
            with self._watched(job, turn, actor=actor):
                result = self._check(job, found, turn, report)
                if result != FAIL:
                    self._write(job, written, turn, report)
            if result != FAIL:
                job = replace(job, run=replace(job.run, seen_commit=self._seen(job)))
            run = _result(job.run, result, found, written, seconds=self._parts.clock.monotonic() - started)
            with end_of(run_id):
                accepted = self._record(job.link_type, run, expected_seq=job.number, actor=actor)
            self._parts.is_registered(database, accepted.position, seconds=_REGISTRY_WAIT_SECONDS)
        return run

    @contextmanager
    def _watched(self, job: _Job, turn: Turn, *, actor: str | None) -> Iterator[None]:
        """End a run whose version goes, on record."""
        database, version_id = job.link_type.database, job.run.version_id

        def is_there() -> None:
            if version_id is not None and self._parts.registry.version(database, version_id) is None:
                raise DatasetNotFound(f"the dataset of link type {job.link_type.name} was deleted while a run worked on it")

        turn.watch(is_there)
        try:
            yield
        except DatasetNotFound:
            ended = replace(job.run, state="failed", result=FAIL, statistics={"dataset_deleted": 1})
            self._record(job.link_type, ended, actor=actor)
            raise

    def _job(self, database: str, link_type_id: str, *, run_id: str, full: bool, turn: Turn, actor: str | None) -> _Job:
        link_type = self._types.require(database, link_type_id)
        head = self._parts.log.head(database).position
        self._parts.batches(link_type, run_id, Tally(), turn).settle()
        view = self._parts.graph.view(database, link_type.branch)
        version = self._version(link_type)
        run = LinkRun(
            run_id=run_id,
            link_type_id=link_type_id,
            link_type_version=link_type.version,
            state="running",
            version_id=version.version_id if version else None,
            commit_id=None if version else view.commit.id,
            position=head,
            seen_commit=view.commit.id,
            started_at=self._parts.clock.now(),
        )
        accepted = self._record(link_type, run, actor=actor)
        if not self._parts.is_registered(database, accepted.position, seconds=self._parts.stall_seconds):
            raise LogBehind(f"The registry has not taken up run {run_id}; is the registry worker running?")
        history = self._history(link_type, run_id, actor=actor)
        return self._compared(link_type, run, history, version, view, number=accepted.sequence_number, full=full)

    def _compared(
        self,
        link_type: LinkType,
        run: LinkRun,
        history: LinkHistory,
        version: DatasetVersion | None,
        view: GraphView,
        *,
        number: int,
        full: bool,
    ) -> _Job:
        """Decide what is compared with what."""
        last = history.succeeded
        source, known = self._source(link_type, history, version, view)
        edits = link_edits(self._parts.registry, link_type.database, link_type.link_type_id)
        newer = [edit for edit in edits if last is None or edit.position > last.position]
        is_other = last is not None and last.link_type_version != link_type.version
        is_reset = full or is_other or len(known) < len(history.bases)
        is_full = (
            is_reset
            or last is None
            or bool(history.since)
            or not self._is_there(link_type.database, last.seen_commit)
            or any(edit.edit_type == WITHDRAWN for edit in newer)
        )
        basis = {"link_type_id": link_type.link_type_id}
        if version is not None:
            basis |= {"dataset_id": version.dataset_id, "version_id": version.version_id}
        stand = standing(edits)
        planner = LinkPlanner(link_type, basis=basis, edits=stand, graph=self._parts.graph, object_edits=self._object_edits)
        edited = {edit.source for edit in (edits if is_full else newer)}
        seen = None if last is None or is_full else last.seen_commit
        if seen is not None and stand:
            edited |= self._edits_moved(link_type, stand, (seen, str(run.seen_commit)))
        return _Job(run, number, link_type, source, planner, known, is_full, is_reset, frozenset(edited), seen)

    def _source(
        self, link_type: LinkType, history: LinkHistory, version: DatasetVersion | None, view: GraphView
    ) -> tuple[LinkSource, list[str]]:
        """What the data say, and those of the earlier versions that it can still be compared with."""
        class_ids = frozenset({link_type.class_id, link_type.target})
        ontology = self._parts.commands.settled.ontology(link_type.database, link_type.branch, class_ids, fresh=True)
        spec = link_type.spec
        if isinstance(spec, ObjectSpec):
            commits = [commit for commit in history.bases if self._is_there(link_type.database, commit)]
            return ObjectLinks(link_type, spec, ontology, graph=self._parts.graph, view=view), commits
        older = [self._parts.registry.version(link_type.database, name) for name in history.bases]
        tables = {item.version_id: self._table(link_type, item) for item in older if item is not None and has_columns(item, spec)}
        path = self._table(link_type, version) if version is not None and has_columns(version, spec) else None
        if path is None:
            raise DatasetNotFound("The newest version lacks columns that the link type reads: save the link type again")
        return TableLinks(link_type, spec, ontology, tables=self._parts.tables, table=path, older=tables), list(tables)

    def _table(self, link_type: LinkType, version: DatasetVersion) -> Path:
        return self._parts.datasets.local_path(link_type.database, version.commit_id, version.path)

    def _is_there(self, database: str, commit: str | None) -> bool:
        if commit is None:
            return False
        try:
            return self._parts.graph.view(database, commit).commit.id == commit
        except NotFound:
            return False

    def _version(self, link_type: LinkType) -> DatasetVersion | None:
        if not isinstance(link_type.spec, TableSpec):
            return None
        dataset = self._parts.registry.dataset(link_type.database, link_type.spec.dataset_id)
        if dataset is None or dataset.latest is None:
            raise DatasetNotFound(f"There is no dataset {link_type.spec.dataset_id[:200]!r}, or it has no version yet")
        return dataset.latest

    def _history(self, link_type: LinkType, run_id: str, *, actor: str | None) -> LinkHistory:
        """Read what was done before, and put the end of runs on record that did not live to do so."""
        history = link_history(self._parts.registry, link_type, besides=run_id)
        for run in history.since:
            if run.state == "running":
                ended = replace(run, state="failed", result=FAIL, statistics={"run_died": 1})
                self._record(link_type, ended, actor=actor)
        return history

    def _plans(self, job: _Job, tally: Tally, turn: Turn) -> Iterator[list[SourcePlan]]:
        """What is wanted, in batches; each source once."""
        done: set[str] = set()
        asked: set[Any] = set()
        for handles in self._handles(job):
            turn.keep()
            new = [handle for handle in handles if handle not in asked]
            asked.update(new)
            fresh = [item for item in job.source.said(new) if not done & {*item.source}]
            done.update(key for item in fresh for key in item.source)
            yield job.planner.of_data(fresh, tally)
        rest = sorted(job.edited - done)
        for start in range(0, len(rest), BATCH):
            yield job.planner.of_edits(rest[start : start + BATCH], tally, keep=not job.is_full)
        if job.is_reset:
            done |= job.edited
            for nodes in self._linked(job.link_type):
                yield [SourcePlan(node.key, ()) for node in nodes if node.key not in done]

    def _handles(self, job: _Job) -> Iterator[Sequence[Any]]:
        if job.is_full:
            yield from job.source.handles(since=None)
        yield from job.source.handles(since=job.since)
        if job.seen_commit is not None:
            for sources, targets in self._moves(job.link_type, (job.seen_commit, str(job.run.seen_commit))):
                yield job.source.handles_of(sources, targets)

    def _edits_moved(self, link_type: LinkType, edits: Mapping[str, Sequence[LinkEdit]], commits: tuple[str, str]) -> set[str]:
        """The sources of those of these link edits of which an end came, or the links changed, between two commits."""
        by_end: dict[str, set[str]] = {}
        for source, found in edits.items():
            for end in (source, *(edit.target for edit in found)):
                by_end.setdefault(end, set()).add(source)
        moves = self._moves(link_type, commits)
        return {source for sources, targets in moves for end in (*sources, *targets) for source in by_end.get(end, ())}

    def _moves(self, link_type: LinkType, commits: tuple[str, str]) -> Iterator[tuple[list[str], list[str]]]:
        """The sources that came, went, or whose links somebody changed between two commits, and the targets that came."""
        ontology, own = self._ontology(link_type), link_type.link_type_id
        for changes in changes_of(self._parts.graph, link_type.database, commits, sorted(ontology.family(link_type.class_id))):
            yield [item.key for item in changes if has_moved(item, link_type.predicate, besides=own)], []
        for changes in changes_of(self._parts.graph, link_type.database, commits, sorted(ontology.family(link_type.target))):
            yield [], [item.key for item in changes if item.before is None]

    def _seen(self, job: _Job) -> str:
        """The graph as it is now, where nothing but this run moved anything since it began: else as it was then."""
        begun, now = str(job.run.seen_commit), self._parts.graph.view(job.link_type.database, job.link_type.branch).commit.id
        return begun if any(sources or targets for sources, targets in self._moves(job.link_type, (begun, now))) else now

    def _ontology(self, link_type: LinkType) -> Ontology:
        class_ids = frozenset({link_type.class_id, link_type.target})
        return self._parts.commands.settled.ontology(link_type.database, link_type.branch, class_ids)

    def _linked(self, link_type: LinkType) -> Iterator[list[Node]]:
        """The instances that have links of this type."""
        ontology = self._ontology(link_type)
        view, after = self._parts.graph.view(link_type.database, link_type.branch), None
        while True:
            page = view.page(sorted(ontology.family(link_type.class_id)), after=after, limit=BATCH)
            yield [node for node in page.nodes if node.links.get(link_type.predicate)]
            after = page.next_after
            if after is None:
                return

    def _check(self, job: _Job, tally: Tally, turn: Turn, report: Callable[[LinkProgress], None]) -> str:
        """Look at everything without writing; return what the policies say to it."""
        owners: dict[str, str] = {}
        for plans in self._plans(job, tally, turn):
            report(LinkProgress(tally.counts["sources"], "checking"))
            if job.link_type.is_exclusive:
                note_shared(plans, owners, tally)
        counts = tally.counts
        if job.is_full:
            counts.update({name: count for name, count in job.source.unreadable().items() if name not in counts and count})
        spec = job.link_type.spec
        if counts["cardinality"] or counts["shared_target"]:
            return FAIL
        if isinstance(spec, TableSpec):
            is_dangling = counts["dangling"] or (counts["source_missing"] and spec.kind != FOREIGN_KEY)
            if spec.dangling_policy == FAIL and is_dangling:
                return FAIL
            if spec.dedupe_policy == FAIL and counts["duplicates"]:
                return FAIL
        return WARN if any(counts[name] for name in ("dangling", "source_missing", "duplicates", "key_missing")) else PASS

    def _write(self, job: _Job, tally: Tally, turn: Turn, report: Callable[[LinkProgress], None]) -> None:
        """Submit what differs. Where a target takes one source only, all that go are gone before any comes."""
        batches = self._parts.batches(job.link_type, job.run.run_id, tally, turn)
        for may_add in (False, True) if job.link_type.is_exclusive else (True,):
            counted = Tally()
            for plans in self._plans(job, counted, turn):
                by_class: dict[str, list[SourcePlan]] = {}
                for plan in plans:
                    by_class.setdefault(plan.key.partition("/")[0], []).append(plan)
                for class_id, mine in by_class.items():
                    rows = job.planner.patches(mine, tally, may_add=may_add)
                    batches.submit("update", rows, class_id=class_id, again=_again(job.planner, mine, may_add=may_add))
                report(LinkProgress(counted.counts["sources"], "writing"))
            batches.finish()

    def _record(self, link_type: LinkType, run: LinkRun, *, expected_seq: int | None = None, actor: str | None) -> Accepted:
        return self._records.save(
            link_type.database,
            RecordKind.LINK_RUN,
            record_id_of(link_type.database, link_type.link_type_id, run.run_id),
            link_run_as_json(run),
            branch=link_type.branch,
            parent=link_type.link_type_id,
            status=run.result or run.state.upper(),
            expected_seq=expected_seq,
            actor=actor,
        )


def _result(run: LinkRun, result: str, found: Tally, written: Tally, *, seconds: float) -> LinkRun:
    has_failed = bool(written.counts["failed_commands"])
    statistics = {name: count for name, count in {**found.counts, **written.counts}.items() if count}
    return replace(
        run,
        state="failed" if has_failed or result == FAIL else "succeeded",
        result=FAIL if has_failed else result,
        statistics={name: statistics[name] for name in sorted(statistics)},
        samples=tuple([*found.samples, *written.samples][:_MAX_SAMPLES]),
        seconds=round(seconds, 3),
    )


def _again(planner: LinkPlanner, plans: Sequence[SourcePlan], *, may_add: bool) -> Again:
    return lambda row, number: planner.again(plans, row, number=number, may_add=may_add)


def _silent(progress: LinkProgress) -> None:
    """Tell nobody."""
