"""Whatever is delivered, how often and in what batches, with crashes between: the result is that of one quiet pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.system.clock import SystemClock
from spice_core.domain.events import Event, RecordedEvent
from spice_core.domain.graph import Node
from spice_core.errors import SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.rebuild_graph import GraphRebuilder
from spice_core.services.submit_rows import BulkRow
from tests.write_path import Crash, WritePath, a_class, text

POINTS = ("graph:after_claim", "graph:before_effect", "graph:after_effect", "graph:before_done")
IDS = ("a", "b", "c")
BRANCHES = ("main", "dev")

PERSON = a_class(
    "Person",
    text("person_id"),
    text("name"),
    {"name": "age", "type": "integer"},
    relationships=[
        {"predicate": "boss", "target": "Person", "cardinality": "n:1"},
        {"predicate": "spouse", "target": "Person", "cardinality": "1:1"},
        {"predicate": "likes", "target": "Person", "cardinality": "n:m", "on_delete": "unlink"},
    ],
)
PERSON_CHANGES = (
    PERSON,
    a_class("Person", text("person_id"), text("name", required=True), relationships=PERSON["relationships"]),
    a_class("Person", text("person_id"), text("name"), {"name": "age", "type": "integer", "constraints": {"max": 3}}),
    {**PERSON, "properties": [*PERSON["properties"], {"name": "rank", "type": "string", "required": True, "default": "x"}]},
)

ids = st.sampled_from(IDS)
branches = st.sampled_from(("main", "main", "main", "dev"))
references = ids.map(lambda name: f"Person/{name}")
fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(("x", "y", None)),
        "age": st.one_of(st.none(), st.integers(0, 5)),
        "boss": st.one_of(st.none(), references),
        "spouse": st.one_of(st.none(), references),
        "likes": st.one_of(st.none(), st.lists(references, max_size=3)),
    },
)
quick = settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink))

bulk_rows = st.lists(st.tuples(ids, fields), min_size=1, max_size=3, unique_by=lambda row: row[0])
WEIGHTED = {
    st.tuples(st.just("create"), branches, ids, fields): 12,
    st.tuples(st.just("update"), branches, ids, fields): 8,
    st.tuples(st.just("delete"), branches, ids): 5,
    st.tuples(st.just("bulk"), branches, bulk_rows): 3,
    st.tuples(st.just("class"), branches, st.integers(0, len(PERSON_CHANGES) - 1)): 2,
    st.tuples(st.just("drop class"), branches): 1,
    st.tuples(st.just("branch"), st.just("dev")): 2,
    st.tuples(st.just("drop branch"), st.just("dev")): 1,
    st.tuples(st.just("drop database")): 1,
    st.tuples(st.just("database")): 1,
    st.tuples(st.just("deliver"), st.integers(1, 12)): 8,
    st.tuples(st.just("crash"), st.integers(1, 12), st.sampled_from(POINTS), st.integers(1, 3)): 12,
    st.tuples(st.just("go back"), st.integers(1, 10)): 3,
}
step = st.sampled_from([kind for kind, weight in WEIGHTED.items() for _ in range(weight)]).flatmap(lambda kind: kind)
steps = st.lists(step, min_size=10, max_size=40)


class Script:
    """Plays steps on a write path. Refused submissions are part of the game."""

    def __init__(self) -> None:
        self.path = WritePath().with_classes(PERSON)

    def play(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        try:
            getattr(self, f"_{name.replace(' ', '_')}")(*arguments)
        except SpiceError:
            return

    def finish(self) -> None:
        self.path.crash_point = lambda _name: None
        self.path.restart()
        self.path.settle()

    def number(self, aggregate: str) -> int:
        return self.path.log.number("shop", aggregate)

    def _create(self, branch: str, name: str, data: dict[str, Any]) -> None:
        self.path.commands.create_instance("shop", branch, "Person", {"person_id": name, **data})

    def _update(self, branch: str, name: str, patch: dict[str, Any]) -> None:
        number = self.number(f"Instance|shop:{branch}:Person:{name}")
        self.path.commands.update_instance("shop", branch, "Person", name, patch, expected_seq=number)

    def _delete(self, branch: str, name: str) -> None:
        number = self.number(f"Instance|shop:{branch}:Person:{name}")
        self.path.commands.delete_instance("shop", branch, "Person", name, expected_seq=number)

    def _bulk(self, branch: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.path.commands.bulk("shop", branch, "Person", "create", [BulkRow({"person_id": name, **data}) for name, data in rows])

    def _class(self, branch: str, which: int) -> None:
        number = self.number(f"OntologyClass|shop:{branch}:Person")
        self.path.commands.update_class("shop", branch, "Person", PERSON_CHANGES[which], expected_seq=number)

    def _drop_class(self, branch: str) -> None:
        number = self.number(f"OntologyClass|shop:{branch}:Person")
        self.path.commands.delete_class("shop", branch, "Person", expected_seq=number)
        self.path.commands.create_class("shop", branch, PERSON)

    def _branch(self, name: str) -> None:
        self.path.commands.create_branch("shop", name)

    def _drop_branch(self, name: str) -> None:
        self.path.commands.delete_branch("shop", name)

    def _drop_database(self) -> None:
        self.path.commands.delete_database("shop", expected_seq=self.number("Database|shop"))

    def _database(self) -> None:
        self.path.commands.create_database("shop")

    def _deliver(self, limit: int) -> None:
        self.path.deliver("shop", limit=limit)

    def _crash(self, limit: int, point: str, times: int) -> None:
        left = times

        def crash(name: str) -> None:
            nonlocal left
            left -= name == point
            if not left:
                raise Crash

        self.path.crash_point = crash
        try:
            self.path.deliver("shop", limit=limit)
        except Crash:
            self.path.restart()
        finally:
            self.path.crash_point = lambda _name: None

    def _go_back(self, count: int) -> None:
        self.path.position["shop"] = max(0, self.path.position.get("shop", 0) - count)
        self.path.restart()


@dataclass
class Sink:
    """A log that keeps what the handler appends to it."""

    events: list[Event] = field(default_factory=list)
    clock: Clock = field(default_factory=SystemClock)

    def append(self, _database: str, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def holds(self, _database: str, event_ids: Sequence[str]) -> set[str]:
        return {event.event_id for event in self.events} & set(event_ids)


def one_quiet_pass(recorded: Sequence[RecordedEvent]) -> tuple[GraphStore, list[Event]]:
    """Handle the commands one by one, without anything going wrong."""
    sink, graph = Sink(), MemoryGraphStore()
    handler = GraphHandler(log=sink, graph=graph)  # type: ignore[arg-type]
    for event in recorded:
        if handler.wants(event):
            handler.handle("shop", [event])
    return graph, sink.events


def state(graph: GraphStore) -> dict[str, dict[str, Node]]:
    """Return every node by branch and key."""
    if "shop" not in graph.databases():
        return {}
    found = {}
    for branch in graph.branches("shop"):
        view = graph.view("shop", branch.name)
        nodes = view.page(["Person", "_Class"], limit=1000).nodes
        found[branch.name] = {node.key: node for node in nodes}
    return found


def without_commit(event: Event) -> tuple[Any, ...]:
    metadata = {name: value for name, value in event.metadata.items() if name != "commit"}
    return (event.event_id, event.event_type, event.aggregate_id, event.sequence_number, event.data, metadata, event.actor)


@quick
@given(steps)
def test_any_delivery_gives_the_graph_and_the_events_of_one_quiet_pass(played: list[tuple[Any, ...]]) -> None:
    script = Script()
    for step in played:
        script.play(step)
    script.finish()
    recorded = script.path.events()
    graph, events = one_quiet_pass([event for event in recorded if event.event.is_command])
    assert state(script.path.graph) == state(graph)
    told = [without_commit(event.event) for event in recorded if not event.event.is_command]
    assert sorted(told, key=str) == sorted(map(without_commit, events), key=str)


@quick
@given(steps)
def test_replaying_the_log_into_an_empty_store_gives_the_same_commits(played: list[tuple[Any, ...]]) -> None:
    script = Script()
    for step in played:
        script.play(step)
    script.finish()
    rebuilt = MemoryGraphStore()
    GraphRebuilder(log=script.path.log, graph=rebuilt).rebuild("shop")
    graph = script.path.graph
    assert rebuilt.databases() == graph.databases()
    for name in graph.databases():
        assert rebuilt.branches(name) == graph.branches(name)
        for branch in graph.branches(name):
            assert rebuilt.history(name, branch.name) == graph.history(name, branch.name)
    assert state(rebuilt) == state(graph)


def fold(recorded: Sequence[RecordedEvent]) -> dict[str, dict[str, Any]]:
    """Return the documents of main that the successful commands say: the plainest reading of them."""
    succeeded = {item.event.command_id for item in recorded if not item.event.is_command and "code" not in item.event.data}
    documents: dict[str, dict[str, Any]] = {}
    for item in recorded:
        event = item.event
        if not event.is_command or event.event_id not in succeeded or event.data["branch"] != "main":
            continue
        key, payload = event.data["instance_id"], event.data["payload"]
        match event.data["command_type"]:
            case "CREATE_INSTANCE":
                documents[key] = {name: value for name, value in payload.items() if value not in (None, [])}
            case "UPDATE_INSTANCE":
                merged = {**documents[key], **payload}
                documents[key] = {name: value for name, value in merged.items() if value not in (None, [])}
            case "DELETE_INSTANCE":
                del documents[key]
                for other in documents.values():
                    other["likes"] = [target for target in other.get("likes", []) if target != f"Person/{key}"]
            case "DELETE_DATABASE":
                documents.clear()
    return documents


@quick
@given(steps)
def test_the_graph_is_the_fold_of_the_accepted_commands(played: list[tuple[Any, ...]]) -> None:
    script = Script()
    for step in played:
        if step[0] != "class":
            script.play(step)
    script.finish()
    nodes = state(script.path.graph).get("main", {})
    found = {node.key.removeprefix("Person/"): dict(node.document) for node in nodes.values() if node.class_id == "Person"}
    folded = {
        key: {name: list(dict.fromkeys(value)) if name == "likes" else value for name, value in document.items() if value != []}
        for key, document in fold(script.path.events()).items()
    }
    assert found == folded


@quick
@given(steps)
def test_no_command_is_without_an_outcome_and_none_has_two(played: list[tuple[Any, ...]]) -> None:
    script = Script()
    for step in played:
        script.play(step)
    script.finish()
    outcomes = script.path.outcomes()
    for recorded in script.path.events():
        if recorded.event.is_command:
            own = [item for item in outcomes[recorded.event.event_id] if item.event.aggregate_id == recorded.event.aggregate_id]
            assert len(own) == 1
            assert own[0].event.sequence_number == recorded.event.sequence_number
