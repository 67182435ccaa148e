"""Dataset versions become instances: what changed and nothing else, whatever happens in between."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spice_core.errors import (
    DatasetNotFound,
    InvalidMapping,
    LeaseLost,
    LedgerUnavailable,
    MappingNotFound,
    StoreUnavailable,
    Unavailable,
)
from spice_core.services.objectify import Progress
from spice_core.services.objectify_batches import CommandBatches
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_registry import RegistryCommands
from tests.data_world import DataWorld, csv_of
from tests.write_path import Crash, a_class, text

CITY = a_class("City", text("code", primaryKey=True, required=True), text("name"))
PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    text("name", required=True),
    {"name": "age", "type": "integer"},
    text("note"),
    relationships=[{"predicate": "city", "target": "City", "cardinality": "n:1", "on_delete": "unlink", "label": "city"}],
)
FIELDS = {"id": "id", "name": "name", "age": "age", "city": "city"}
COLUMNS = ("id", "name", "age", "city")
CITIES = [("SEL", "Seoul"), ("PUS", "Busan"), ("NYC", "New York")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(CITY, PERSON)
    for code, name in CITIES:
        found.path.commands.create_instance("shop", "main", "City", {"code": code, "name": name})
    found.work()
    yield found
    found.close()


def people(world: DataWorld, rows: list[tuple[Any, ...]]) -> str:
    """Upload people, mapped; return the mapping's id."""
    version = world.upload("people", csv_of(COLUMNS, rows))
    return world.map(version, "Person", FIELDS, on_missing_target="drop_link")


def next_version(world: DataWorld, rows: list[tuple[Any, ...]]) -> None:
    world.upload("people", csv_of(COLUMNS, rows))


def expected(
    rows: list[tuple[Any, ...]], *, cities: set[str] = frozenset(code for code, _ in CITIES)
) -> dict[str, dict[str, Any]]:
    """What the rows mean, by hand: first row of an id wins, empty cells are absent, unknown cities are dropped."""
    found: dict[str, dict[str, Any]] = {}
    for identity, name, age, city in rows:
        if identity is None or name is None or str(identity) in found:
            continue
        document: dict[str, Any] = {"id": str(identity), "name": name}
        if age is not None:
            document["age"] = age
        if city in cities:
            document["city"] = f"City/{city}"
        found[str(identity)] = document
    return found


def commands(world: DataWorld) -> int:
    return sum(event.event.is_command and event.event.aggregate_type == "Instance" for event in world.path.events())


def a_person(number: int, generator: random.Random) -> tuple[Any, ...]:
    city = generator.choice([code for code, _ in CITIES] + ["XXX", None])
    return (f"p{number}", f"name {generator.randrange(4)}", generator.choice([None, 20, 30]), city)


def test_rows_become_instances_with_links_and_provenance(world: DataWorld):
    rows = [("p1", "Ann", 30, "SEL"), ("p2", "Bob", None, None), ("p3", "Cy", 41, "XXX")]
    mapping = people(world, rows)
    run = world.objectify.run("shop", mapping)
    assert world.instances("Person") == expected(rows)
    assert (run.state, run.rows, run.created, run.rejected, run.links_dropped) == ("succeeded", 3, 3, 0, 1)
    assert run.reasons == {"city.empty": 1, "city.missing_target": 1}
    assert run.samples[0]["target"] == "City/XXX"
    node = world.path.graph.view("shop", "main").get(["Person/p3"])["Person/p3"]
    assert node.provenance.source == {
        "dataset_id": "shop:main:people",
        "version_id": run.version_id,
        "row": 3,
        "mapping_id": mapping,
    }
    assert world.registry.runs("shop", mapping_id=mapping) == [run]


def test_a_link_is_made_when_its_target_comes_though_no_row_changes(world: DataWorld):
    rows = [("p1", "Ann", 30, "XXX"), ("p2", "Bob", None, "SEL")]
    mapping = people(world, rows)
    assert world.objectify.run("shop", mapping).links_dropped == 1
    world.path.commands.create_instance("shop", "main", "City", {"code": "XXX", "name": "Xanadu"})
    world.work()
    again = world.objectify.run("shop", mapping)
    assert (again.updated, again.unchanged, again.links_dropped) == (1, 1, 0)
    assert world.instances("Person") == expected(rows, cities={"XXX", "SEL"})
    seen: list[int] = []
    world.objectify.run("shop", mapping, progress=lambda progress: seen.append(progress.rows))
    assert seen == [], "nothing waits any more"


def test_only_rows_that_changed_become_commands(world: DataWorld):
    generator = random.Random(1)
    rows = [a_person(number, generator) for number in range(300)]
    mapping = people(world, rows)
    world.objectify.run("shop", mapping)
    before = commands(world)
    changed = [*rows[:100], ("p100", "other", 99, "NYC"), *rows[101:299], ("p999", "new", 1, None)]
    next_version(world, changed)
    run = world.objectify.run("shop", mapping)
    assert (run.created, run.updated, run.deleted, run.unchanged) == (1, 1, 1, 298)
    assert commands(world) - before == 3
    assert world.instances("Person") == expected(changed)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 30))])
def test_any_sequence_of_versions_gives_what_the_last_one_says(world: DataWorld, seed: int):
    generator = random.Random(seed)
    rows = [a_person(number, generator) for number in range(generator.randrange(1, 60))]
    mapping = people(world, rows)
    for _ in range(3):
        world.objectify.run("shop", mapping)
        assert world.instances("Person") == expected(rows)
        kept = [row for row in rows if generator.random() < 0.8]
        rows = [a_person(int(row[0][1:]), generator) if generator.random() < 0.3 else row for row in kept]
        rows += [a_person(generator.randrange(200), generator) for _ in range(generator.randrange(10))]
        generator.shuffle(rows)
        if not rows:
            rows = [a_person(1, generator)]
        next_version(world, rows)
    world.objectify.run("shop", mapping)
    assert world.instances("Person") == expected(rows)


def test_must_hold_31_removed_rows_follow_the_stated_policy(world: DataWorld):
    rows = [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 31, None)]
    version = world.upload("people", csv_of(COLUMNS, rows))
    mapping = world.map(version, "Person", FIELDS, on_removed_row="keep")
    world.objectify.run("shop", mapping)
    next_version(world, rows[:1])
    run = world.objectify.run("shop", mapping)
    assert (run.deleted, run.reasons["removed_row_kept"]) == (0, 1)
    assert set(world.instances("Person")) == {"p1", "p2"}
    world.map(version, "Person", FIELDS, on_removed_row="delete")
    next_version(world, [("p2", "Bob", 31, None)])
    assert world.objectify.run("shop", mapping).deleted == 1
    assert set(world.instances("Person")) == {"p2"}


def test_a_changed_foreign_key_moves_the_link_and_an_emptied_one_removes_it(world: DataWorld):
    mapping = people(world, [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 30, "SEL")])
    world.objectify.run("shop", mapping)
    next_version(world, [("p1", "Ann", 30, "PUS"), ("p2", "Bob", 30, None)])
    world.objectify.run("shop", mapping)
    nodes = world.path.graph.view("shop", "main").get(["Person/p1", "Person/p2"])
    assert nodes["Person/p1"].links == {"city": ("City/PUS",)}
    assert nodes["Person/p2"].links == {}


def test_edits_by_people_to_other_fields_survive(world: DataWorld):
    mapping = people(world, [("p1", "Ann", 30, "SEL")])
    world.objectify.run("shop", mapping)
    world.path.commands.update_instance("shop", "main", "Person", "p1", {"note": "mine", "age": 77}, expected_seq=1)
    world.work()
    next_version(world, [("p1", "Anna", 30, "SEL")])
    world.objectify.run("shop", mapping)
    assert world.instances("Person")["p1"] == {"id": "p1", "name": "Anna", "age": 77, "city": "City/SEL", "note": "mine"}


def test_must_hold_25_rows_without_a_key_repeated_keys_and_misfits_are_rejected_with_reasons(world: DataWorld):
    rows = [
        ("p1", "Ann", 30, None),
        (None, "Bob", 1, None),
        ("p1", "Again", 2, None),
        ("p4", None, 3, None),
        ("p5", "Di", 4, None),
    ]
    run = world.objectify.run("shop", people(world, rows))
    assert set(world.instances("Person")) == {"p1", "p5"}
    assert (run.created, run.rejected, run.rows) == (2, 3, 5)
    assert run.reasons == {"city.empty": 3, "key_missing": 1, "key_repeated": 1, "name: invalid": 1}
    assert {sample["row"] for sample in run.samples} == {2, 3, 4}


@pytest.mark.parametrize(("policy", "state", "names"), [("reject_row", "succeeded", {"p1"}), ("fail", "failed", set())])
def test_a_missing_target_rejects_the_row_or_fails_the_run_by_policy(world: DataWorld, policy: str, state: str, names: set[str]):
    version = world.upload("people", csv_of(COLUMNS, [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 30, "XXX")]))
    before = commands(world)
    run = world.objectify.run("shop", world.map(version, "Person", FIELDS, on_missing_target=policy))
    assert (run.state, set(world.instances("Person"))) == (state, names)
    assert run.reasons["city.missing_target"] == 1
    if policy == "fail":
        assert commands(world) == before


def test_a_failed_run_is_not_what_the_next_one_compares_with(world: DataWorld):
    version = world.upload("people", csv_of(COLUMNS, [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 30, "XXX")]))
    mapping = world.map(version, "Person", FIELDS, on_missing_target="fail")
    assert world.objectify.run("shop", mapping).state == "failed"
    world.path.commands.create_instance("shop", "main", "City", {"code": "XXX"})
    world.work()
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created, run.previous_version_id) == ("succeeded", 2, None)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_run_that_died_is_finished_by_the_next_one(world: DataWorld, after: int, monkeypatch: pytest.MonkeyPatch):
    generator = random.Random(after)
    rows = [a_person(number, generator) for number in range(1200)]
    mapping = people(world, rows)
    bulk, calls = CommandService.bulk, []

    def crashing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == (after + 1) // 2 and after % 2:
            raise Crash
        found = bulk(self, *arguments, **options)
        if len(calls) == after // 2 and not after % 2:
            raise Crash
        return found

    with monkeypatch.context() as patched:
        patched.setattr(CommandService, "bulk", crashing)
        with pytest.raises(Crash):
            world.objectify.run("shop", mapping)
    run = world.objectify.run("shop", mapping)
    assert run.state == "succeeded"
    assert world.instances("Person") == expected(rows)
    assert commands(world) == len(CITIES) + len(rows)


def test_a_lost_answer_of_the_store_doubles_nothing(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    rows = [(f"p{number}", "x", None, None) for number in range(50)]
    mapping = people(world, rows)
    bulk, calls = CommandService.bulk, []

    def losing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        found = bulk(self, *arguments, **options)
        calls.append(options["command_id"])
        if len(calls) <= 2:
            raise StoreUnavailable
        return found

    monkeypatch.setattr(CommandService, "bulk", losing)
    assert world.objectify.run("shop", mapping).created == 50
    assert len(set(calls)) == 1
    assert commands(world) == len(CITIES) + 50


def test_a_worker_that_stands_still_ends_the_run_with_a_retryable_error(world: DataWorld):
    mapping = people(world, [("p1", "Ann", 30, None)])
    objectify = world.new_objectify(stall_seconds=1.0)
    world.clock.pump = lambda: None
    with pytest.raises(Unavailable):
        objectify.run("shop", mapping)
    world.clock.pump = world.work
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert set(world.instances("Person")) == {"p1"}


def test_a_run_never_gets_further_ahead_of_the_graph_than_its_bound(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = people(world, [(f"p{number}", "x", None, None) for number in range(6000)])
    behind: list[int] = []
    bulk = CommandService.bulk

    def watching(self: CommandService, *arguments: Any, **options: Any) -> Any:
        head = world.path.log.head("shop").position
        behind.append(head - world.path.position["shop"])
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", watching)
    seen: list[Progress] = []
    run = world.new_objectify(max_ahead=2000).run("shop", mapping, progress=seen.append)
    assert run.created == 6000
    assert max(behind) <= 2000 + 10
    assert [progress.rows for progress in seen] == [1000, 2000, 3000, 4000, 5000, 6000]
    assert all(progress.rows_per_second > 0 for progress in seen)


def test_a_conflict_with_another_writer_is_resolved_on_top_of_its_change(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = people(world, [("p1", "Ann", 30, None), ("p2", "Bob", 30, None)])
    world.objectify.run("shop", mapping)
    next_version(world, [("p1", "Anna", 30, None), ("p2", "Bobby", 30, None)])
    bulk, calls = CommandService.bulk, []

    def racing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        if not calls:
            calls.append(1)
            self.update_instance("shop", "main", "Person", "p2", {"note": "first"}, expected_seq=1)
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", racing)
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.updated) == ("succeeded", 2)
    assert world.instances("Person")["p2"] == {"id": "p2", "name": "Bobby", "age": 30, "note": "first"}


def test_links_to_the_own_class_are_made_whatever_the_order_of_rows(tmp_path: Path):
    worker = a_class(
        "Worker",
        text("id", primaryKey=True, required=True),
        relationships=[{"predicate": "boss", "target": "Worker", "cardinality": "n:1", "label": "boss"}],
    )
    world = DataWorld(tmp_path).with_classes(worker)
    version = world.upload("workers", csv_of(("id", "boss"), [("w1", "w3"), ("w2", "w1"), ("w3", None), ("w4", "nobody")]))
    mapping = world.map(version, "Worker", {"id": "id", "boss": "boss"}, on_missing_target="drop_link")
    run = world.objectify.run("shop", mapping)
    assert world.instances("Worker") == {
        "w1": {"id": "w1", "boss": "Worker/w3"},
        "w2": {"id": "w2", "boss": "Worker/w1"},
        "w3": {"id": "w3"},
        "w4": {"id": "w4"},
    }
    assert (run.created, run.updated, run.links_dropped) == (4, 0, 1)
    world.close()


def test_composite_keys_and_composite_foreign_keys(tmp_path: Path):
    leg = a_class(
        "Leg",
        {"name": "day", "type": "date", "primaryKey": True, "required": True},
        {"name": "number", "type": "integer", "primaryKey": True, "required": True},
    )
    seat = a_class(
        "Seat",
        text("id", primaryKey=True, required=True),
        relationships=[{"predicate": "leg", "target": "Leg", "cardinality": "n:1", "label": "leg"}],
    )
    world = DataWorld(tmp_path).with_classes(leg, seat)
    legs = world.upload("legs", csv_of(("day", "number"), [("2024-01-01", 7), ("2024-01-02", 7)]))
    world.objectify.run("shop", world.map(legs, "Leg", {"day": "day", "number": "number"}))
    assert set(world.instances("Leg")) == {"2024-01-01|7", "2024-01-02|7"}
    seats = world.upload("seats", csv_of(("id", "d", "n"), [("a", "2024-01-02", 7), ("b", "2024-01-03", 7)]))
    run = world.objectify.run("shop", world.map(seats, "Seat", {"id": "id", "leg": ("d", "n")}, on_missing_target="drop_link"))
    assert world.instances("Seat") == {"a": {"id": "a", "leg": "Leg/2024-01-02|7"}, "b": {"id": "b"}}
    assert run.links_dropped == 1
    with pytest.raises(InvalidMapping, match="2 columns"):
        world.objectify.run("shop", world.map(seats, "Seat", {"id": "id", "leg": "d"}))
    world.close()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"id": "nothing", "name": "name"}, "MAPPING_SPEC_SOURCE_MISSING"),
        ({"id": "id", "name": "name", "nothing": "age"}, "MAPPING_SPEC_TARGET_UNKNOWN"),
        ({"name": "name"}, "MAPPING_SPEC_PRIMARY_KEY_MISSING"),
        ({"id": "id"}, "MAPPING_SPEC_REQUIRED_MISSING"),
        ({"id": "id", "name": ("name", "age")}, "MAPPING_SPEC_UNSUPPORTED_TYPES"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_its_code(world: DataWorld, fields: Mapping[str, Any], code: str):
    version = world.upload("people", csv_of(COLUMNS, [("p1", "Ann", 30, None)]))
    with pytest.raises(InvalidMapping) as caught:
        world.map(version, "Person", fields)
    assert code in {error["code"] for error in caught.value.details["errors"]}


def test_an_unknown_mapping_is_not_found(world: DataWorld):
    with pytest.raises(MappingNotFound):
        world.objectify.run("shop", "nothing")


def test_a_changed_mapping_is_applied_to_all_rows(world: DataWorld):
    rows = [("p1", "Ann", 30, "SEL"), ("p2", "Bob", 31, None)]
    version = world.upload("people", csv_of(COLUMNS, rows))
    mapping = world.map(version, "Person", {"id": "id", "name": "name"})
    world.objectify.run("shop", mapping)
    world.map(version, "Person", FIELDS)
    run = world.objectify.run("shop", mapping)
    assert (run.created, run.updated) == (0, 2)
    assert world.instances("Person") == expected(rows)


def test_a_full_run_makes_again_what_was_deleted_since(world: DataWorld):
    rows = [("1", "Ann", 30, "SEL")]
    mapping = people(world, rows)
    world.objectify.run("shop", mapping)
    world.path.commands.delete_instance("shop", "main", "Person", "1", expected_seq=1)
    world.work()
    run = world.objectify.run("shop", mapping, full=True)
    assert (run.state, run.created) == ("succeeded", 1)
    assert world.instances("Person") == expected(rows)


CITY_COLUMNS = ("code", "name")
GOOD = [("SEL", "Seoul"), ("PUS", "Busan"), ("NYC", "New York")]
BAD = [("PUS", "BUSAN WRONG"), ("NYC", "New York"), ("XXX", "Nowhere")]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[DataWorld, str]]:
    """A world whose cities come from a dataset, one of which a person needs: a version without it fails in part."""
    person = a_class(
        "Person",
        text("id", primaryKey=True, required=True),
        relationships=[{"predicate": "city", "target": "City", "cardinality": "n:1", "label": "city"}],
    )
    world = DataWorld(tmp_path).with_classes(CITY, person)
    mapping = world.map(world.upload("cities", csv_of(CITY_COLUMNS, GOOD)), "City", {"code": "code", "name": "name"})
    assert world.objectify.run("shop", mapping).state == "succeeded"
    world.path.commands.create_instance("shop", "main", "Person", {"id": "p", "city": "City/SEL"})
    world.work()
    yield world, mapping
    world.close()


def names(world: DataWorld) -> dict[str, str]:
    return {code: document["name"] for code, document in world.instances("City").items()}


def test_a_corrected_upload_undoes_what_a_failed_one_did(guarded: tuple[DataWorld, str]):
    world, mapping = guarded
    world.upload("cities", csv_of(CITY_COLUMNS, BAD))
    assert world.objectify.run("shop", mapping).state == "failed"
    assert names(world) == {"SEL": "Seoul", **dict(BAD)}
    corrected = [*GOOD, ("LON", "London")]
    world.upload("cities", csv_of(CITY_COLUMNS, corrected))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.created, run.updated, run.deleted, run.unchanged) == ("succeeded", 1, 1, 1, 2)
    assert names(world) == dict(corrected)


def test_after_several_failed_versions_nothing_of_any_is_left(guarded: tuple[DataWorld, str]):
    world, mapping = guarded
    for number in range(3):
        world.upload("cities", csv_of(CITY_COLUMNS, [("NYC", f"wrong {number}"), (f"X{number}", "Nowhere"), ("Y", "Nowhere")]))
        assert world.objectify.run("shop", mapping).state == "failed"
    world.upload("cities", csv_of(CITY_COLUMNS, GOOD), key="corrected")
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.reasons, run.samples) == ("succeeded", {}, ())
    assert names(world) == dict(GOOD)


def test_a_first_version_that_failed_leaves_nothing_behind(world: DataWorld):
    for code, _ in CITIES:
        world.path.commands.delete_instance("shop", "main", "City", code, expected_seq=1)
    world.work()
    mapping = world.map(world.upload("cities", csv_of(CITY_COLUMNS, BAD)), "City", {"code": "code", "name": "name"})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CommandBatches, "finish", _dying(CommandBatches.finish))
        with pytest.raises(Crash):
            world.objectify.run("shop", mapping)
    assert names(world) == dict(BAD)
    world.upload("cities", csv_of(CITY_COLUMNS, GOOD))
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert names(world) == dict(GOOD)


def _dying(method: Any) -> Any:
    def die(self: CommandBatches, *arguments: Any, **options: Any) -> None:
        method(self, *arguments, **options)
        raise Crash

    return die


@pytest.mark.parametrize("death", ["submit", "finish"])
def test_a_corrected_upload_undoes_what_a_run_did_that_died(
    guarded: tuple[DataWorld, str], death: str, monkeypatch: pytest.MonkeyPatch
):
    world, mapping = guarded
    world.upload("cities", csv_of(CITY_COLUMNS, [*GOOD[:1], *BAD]))
    with monkeypatch.context() as patched:
        patched.setattr(CommandBatches, death, _dying(getattr(CommandBatches, death)))
        with pytest.raises(Crash):
            world.objectify.run("shop", mapping)
    corrected = [*GOOD, ("LON", "London")]
    world.upload("cities", csv_of(CITY_COLUMNS, corrected))
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert names(world) == dict(corrected)
    world.work()
    states = [(run.state, dict(run.reasons)) for run in world.registry.runs("shop", mapping_id=mapping)]
    assert states == [("succeeded", {}), ("failed", {"run_died": 1}), ("succeeded", {})]


def test_going_back_to_a_version_whose_run_died_makes_again_what_was_undone_since(world: DataWorld):
    first, second = [("p1", "Ann", 30, None)], [("p1", "Ann", 30, None), ("p2", "Bob", 31, None)]
    mapping = people(world, first)
    world.objectify.run("shop", mapping)
    bad = world.upload("people", csv_of(COLUMNS, second))
    good = world.upload("people", csv_of(COLUMNS, first), key="again")
    for version_id in (bad.version_id, good.version_id, bad.version_id):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(CommandBatches, "finish", _dying(CommandBatches.finish))
            with pytest.raises(Crash):
                world.objectify.run("shop", mapping, version_id=version_id)
    assert world.objectify.run("shop", mapping, version_id=bad.version_id).state == "succeeded"
    assert world.instances("Person") == expected(second)


def test_a_run_is_on_record_before_it_writes(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = people(world, [("p1", "Ann", 30, None)])
    bulk, seen = CommandService.bulk, []

    def watching(self: CommandService, *arguments: Any, **options: Any) -> Any:
        seen.extend(run.state for run in world.registry.runs("shop", mapping_id=mapping))
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", watching)
    run = world.objectify.run("shop", mapping)
    assert seen == ["running"]
    assert world.registry.runs("shop", mapping_id=mapping) == [run]


def test_success_is_found_behind_any_number_of_failures(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spice_core.services.objectify_history._FIRST_LOOK", 2)
    mapping = people(world, [("p1", "Ann", 30, None), ("p2", "Bob", 30, None)])
    world.objectify.run("shop", mapping)
    world.upload("people", csv_of(COLUMNS, [("p1", "Ann", 30, None)]))
    for _ in range(5):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(CommandBatches, "settle", _dying(CommandBatches.settle))
            with pytest.raises(Crash):
                world.objectify.run("shop", mapping)
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.deleted, run.previous_version_id is None) == ("succeeded", 1, False)


def test_runs_of_one_mapping_do_not_interleave(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    rows = [("p1", "Ann", 30, None)]
    mapping = people(world, rows)
    other = world.new_objectify(stall_seconds=5.0)
    bulk, refused = CommandService.bulk, []

    def intruding(self: CommandService, *arguments: Any, **options: Any) -> Any:
        with pytest.raises(LedgerUnavailable, match="is under way") as caught:
            other.run("shop", mapping)
        refused.append(caught.value.retryable)
        return bulk(self, *arguments, **options)

    monkeypatch.setattr(CommandService, "bulk", intruding)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert refused == [True]
    assert other.run("shop", mapping).unchanged == 1


def test_a_run_that_lost_its_turn_writes_nothing_more(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = people(world, [(f"p{number}", "x", None, None) for number in range(1500)])
    corrected = [("p1", "y", None, None)]
    bulk, calls = CommandService.bulk, []

    def pausing(self: CommandService, *arguments: Any, **options: Any) -> Any:
        found = bulk(self, *arguments, **options)
        calls.append(1)
        if len(calls) == 1:  # as long as its turn lasts and longer: meanwhile another run does it all
            world.clock.seconds += 61
            next_version(world, corrected)
            assert world.objectify.run("shop", mapping).state == "succeeded"
        return found

    monkeypatch.setattr(CommandService, "bulk", pausing)
    with pytest.raises(LeaseLost):
        world.objectify.run("shop", mapping)
    world.work()
    assert world.instances("Person") == expected(corrected)


def test_a_run_whose_dataset_is_deleted_writes_nothing_more_and_is_on_record_as_failed(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
):
    mapping = people(world, [(f"p{number}", "x", None, None) for number in range(3500)])
    bulk, calls = CommandService.bulk, []

    def deleting(self: CommandService, *arguments: Any, **options: Any) -> Any:
        found = bulk(self, *arguments, **options)
        calls.append(1)
        if len(calls) == 2:
            RegistryCommands(commands=world.path.commands, registry=world.registry).delete_dataset("shop", "shop:main:people")
            world.work()
            world.clock.seconds += 1
        return found

    monkeypatch.setattr(CommandService, "bulk", deleting)
    with pytest.raises(DatasetNotFound, match="was deleted while run"):
        world.objectify.run("shop", mapping)
    world.work()
    [run] = world.registry.runs("shop")
    assert (run.state, run.reasons) == ("failed", {"dataset_deleted": 1})
    assert (len(calls), len(world.instances("Person"))) == (2, 2000)
    with pytest.raises(MappingNotFound):
        world.objectify.run("shop", mapping)
