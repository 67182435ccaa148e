"""Numbers on branches: the one that is read is the one to send, it grows with every command, and none comes round again."""

from collections.abc import Callable

import pytest

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.domain.events import RecordedEvent
from spice_core.domain.graph import Node
from spice_core.errors import OptimisticConcurrencyConflict
from spice_core.services.number_nodes import NodeNumbers
from spice_core.services.project_lineage import lineage_records
from spice_core.services.project_statuses import status_change
from spice_core.services.rebuild_graph import GraphRebuilder
from spice_core.services.submit_commands import Accepted, BulkRow
from spice_core.services.wait_for_reads import ReadBarrier
from tests.write_path import Crash, WritePath, a_class, text

ITEM = a_class("Item", text("id", primaryKey=True, required=True), text("name"))
PART = a_class(
    "Part",
    text("id", primaryKey=True, required=True),
    relationships=[{"predicate": "of", "target": "Item", "onDelete": "unlink"}],
)


@pytest.fixture
def path() -> WritePath:
    """`Item/a` is at 2 on main, and `dev` is a branch of it."""
    path = WritePath().with_classes(ITEM)
    path.commands.create_instance("shop", "main", "Item", {"id": "a"})
    path.settle()
    update(path, 1, branch="main", name="first")
    branch(path, "dev")
    return path


def branch(path: WritePath, name: str, *, source: str = "main") -> None:
    path.commands.create_branch("shop", name, source=source)
    path.settle()


def update(path: WritePath, expected: int, *, branch: str = "dev", **patch: str) -> Accepted:
    accepted = path.commands.update_instance("shop", branch, "Item", "a", patch, expected_seq=expected)
    path.settle()
    return accepted


def delete(path: WritePath, expected: int, *, branch: str = "dev") -> Accepted:
    accepted = path.commands.delete_instance("shop", branch, "Item", "a", expected_seq=expected)
    path.settle()
    return accepted


def read(path: WritePath, branch: str = "dev", key: str = "Item/a") -> Node:
    """Return a node as a client reads it."""
    assert path.work is not None
    barrier = ReadBarrier(log=path.log, work=path.work, clock=path.clock, seconds=0.01)
    shown = list(path.graph.view("shop", branch).get([key]).values())
    return NodeNumbers(path.graph, barrier).of("shop", branch, shown)[0]


def number_of(path: WritePath, branch: str = "dev", key: str = "Item/a") -> int:
    return read(path, branch, key).sequence_number


def refused(path: WritePath, send: Callable[[], object]) -> tuple[int, int]:
    """Return the numbers that a refusal names: nothing was appended."""
    before = path.log.head("shop")
    with pytest.raises(OptimisticConcurrencyConflict) as caught:
        send()
    assert path.log.head("shop") == before
    return caught.value.expected_seq, caught.value.actual_seq


def events_on(path: WritePath, aggregate_id: str) -> list[RecordedEvent]:
    return [recorded for recorded in path.events() if recorded.event.aggregate_id == aggregate_id]


def test_of_two_clients_with_one_inherited_number_exactly_one_is_accepted(path: WritePath) -> None:
    both = number_of(path)
    assert both == 2
    alice = update(path, both, name="from alice")
    assert (path.outcome(alice.command_id), alice.sequence_number) == ("INSTANCE_UPDATED", 3)
    assert refused(path, lambda: update(path, both, name="from bob")) == (2, 3)
    assert read(path).document["name"] == "from alice"


def test_no_number_that_was_told_before_is_accepted_again(path: WritePath) -> None:
    seen = []
    for name in "bcdef":
        seen.append(number_of(path))
        update(path, seen[-1], name=name)
        for stale in range(number_of(path)):
            assert refused(path, lambda stale=stale: update(path, stale, name="stale")) == (stale, number_of(path))
    assert [*seen, number_of(path)] == [2, 3, 4, 5, 6, 7]
    assert number_of(path, "main") == 2


def test_the_log_counts_the_commands_of_a_branch_from_1(path: WritePath) -> None:
    update(path, 2, name="b")
    update(path, 3, name="c")
    events = events_on(path, "shop:dev:Item:a")
    assert [(event.event.is_command, event.event.sequence_number) for event in events] == [
        (True, 1),
        (False, 1),
        (True, 2),
        (False, 2),
    ]
    assert path.log.verify("shop").is_intact


def test_a_failed_command_on_a_branch_moves_the_number_too(path: WritePath) -> None:
    first = path.commands.delete_instance("shop", "dev", "Item", "a", expected_seq=2)
    second = path.commands.update_instance("shop", "dev", "Item", "a", {"name": "gone"}, expected_seq=3)
    path.settle()
    assert [path.outcome(item.command_id) for item in (first, second)] == [
        "INSTANCE_DELETED",
        "COMMAND_FAILED:instance_not_found",
    ]
    path.commands.create_instance("shop", "dev", "Item", {"id": "a"})
    path.settle()
    assert number_of(path) == 5


def test_deleting_and_creating_again_on_a_branch_goes_on_counting(path: WritePath) -> None:
    assert delete(path, 2).sequence_number == 3
    created = path.commands.create_instance("shop", "dev", "Item", {"id": "a"})
    path.settle()
    assert created.sequence_number == number_of(path) == 4
    assert refused(path, lambda: update(path, 2, name="stale")) == (2, 4)
    update(path, 4, name="fresh")
    assert number_of(path) == 5


def test_a_branch_of_a_branch_goes_on_from_where_it_began(path: WritePath) -> None:
    update(path, 2, name="on dev")
    branch(path, "deep", source="dev")
    update(path, 3, name="later on dev")
    assert (number_of(path), number_of(path, "deep")) == (4, 3)
    update(path, 3, branch="deep", name="on deep")
    assert refused(path, lambda: update(path, 3, branch="deep", name="stale")) == (3, 4)
    path.commands.delete_branch("shop", "dev")
    branch(path, "deeper", source="deep")
    update(path, 4, branch="deeper", name="on deeper")
    assert number_of(path, "deeper") == 5


def test_a_branch_that_was_deleted_and_created_again_accepts_no_number_below_its_own(path: WritePath) -> None:
    update(path, 2, name="in the first life")
    update(path, 3, name="b")
    path.commands.delete_branch("shop", "dev")
    branch(path, "dev")
    assert number_of(path) == 4
    assert refused(path, lambda: update(path, 2, name="stale")) == (2, 4)
    update(path, 4, name="in the second life")
    assert number_of(path) == 5


def test_a_command_for_a_branch_that_is_created_anew_before_it_is_decided_fails(path: WritePath) -> None:
    update(path, 2, branch="main", name="main goes on")
    path.commands.delete_branch("shop", "dev")
    path.commands.create_branch("shop", "dev")
    sent = path.commands.update_instance("shop", "dev", "Item", "a", {"name": "for the first life"}, expected_seq=2)
    path.settle()
    assert path.outcome(sent.command_id) == "COMMAND_FAILED:optimistic_concurrency_conflict"
    assert read(path).document["name"] == "main goes on"


def test_classes_of_a_branch_have_numbers_that_do_not_come_round(path: WritePath) -> None:
    key = "_Class/Item"
    path.commands.update_class("shop", "main", "Item", {**ITEM, "label": "B"}, expected_seq=1)
    path.settle()
    branch(path, "two")
    assert number_of(path, "two", key) == 2
    first = path.commands.update_class("shop", "two", "Item", {**ITEM, "label": "C"}, expected_seq=2)
    path.settle()
    assert first.sequence_number == number_of(path, "two", key) == 3
    stale = {**ITEM, "label": "D"}
    assert refused(path, lambda: path.commands.update_class("shop", "two", "Item", stale, expected_seq=2)) == (2, 3)
    assert refused(path, lambda: path.commands.delete_class("shop", "two", "Item", expected_seq=1)) == (1, 3)


def test_an_inherited_class_is_settled_only_when_the_change_on_the_branch_is_decided(path: WritePath) -> None:
    path.commands.update_class("shop", "main", "Item", {**ITEM, "label": "B"}, expected_seq=1)
    path.settle()
    branch(path, "two")
    path.commands.update_class("shop", "two", "Item", a_class("Item", *ITEM["properties"], text("more")), expected_seq=2)
    path.clock.sleep = lambda _seconds: path.settle()  # type: ignore[method-assign] # the worker comes while a reader waits
    made = path.commands.create_instance("shop", "two", "Item", {"id": "b", "more": "yes"})
    path.settle()
    assert path.outcome(made.command_id) == "INSTANCE_CREATED"


def test_a_bulk_request_on_a_branch_takes_and_tells_the_same_numbers(path: WritePath) -> None:
    path.commands.create_instance("shop", "dev", "Item", {"id": "own"})
    path.settle()
    rows = [BulkRow({"name": "bulk"}, "a", 2), BulkRow({"name": "bulk"}, "own", 1)]
    done = path.commands.bulk("shop", "dev", "Item", "update", rows)
    path.settle()
    assert [member.sequence_number for member in done.members] == [3, 2]
    assert refused(path, lambda: path.commands.bulk("shop", "dev", "Item", "update", rows)) == (2, 3)
    assert (number_of(path), number_of(path, key="Item/own")) == (3, 2)


def test_a_repetition_on_a_branch_gets_the_first_answer_also_when_the_branch_is_gone(path: WritePath) -> None:
    key = "7d0f4d7e-3c9a-4b51-9d0e-0d6f2ff1c001"

    def send() -> Accepted:
        return path.commands.update_instance("shop", "dev", "Item", "a", {"name": "b"}, expected_seq=2, command_id=key)

    first = send()
    path.settle()
    again = send()
    assert (again.position, again.sequence_number, again.is_duplicate) == (first.position, 3, True)
    path.commands.delete_branch("shop", "dev")
    path.settle()
    assert (send().position, send().is_duplicate) == (first.position, True)


def test_a_repetition_gets_the_first_number_also_when_the_branch_began_anew(path: WritePath) -> None:
    chosen = {"command_id": "7c9a4f3e-8f5e-4c53-9a6c-0d7a3c7a2f10"}

    def send() -> Accepted:
        return path.commands.update_instance("shop", "dev", "Item", "a", {"name": "x"}, expected_seq=2, **chosen)

    first = send()
    path.settle()
    path.commands.delete_branch("shop", "dev")
    path.settle()
    assert send().sequence_number == first.sequence_number == 3
    update(path, 2, branch="main", name="later")
    branch(path, "dev")
    assert send().sequence_number == 3


def test_status_and_lineage_tell_the_numbers_that_reads_tell(path: WritePath) -> None:
    done = update(path, 2, name="b")
    (event,) = path.outcomes()[done.command_id]
    change = status_change(event)
    assert change is not None
    assert change.result is not None
    assert change.result["sequence_number"] == number_of(path) == 3
    assert [record.sequence_number for record in lineage_records(event)] == [3]


def test_an_inherited_instance_that_only_lost_a_link_keeps_its_number(path: WritePath) -> None:
    path.commands.create_class("shop", "main", PART)
    path.settle()
    path.commands.create_instance("shop", "main", "Part", {"id": "p", "of": "Item/a"})
    path.settle()
    branch(path, "two")
    delete(path, 2, branch="two")
    assert "of" not in read(path, "two", "Part/p").document
    assert number_of(path, "two", "Part/p") == 1
    (unlinked,) = events_on(path, "shop:two:Part:p")
    assert unlinked.event.sequence_number == 0
    sent = path.commands.update_instance("shop", "two", "Part", "p", {"of": None}, expected_seq=1)
    path.settle()
    assert path.outcome(sent.command_id) == "INSTANCE_UPDATED"
    assert number_of(path, "two", "Part/p") == 2


def test_replaying_the_log_of_branches_gives_the_same_commits_and_numbers(path: WritePath) -> None:
    update(path, 2, name="b")
    branch(path, "deep", source="dev")
    update(path, 3, branch="deep", name="c")
    delete(path, 3)
    rebuilt = MemoryGraphStore()
    GraphRebuilder(log=path.log, graph=rebuilt).rebuild("shop")
    for name in ("main", "dev", "deep"):
        assert rebuilt.history("shop", name) == path.graph.history("shop", name)
        assert rebuilt.view("shop", name).get(["Item/a"]) == path.graph.view("shop", name).get(["Item/a"])


@pytest.mark.parametrize("point", ["graph:before_effect", "graph:after_effect", "graph:before_done"])
def test_a_crash_between_effect_and_event_changes_no_number(path: WritePath, point: str) -> None:
    def crash(name: str) -> None:
        if name == point:
            raise Crash

    sent = path.commands.update_instance("shop", "dev", "Item", "a", {"name": "b"}, expected_seq=2)
    path.crash_point = crash
    with pytest.raises(Crash):
        path.settle()
    path.crash_point = lambda _name: None
    path.restart()
    path.settle()
    (event,) = path.outcomes()[sent.command_id]
    assert (event.event.sequence_number, event.event.metadata["number"]) == (1, 3)
    assert number_of(path) == 3
