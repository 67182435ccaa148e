"""Comparing live stores with a replay of the log: equal after any run, and every kind of damage is seen and named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.graph import GraphBatch
from spice_core.services.compare_stores import StoresComparison, compare_stores
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.project_lineage import LineageProjector, lineage_records
from spice_core.services.replay_log import LogStores, replay_log
from tests.simulation.write_path_world import DB, Simulation
from tests.write_path import CountedIds, SteppedClock


class World:
    """One simulated installation whose work is done, with copies of its stores to damage."""

    def __init__(self) -> None:
        self.simulation = Simulation(3)
        self.simulation.run(operations=60)
        head = self.simulation.client_log.head(DB).position
        lease = self.simulation.work.acquire(f"registry:{DB}", owner="test", seconds=60)
        assert lease is not None
        self.simulation.work.mark_done(lease, "registry", [], database=DB, position=head)
        self.live = self.fresh()
        replay_log(DB, into=self.live)
        LineageProjector(self.live.lineage).handle(DB, self.simulation.events())

    def fresh(self) -> LogStores:
        ledger = MemoryLedger()
        return LogStores(
            log=EventLog(
                store=MemoryObjectStore(self.simulation.objects),
                ledger=ledger,
                clock=SteppedClock(),
                ids=CountedIds(),
                writer_id="replay",
            ),
            ledger=ledger,
            graph=MemoryGraphStore(),
            search=MemorySearchIndex(),
            statuses=MemoryCommandStatuses(),
            lineage=MemoryLineageStore(),
            audit=MemoryAuditStore(),
            registry=MemoryRegistry(),
        )

    def compared(self, live: LogStores) -> StoresComparison:
        return compare_stores(live, empty=self.fresh(), work=self.simulation.work, database=DB)


@pytest.fixture(scope="module")
def sound() -> World:
    return World()


@pytest.fixture
def world() -> World:
    return World()


def test_what_survived_every_fault_of_a_simulation_equals_the_replay(sound: World):
    found = sound.compared(
        replace(
            sound.live,
            log=sound.simulation.client_log,
            ledger=sound.simulation.ledger,
            graph=sound.simulation.graph,
            search=sound.simulation.search,
            statuses=sound.simulation.statuses,
            lineage=sound.simulation.lineage,
            audit=sound.simulation.audit,
        )
    )
    assert found.is_equal, found.differences
    assert all(found.compared[part] for part in ("ledger events", "graph nodes", "graph links", "documents", "statuses", "audit"))


def lose_a_document(live: LogStores) -> None:
    live.search.drop(DB, class_id="Customer")


def lose_the_graph(live: LogStores) -> None:
    live.graph.forget(DB)


def commit_once_more(live: LogStores) -> None:
    node = next(iter(live.graph.view(DB).page(["Customer"]).nodes))
    position = live.graph.applied_position(DB) + 1
    changed = replace(node, document={**node.document, "name": "doubled"}, position=position)
    at = live.graph.view(DB).commit.at
    live.graph.apply(DB, GraphBatch("main", [changed], "spice", "again", at, position, position))


def forget_statuses(live: LogStores) -> None:
    live.statuses.reset(DB)


def note_lineage_twice(live: LogStores) -> None:
    events = live.log.read(DB, after=0, limit=1_000_000)
    record = next(record for event in events for record in lineage_records(event))
    live.lineage.apply(DB, [replace(record, position=10**6)], position=10**6)


def forget_audit(live: LogStores) -> None:
    live.audit.reset(DB)


DAMAGES: list[tuple[Callable[[LogStores], None], str]] = [
    (lose_a_document, "documents"),
    (lose_the_graph, "graph branches"),
    (commit_once_more, "graph nodes"),
    (forget_statuses, "statuses"),
    (note_lineage_twice, "lineage"),
    (forget_audit, "audit"),
]


@pytest.mark.parametrize(("damage", "part"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_damage_to_a_store_is_found_and_named(world: World, damage: Callable[[LogStores], None], part: str):
    assert world.compared(world.live).is_equal
    damage(world.live)
    found = world.compared(world.live)
    assert not found.is_equal
    assert part in found.different
    assert any(difference.part == part for difference in found.differences)


def test_a_ledger_that_knows_more_than_the_log_is_found(world: World):
    view = world.live.ledger.view(DB)
    entry = next(iter(world.live.ledger.view(DB, event_ids=[world.simulation.accepted[0]]).known.values()))
    more = entry._replace(event_id="never in the log", position=view.head.position + 1)
    world.live.ledger.fold(DB, [more], since=view.head, head=view.head)
    assert {"ledger size"} <= world.compared(world.live).different.keys()


def test_a_worker_that_is_behind_is_told(world: World):
    world.simulation.work.reset("audit", DB)
    found = world.compared(world.live)
    assert found.behind["audit"] == found.chain.events
    assert not found.is_equal
