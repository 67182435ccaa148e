"""The append path under lost answers, late writes, refusals, cut reads, races, restarts and ledgers that forget.

Every run is decided by its seed; a failing one is printed and can be run again with `SEED=<n>` of this file.
"""

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest
from event_log_world import DB, SeededIds, VirtualClock, all_events, command
from faulty_store import ANSWER_LOST, CUT, LATE, NO_FAULT, REFUSED, FaultyStore

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.domain.events import Event, RecordedEvent
from spice_core.errors import CorruptSegment, LedgerUnavailable, LogBehind, OptimisticConcurrencyConflict, StoreUnavailable
from spice_core.ports.ledger import FoldedHead, LedgerView
from spice_core.services.event_log.event_log import EventLog
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
        self.acknowledged: dict[str, RecordedEvent] = {}
        self.unknown: list[tuple[Sequence[Event], dict[str, int]]] = []
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
        wishes = [self.wish(process) for _ in range(self.dice.choice([1, 1, 1, 2, 4]))]
        events = [event for event, _ in wishes]
        if self.dice.random() < 0.3:
            events += self.some_acknowledged(2)
        self.send(process, events, {name: number for _, expected in wishes for name, number in expected.items()})

    def wish(self, process: EventLog) -> tuple[Event, dict[str, int]]:
        self.asked += 1
        name = self.dice.choice(["a", "b", "c", "c", f"new {self.asked}", f"new {self.asked - self.dice.randrange(9)}"])
        asked = command(name, event_id=f"c{self.asked}", n=self.asked)
        key = f"Instance|{name}"
        try:
            return asked, self.dice.choices(
                [dict, lambda: {key: process.number(DB, key)}, lambda: {key: self.dice.randrange(5)}], [3, 5, 2]
            )[0]()
        except (StoreUnavailable, LedgerUnavailable, LogBehind, CorruptSegment):
            return asked, {}

    def some_acknowledged(self, most: int) -> list[Event]:
        """Some events that were acknowledged, the newest more often than others."""
        newest_first = list(reversed(self.acknowledged.values()))
        chosen = {min(int(self.dice.expovariate(0.2)), len(newest_first) - 1) for _ in range(most) if newest_first}
        return [newest_first[place].event for place in sorted(chosen)]

    def send(self, process: EventLog, events: Sequence[Event], expected: dict[str, int]) -> None:
        try:
            result = process.append(DB, events, expected=expected)
        except (StoreUnavailable, CorruptSegment):  # a read that was cut every time looks like damage
            self.unknown.append((events, expected))
        except (LedgerUnavailable, LogBehind):
            return
        except OptimisticConcurrencyConflict:
            assert not all(event.event_id in self.acknowledged for event in events), "a repetition is refused"
        else:
            for recorded in result.events:
                assert self.acknowledged.setdefault(recorded.event.event_id, recorded) == recorded

    def repeat(self, _: EventLog) -> None:
        if events := self.some_acknowledged(3):
            self.send(self.processes[0], events, {f"Instance|{event.aggregate_id}": 0 for event in events})

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
        for event_id, recorded in self.acknowledged.items():
            assert log.find(DB, event_id) == recorded
            again = log.append(DB, [recorded.event])
            assert again.is_duplicate
            assert again.events == (recorded,)
        for name in {event.aggregate_id for event in events}:
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
