"""The end of a run on record: of one that slept it is refused, of one that is repeated or whose answer is lost it holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.errors import LeaseLost, OptimisticConcurrencyConflict
from spice_core.services import objectify_write
from spice_core.services.keep_gates import Gates
from spice_core.services.objectify_turn import Turn
from spice_core.services.submit_registry import RegistryCommands
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

PERSON = a_class("Person", text("id", primaryKey=True, required=True), text("name", required=True))
COLUMNS = ("id", "name")
FIRST = [("p1", "Ann"), ("p2", "Bob")]
SECOND = [("p1", "Bea"), ("p3", "Cy")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(PERSON)
    yield found
    found.close()


def people(world: DataWorld) -> str:
    return world.map(world.upload("people", csv_of(COLUMNS, FIRST)), "Person", {name: name for name in COLUMNS})


def names(world: DataWorld) -> dict[str, str]:
    return {identity: document["name"] for identity, document in world.instances("Person").items()}


def states(world: DataWorld, mapping: str) -> list[tuple[str, dict[str, int]]]:
    world.work()
    return [(run.state, dict(run.reasons)) for run in world.registry.runs("shop", mapping_id=mapping)]


def test_a_run_that_slept_before_its_end_is_not_what_the_next_one_compares_with(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
):
    mapping = people(world)
    record, calls = Gates.record, []

    def sleeping(self: Gates, *arguments: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 1:  # all is written, but the success is not on record
            world.clock.seconds += 61
            world.upload("people", csv_of(COLUMNS, SECOND))
            assert world.objectify.run("shop", mapping).state == "succeeded"
        record(self, *arguments, **options)

    monkeypatch.setattr(Gates, "record", sleeping)
    with pytest.raises(LeaseLost, match="slept through its turn"):
        world.objectify.run("shop", mapping)
    assert (states(world, mapping), names(world)) == ([("succeeded", {}), ("failed", {"run_died": 1})], dict(SECOND))
    world.upload("people", csv_of(COLUMNS, FIRST), key="as at first")
    run = world.objectify.run("shop", mapping)
    assert (run.created, run.updated, run.deleted, names(world)) == (1, 1, 1, dict(FIRST))


def test_a_run_that_died_when_its_end_was_on_record_has_succeeded(world: DataWorld):
    mapping = people(world)
    assert world.dies(RegistryCommands, "record_run", lambda: world.objectify.run("shop", mapping), at=2)
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created, run.unchanged, run.previous_version_id) == ("succeeded", 0, 2, run.version_id)
    assert (states(world, mapping), names(world)) == ([("succeeded", {})] * 2, dict(FIRST))


def test_an_end_that_is_recorded_again_by_its_command_id_gets_the_first_answer(world: DataWorld):
    run = world.objectify.run("shop", people(world))
    again = {"expected_seq": 2, "command_id": world.path.ids.new_id()}
    first = world.catalogue.record_run("shop", "main", run, **again)
    second = world.catalogue.record_run("shop", "main", run, **again)
    assert (first.sequence_number, second.position, second.is_duplicate) == (3, first.position, True)
    with pytest.raises(OptimisticConcurrencyConflict):
        world.catalogue.record_run("shop", "main", run, expected_seq=2)


def test_a_run_keeps_its_turn_while_it_looks_at_rows_that_need_no_command(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    rows = [(f"p{number}", "same") for number in range(30)]
    mapping = world.map(world.upload("people", csv_of(COLUMNS, rows)), "Person", {"id": "id", "name": "name"})
    world.objectify.run("shop", mapping)
    keep, kept = Turn.keep, []
    monkeypatch.setattr(Turn, "keep", lambda turn: kept.append(keep(turn)))
    monkeypatch.setattr(objectify_write, "_BATCH", 1)
    assert world.objectify.run("shop", mapping, full=True).unchanged == 30
    assert len(kept) >= 30
