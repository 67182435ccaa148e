"""The whole write path in memory, driven by one seed: faults, crashes, two workers, a misbehaving feed, and an oracle."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.domain.commands import Command, CommandType, command_of
from spice_core.domain.events import COMMAND_FAILED, Event, RecordedEvent
from spice_core.domain.graph import ONTOLOGY_CLASS
from spice_core.domain.read_models import CommandState
from spice_core.errors import BranchNotFound, GraphUnavailable, LedgerUnavailable, SearchUnavailable, SpiceError
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.branch_numbers import beginning_of, inherited_numbers
from spice_core.services.event_log.event_log import EventLog, LogLimits
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.handling import Handler
from spice_core.services.project_audit import AuditProjector
from spice_core.services.project_lineage import LineageProjector
from spice_core.services.project_search import SearchProjector
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.submit_commands import CommandLimits, CommandService
from spice_core.services.submit_rows import BulkRow
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.stream import Parts
from tests.faulty_store import ANSWER_LOST, LATE, NO_FAULT, REFUSED, FaultyStore
from tests.workers_world import UnreliableFeed
from tests.write_path import CountedIds, Crash, SteppedClock, a_class, text

DB = "shop"
CUSTOMER = a_class("Customer", text("customer_id", required=True), text("name", required=True), text("city"))
PRODUCT = a_class(
    "Product",
    text("product_id", required=True),
    text("name"),
    relationships=[{"predicate": "owned_by", "target": "Customer", "cardinality": "n:1"}],
)
State = dict[str, dict[str, dict[str, Any]]]


class Unreliable:
    """Fails calls of `methods` on `inner`, before they happen or after (the answer is lost), while `is_on`."""

    def __init__(self, inner: Any, methods: set[str], error: type[SpiceError], dice: random.Random, is_on: Callable[[], bool]):
        self.inner = inner
        self._methods = methods
        self._error = error
        self._dice = dice
        self._is_on = is_on

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.inner, name)
        if name not in self._methods:
            return attribute

        def call(*args: Any, **more: Any) -> Any:
            fate = self._dice.random() if self._is_on() else 1.0
            if fate < 0.06:
                raise self._error(f"{name}: refused")
            result = attribute(*args, **more)
            if fate < 0.12:
                raise self._error(f"{name}: answer lost")
            return result

        return call


class DiceCrash:
    """Crash points that a dice decides."""

    def __init__(self, dice: random.Random, is_on: Callable[[], bool]) -> None:
        self._dice = dice
        self._is_on = is_on

    def at(self, _place: str) -> None:
        if self._is_on() and self._dice.random() < 0.02:
            raise Crash


class Simulation:
    """One installation: durable stores, two worker processes that die and come back, and clients."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.has_faults = True
        self.clock = SteppedClock()
        self.ids = CountedIds()
        self.objects: dict[str, tuple[object, bytes]] = {}
        self.ledger = MemoryLedger()
        self.work = MemoryWorkLedger(self.clock)
        self.graph, self.search = MemoryGraphStore(), MemorySearchIndex()
        self.statuses, self.lineage, self.audit = MemoryCommandStatuses(), MemoryLineageStore(), MemoryAuditStore()
        self.accepted: list[str] = []
        self.client_log = self.new_log()
        self.client = CommandService(
            log=self.client_log,
            graph=self.graph,
            work=self.work,
            clock=self.clock,
            ids=self.ids,
            limits=CommandLimits(read_wait_seconds=0.05),
        )
        self.workers = [self.new_worker(), self.new_worker()]

    def new_log(self) -> EventLog:
        store = FaultyStore(MemoryObjectStore(self.objects), self._store_fault)
        return EventLog(
            store=store,
            ledger=self._shaky(self.ledger, {"view", "fold"}, LedgerUnavailable),
            clock=self.clock,
            ids=self.ids,
            writer_id="sim",
            limits=LogLimits(window_seconds=0.0),
        )

    def new_worker(self) -> Runner:
        """Start a worker process: nothing but the stores survives from the one before."""
        log = self.new_log()
        crash = DiceCrash(self.dice, self._is_faulty)
        graph = self._shaky(self.graph, {"apply", "view", "create_branch", "delete_branch", "create_database"}, GraphUnavailable)
        search = self._shaky(self.search, {"write", "define", "create_branch", "delete_branch", "refresh"}, SearchUnavailable)
        handlers: list[Handler] = [
            GraphHandler(log=log, graph=graph, crash_point=crash.at),
            SearchProjector(search=search, graph=graph),
            StatusProjector(self._shaky(self.statuses, {"apply"}, LedgerUnavailable)),
            LineageProjector(self._shaky(self.lineage, {"apply"}, LedgerUnavailable)),
            AuditProjector(self._shaky(self.audit, {"apply"}, LedgerUnavailable)),
        ]
        parts = Parts(
            feed=UnreliableFeed(LogEventFeed(log), self.dice.randrange(1 << 30)),
            log=log,
            work=self._shaky(self.work, {"claim", "mark_done", "acquire", "position"}, LedgerUnavailable),
            statuses=self.statuses,
            clock=self.clock,
            owner=self.ids.new_id(),
            limits=RunnerLimits(batch=self.dice.choice([1, 3, 10, 50]), first_backoff_seconds=0.1, longest_backoff_seconds=2.0),
            metrics=WorkerMetrics(since=self.clock.now()),
            crash=crash,
        )
        return Runner(handlers, parts)

    def run(self, *, operations: int) -> None:
        """Do everything, then heal and settle."""
        self.set_up()
        for _ in range(operations):
            for _ in range(self.dice.randrange(3)):
                self.submit()
            self.work_a_little()
        self.has_faults = False
        self.settle()

    def set_up(self) -> None:
        self._until_accepted(lambda: self.client.create_database(DB))
        self._until_accepted(lambda: self.client.create_class(DB, "main", CUSTOMER))
        self._until_accepted(lambda: self.client.create_class(DB, "main", PRODUCT))

    def settle(self) -> None:
        """Let time pass and the workers work until nothing is left to do."""
        names = ("graph", "search", "statuses", "lineage", "audit")
        for _ in range(60):
            self.clock.sleep(100)
            for worker in self.workers:
                worker.run_until_idle()
            behind = {name: self.work.position(name, DB) for name in names}
            if set(behind.values()) == {self.client_log.head(DB).position}:
                return
        errors = {name: worker.stream(name, DB).error for worker in self.workers for name in names}
        raise AssertionError(f"never settled: {behind}, {errors}")

    def work_a_little(self) -> None:
        """One pass of one stream of one worker, which may die."""
        number = self.dice.randrange(len(self.workers))
        name = self.dice.choice(["graph", "graph", "search", "statuses", "lineage", "audit"])
        self.clock.sleep(self.dice.choice([0.0, 0.01, 0.5, 40.0 if self.dice.random() < 0.1 else 0.0]))
        try:
            self.workers[number].step(name, DB)
        except Crash:
            self.workers[number] = self.new_worker()

    def submit(self) -> None:
        """One client's request; a refusal or an outage is its answer."""
        try:
            self._accept(self._request())
        except SpiceError:
            return

    def _request(self) -> Any:  # noqa: PLR0911 - one request per case
        dice, commands = self.dice, self.client
        branch = dice.choice(["main", "main", "main", "side"])
        customer, product = f"c{dice.randrange(6)}", f"p{dice.randrange(6)}"
        number = self._number(branch, "Customer", customer) if dice.random() < 0.5 else self._number(branch, "Product", product)
        match dice.randrange(12):
            case 0 | 1 | 2:
                return commands.create_instance(DB, branch, "Customer", {"customer_id": customer, "name": str(dice.random())})
            case 3 | 4:
                data = {"product_id": product, "name": "x", "owned_by": f"Customer/{customer}"}
                return commands.create_instance(DB, branch, "Product", data)
            case 5 | 6:
                patch = {"city": str(dice.random())} if dice.random() < 0.7 else {"city": None, "name": "new"}
                number = self._number(branch, "Customer", customer)
                return commands.update_instance(DB, branch, "Customer", customer, patch, expected_seq=number)
            case 7:
                patch = {"owned_by": dice.choice([f"Customer/{customer}", None])}
                number = self._number(branch, "Product", product)
                return commands.update_instance(DB, branch, "Product", product, patch, expected_seq=number)
            case 8:
                number = self._number(branch, "Customer", customer)
                return commands.delete_instance(DB, branch, "Customer", customer, expected_seq=number)
            case 9:
                number = self._number(branch, "Product", product)
                return commands.delete_instance(DB, branch, "Product", product, expected_seq=number)
            case 10:
                rows = [
                    BulkRow({"customer_id": f"b{dice.randrange(8)}-{n}", "name": "bulk"}) for n in range(dice.randrange(1, 6))
                ]
                return commands.bulk(DB, branch, "Customer", "create", rows)
            case _:
                if dice.random() < 0.5:
                    return commands.create_branch(DB, "side")
                return commands.delete_branch(DB, "side")

    def _number(self, branch: str, class_id: str, instance: str) -> int:
        """Return the number that a client reads: what the branch began with, and the commands since."""
        key = f"{class_id}/{instance}"
        try:
            inherited = inherited_numbers(beginning_of(self.graph, DB, branch), [key]).get(key, 0)
        except BranchNotFound:
            inherited = 0
        return inherited + self.client_log.number(DB, f"Instance|{DB}:{branch}:{class_id}:{instance}")

    def _until_accepted(self, request: Callable[[], Any]) -> None:
        for _ in range(1000):
            try:
                self._accept(request())
            except SpiceError:
                self.clock.sleep(1)
                self.work_a_little()
            else:
                for _ in range(200):
                    self.work_a_little()
                return
        raise AssertionError("never accepted")

    def _accept(self, accepted: Any) -> None:
        if hasattr(accepted, "members"):
            self.accepted += [accepted.bulk_id, *(member.command_id for member in accepted.members)]
        else:
            self.accepted.append(accepted.command_id)

    def _shaky(self, inner: Any, methods: set[str], error: type[SpiceError]) -> Any:
        return Unreliable(inner, methods, error, self.dice, self._is_faulty)

    def _is_faulty(self) -> bool:
        return self.has_faults

    def _store_fault(self, operation: str, _key: str) -> str:
        if not self.has_faults or self.dice.random() > 0.04:
            return NO_FAULT
        return self.dice.choice([REFUSED, ANSWER_LOST, LATE] if operation == "put" else [REFUSED])

    # What must be true in the end

    def events(self) -> list[RecordedEvent]:
        return self.client_log.read(DB, after=0, limit=1_000_000)

    def graph_state(self) -> State:
        """Return document by key by branch, of instances."""
        state: State = {}
        for branch in self.graph.branches(DB):
            nodes = self.graph.view(DB, branch.name).page(["Customer", "Product"], limit=100_000).nodes
            state[branch.name] = {node.key: dict(node.document) for node in nodes if node.class_id != ONTOLOGY_CLASS}
        return state

    def document_state(self, search: MemorySearchIndex | None = None) -> State:
        index = search or self.search
        return {
            branch.name: {found.key: dict(found.data) for found in index.scan(DB, branch.name, limit=100_000)}
            for branch in self.graph.branches(DB)
        }

    def outcomes(self) -> Mapping[str, list[Event]]:
        """Return the domain events by command."""
        found: dict[str, list[Event]] = {}
        for recorded in self.events():
            if not recorded.event.is_command:
                found.setdefault(recorded.event.command_id, []).append(recorded.event)
        return found


class Fold:
    """The oracle: the accepted commands, one after the other, on plain dictionaries."""

    def __init__(self) -> None:
        self.branches: State = {}
        self.states: dict[str, CommandState] = {}
        self.numbers: dict[str, dict[str, int]] = {}  # of the nodes, by branch
        self.begun: dict[str, dict[str, int]] = {}  # the numbers that a branch began with

    def fold(self, recorded: RecordedEvent) -> None:
        if not recorded.event.is_command or recorded.event.aggregate_type == "Bulk":
            return
        command = command_of(recorded.event)
        done = self._apply(command, recorded.event.sequence_number or 0)
        self.states[command.command_id] = CommandState.COMPLETED if done else CommandState.FAILED

    def _apply(self, command: Command, logged: int) -> bool:
        match command.command_type:
            case CommandType.CREATE_DATABASE:
                self.numbers["main"] = {}
                return self.branches.setdefault("main", {}) is not None
            case CommandType.CREATE_ONTOLOGY_CLASS:
                return True
            case CommandType.CREATE_BRANCH:
                return self._create_branch(command.branch)
            case CommandType.DELETE_BRANCH:
                return self.branches.pop(command.branch, None) is not None
            case _:
                return command.branch in self.branches and self._write(command, logged)

    def _create_branch(self, name: str) -> bool:
        if name in self.branches:
            return False
        self.branches[name] = {key: dict(document) for key, document in self.branches["main"].items()}
        self.begun[name], self.numbers[name] = dict(self.numbers["main"]), dict(self.numbers["main"])
        return True

    def _write(self, command: Command, logged: int) -> bool:
        """Change a node if the branch, which may be another than when the command was accepted, has the number it expects."""
        key, nodes = f"{command.class_id}/{command.instance_id}", self.branches[command.branch]
        number = self.begun.get(command.branch, {}).get(key, 0) + logged
        if command.branch != "main" and command.expected_seq not in {None, number - 1}:
            return False
        if not self._change(nodes, command):
            return False
        self.numbers[command.branch][key] = number
        if key not in nodes:
            del self.numbers[command.branch][key]
        return True

    def _change(self, nodes: dict[str, dict[str, Any]], command: Command) -> bool:
        key = f"{command.class_id}/{command.instance_id}"
        if (key in nodes) == (command.command_type is CommandType.CREATE_INSTANCE):
            return False
        if command.command_type is CommandType.DELETE_INSTANCE:
            if any(document.get("owned_by") == key for document in nodes.values()):
                return False
            del nodes[key]
            return True
        document = {**nodes.get(key, {}), **command.payload}
        document = {name: value for name, value in document.items() if value is not None}
        if "owned_by" in document and document["owned_by"] not in nodes:
            return False
        nodes[key] = document
        return True


def expected_statuses(simulation: Simulation, fold: Fold) -> Mapping[str, CommandState]:
    """Return the final state of each accepted command: bulk markers by their members."""
    expected = dict(fold.states)
    for recorded in simulation.events():
        event = recorded.event
        if event.is_command and event.aggregate_type == "Bulk":
            members = [
                e.event.event_id
                for e in simulation.events()
                if e.event.is_command and e.event.metadata.get("bulk_id") == event.event_id
            ]
            members = [member for member in members if member != event.event_id]
            is_done = all(fold.states[member] is CommandState.COMPLETED for member in members)
            expected[event.event_id] = CommandState.COMPLETED if is_done else CommandState.FAILED
    return expected


def own_events(events: list[Event], command: Event) -> list[Event]:
    """Return the events that say what became of `command` itself (not of those that lost a link to it)."""
    return [event for event in events if event.aggregate_id == command.aggregate_id or event.event_type == COMMAND_FAILED]
