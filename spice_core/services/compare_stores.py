"""Whether every store of an installation holds what a replay of the log into empty stores gives."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.graph import ONTOLOGY_CLASS, Direction
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus
from spice_core.domain.search import SearchQuery
from spice_core.errors import DatabaseNotFound
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.fingerprint import aggregate_key
from spice_core.services.event_log.verifier import VerifyReport
from spice_core.services.replay_log import LogStores, Names, pages_of, replay_log

HANDLERS = ("graph", "registry", "search", "statuses", "lineage", "audit")
_PAGE = 1000
_ANY = 1_000_000_000
_OLD_COMMITS = 5
_ABSENT = "absent"
Rows = Iterable[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as a replay makes it: in which store, which key, what is there, what the replay says."""

    part: str
    key: str
    live: str
    replayed: str


@dataclass(frozen=True, slots=True)
class StoresComparison:
    """What was compared, per part, and what differs.

    `differences` are the first of each part, `different` counts all of them. `behind` says how many events a worker has still to
    do: what it has not done shows as differences too. `dead_letters` are open ones, whose commands had no effect.
    """

    database: str
    chain: VerifyReport
    compared: Mapping[str, int]
    different: Mapping[str, int]
    differences: tuple[Difference, ...]
    behind: Mapping[str, int]
    dead_letters: int

    @property
    def is_equal(self) -> bool:
        """Whether the chain is intact, the workers are done, and nothing differs."""
        return self.chain.is_intact and not self.differences and not any(self.behind.values())


@dataclass(slots=True)
class _Findings:
    """Counts what was compared and keeps the first differences of each part."""

    samples: int
    compared: dict[str, int] = field(default_factory=dict)
    different: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def compare(self, part: str, live: Rows, replayed: Rows) -> None:
        """Compare rows by key; a key is there once on each side."""
        there, told = _by_key(live), _by_key(replayed)
        self.compared[part] = self.compared.get(part, 0) + len(there.keys() | told.keys())
        for key in sorted(there.keys() | told.keys()):
            if there.get(key, _ABSENT) != told.get(key, _ABSENT):
                self.note(part, key, there.get(key, _ABSENT), told.get(key, _ABSENT))

    def note(self, part: str, key: str, live: object, replayed: object) -> None:
        """Count one difference."""
        self.different[part] = self.different.get(part, 0) + 1
        if self.different[part] <= self.samples:
            self.differences.append(Difference(part, key, *_shown(live, replayed)))


def compare_stores(live: LogStores, *, empty: LogStores, work: WorkLedger, database: str, samples: int = 5) -> StoresComparison:
    """Verify the chain of `database`, replay its log into the stores of `empty`, and compare these with the live ones.

    Nothing of the live stores is changed but that the ledger is folded to the head. What is written meanwhile shows as a
    difference: stop the writers, or wait until they are done. Memory grows with the database.

    Raises:
        BrokenChain, CorruptSegment: the log is damaged where it has to be replayed.
        Unavailable: (retryable) a part does not answer.
    """
    chain = live.log.verify(database)
    live.log.fold(database)
    head = live.log.head(database).position
    behind = {name: max(0, head - work.position(name, database)) for name in HANDLERS}
    names = replay_log(database, into=empty)
    found = _Findings(samples)
    live.search.refresh(database)
    _compare_ledger(found, live, empty, database)
    _compare_graph(found, live.graph, empty.graph, database, names)
    branches = _branches(empty.graph, database)
    _compare_documents(found, live.search, empty.search, branches=branches, names=names, database=database)
    _compare_statuses(found, live, empty, names)
    _compare_lineage(found, live, database, names)
    found.compare("audit", _audit(live, database), _audit(empty, database))
    found.compare("registry", _catalogue(live, database), _catalogue(empty, database))
    letters = [letter for letter in work.dead_letters(database=database, state="", limit=_PAGE) if letter.state == "waiting"]
    return StoresComparison(
        database, chain, found.compared, found.different, tuple(found.differences), behind, dead_letters=len(letters)
    )


def _compare_ledger(found: _Findings, live: LogStores, empty: LogStores, database: str) -> None:
    """Compare what both ledgers know of every event and every aggregate, and whether the live one knows more."""
    found.compare("ledger head", [(database, live.ledger.view(database).head)], [(database, empty.ledger.view(database).head)])
    for events in pages_of(live.log, database):
        asked = {
            "event_ids": [recorded.event.event_id for recorded in events],
            "aggregates": sorted({aggregate_key(recorded.event) for recorded in events}),
        }
        there, told = live.ledger.view(database, **asked), empty.ledger.view(database, **asked)
        found.compare("ledger events", there.known.items(), told.known.items())
        found.compare("ledger numbers", there.numbers.items(), told.numbers.items())
    counts = [("event and aggregate keys", count) for count in (_key_count(live, database), _key_count(empty, database))]
    found.compare("ledger size", counts[:1], counts[1:])


def _key_count(stores: LogStores, database: str) -> int:
    count = 0

    def visit(keys: Iterable[str]) -> None:
        nonlocal count
        count += sum(1 for _ in keys)

    stores.ledger.visit_keys(database, visit)
    return count


def _compare_graph(found: _Findings, live: GraphStore, replayed: GraphStore, database: str, names: Names) -> None:
    """Compare branches, every commit of each, every node and link at its head, and the nodes at some old commits."""
    positions = [(database, store.applied_position(database)) for store in (live, replayed)]
    found.compare("graph position", positions[:1], positions[1:])
    there, told = _branches(live, database), _branches(replayed, database)
    found.compare("graph branches", there.items(), told.items())
    for branch in sorted(there.keys() & told.keys()):
        commits = [store.history(database, branch, limit=_ANY) for store in (live, replayed)]
        found.compare("graph commits", *([(f"{branch} {commit.id}", commit) for commit in side] for side in commits))
        live_ids = {commit.id for commit in commits[0]}
        known = [commit.id for commit in commits[1] if commit.id in live_ids]
        for ref in [branch, *known[1 :: max(1, len(known) // _OLD_COMMITS)]]:
            views = live.view(database, ref), replayed.view(database, ref)
            found.compare("graph nodes", *(_nodes(view, ref, names) for view in views))
            found.compare("graph links", *(_links(view, ref, names) for view in views))


def _branches(graph: GraphStore, database: str) -> dict[str, object]:
    try:
        return {branch.name: branch for branch in graph.branches(database)}
    except DatabaseNotFound:
        return {}


def _nodes(view: GraphView, ref: str, names: Names) -> Rows:
    for keys in _pages(view, names):
        yield from ((f"{ref} {key}", _plain(node)) for key, node in view.get(keys).items())


def _links(view: GraphView, ref: str, names: Names) -> Rows:
    for keys in _pages(view, names):
        for direction in Direction:
            links = view.expand(keys, predicate=None, direction=direction)
            yield from ((f"{ref} {direction} {link.source} {link.predicate} {link.target}", True) for link in links)


def _pages(view: GraphView, names: Names) -> Iterator[list[str]]:
    """Yield the keys of all nodes, in pages."""
    after: str | None = None
    while True:
        page = view.page([ONTOLOGY_CLASS, *sorted(names.classes)], after=after, limit=_PAGE)
        yield [node.key for node in page.nodes]
        after = page.next_after
        if after is None:
            return


def _compare_documents(
    found: _Findings, live: SearchIndex, replayed: SearchIndex, *, branches: Iterable[str], names: Names, database: str
) -> None:
    """Compare the documents of every branch, and what a search without conditions finds of each class."""
    for branch in branches:
        found.compare("documents", *(_documents(index, database, branch) for index in (live, replayed)))
        defined = sorted({key.partition("/")[0] for key, _ in _documents(replayed, database, branch)} & names.classes)
        for class_id in defined:
            hits = (_hits(index, database, branch, class_id) for index in (live, replayed))
            found.compare("search hits", *hits)


def _documents(index: SearchIndex, database: str, branch: str) -> Rows:
    after = ""
    while page := index.scan(database, branch, after=after, limit=_PAGE):
        for document in page:
            yield document.key, (document.class_id, _plain(document.data), document.version, document.position, document.event_id)
        after = page[-1].key


def _hits(index: SearchIndex, database: str, branch: str, class_id: str) -> Rows:
    after: str | None = None
    while True:
        page = index.search(database, branch, SearchQuery([class_id], after=after, limit=_PAGE))
        yield from ((f"{branch} {hit.document.key}", hit.document.version) for hit in page.hits)
        after = page.next_after
        if after is None:
            return


def _compare_statuses(found: _Findings, live: LogStores, empty: LogStores, names: Names) -> None:
    for start in range(0, len(names.commands), _PAGE):
        asked = names.commands[start : start + _PAGE]
        sides = ([(one.command_id, _status(one)) for one in stores.statuses.of_commands(asked)] for stores in (live, empty))
        found.compare("statuses", *sides)


def _status(status: CommandStatus) -> object:
    """Return what a replay can know of a status: attempts are news of the moment, not of the log."""
    told = {item.name: getattr(status, item.name) for item in fields(status) if item.name not in {"retry_count", "history"}}
    if status.state not in FINAL_STATES:
        told |= {"error": None, "state": "not final"}
    told["history"] = [(state, at) for state, at in status.history if state is not CommandState.RETRYING]
    return _plain(told)


def _compare_lineage(found: _Findings, live: LogStores, database: str, names: Names) -> None:
    counts = Counter(record.event_type for records in names.lineage.values() for record in records)
    found.compare("lineage counts", live.lineage.counts(database).items(), counts.items())
    for artifact, told in sorted(names.lineage.items()):
        there = live.lineage.of_artifact(database, artifact, limit=_ANY)
        sides = ([(f"{artifact} {record.event_id}", _plain(record)) for record in records] for records in (there, told))
        found.compare("lineage", *sides)


def _audit(stores: LogStores, database: str) -> Rows:
    before: tuple[str, int] | None = None
    while page := stores.audit.query(database=database, before=before, limit=_PAGE):
        yield from ((f"{entry.position}", _plain(entry)) for entry in page)
        before = (database, page[-1].position)


def _catalogue(stores: LogStores, database: str) -> Rows:
    registry = stores.registry
    for dataset in registry.datasets(database):
        yield f"dataset {dataset.dataset_id}", _plain(dataset)
        versions = registry.versions(database, dataset.dataset_id, limit=_ANY)
        yield from ((f"version {version.version_id}", _plain(version)) for version in versions)
    yield from ((f"mapping {mapping.mapping_id}", _plain(mapping)) for mapping in registry.mappings(database))
    yield from ((f"run {run.run_id}", _plain(run)) for run in registry.runs(database, limit=_ANY))
    for kind in RecordKind:
        yield from ((f"{kind} {found.record_id}", _plain(found)) for found in registry.records(database, kind, limit=_ANY))


def _by_key(rows: Rows) -> dict[str, object]:
    """Return the rows by key. A key that comes twice gets a row of its own, so that it cannot hide."""
    found: dict[str, object] = {}
    for key, row in rows:
        found[key if key not in found else f"{key} (again)"] = row
    return found


def _plain(value: Any) -> object:
    """Return `value` with tuples as lists and dataclasses as objects: stores may give back either."""
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _shown(live: object, replayed: object) -> tuple[str, str]:
    """Return both sides as text; of two objects only the fields that differ."""
    if isinstance(live, dict) and isinstance(replayed, dict):
        differing = [key for key in {**live, **replayed} if live.get(key) != replayed.get(key)]
        live, replayed = ({key: side.get(key) for key in islice(differing, 10)} for side in (live, replayed))
    return str(live)[:500], str(replayed)[:500]
