"""The append path under lost answers, late writes, refusals, cut reads, races, restarts and ledgers that forget.

Every run is decided by its seed; a failing one is printed and can be run again with `SEED=<n>` of this file.
"""

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from event_log_world import DB, SeededIds, VirtualClock, all_events, command
from faulty_store import ANSWER_LOST, CUT, LATE, NO_FAULT, REFUSED, FaultyStore

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.domain.events import Event
from spice_core.errors import CorruptSegment, LedgerUnavailable, LogBehind, OptimisticConcurrencyConflict, StoreUnavailable
from spice_core.ports.ledger import FoldedHead, LedgerView
from spice_core.services.event_log.event_log import AppendResult, EventLog
from spice_core.services.event_log.limits import LogLimits

FAULTS = {"put": [REFUSED, ANSWER_LOST, LATE], "get": [REFUSED, CUT], "size": [REFUSED], "list": [REFUSED]}
LIMITS = LogLimits(store_attempts=3, max_tail_events=40, cache_bytes=3_000)


class ForgetfulLedger(MemoryLedger):
    """A ledger that is away at times, and that a test can set back to an earlier state."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self.trouble = 0.0

    def view(self, database: str, **asked: object) -> LedgerView:
        if self._dice.random() < self.trouble:
            raise LedgerUnavailable
        return super().view(database, **asked)  # type: ignore[arg-type]

    def visit_keys(self, database: str, visit: Callable[[Iterable[str]], None]) -> FoldedHead:
        if self._dice.random() < self.trouble:
            raise LedgerUnavailable
        return super().visit_keys(database, visit)

    def snapshot(self) -> object:
        return copy.deepcopy(self._databases)

    def restore(self, snapshot: object) -> None:
        self._databases = copy.deepcopy(snapshot)  # type: ignore[assignment]


class Simulation:
    """Three processes on one log, driven step by step by the dice of one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.objects: dict[str, tuple[object, bytes]] = {}
        self.ledger = ForgetfulLedger(self.dice)
        self.ids = SeededIds(seed)
        self.trouble = self.dice.choice([0.0, 0.05, 0.3, 0.6])
        self.is_racing = False
        self.stores: list[FaultyStore] = []
        self.snapshots = [self.ledger.snapshot()]
        self.acknowledged: dict[str, AppendResult] = {}
        self.unknown: list[tuple[Event, dict[str, int]]] = []
        self.asked = 0
        self.calm_log().append(DB, [command("first", event_id="first")], create=True)
        self.processes = [self.process() for _ in range(3)]

    def calm_log(self) -> EventLog:
        store = MemoryObjectStore(self.objects)
        return EventLog(store=store, ledger=self.ledger, clock=VirtualClock(), ids=self.ids, writer_id="calm", limits=LIMITS)

    def process(self) -> EventLog:
        store = FaultyStore(MemoryObjectStore(self.objects), self.fault)
        self.stores.append(store)
        return EventLog(store=store, ledger=self.ledger, clock=VirtualClock(), ids=self.ids, writer_id="p", limits=LIMITS)

    def fault(self, operation: str, key: str) -> str:
        if operation == "put" and not self.is_racing and self.dice.random() < 0.2:
            self.is_racing = True  # another process appends between our decision and our put
            try:
                self.append(self.dice.choice(self.processes[1:]))
            finally:
                self.is_racing = False
        return self.dice.choice(FAULTS[operation]) if self.dice.random() < self.trouble else NO_FAULT

    def step(self) -> None:
        process = self.dice.choice(self.processes if not self.is_racing else self.processes[1:])
        action = self.dice.choices(
            [self.append, self.repeat, self.retry, self.fold, self.restart, self.set_back, self.arrive, self.rest],
            [12, 2, 4, 3, 1, 1, 2, 1],
        )[0]
        self.ledger.trouble = self.trouble / 2
        try:
            action(process)
        finally:
            self.ledger.trouble = 0.0

    def append(self, process: EventLog) -> None:
        # A racing append must not come from the process that is in its turn: one of the others does it.
        if self.is_racing and process is self.processes[0]:
            return
        process = process if self.is_racing else self.processes[0]
        self.asked += 1
        name = self.dice.choice("abc")
        asked = command(name, event_id=f"c{self.asked}", n=self.asked)
        key = f"Instance|{name}"
        try:
            number = process.number(DB, key) if self.dice.random() < 0.8 else self.dice.randrange(5)
        except (StoreUnavailable, LedgerUnavailable, LogBehind, CorruptSegment):
            return
        self.send(process, asked, {key: number})

    def send(self, process: EventLog, asked: Event, expected: dict[str, int]) -> None:
        try:
            result = process.append(DB, [asked], expected=expected)
        except (StoreUnavailable, CorruptSegment):  # a read that was cut every time looks like damage
            self.unknown.append((asked, expected))
        except (LedgerUnavailable, LogBehind, OptimisticConcurrencyConflict):
            return
        else:
            known = self.acknowledged.setdefault(asked.event_id, result)
            assert known.events == result.events

    def repeat(self, _: EventLog) -> None:
        if self.acknowledged:
            event_id = self.dice.choice(list(self.acknowledged))
            event = self.acknowledged[event_id].events[0].event
            self.send(self.processes[0], event, {f"Instance|{event.aggregate_id}": 0})

    def retry(self, _: EventLog) -> None:
        if self.unknown:
            self.send(self.processes[0], *self.unknown.pop(self.dice.randrange(len(self.unknown))))

    def fold(self, process: EventLog) -> None:
        try:
            process.fold(DB)
            process._load_filter(DB)  # what the background thread does after a fold
        except (StoreUnavailable, LedgerUnavailable, CorruptSegment):
            return
        self.snapshots.append(self.ledger.snapshot())

    def restart(self, _: EventLog) -> None:
        self.dice.shuffle(self.processes)
        self.processes[0] = self.process()

    def set_back(self, _: EventLog) -> None:
        self.ledger.restore(self.dice.choice(self.snapshots[-5:]))

    def arrive(self, _: EventLog) -> None:
        self.dice.choice(self.stores).deliver_late()

    def rest(self, _: EventLog) -> None:
        self.dice.shuffle(self.processes)

    def check(self) -> None:
        for store in self.stores:
            store.deliver_late()
        log = self.calm_log()
        report = log.verify(DB)
        assert report.is_intact, report.problem
        log.fold(DB)  # a ledger that was set back far makes appends wait
        events = all_events(log)
        counts = Counter(event.event_id for event in events)
        assert all(count == 1 for count in counts.values()), "an event stands twice"
        assert set(self.acknowledged) <= set(counts), "an acknowledged event is lost"
        for event_id, result in self.acknowledged.items():
            assert log.find(DB, event_id) == result.events[0]
            assert log.append(DB, [result.events[0].event]) == AppendResult(result.events, is_duplicate=True)
        for name in "abc":
            numbers = [event.sequence_number for event in events if event.aggregate_id == name]
            assert numbers == list(range(1, len(numbers) + 1))
        self.ledger.restore(self.snapshots[0])
        log.fold(DB)
        assert self.ledger.heads()[DB].position == len(events)


def run(seed: int, *, steps: int) -> None:
    simulation = Simulation(seed)
    for _ in range(steps):
        simulation.step()
    simulation.trouble = 0.0
    for asked, expected in simulation.unknown:
        simulation.send(simulation.calm_log(), asked, expected)
    simulation.check()


@pytest.mark.parametrize("first", [pytest.param(n, marks=[pytest.mark.long] if n >= 100 else []) for n in range(0, 200, 20)])
def test_acknowledged_exactly_once_whatever_fails(first: int):
    for seed in range(first, first + 20):
        try:
            run(seed, steps=60)
        except BaseException:
            print(f"SEED={seed}")
            raise


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 4_000, 100))
def test_acknowledged_exactly_once_whatever_fails_for_long(first: int):
    for seed in range(first, first + 100):
        try:
            run(seed, steps=150)
        except BaseException:
            print(f"SEED={seed}")
            raise
