"""Runs of shards: beside each other, repeated alone, whatever dies, they make what one whole run makes."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.datasets import ObjectifyRun
from spice_core.domain.shards import WHOLE, Shards, shards_of
from spice_core.errors import InvalidMapping, LeaseLost, LedgerUnavailable, ObjectTypeMismatch
from spice_core.services.objectify_batches import CommandBatches
from spice_core.services.objectify_turn import turn_of
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_records import RecordCommands
from spice_core.services.submit_registry import RegistryCommands
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

PERSON = a_class("Person", text("id", primaryKey=True, required=True), text("name", required=True))
Row = tuple[str | None, str | None]
DEATHS: list[tuple[type, str]] = [(CommandService, "bulk"), (CommandBatches, "finish"), (RegistryCommands, "record_run")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(PERSON)
    yield found
    found.close()


def a_table(generator: random.Random) -> list[Row]:
    return [(f"p{number}", generator.choice("abc")) for number in generator.sample(range(60), generator.randrange(1, 40))]


def people(world: DataWorld, rows: list[Row]) -> str:
    version = world.upload("people", csv_of(("id", "name"), rows))
    return world.map(version, "Person", {"id": "id", "name": "name"})


def names(world: DataWorld) -> dict[str, str]:
    return {identity: document["name"] for identity, document in world.instances("Person").items()}


def gates(world: DataWorld, mapping: str) -> dict[str, str]:
    world.work()
    found = world.registry.records("shop", RecordKind.GATE, parent=mapping)
    return {record.document["shards"]: record.status for record in found}


def run(world: DataWorld, mapping: str, *numbers: int, count: int = 4, **options: Any) -> ObjectifyRun:
    return world.objectify.run("shop", mapping, shards=shards_of(numbers, count), **options)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 40))])
def test_any_split_into_shards_with_deaths_between_makes_what_the_newest_version_says(world: DataWorld, seed: int):
    generator = random.Random(seed)
    rows = a_table(generator)
    mapping = people(world, rows)
    for _ in range(4):
        if generator.random() < 0.3:  # of an unfinished backfill, which the next version overtakes
            run(world, mapping, generator.randrange(3), count=3)
            rows = a_table(generator)
            world.upload("people", csv_of(("id", "name"), rows))
        count = generator.choice([1, 2, 4, 6])
        pending = generator.sample(range(count), count)
        while pending:
            some = [pending.pop() for _ in range(min(len(pending), generator.randrange(1, 4)))]
            if generator.random() < 0.5:
                world.dies(*generator.choice(DEATHS), partial(run, world, mapping, *some, count=count))
            assert run(world, mapping, *some, count=count).state == "succeeded"
        assert names(world) == dict(rows)
        kept = [row for row in rows if generator.random() < 0.8]
        rows = [*kept, (f"n{len(world.path.events())}", "new")]
        world.upload("people", csv_of(("id", "name"), rows))
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert names(world) == dict(rows)


def test_the_success_of_one_shard_does_not_hide_the_failure_of_another(world: DataWorld):
    rows: list[Row] = [(f"p{number}", "first") for number in range(40)]
    mapping = people(world, rows)
    world.dies(CommandService, "bulk", lambda: run(world, mapping, 1))
    for shard in (0, 2, 3):
        done = run(world, mapping, shard)
        assert (done.state, done.created, done.shards) == ("succeeded", done.rows, f"{shard}/4")
    found = {item.shards: item.state for item in world.registry.runs("shop", mapping_id=mapping)}
    assert found == {"0/4": "succeeded", "2/4": "succeeded", "3/4": "succeeded", "1/4": "running"}
    last = run(world, mapping, 1)
    assert (last.state, last.unchanged + last.created) == ("succeeded", last.rows)
    assert names(world) == dict(rows)
    dead = [item for item in world.registry.runs("shop", mapping_id=mapping) if item.state == "failed"]
    assert [(item.shards, item.reasons) for item in dead] == [("1/4", {"run_died": 1})]


def test_after_a_backfill_in_shards_a_whole_run_looks_only_at_what_changed(world: DataWorld):
    rows: list[Row] = [(f"p{number}", "first") for number in range(40)]
    mapping = people(world, rows)
    assert sum(run(world, mapping, shard).rows for shard in range(4)) == 40
    changed: list[Row] = [*rows[1:20], ("p20", "other"), *rows[21:]]
    version = world.upload("people", csv_of(("id", "name"), changed))
    seen: list[int] = []
    whole = world.objectify.run("shop", mapping, progress=lambda progress: seen.append(progress.rows))
    assert (max(seen), whole.updated, whole.deleted, whole.unchanged) == (1, 1, 1, 38)
    assert names(world) == dict(changed)
    again = run(world, mapping, 1)
    assert (again.previous_version_id, again.updated, again.unchanged) == (version.version_id, 0, again.rows)


def test_counts_and_rejects_of_all_shards_add_up(world: DataWorld):
    rows: list[Row] = [*((f"p{number}", "x") for number in range(20)), (None, "y"), ("p3", "z"), ("p99", None)]
    mapping = people(world, rows)
    runs = [run(world, mapping, *numbers) for numbers in ([0], [1, 3], [2])]
    assert sum(item.rows for item in runs) == 23
    assert sum(item.created for item in runs) == 20
    assert sum(item.rejected for item in runs) == 3
    reasons = [(reason, count) for item in runs for reason, count in item.reasons.items()]
    assert sorted(reasons) == [("key_missing", 1), ("key_repeated", 1), ("name: invalid", 1)]


def test_gates_are_of_shards_until_a_run_covers_them(world: DataWorld):
    mapping = people(world, [(f"p{number}", "x") for number in range(20)])

    run(world, mapping, 0)
    run(world, mapping, 1, 2)
    assert gates(world, mapping) == {"0/4": "PASS", "1,2/4": "PASS"}
    run(world, mapping, 0, count=2)
    assert gates(world, mapping) == {"0/2": "PASS", "1,2/4": "PASS"}
    world.objectify.run("shop", mapping)
    assert gates(world, mapping) == {"": "PASS"}


def test_a_version_that_was_refused_is_so_until_a_run_of_any_shards_is_let_in(world: DataWorld):
    mapping = people(world, [(f"p{number}", "x") for number in range(20)])
    world.upload("people", csv_of(("id", "name", "more"), [("p1", "x", "y")]))
    with pytest.raises(ObjectTypeMismatch):
        run(world, mapping, 3)

    assert gates(world, mapping) == {"": "FAIL"}
    run(world, mapping, 3, accept_schema=True)
    assert gates(world, mapping) == {"3/4": "PASS"}


def test_runs_of_shards_that_end_together_forget_a_refusal_of_their_version_once(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
):
    mapping = people(world, [(f"p{number}", "x") for number in range(20)])
    world.upload("people", csv_of(("id", "name", "more"), [(f"p{number}", "x", "y") for number in range(20)]))
    with pytest.raises(ObjectTypeMismatch):
        run(world, mapping, 0)
    world.work()
    delete, calls = RecordCommands.delete, []

    def racing(self: RecordCommands, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:  # between the look and the deletion the other run ends
            assert run(world, mapping, 1, count=2, accept_schema=True).state == "succeeded"
            world.work()
        return delete(self, *arguments, **options)

    monkeypatch.setattr(RecordCommands, "delete", racing)
    assert run(world, mapping, 0, count=2, accept_schema=True).state == "succeeded"
    assert gates(world, mapping) == {"0/2": "PASS", "1/2": "PASS"}


def test_shards_of_a_mapping_with_another_key_cover_and_hide_nothing(world: DataWorld):
    """Rows that a run left are found, though its shards were cut by other columns."""
    rows: list[Row] = [(f"p{number}", f"n{number}") for number in range(30)]
    mapping = people(world, rows)
    world.dies(CommandService, "bulk", lambda: run(world, mapping, 3))
    world.upload("people", csv_of(("id", "name"), rows[:2]))
    saved = next(item for item in world.registry.mappings("shop") if item.mapping_id == mapping)
    world.catalogue.save_mapping(saved)
    world.work()
    for shard in range(3):
        run(world, mapping, shard, count=3)
    assert names(world) == dict(rows[:2])


def test_a_run_under_way_is_not_taken_for_dead_by_one_of_other_shards_though_the_mapping_changed(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
):
    rows: list[Row] = [(f"p{number}", "x") for number in range(40)]
    mapping = people(world, rows)
    bulk, calls = CommandService.bulk, []

    def intruded(self: CommandService, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            world.catalogue.save_mapping(next(item for item in world.registry.mappings("shop") if item.mapping_id == mapping))
            world.work()
            assert run(world, mapping, 1).state == "succeeded"
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", intruded)
    assert run(world, mapping, 0).state == "succeeded"
    assert [(item.shards, item.state) for item in world.registry.runs("shop")] == [("0/4", "succeeded"), ("1/4", "succeeded")]
    run(world, mapping, 0, 2, 3)
    assert names(world) == dict(rows)


def test_shards_that_do_not_meet_have_their_turn_at_once_and_a_whole_run_excludes_all(world: DataWorld):
    work = world.path.work
    assert work is not None

    def turn(shards: Shards, run_id: str) -> Any:
        return turn_of("shop", "m", run_id=run_id, work=work, clock=world.clock, patience=1, shards=shards)

    with turn(shards_of([0], 4), "r0"), turn(shards_of([1, 2], 4), "r12"):
        for shards in (WHOLE, shards_of([0], 2), shards_of([1], 4), shards_of([0], 3)):
            with pytest.raises(LedgerUnavailable, match=r"r0|r12"), turn(shards, "late"):
                pass
        with turn(shards_of([3], 4), "r3"):
            pass
    with turn(WHOLE, "whole"), pytest.raises(LedgerUnavailable, match="whole"), turn(shards_of([3], 4), "r3"):
        pass
    with turn(shards_of([3], 4), "r3"):
        pass


@pytest.mark.parametrize("next_one", [WHOLE, shards_of([0], 2), shards_of([0], 4)])
def test_a_run_of_shards_that_slept_through_its_turn_writes_nothing_more(world: DataWorld, next_one: Shards):
    work = world.path.work
    assert work is not None
    options: dict[str, Any] = {"work": work, "clock": world.clock, "patience": 1}
    with turn_of("shop", "m", run_id="slept", shards=shards_of([0], 4), **options) as slept:
        world.clock.sleep(100)
        with turn_of("shop", "m", run_id="next", shards=next_one, **options) as turn:
            turn.keep()
            with pytest.raises(LeaseLost):
                slept.keep()
        with pytest.raises(LeaseLost):
            slept.keep()


def test_a_run_of_shards_that_lost_the_queue_meanwhile_looks_again(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    """It slept between its look at the holders and its lease: another one may have come to its turn."""
    work = world.path.work
    assert work is not None
    acquire, taken = work.acquire, []

    def slow(name: str, *, owner: str, seconds: float) -> Any:
        if name.endswith("#0/4") and not taken:
            world.clock.sleep(100)
            taken.append(acquire(name.replace("#0/4", "#0/2"), owner="faster", seconds=30))
            acquire(name.partition("#")[0], owner="faster", seconds=0)
        return acquire(name, owner=owner, seconds=seconds)

    monkeypatch.setattr(work, "acquire", slow)
    with turn_of("shop", "m", run_id="r", work=work, clock=world.clock, patience=200, shards=shards_of([0], 4)):
        assert taken
        assert set(work.holders("objectify:shop:m#")) == {"objectify:shop:m#0/4"}, "the faster one ended first"


def test_a_class_that_is_linked_to_itself_is_not_run_in_shards(tmp_path: Path):
    boss = {"predicate": "boss", "target": "Worker", "cardinality": "n:1", "label": "boss"}
    world = DataWorld(tmp_path).with_classes(a_class("Worker", text("id", primaryKey=True, required=True), relationships=[boss]))
    version = world.upload("workers", csv_of(("id", "boss"), [("w1", "w2"), ("w2", None)]))
    mapping = world.map(version, "Worker", {"id": "id", "boss": "boss"})
    with pytest.raises(InvalidMapping, match="boss") as refusal:
        run(world, mapping, 0)
    assert refusal.value.details["errors"][0]["code"] == "MAPPING_SPEC_OWN_LINK_IN_SHARDS"
    assert world.instances("Worker") == {}
    assert run(world, mapping, 0, 1, 2, 3).created == 2
    world.close()
