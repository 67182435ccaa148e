"""Reading the ontology as it will be once the commands accepted before have been decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from spice_core.domain import naming
from spice_core.domain.graph import ONTOLOGY_CLASS, Node
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import BranchNotFound, ClassNotFound, DatabaseNotFound, LogBehind
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore, GraphView
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog

GRAPH_HANDLER = "graph"
ONTOLOGY_AGGREGATE = "OntologyClass"
_POLL_SECONDS = 0.01
_PAGE = 1000
_REMEMBERED = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """The classes of one branch as they were read at `commit`, when the aggregates had these `numbers`."""

    commit: str
    numbers: Mapping[str, int]
    ontology: Ontology


class SettledGraph:
    """The graph as a caller may rely on it: a read waits, for a bounded time, for what the graph worker has yet to decide."""

    def __init__(self, *, log: EventLog, graph: GraphStore, work: WorkLedger, clock: Clock, wait_seconds: float) -> None:
        self._log = log
        self._graph = graph
        self._work = work
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._known: dict[tuple[str, str], _Known] = {}

    def view(self, database: str, branch: str) -> GraphView:
        """Return a view of `branch`, waiting while the command that creates it is undecided.

        Raises:
            DatabaseNotFound, BranchNotFound: there is none, and none is on its way.
            LogBehind: (retryable) its creation was accepted and is still undecided.
        """
        if not self._number(database, "Database", database):
            raise DatabaseNotFound(f"there is no database {database!r}", details={"database": database})
        found = self._settled(database, lambda: self._try_view(database, branch), is_enough=lambda view: view is not None)
        if found is not None:
            return found
        if database not in self._graph.databases():
            raise DatabaseNotFound(f"there is no database {database!r}", details={"database": database})
        raise BranchNotFound(f"there is no branch {branch!r}", details={"branch": branch})

    def is_settled(self, database: str) -> bool:
        """Whether the graph worker has decided everything in the log of `database`."""
        return self._work.position(GRAPH_HANDLER, database) >= self._log.head(database).position

    def ontology(self, database: str, branch: str, class_ids: frozenset[str], *, fresh: bool = False) -> Ontology:
        """Return the classes of `branch`, waiting while commands for `class_ids` are undecided.

        Other classes may be older than the graph's unless `fresh`.

        Raises:
            DatabaseNotFound, BranchNotFound: as `view`.
            LogBehind: (retryable) a command for one of `class_ids` was accepted and is still undecided.
        """
        numbers = {name: self._number(database, ONTOLOGY_AGGREGATE, database, branch, name) for name in class_ids}
        numbers["|"] = self._number(database, "Database", database)
        numbers["|branch"] = self._number(database, "Branch", database, branch)
        known = self._known.get((database, branch))
        if known is not None and not fresh and numbers.items() <= known.numbers.items():
            return known.ontology
        view = self._settled_view(database, branch, {class_key(name): numbers[name] for name in class_ids})
        found = known.ontology if known is not None and known.commit == view.commit.id else read_ontology(view)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        is_same = known is not None and known.ontology is found
        self._known[database, branch] = _Known(view.commit.id, {**(known.numbers if known and is_same else {}), **numbers}, found)
        return found

    def _settled_view(self, database: str, branch: str, numbers: Mapping[str, int]) -> GraphView:
        view = self.view(database, branch)
        if not any(numbers.values()):
            return view

        def has_all(found: GraphView) -> bool:
            nodes = found.get([key for key, number in numbers.items() if number])
            return all(not number or _sequence(nodes.get(key)) >= number for key, number in numbers.items())

        return self._settled(database, lambda: self._try_view(database, branch) or view, is_enough=has_all)

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
        while True:
            is_decided = self._work.position(GRAPH_HANDLER, database) >= head
            found = read()
            if is_decided or is_enough(found):
                return found
            if self._clock.monotonic() >= deadline:
                raise LogBehind("what was accepted before is not decided yet; retry in a moment", details={"database": database})
            self._clock.sleep(_POLL_SECONDS)

    def _number(self, database: str, aggregate_type: str, *parts: str) -> int:
        if not self._log.exists(database):
            return 0
        return self._log.number(database, f"{aggregate_type}|{naming.aggregate_id(*parts)}")


def class_key(class_id: str) -> str:
    """Return the graph key of a class definition."""
    return naming.node_key(ONTOLOGY_CLASS, class_id)


def read_ontology(view: GraphView) -> Ontology:
    """Return all classes at `view`."""
    definitions: list[ClassDefinition] = []
    after: str | None = None
    while True:
        page = view.page([ONTOLOGY_CLASS], after=after, limit=_PAGE)
        definitions.extend(definition_of(node) for node in page.nodes)
        after = page.next_after
        if after is None:
            return Ontology(definitions)


def definition_of(node: Node) -> ClassDefinition:
    """Return the class that a `_Class/…` node holds."""
    return class_from_json(node.document, max_properties=1_000_000)


def required_class(ontology: Ontology, class_id: str) -> None:
    """Raise `ClassNotFound` unless `ontology` has `class_id`."""
    if class_id not in ontology.definitions:
        raise ClassNotFound(f"there is no class {class_id!r}", details={"class_id": class_id})


def _sequence(node: Node | None) -> int:
    return 0 if node is None else node.sequence_number
