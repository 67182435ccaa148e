"""The search projection: classes, branches and documents of the index, as the domain events of the log say."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from spice_core.domain.events import DOMAIN, RecordedEvent
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_json import class_from_json
from spice_core.domain.resolution import Ontology
from spice_core.domain.search import IndexedClass, SearchDocument
from spice_core.errors import GraphUnavailable, InvalidOntology, NotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.search_index import SearchIndex
from spice_core.ports.tracer import SilentTracer, Tracer
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.branch_documents import documents_of_difference
from spice_core.services.handling import Handler
from spice_core.services.hold_search import SearchHolder
from spice_core.services.search_documents import CLASS_EVENTS, INSTANCE_EVENTS, indexed_class, search_document
from spice_core.services.settled_graph import read_ontology

BRANCH_CREATED, BRANCH_DELETED, DATABASE_DELETED = "BRANCH_CREATED", "BRANCH_DELETED", "DATABASE_DELETED"
_CONTROL = frozenset({BRANCH_CREATED, BRANCH_DELETED, DATABASE_DELETED})
_ANY_SIZE = 1_000_000


class SearchProjector(Handler):
    """Keeps the documents of the index by version, so that a repetition changes nothing.

    Branches and databases come and go in events that stand alone: creating a branch takes what its source holds now, which
    must not be repeated after later writes on the source.
    """

    name: ClassVar[str] = "search"

    def __init__(
        self,
        *,
        search: SearchIndex,
        graph: GraphStore,
        generation: int | None = None,
        tracer: Tracer | None = None,
        work: WorkLedger | None = None,
    ) -> None:
        """With `generation`, a rebuild's: everything is learned from the log, and `graph` is asked about old commits only.

        With `work`, the projector refuses an engine that does not hold what the position in `work` says.
        """
        self._search = search
        self._graph = graph
        self._generation = generation
        self._holder = None if work is None else SearchHolder(work=work, search=search)
        self._tracer = tracer or SilentTracer()
        self._classes: dict[tuple[str, str], dict[str, ClassDefinition]] = {}

    def wants(self, event: RecordedEvent) -> bool:
        kinds = event.event.event_type in INSTANCE_EVENTS | CLASS_EVENTS | _CONTROL
        return kinds and event.event.metadata.get("kind") == DOMAIN

    def stands_alone(self, event: RecordedEvent) -> bool:
        return event.event.event_type in _CONTROL and event.event.metadata.get("kind") == DOMAIN

    def begin(self, database: str, position: int) -> int:
        if self._holder is not None:
            self._holder.begin(database, position)
        return position

    def handle(self, database: str, events: Sequence[RecordedEvent]) -> None:
        for (kind, branch), run in groupby(events, key=_run_of):
            if kind == "documents":
                documents = [document for event in run if (document := search_document(event)) is not None]
                with self._tracer.span("search write", attributes={"spice.documents": len(documents)}):
                    self._search.write(database, branch, documents, generation=self._generation)
            else:
                for event in run:
                    self._change(database, branch, event)
        self._search.refresh(database)

    def learn(self, database: str, event: RecordedEvent) -> None:
        """Take note of a class or branch that the generation has already: what a resumed rebuild starts with."""
        branch, data = str(event.event.data.get("branch") or "main"), event.event.data
        if event.event.event_type in CLASS_EVENTS:
            known = self._known(database, branch)
            known.pop(data["class_id"], None)
            if data.get("definition") is not None:
                known[data["class_id"]] = class_from_json(data["definition"], max_properties=_ANY_SIZE)
        elif event.event.event_type == BRANCH_CREATED:
            self._classes[database, branch] = dict(self._known(database, str(data.get("source") or "main")))
        elif event.event.event_type == BRANCH_DELETED:
            self._classes.pop((database, branch), None)

    def _change(self, database: str, branch: str, recorded: RecordedEvent) -> None:
        event = recorded.event
        if event.event_type in CLASS_EVENTS:
            self._define(database, branch, event.data)
        elif event.event_type == BRANCH_CREATED:
            self._create_branch(database, branch, recorded)
        elif event.event_type == BRANCH_DELETED:
            self._search.delete_branch(database, branch, generation=self._generation)
            self._classes.pop((database, branch), None)
        elif event.event_type == DATABASE_DELETED:
            self._drop(database)

    def _define(self, database: str, branch: str, data: Mapping[str, Any]) -> None:
        """Declare a class and those below it, whose inherited fields changed with it."""
        known, class_id = self._known(database, branch), data["class_id"]
        if data.get("definition") is None:
            known.pop(class_id, None)
            return
        known[class_id] = class_from_json(data["definition"], max_properties=_ANY_SIZE)
        ontology = Ontology(known.values())
        for member in sorted(ontology.family(class_id)):
            self._search.define(database, _indexed(ontology, member), generation=self._generation)

    def _create_branch(self, database: str, branch: str, recorded: RecordedEvent) -> None:
        source = str(recorded.event.data.get("source") or "main")
        position = int(recorded.event.metadata.get("position", 0))
        origin, documents = self._origin(database, source, before=recorded.position, position=position)
        self._search.create_branch(database, branch, source=origin, generation=self._generation)
        self._classes[database, branch] = dict(self._known(database, origin))
        if documents:
            self._search.write(database, branch, documents, generation=self._generation)

    def _drop(self, database: str) -> None:
        for known in [known for known in self._classes if known[0] == database]:
            del self._classes[known]
        if self._generation is None:
            self._search.drop(database)

    def _known(self, database: str, branch: str) -> dict[str, ClassDefinition]:
        """Return the classes of a branch: as the events so far say, or at first as the graph has them."""
        if (database, branch) not in self._classes:
            self._classes[database, branch] = {} if self._generation is not None else self._of_graph(database, branch)
        return self._classes[database, branch]

    def _of_graph(self, database: str, branch: str) -> dict[str, ClassDefinition]:
        try:
            return dict(read_ontology(self._graph.view(database, branch)).definitions)
        except NotFound:
            return {}

    def _origin(self, database: str, source: str, *, before: int, position: int) -> tuple[str, list[SearchDocument]]:
        """Return the branch to start from, and what to write over it where `source` is no branch but an old commit.

        `position` is the one of the command, `before` the one of its event.
        """
        if (database, source) in self._classes:
            return source, []
        if self._graph.applied_position(database) < position:
            raise GraphUnavailable("the graph lost commits and does not have them back yet")
        try:
            if any(branch.name == source for branch in self._graph.branches(database)):
                return source, []
            return documents_of_difference(self._graph, database, source, before=before)
        except NotFound:
            return source, []  # a branch that is gone since: what the index has of that name is all there is


def _indexed(ontology: Ontology, class_id: str) -> IndexedClass:
    """Return the class as the index sees it; one whose parents or targets are gone since keeps its documents, unfiltered."""
    try:
        return indexed_class(ontology.resolve(class_id))
    except (InvalidOntology, NotFound):
        return IndexedClass(class_id, fields=())


def _run_of(recorded: RecordedEvent) -> tuple[str, str]:
    kind = "documents" if recorded.event.event_type in INSTANCE_EVENTS else "change"
    return kind, str(recorded.event.data.get("branch") or "main")
