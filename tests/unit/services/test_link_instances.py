"""Links from data: by foreign key, by join table, through objects; incremental, with policies, edits and reasons."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.link_types import LinkRun, LinkType, ObjectSpec, TableSpec
from spice_core.errors import InstanceNotFound, InvalidMapping, LeaseLost, ObjectTypeMismatch, RecordNotFound
from spice_core.services.edit_links import LinkEdits
from spice_core.services.explain import Explainer
from spice_core.services.link_instances import LinkInstances
from spice_core.services.objectify_batches import CommandBatches
from spice_core.services.save_link_types import LinkTypes
from tests.data_world import DataWorld, csv_of
from tests.write_path import Crash, a_class, text

STUDENT = a_class("Student", text("id", primaryKey=True, required=True), text("name"))
COURSE = a_class("Course", {"name": "number", "type": "integer", "primaryKey": True, "required": True})
SEAT = a_class(
    "Seat",
    text("id", primaryKey=True, required=True),
    relationships=[
        {"predicate": "who", "target": "Student", "cardinality": "n:1", "label": "who", "on_delete": "unlink"},
        {"predicate": "what", "target": "Course", "cardinality": "n:1", "label": "what", "on_delete": "unlink"},
    ],
)
PAIRS = ("student", "course")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(STUDENT, COURSE, SEAT)
    for name in ("s1", "s2", "s3"):
        found.path.commands.create_instance("shop", "main", "Student", {"id": name})
    for number in (1, 2, 3):
        found.path.commands.create_instance("shop", "main", "Course", {"number": number})
    found.work()
    yield found
    found.close()


def types(world: DataWorld) -> LinkTypes:
    return LinkTypes(commands=world.path.commands, registry=world.registry)


def service(world: DataWorld) -> LinkInstances:
    return LinkInstances(world.run_parts())


def edits(world: DataWorld) -> LinkEdits:
    return LinkEdits(commands=world.path.commands, registry=world.registry, graph=world.path.graph)


def joined(world: DataWorld, rows: list[tuple[Any, ...]], *, cardinality: Any = "n:m", **policies: str) -> str:
    """Upload pairs and save the link type over them; return its id."""
    version = world.upload("seats", csv_of(PAIRS, rows))
    spec = TableSpec("join_table", version.dataset_id, ("student",), ("course",), **policies)
    return save(world, LinkType("takes", "shop", "main", "Student", "Course", "takes", cardinality, spec))


def save(world: DataWorld, link_type: LinkType) -> str:
    settled = world.path.commands.settled
    original, settled._wait_seconds = settled._wait_seconds, 5.0  # the workers work while it waits
    types(world).save(link_type)
    settled._wait_seconds = original
    world.work()
    return link_type.link_type_id


def run(world: DataWorld, link_type_id: str, **options: Any) -> LinkRun:
    return service(world).run("shop", link_type_id, **options)


def links(
    world: DataWorld, predicate: str = "takes", class_id: str = "Student", *, database: str = "shop"
) -> dict[str, list[str]]:
    page = world.path.graph.view(database, "main").page([class_id], limit=1000)
    return {
        node.key.partition("/")[2]: sorted(target.partition("/")[2] for target in node.links[predicate])
        for node in page.nodes
        if node.links.get(predicate)
    }


def commands(world: DataWorld) -> int:
    return sum(event.event.is_command and event.event.aggregate_type == "Instance" for event in world.path.events())


def test_a_join_table_makes_links_and_the_next_version_costs_what_changed(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s1", 2), ("s2", 1), ("s1", 2)])
    first = run(world, link_type)
    assert links(world) == {"s1": ["1", "2"], "s2": ["1"]}
    assert (first.state, first.result) == ("succeeded", "WARN")
    assert {name: first.statistics[name] for name in ("links", "added", "duplicates")} == {
        "links": 3,
        "added": 3,
        "duplicates": 1,
    }
    world.upload("seats", csv_of(PAIRS, [("s1", 2), ("s1", 3), ("s2", 1)]))
    before = commands(world)
    second = run(world, link_type)
    assert links(world) == {"s1": ["2", "3"], "s2": ["1"]}
    assert (second.result, second.statistics["sources"], commands(world) - before) == ("PASS", 1, 1)
    assert run(world, link_type).statistics == {}


def test_every_link_says_which_row_of_which_version_made_it(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    first = run(world, link_type)
    world.upload("seats", csv_of(PAIRS, [("s1", 1), ("s2", 2), ("s1", 3)]))
    second = run(world, link_type)
    explainer = Explainer(world.path.graph, world.lineage, world.path.log, world.registry)
    for target, version, row in (("Course/1", first.version_id, 1), ("Course/3", second.version_id, 3)):
        cause = explainer.link("shop", "main", "Student/s1", "takes", target).because
        assert cause.source is not None
        assert (cause.source["version_id"], cause.source["links"][target]) == (version, {"row": row})
        assert cause.dataset_version is not None


def test_must_hold_28_link_types_are_scoped_by_database(world: DataWorld):
    """Two databases have a dataset and a link type of one name over objects of the same ids."""
    world.with_classes(STUDENT, COURSE, database="other")
    world.path.commands.create_instance("other", "main", "Student", {"id": "s1"})
    world.path.commands.create_instance("other", "main", "Course", {"number": 2})
    world.work()
    mine = joined(world, [("s1", 1)])
    version = world.upload("seats", csv_of(PAIRS, [("s1", 2)]), database="other")
    spec = TableSpec("join_table", version.dataset_id, ("student",), ("course",))
    others = save(world, LinkType("takes", "other", "main", "Student", "Course", "takes", "n:m", spec))
    assert (run(world, mine).result, service(world).run("other", others).result) == ("PASS", "PASS")
    assert (links(world), links(world, database="other")) == ({"s1": ["1"]}, {"s1": ["2"]})
    with pytest.raises(RecordNotFound):
        service(world).run("other", mine)
    types(world).delete("shop", mine)
    world.work()
    assert [found.link_type_id for found in types(world).all("other")] == [others]
    assert types(world).all("shop") == []


@pytest.mark.parametrize(("policy", "result"), [("FAIL", "FAIL"), ("WARN_DROP", "WARN")])
def test_dangling_links_stop_the_run_or_are_dropped_by_policy(world: DataWorld, policy: str, result: str):
    link_type = joined(world, [("s1", 1), ("s1", 9), ("ghost", 1)], dangling_policy=policy)
    before = commands(world)
    found = run(world, link_type)
    assert (found.result, found.statistics["dangling"], found.statistics["source_missing"]) == (result, 1, 1)
    assert {sample["reason"] for sample in found.samples} == {"dangling", "source_missing"}
    assert {"target": "Course/9", "row": 2}.items() <= next(
        item for item in found.samples if item["reason"] == "dangling"
    ).items()
    if policy == "FAIL":
        assert (links(world), commands(world)) == ({}, before)
        return
    assert links(world) == {"s1": ["1"]}
    world.path.commands.create_instance("shop", "main", "Course", {"number": 9})
    world.path.commands.create_instance("shop", "main", "Student", {"id": "ghost"})
    world.work()
    assert run(world, link_type).result == "PASS"
    assert links(world) == {"s1": ["1", "9"], "ghost": ["1"]}


def test_repeated_rows_stop_the_run_where_the_policy_says_so(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s1", 1)], dedupe_policy="FAIL")
    found = run(world, link_type)
    assert (found.result, found.state, links(world)) == ("FAIL", "failed", {})


@pytest.mark.parametrize(
    ("cardinality", "rows", "reason"),
    [("n:1", [("s1", 1), ("s1", 2)], "cardinality"), ("1:n", [("s1", 1), ("s2", 1)], "shared_target")],
)
def test_rows_that_break_the_cardinality_are_refused_by_name_before_anything_is_written(
    world: DataWorld, cardinality: str, rows: list[tuple[Any, ...]], reason: str
):
    """must_hold 9: a relationship that breaks its cardinality is refused with a clear error; nothing is dropped silently."""
    found = run(world, joined(world, [*rows, ("s3", 3)], cardinality=cardinality))
    assert (found.result, links(world)) == ("FAIL", {})
    assert (found.statistics[reason], found.samples[0]["reason"]) == (1, reason)


def test_targets_with_one_source_change_hands(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2), ("s3", 3)], cardinality="1:1")
    run(world, link_type)
    world.upload("seats", csv_of(PAIRS, [("s1", 2), ("s2", 3), ("s3", 1)]))
    assert run(world, link_type).result == "PASS"
    assert links(world) == {"s1": ["2"], "s2": ["3"], "s3": ["1"]}


def test_a_foreign_key_knows_its_sources_by_the_mapping_and_moves_with_it(world: DataWorld):
    """must_hold 8: a changed foreign key moves the link, too."""
    columns = ("id", "name", "tutor")
    version = world.upload("students", csv_of(columns, [("s1", "Ann", 1), ("s2", "Bob", None), ("s3", "Cy", 2)]))
    world.objectify.run("shop", world.map(version, "Student", {"id": "id", "name": "name"}))
    spec = TableSpec("foreign_key", version.dataset_id, (), ("tutor",))
    link_type = save(world, LinkType("tutors", "shop", "main", "Student", "Course", "tutor", "n:1", spec))
    found = run(world, link_type)
    assert (found.result, links(world, "tutor")) == ("PASS", {"s1": ["1"], "s3": ["2"]})
    world.upload("students", csv_of(columns, [("s1", "Ann", 3), ("s2", "Bob", 1), ("s3", "Cy", None)]))
    assert run(world, link_type).statistics["sources"] == 3
    assert links(world, "tutor") == {"s1": ["3"], "s2": ["1"]}


def test_links_through_objects_follow_them(world: DataWorld):
    version = world.upload("seats", csv_of(("id", *PAIRS), [("a", "s1", 1), ("b", "s1", 2), ("c", "s2", 2)]))
    mapping = world.map(version, "Seat", {"id": "id", "who": "student", "what": "course"})
    world.objectify.run("shop", mapping)
    spec = ObjectSpec("Seat", "who", "what")
    link_type = save(world, LinkType("takes", "shop", "main", "Student", "Course", "takes", "n:m", spec))
    assert run(world, link_type).result == "PASS"
    assert links(world) == {"s1": ["1", "2"], "s2": ["2"]}
    world.upload("seats", csv_of(("id", *PAIRS), [("a", "s1", 3), ("c", "s2", 2)]))
    next_version = world.objectify.run("shop", mapping)
    found = run(world, link_type)
    assert (found.statistics["sources"], links(world)) == (1, {"s1": ["3"], "s2": ["2"]})
    source = world.path.graph.view("shop", "main").get(["Student/s1"])["Student/s1"].provenance.source
    assert source is not None
    expected = {"object": "Seat/a", "version_id": next_version.version_id, "row": 1}
    assert expected.items() <= source["links"]["Course/3"].items()


def test_link_edits_survive_the_next_versions_until_they_are_withdrawn(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    run(world, link_type)
    edits(world).save("shop", link_type, source="s1", target="3", edit_type="ADD", actor="ann")
    edits(world).save("shop", link_type, source="s2", target="2", edit_type="REMOVE", actor="ann")
    world.work()
    found = run(world, link_type)
    assert (links(world), found.statistics["sources"]) == ({"s1": ["1", "3"]}, 2)
    world.upload("seats", csv_of(PAIRS, [("s1", 2), ("s2", 2), ("s2", 1)]))
    run(world, link_type)
    assert links(world) == {"s1": ["2", "3"], "s2": ["1"]}
    run(world, link_type, full=True)
    assert links(world) == {"s1": ["2", "3"], "s2": ["1"]}
    for source, target in (("s1", "3"), ("s2", "2")):
        edits(world).withdraw("shop", link_type, source=source, target=target)
    world.work()
    run(world, link_type)
    assert (links(world), edits(world).all("shop", link_type)) == ({"s1": ["2"], "s2": ["1", "2"]}, [])
    with pytest.raises(RecordNotFound):
        edits(world).withdraw("shop", link_type, source="s1", target="3")
    with pytest.raises(InstanceNotFound):
        edits(world).save("shop", link_type, source="s1", target="77", edit_type="ADD")


@pytest.mark.parametrize("runs_between", [True, False])
def test_ends_that_went_and_came_again_get_their_links_back(world: DataWorld, *, runs_between: bool):
    """must_hold 8: graph and data agree after any mix, though no row of the links changed."""
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    run(world, link_type)
    for class_id, identity, data in (("Student", "s1", {"id": "s1"}), ("Course", "2", {"number": 2})):
        number = world.path.graph.view("shop", "main").get([f"{class_id}/{identity}"])[f"{class_id}/{identity}"].sequence_number
        world.path.commands.delete_instance("shop", "main", class_id, identity, expected_seq=number)
        world.work()
        if runs_between:
            assert run(world, link_type).result == "FAIL"
        world.path.commands.create_instance("shop", "main", class_id, data)
        world.work()
    found = run(world, link_type)
    assert (found.result, links(world)) == ("PASS", {"s1": ["1"], "s2": ["2"]})


def test_a_person_who_changes_links_directly_is_put_right_by_the_next_run(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    run(world, link_type)
    number = world.path.graph.view("shop", "main").get(["Student/s1"])["Student/s1"].sequence_number
    world.path.commands.update_instance("shop", "main", "Student", "s1", {"takes": ["Course/3"]}, expected_seq=number)
    world.work()
    assert run(world, link_type).statistics["sources"] == 1
    assert links(world) == {"s1": ["1"], "s2": ["2"]}


def test_links_through_objects_that_a_person_changed_are_put_right_by_the_next_run(world: DataWorld):
    world.path.commands.create_instance("shop", "main", "Seat", {"id": "a", "who": "Student/s1", "what": "Course/1"})
    world.work()
    spec = ObjectSpec("Seat", "who", "what")
    link_type = save(world, LinkType("takes", "shop", "main", "Student", "Course", "takes", "n:m", spec))
    run(world, link_type)
    number = world.path.graph.view("shop", "main").get(["Student/s1"])["Student/s1"].sequence_number
    world.path.commands.update_instance("shop", "main", "Student", "s1", {"takes": ["Course/3"]}, expected_seq=number)
    world.work()
    assert (run(world, link_type).statistics["sources"], links(world)) == (1, {"s1": ["1"]})
    assert run(world, link_type).statistics == {}


@pytest.mark.parametrize("source", ["s1", "s3"])  # which rows name, and do not
def test_a_link_that_a_person_added_comes_again_with_its_target(world: DataWorld, source: str):
    link_type = joined(world, [("s1", 1), ("s2", 1)], dangling_policy="WARN_DROP")
    edits(world).save("shop", link_type, source=source, target="2", edit_type="ADD", actor="ann")
    world.work()
    run(world, link_type)
    before = links(world)
    number = world.path.graph.view("shop", "main").get(["Course/2"])["Course/2"].sequence_number
    world.path.commands.delete_instance("shop", "main", "Course", "2", expected_seq=number)
    world.work()
    run(world, link_type)
    assert links(world) != before
    world.path.commands.create_instance("shop", "main", "Course", {"number": 2})
    world.work()
    assert (run(world, link_type).statistics["sources"], links(world)) == (1, before)


def test_a_link_run_that_slept_before_its_end_is_not_what_the_next_one_compares_with(
    world: DataWorld, monkeypatch: pytest.MonkeyPatch
):
    link_type = joined(world, [("s1", 1)])
    seen, calls = LinkInstances._seen, []

    def sleeping(self: LinkInstances, *arguments: Any) -> str:
        found = seen(self, *arguments)
        calls.append(1)
        if len(calls) == 1:
            world.clock.seconds += 61
            world.upload("seats", csv_of(PAIRS, [("s1", 2)]))
            assert run(world, link_type).result == "PASS"
        return found

    monkeypatch.setattr(LinkInstances, "_seen", sleeping)
    with pytest.raises(LeaseLost, match="slept through its turn"):
        run(world, link_type)
    world.upload("seats", csv_of(PAIRS, [("s1", 1)]), key="as at first")
    assert (run(world, link_type).statistics["updated"], links(world)) == (1, {"s1": ["1"]})


def test_a_run_that_died_is_finished_by_the_next_one_whatever_came_between(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    run(world, link_type)
    world.upload("seats", csv_of(PAIRS, [("s1", 3), ("s3", 3)]))
    finish = CommandBatches.finish

    def dying(self: CommandBatches) -> None:
        finish(self)
        raise Crash

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CommandBatches, "finish", dying)
        with pytest.raises(Crash):
            run(world, link_type)
    assert links(world) == {"s1": ["3"], "s3": ["3"]}
    world.upload("seats", csv_of(PAIRS, [("s1", 1), ("s2", 1)]))
    assert run(world, link_type).result == "PASS"
    assert links(world) == {"s1": ["1"], "s2": ["1"]}


def test_edits_of_properties_survive_link_runs(world: DataWorld):
    version = world.upload("students", csv_of(("id", "name"), [("s1", "Ann"), ("s2", "Bob")]))
    mapping = world.map(version, "Student", {"id": "id", "name": "name"}, default_edit_policy="edit_wins")
    world.objectify.run("shop", mapping)
    number = world.path.graph.view("shop", "main").get(["Student/s1"])["Student/s1"].sequence_number
    world.path.commands.update_instance("shop", "main", "Student", "s1", {"name": "Anya"}, expected_seq=number)
    world.work()
    run(world, joined(world, [("s1", 1)]))
    world.upload("students", csv_of(("id", "name"), [("s1", "Anna"), ("s2", "Bob")]))
    world.objectify.run("shop", mapping)
    assert world.instances("Student")["s1"] == {"id": "s1", "name": "Anya", "takes": ["Course/1"]}


def test_a_changed_link_type_and_a_full_run_leave_no_link_that_nothing_speaks_for(world: DataWorld):
    link_type = joined(world, [("s1", 1), ("s2", 2)])
    run(world, link_type)
    other = world.upload("others", csv_of(PAIRS, [("s3", 3)]))
    spec = TableSpec("join_table", other.dataset_id, ("student",), ("course",))
    save(world, LinkType("takes", "shop", "main", "Student", "Course", "takes", "n:m", spec))
    run(world, link_type)
    assert links(world) == {"s3": ["3"]}


def test_a_link_type_that_does_not_fit_is_refused_with_codes(world: DataWorld):
    version = world.upload("seats", csv_of(PAIRS, [("s1", 1)]))
    good = TableSpec("join_table", version.dataset_id, ("student",), ("course",))

    def refusal(error: type[Exception], predicate: str, spec: TableSpec | ObjectSpec, cardinality: Any = "n:m") -> set[str]:
        with pytest.raises(error) as caught:
            save(world, LinkType("takes", "shop", "main", "Student", "Course", predicate, cardinality, spec))
        return {found["code"] for found in caught.value.details["errors"]}  # type: ignore[attr-defined]

    assert refusal(InvalidMapping, "Takes It", good) == {"LINK_TYPE_PREDICATE_INVALID"}
    missing = TableSpec("join_table", version.dataset_id, ("student",), ("shoe",))
    assert refusal(InvalidMapping, "takes", missing) == {"LINK_TYPE_COLUMN_MISSING"}
    swapped = TableSpec("join_table", version.dataset_id, ("course",), ("student",))
    assert refusal(InvalidMapping, "takes", swapped) == {"MAPPING_SPEC_UNSUPPORTED_TYPES"}
    unknown = TableSpec("join_table", version.dataset_id, ("student",), ("course",), dangling_policy="SHRUG")
    assert refusal(InvalidMapping, "takes", unknown) == {"LINK_TYPE_POLICY_UNKNOWN"}
    assert refusal(InvalidMapping, "takes", ObjectSpec("Seat", "what", "who")) == {"LINK_TYPE_OBJECT_RELATIONSHIP_MISSING"}
    assert refusal(ObjectTypeMismatch, "name", good) == {"LINK_TYPE_PREDICATE_TAKEN"}
    link_type = joined(world, [("s1", 1)])
    assert refusal(ObjectTypeMismatch, "takes", good, "n:1") == {"LINK_TYPE_PREDICATE_TAKEN"}
    types(world).delete("shop", link_type)
    world.work()
    with pytest.raises(RecordNotFound):
        run(world, link_type)
