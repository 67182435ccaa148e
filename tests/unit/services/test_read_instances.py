"""Reading one instance: its state, and the number that changing it expects."""

import pytest

from spice_core.services.number_nodes import NodeNumbers
from spice_core.services.read_instances import InstanceQuery, InstanceReader
from spice_core.services.wait_for_reads import ReadBarrier
from tests.write_path import WritePath, a_class, text

PERSON = a_class("Person", text("person_id"), text("name"), relationships=[{"predicate": "boss", "target": "Person"}])


@pytest.fixture
def path() -> WritePath:
    path = WritePath().with_classes(PERSON)
    path.commands.create_instance("shop", "main", "Person", {"person_id": "kim"})
    path.settle()
    return path


def number_of(path: WritePath, ref: str = "main") -> int:
    assert path.work is not None
    barrier = ReadBarrier(log=path.log, work=path.work, clock=path.clock, seconds=0.01)
    return InstanceReader(graph=path.graph, barrier=barrier).one("shop", ref, "Person/kim").sequence_number


def listed_number(path: WritePath) -> int:
    assert path.work is not None
    barrier = ReadBarrier(log=path.log, work=path.work, clock=path.clock, seconds=0.01)
    page = InstanceReader(graph=path.graph, barrier=barrier).page("shop", "main", InstanceQuery("Person", {}))
    return page.nodes[0].sequence_number


def change(path: WritePath, expected: int, *, branch: str = "main", **patch: str) -> str:
    accepted = path.commands.update_instance("shop", branch, "Person", "kim", patch, expected_seq=expected)
    return accepted.command_id


def test_number_that_is_read_after_a_failed_update_is_the_one_to_expect(path: WritePath) -> None:
    failed = change(path, 1, boss="Person/nobody")
    path.settle()
    assert path.outcome(failed).startswith("COMMAND_FAILED")
    assert listed_number(path) == number_of(path)
    done = change(path, number_of(path), name="Kim")
    path.settle()
    assert path.outcome(done) == "INSTANCE_UPDATED"
    assert number_of(path) == 3


def test_number_of_a_class_after_a_failed_change_is_the_one_to_expect(path: WritePath) -> None:
    breaking = a_class("Person", text("person_id"), text("name", required=True))
    failed = path.commands.update_class("shop", "main", "Person", breaking, expected_seq=1)
    path.settle()
    assert path.outcome(failed.command_id).startswith("COMMAND_FAILED")
    assert path.work is not None
    barrier = ReadBarrier(log=path.log, work=path.work, clock=path.clock, seconds=0.01)
    shown = list(path.graph.view("shop").get(["_Class/Person"]).values())
    numbered = NodeNumbers(path.graph, barrier).of("shop", "main", shown)
    assert [node.sequence_number for node in numbered] == [2]


def test_number_of_an_undecided_update_is_not_told_with_the_state_before_it(path: WritePath) -> None:
    change(path, 1, name="Kim")
    assert number_of(path) == 1
    path.settle()
    assert number_of(path) == 2


def test_number_on_a_branch_is_the_inherited_one_until_a_command_of_its_own_failed(path: WritePath) -> None:
    change(path, 1, name="Kim")
    path.commands.create_branch("shop", "dev")
    path.settle()
    change(path, number_of(path, "dev"), branch="dev", boss="Person/nobody")
    path.settle()
    done = change(path, number_of(path, "dev"), branch="dev", name="Lee")
    path.settle()
    assert path.outcome(done) == "INSTANCE_UPDATED"
    assert number_of(path, path.graph.view("shop").commit.id) == 2


def test_must_hold_10_class_and_id_name_one_instance_whatever_ids_other_classes_have(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Other", text("id", primaryKey=True, required=True)))
    path.settle()
    path.commands.create_instance("shop", "main", "Other", {"id": "Person/kim"})
    path.settle()
    assert path.work is not None
    reader = InstanceReader(path.graph, ReadBarrier(log=path.log, work=path.work, clock=path.clock, seconds=0.01))
    assert reader.one("shop", "main", "Person/kim").key == "Person/kim"
    assert reader.one("shop", "main", "Other/Person/kim").key == "Other/Person/kim"
    assert reader.one("shop", "main", "Person/kim", class_id="Other").key == "Other/Person/kim"
