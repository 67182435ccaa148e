"""Records of the catalogue through the log: versions, conflicts, removal, and the same again from a replay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.adapters.memory.registry import MemoryRegistry
from spice_core.domain.catalogue_records import RecordKind, record_id_of
from spice_core.errors import OptimisticConcurrencyConflict, RecordNotFound
from spice_core.services.apply_registry import RegistryHandler
from spice_core.services.submit_records import RecordCommands
from tests.data_world import DataWorld

PLACE = record_id_of("shop", "main", "in:box")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    world = DataWorld(tmp_path).with_classes()
    yield world
    world.close()


def records(world: DataWorld) -> RecordCommands:
    return RecordCommands(commands=world.path.commands, registry=world.registry)


def test_a_record_has_the_number_of_its_last_command_and_says_who_changed_it(world: DataWorld):
    first = records(world).save("shop", RecordKind.WATCH, PLACE, {"path": "in"}, parent="p", actor="ann", expected_seq=0)
    world.work()
    found = records(world).require("shop", RecordKind.WATCH, PLACE)
    assert (found.version, found.document, found.parent, found.changed_by) == (1, {"path": "in"}, "p", "ann")
    assert (found.position, first.sequence_number) == (first.position, 1)
    records(world).save("shop", RecordKind.WATCH, PLACE, {"path": "new"}, status="on", expected_seq=1)
    world.work()
    found = records(world).require("shop", RecordKind.WATCH, PLACE)
    assert (found.version, found.document, found.parent, found.status) == (2, {"path": "new"}, "", "on")


def test_of_two_who_saw_the_same_version_one_is_refused_and_nothing_of_theirs_is_in_the_log(world: DataWorld):
    records(world).save("shop", RecordKind.WATCH, PLACE, {"path": "in"})
    records(world).save("shop", RecordKind.WATCH, PLACE, {"path": "first"}, expected_seq=1)
    head = world.path.log.head("shop").position
    with pytest.raises(OptimisticConcurrencyConflict) as refused:
        records(world).save("shop", RecordKind.WATCH, PLACE, {"path": "second"}, expected_seq=1)
    assert refused.value.actual_seq == 2
    assert world.path.log.head("shop").position == head


def test_a_deleted_record_is_gone_and_its_number_goes_on(world: DataWorld):
    records(world).save("shop", RecordKind.WATCH, PLACE, {})
    world.work()
    records(world).delete("shop", RecordKind.WATCH, PLACE, expected_seq=1)
    world.work()
    with pytest.raises(RecordNotFound, match="no watched place"):
        records(world).delete("shop", RecordKind.WATCH, PLACE)
    records(world).save("shop", RecordKind.WATCH, PLACE, {})
    world.work()
    assert records(world).require("shop", RecordKind.WATCH, PLACE).version == 3


def test_a_replay_makes_the_same_records(world: DataWorld):
    for number in range(3):
        records(world).save("shop", RecordKind.GATE, record_id_of("shop", f"g{number}"), {"n": number}, status="PASS")
    records(world).save("shop", RecordKind.GATE, record_id_of("shop", "g1"), {"n": 9}, status="FAIL")
    world.work()
    records(world).delete("shop", RecordKind.GATE, record_id_of("shop", "g0"))
    world.work()
    again = MemoryRegistry()
    events = world.path.log.read("shop", after=0, limit=1000)
    handler = RegistryHandler(log=world.path.log, registry=again)
    handler.handle("shop", [event for event in events if handler.wants(event)])
    assert again.records("shop", RecordKind.GATE) == world.registry.records("shop", RecordKind.GATE)
    assert [found.status for found in again.records("shop", RecordKind.GATE)] == ["FAIL", "PASS"]
