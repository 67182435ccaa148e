"""Reading the ontology as it will be once the commands accepted before have been decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import orjson

from spice_core.domain import naming
from spice_core.domain.graph import ONTOLOGY_CLASS, Node
from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import BranchNotFound, ClassNotFound, DatabaseNotFound, LogBehind
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.branch_numbers import beginning_of, inherited_numbers
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.number_nodes import NodeNumbers
from spice_core.services.wait_for_reads import ReadBarrier
from spice_core.services.waiting_room import WaitingRoom

GRAPH_HANDLER = "graph"
ONTOLOGY_AGGREGATE = "OntologyClass"
_POLL_SECONDS = 0.01
_PAGE = 1000
_REMEMBERED = 64
_TRUST_SECONDS = 0.05
_ANY_NUMBER = 1_000_000
_PLACES = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """The classes of one branch as they were read at `commit`, when the aggregates had these `numbers`.

    `checked_at` says by the monotonic clock when each class's number was last compared with the log. Where commands that are
    counted were undecided, it is what is known until the graph worker has passed the position `until`; 0: none was.
    """

    commit: str
    numbers: Mapping[str, int]
    ontology: Ontology
    checked_at: dict[str, float]
    until: int = 0


class SettledGraph:
    """The graph as a caller may rely on it: a read waits, for a bounded time, for what the graph worker has yet to decide."""

    def __init__(self, *, log: EventLog, graph: GraphStore, work: WorkLedger, clock: Clock, wait_seconds: float) -> None:
        self._log = log
        self._graph = graph
        self._work = work
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._room = WaitingRoom(_PLACES)
        self._known: dict[tuple[str, str], _Known] = {}

    def view(self, database: str, branch: str) -> GraphView:
        """Return a view of `branch`, waiting while the command that creates it is undecided.

        Raises:
            DatabaseNotFound, BranchNotFound: there is none, and none is on its way.
            LogBehind: (retryable) its creation was accepted and is still undecided.
        """
        if not self._number(database, "Database", database):
            raise DatabaseNotFound(f"there is no database {database!r}", details={"database": database})
        found = self._try_view(database, branch)
        if found is None and self._may_come(database, branch):
            found = self._settled(database, lambda: self._try_view(database, branch), is_enough=lambda view: view is not None)
        if found is None:
            found = self._try_view(database, branch)  # it may have come between the two looks
        if found is not None:
            return found
        if database not in self._graph.databases():
            raise DatabaseNotFound(f"there is no database {database!r}", details={"database": database})
        raise BranchNotFound(f"there is no branch {branch!r}", details={"branch": branch})

    def is_settled(self, database: str) -> bool:
        """Whether the graph worker has decided everything in the log of `database`."""
        return self._work.position(GRAPH_HANDLER, database) >= self._log.head(database).position

    def ontology(self, database: str, branch: str, class_ids: frozenset[str], *, fresh: bool = False) -> Ontology:
        """Return the classes of `branch`, waiting while commands for `class_ids`, or for a class above them, are undecided.

        Unless `fresh` or without `class_ids`, what is returned may miss classes that are newer than `class_ids`, and what
        another process did in the last 50 ms. A class whose newest command is undecided after the wait is returned as it was
        before: the graph worker has the last word.

        Raises:
            DatabaseNotFound, BranchNotFound: as `view`.
            LogBehind: (retryable) one of `class_ids` is not there, and was accepted and is still undecided.
        """
        fresh = fresh or not class_ids
        now = self._clock.monotonic()
        known = self._known.get((database, branch))
        if known is not None and not fresh and all(now - known.checked_at.get(name, -1.0) < _TRUST_SECONDS for name in class_ids):
            return known.ontology  # a class is checked together with those above it
        numbers = self._numbers(database, branch, class_ids)
        if known is None or fresh or not numbers.items() <= known.numbers.items() or self._is_over(database, known):
            known = self._read(database, branch, numbers, known)
        above = frozenset(name for class_id in class_ids for name in known.ontology.ancestors(class_id))
        if above <= class_ids:
            known.checked_at.update(dict.fromkeys(class_ids, now) if not known.until else {})
            return known.ontology
        return self.ontology(database, branch, class_ids | above, fresh=fresh)

    @property
    def numbers(self) -> NodeNumbers:
        """What tells the numbers that the next commands on nodes have to expect, and waits as reads here do."""
        barrier = ReadBarrier(self._log, self._work, self._clock, self._wait_seconds, self._room)
        return NodeNumbers(self._graph, barrier)

    def class_number(self, database: str, branch: str, class_id: str) -> int:
        """Return the number that the next command on a class has to expect, 0 where the branch does not show the class.

        The class is to be read behind it: then a change that comes between is refused, not overwritten. Raises as `view`.
        """
        shown = self.view(database, branch).get([class_key(class_id)])
        return sum(node.sequence_number for node in self.numbers.of(database, branch, list(shown.values())))

    def forget(self, database: str) -> None:
        """Trust nothing that was read of `database` before: a command of this process changes its classes."""
        for key in [key for key in list(self._known) if key[0] == database]:
            self._known.pop(key, None)

    def _numbers(self, database: str, branch: str, class_ids: frozenset[str]) -> dict[str, int]:
        """Return the numbers of the classes, and of what they live in (the keys of those are no class names)."""
        numbers = {name: self._number(database, ONTOLOGY_AGGREGATE, database, branch, name) for name in class_ids}
        numbers["|database"] = self._number(database, "Database", database)
        if branch != naming.MAIN:
            numbers["|branch"] = self._number(database, "Branch", database, branch)
        return numbers

    def _read(self, database: str, branch: str, numbers: Mapping[str, int], known: _Known | None) -> _Known:
        classes = {class_key(name): number for name, number in numbers.items() if not name.startswith("|")}
        view, is_settled = self._settled_view(database, branch, classes)
        until = 0 if is_settled else self._log.head(database).position
        if known is not None and known.commit == view.commit.id:
            still = 0 if self._is_over(database, known) else known.until
            found = _Known(known.commit, {**known.numbers, **numbers}, known.ontology, {}, max(until, still))
        else:
            found = _Known(view.commit.id, numbers, read_ontology(view), {}, until)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[database, branch] = found
        return found

    def _is_over(self, database: str, known: _Known) -> bool:
        """Whether what was undecided when the classes were read is decided now."""
        return 0 < known.until <= self._work.position(GRAPH_HANDLER, database)

    def _settled_view(self, database: str, branch: str, numbers: Mapping[str, int]) -> tuple[GraphView, bool]:
        """Return the branch, and whether it has the effect of everything that `numbers` count; raises as `ontology`."""
        view = self.view(database, branch)
        if not any(numbers.values()):
            return view, True
        own = [key for key, number in numbers.items() if number]
        inherited = inherited_numbers(beginning_of(self._graph, database, branch), own)

        def has_all(found: GraphView) -> bool:
            nodes = found.get(own)
            return all(_sequence(nodes.get(key)) >= numbers[key] + inherited.get(key, 0) for key in own)

        try:
            return self._settled(database, lambda: self._try_view(database, branch) or view, is_enough=has_all), True
        except LogBehind:
            newest = self._try_view(database, branch) or view
            if len(newest.get(numbers.keys())) < len(numbers):
                raise
            return newest, False

    def _may_come(self, database: str, branch: str) -> bool:
        """Whether an undecided command can bring about what is not there: the database, or the branch."""
        return database not in self._graph.databases() or bool(self._number(database, "Branch", database, branch))

    def _try_view(self, database: str, branch: str) -> GraphView | None:
        try:
            return self._graph.view(database, branch)
        except (DatabaseNotFound, BranchNotFound):
            return None

    def _settled(self, database: str, read: Callable[[], T], *, is_enough: Callable[[T], bool]) -> T:
        found = read()
        if is_enough(found):
            return found
        head = self._log.head(database).position
        deadline = self._clock.monotonic() + self._wait_seconds
        with self._room.required_place():
            while True:
                is_decided = self._work.position(GRAPH_HANDLER, database) >= head
                found = read()
                if is_decided or is_enough(found):
                    return found
                if self._clock.monotonic() >= deadline:
                    details = {"database": database}
                    raise LogBehind("what was accepted before is not decided yet; retry in a moment", details=details)
                self._clock.sleep(_POLL_SECONDS)

    def _number(self, database: str, aggregate_type: str, *parts: str) -> int:
        if not self._log.exists(database):
            return 0
        return self._log.number(database, f"{aggregate_type}|{naming.aggregate_id(*parts)}")


def class_key(class_id: str) -> str:
    """Return the graph key of a class definition."""
    return naming.node_key(ONTOLOGY_CLASS, class_id)


def read_ontology(view: GraphView) -> Ontology:
    """Return all classes at `view`; where the classes are the same, the same ontology."""
    documents: list[bytes] = []
    after: str | None = None
    while True:
        page = view.page([ONTOLOGY_CLASS], after=after, limit=_PAGE)
        documents.extend(orjson.dumps(node.document, option=orjson.OPT_SORT_KEYS) for node in page.nodes)
        after = page.next_after
        if after is None:
            return _ontology(tuple(documents))


@lru_cache(maxsize=_REMEMBERED)
def _ontology(documents: tuple[bytes, ...]) -> Ontology:
    """Reading the classes of a branch again costs milliseconds, and every read of instances needs them."""
    return Ontology(class_from_json(orjson.loads(data), max_properties=_ANY_NUMBER) for data in documents)


def required_class(ontology: Ontology, class_id: str) -> None:
    """Raise `ClassNotFound` unless `ontology` has `class_id`."""
    if class_id not in ontology.definitions:
        raise ClassNotFound(f"there is no class {class_id!r}", details={"class_id": class_id})


def _sequence(node: Node | None) -> int:
    return 0 if node is None else node.sequence_number
