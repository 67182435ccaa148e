"""The graph handler over the real log and the graph in memory."""

import pytest

from spice_core.errors import (
    AlreadyExists,
    BranchNotFound,
    ClassNotFound,
    DatabaseNotFound,
    Forbidden,
    IdempotencyMismatch,
    InstanceNotFound,
    InvalidInput,
    InvalidInstance,
    InvalidOntology,
    LogBehind,
    OptimisticConcurrencyConflict,
)
from spice_core.services.submit_commands import Accepted, CommandService, command_id_of_key
from spice_core.services.submit_rows import BulkRow
from tests.write_path import WritePath, a_class, text

CUSTOMER = a_class("Customer", text("customer_id", required=True), text("name", required=True), text("city"))
PRODUCT = a_class(
    "Product",
    text("product_id", required=True),
    text("name", required=True),
    relationships=[{"predicate": "owned_by", "target": "Customer", "label": "Owned By", "cardinality": "n:1"}],
)


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(CUSTOMER, PRODUCT)


def alice(path: WritePath) -> str:
    path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "Alice"})
    path.settle()
    return "c1"


def test_commands_sent_back_to_back_all_complete() -> None:
    path = WritePath()
    commands = path.commands
    database = commands.create_database("shop", description="demo", actor="ann")
    path.settle()
    path.crash_point = lambda _: None
    customer = commands.create_class("shop", "main", CUSTOMER, actor="ann")
    path.settle()
    product = commands.create_class("shop", "main", PRODUCT, actor="ann")
    path.settle()
    cust = commands.create_instance("shop", "main", "Customer", {"customer_id": "cust_001", "name": "Alice"}, actor="ann")
    prod = commands.create_instance(
        "shop", "main", "Product", {"product_id": "prod_001", "name": "Shirt", "owned_by": "Customer/cust_001"}, actor="ann"
    )
    path.settle()
    outcomes = [path.outcome(accepted.command_id) for accepted in (database, customer, product, cust, prod)]
    assert outcomes == [
        "DATABASE_CREATED",
        "ONTOLOGY_CLASS_CREATED",
        "ONTOLOGY_CLASS_CREATED",
        "INSTANCE_CREATED",
        "INSTANCE_CREATED",
    ]
    assert path.document("Product/prod_001") == {"product_id": "prod_001", "name": "Shirt", "owned_by": "Customer/cust_001"}
    node = path.graph.view("shop").get(["Product/prod_001"])["Product/prod_001"]
    assert node.links == {"owned_by": ("Customer/cust_001",)}
    assert (node.sequence_number, node.provenance.command_id, node.provenance.actor) == (1, prod.command_id, "ann")
    head = path.graph.history("shop")[0]
    assert (head.author, head.changed) == ("ann", 2)
    event = path.outcomes()[prod.command_id][0].event
    assert event.metadata["commit"] == head.id
    assert event.event_id == node.provenance.event_id


def test_a_second_create_of_one_id_fails_and_the_first_stays(path: WritePath) -> None:
    first = path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "Alice"})
    second = path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "Eve"})
    path.settle()
    assert path.outcome(first.command_id) == "INSTANCE_CREATED"
    assert path.outcome(second.command_id) == "COMMAND_FAILED:already_exists"
    assert path.document("Customer/c1") == {"customer_id": "c1", "name": "Alice"}


def test_numbers_count_accepted_commands_failed_ones_included(path: WritePath) -> None:
    for _ in range(2):
        path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "Alice"})
    third = path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=2)
    path.settle()
    assert third.sequence_number == 3
    assert path.graph.view("shop").get(["Customer/c1"])["Customer/c1"].sequence_number == 3


def test_create_fail_create_works(path: WritePath) -> None:
    data = {"product_id": "p1", "name": "Shirt", "owned_by": "Customer/c1"}
    failed = path.commands.create_instance("shop", "main", "Product", data)
    path.settle()
    assert path.outcome(failed.command_id) == "COMMAND_FAILED:invalid_instance"
    alice(path)
    again = path.commands.create_instance("shop", "main", "Product", data)
    path.settle()
    assert path.outcome(again.command_id) == "INSTANCE_CREATED"


def test_create_delete_create_works_for_instances_classes_and_databases(path: WritePath) -> None:
    alice(path)
    deleted = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1)
    alice(path)
    assert path.outcome(deleted.command_id) == "INSTANCE_DELETED"
    assert path.graph.view("shop").get(["Customer/c1"])["Customer/c1"].sequence_number == 3

    gone = path.commands.delete_class("shop", "main", "Product", expected_seq=1)
    path.settle()
    back = path.commands.create_class("shop", "main", PRODUCT)
    path.settle()
    assert [path.outcome(gone.command_id), path.outcome(back.command_id)] == ["ONTOLOGY_CLASS_DELETED", "ONTOLOGY_CLASS_CREATED"]

    path.commands.delete_database("shop", expected_seq=1)
    path.settle()
    assert path.graph.databases() == []
    with pytest.raises(DatabaseNotFound):
        path.commands.create_class("shop", "main", CUSTOMER)
    fresh = path.commands.create_database("shop")
    path.settle()
    assert path.outcome(fresh.command_id) == "DATABASE_CREATED"
    assert path.graph.view("shop").get(["Customer/c1", "_Class/Customer"]) == {}


def test_delete_ends_completed_once(path: WritePath) -> None:
    alice(path)
    deleted = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1)
    path.settle()
    before = len(path.events())
    path.position["shop"] = 0
    path.restart()
    path.settle()
    assert len(path.events()) == before
    assert [event.event.event_type for event in path.outcomes()[deleted.command_id]] == ["INSTANCE_DELETED"]


def test_patches_to_different_fields_both_survive(path: WritePath) -> None:
    alice(path)
    path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=1)
    path.commands.update_instance("shop", "main", "Customer", "c1", {"name": "Alice B"}, expected_seq=2)
    path.settle()
    assert path.document("Customer/c1") == {"customer_id": "c1", "name": "Alice B", "city": "Oslo"}


def test_a_null_in_a_patch_removes_the_property(path: WritePath) -> None:
    alice(path)
    path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=1)
    path.commands.update_instance("shop", "main", "Customer", "c1", {"city": None}, expected_seq=2)
    path.settle()
    assert path.document("Customer/c1") == {"customer_id": "c1", "name": "Alice"}
    with pytest.raises(InvalidInstance, match="name"):
        path.commands.update_instance("shop", "main", "Customer", "c1", {"name": None}, expected_seq=3)


def test_a_changed_reference_moves_the_link(path: WritePath) -> None:
    alice(path)
    path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c2", "name": "Bob"})
    path.commands.create_instance("shop", "main", "Product", {"product_id": "p1", "name": "x", "owned_by": "Customer/c1"})
    path.commands.update_instance("shop", "main", "Product", "p1", {"owned_by": "Customer/c2"}, expected_seq=1)
    path.settle()
    node = path.graph.view("shop").get(["Product/p1"])["Product/p1"]
    assert node.links == {"owned_by": ("Customer/c2",)}
    assert node.document["owned_by"] == "Customer/c2"


def test_the_primary_key_cannot_change(path: WritePath) -> None:
    alice(path)
    changed = path.commands.update_instance("shop", "main", "Customer", "c1", {"customer_id": "c9"}, expected_seq=1)
    same = path.commands.update_instance("shop", "main", "Customer", "c1", {"customer_id": "c1"}, expected_seq=2)
    path.settle()
    assert path.outcome(changed.command_id) == "COMMAND_FAILED:invalid_instance"
    assert path.outcome(same.command_id) == "INSTANCE_UPDATED"


def test_a_link_to_a_missing_target_is_refused_with_a_clear_error(path: WritePath) -> None:
    accepted = path.commands.create_instance(
        "shop", "main", "Product", {"product_id": "p1", "name": "x", "owned_by": "Customer/nobody"}
    )
    path.settle()
    event = path.outcomes()[accepted.command_id][0].event
    assert event.data["details"]["errors"] == [{"field": "owned_by", "message": "there is no Customer/nobody"}]
    assert path.document("Product/p1") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("Product/p1", "leads to Customer, not to 'Product'"),
        ("c1", "must be a reference such as Customer/c1"),
        (["Customer/c1", "Customer/c2"], "takes one Customer only"),
        (7, "must be a reference"),
    ],
)
def test_a_relationship_that_breaks_its_definition_is_refused(path: WritePath, value: object, message: str) -> None:
    with pytest.raises(InvalidInstance, match=message) as caught:
        path.commands.create_instance("shop", "main", "Product", {"product_id": "p1", "name": "x", "owned_by": value})
    assert caught.value.details["errors"][0]["field"] == "owned_by"


def test_a_target_of_an_exclusive_relationship_has_one_source(path: WritePath) -> None:
    passport = a_class(
        "Passport", text("passport_id"), relationships=[{"predicate": "holder", "target": "Customer", "cardinality": "1:1"}]
    )
    path.commands.create_class("shop", "main", passport)
    path.settle()
    alice(path)
    first = path.commands.create_instance("shop", "main", "Passport", {"passport_id": "a", "holder": "Customer/c1"})
    second = path.commands.create_instance("shop", "main", "Passport", {"passport_id": "b", "holder": "Customer/c1"})
    path.settle()
    assert path.outcome(first.command_id) == "INSTANCE_CREATED"
    assert path.outcome(second.command_id) == "COMMAND_FAILED:invalid_instance"
    path.commands.update_instance("shop", "main", "Passport", "a", {"holder": None}, expected_seq=1)
    third = path.commands.create_instance("shop", "main", "Passport", {"passport_id": "b", "holder": "Customer/c1"})
    path.settle()
    assert path.outcome(third.command_id) == "INSTANCE_CREATED"


def test_deleting_what_others_link_to_is_refused(path: WritePath) -> None:
    alice(path)
    path.commands.create_instance("shop", "main", "Product", {"product_id": "p1", "name": "x", "owned_by": "Customer/c1"})
    refused = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1)
    path.commands.delete_instance("shop", "main", "Product", "p1", expected_seq=1)
    allowed = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=2)
    path.settle()
    assert path.outcome(refused.command_id) == "COMMAND_FAILED:still_referenced"
    assert path.outcome(allowed.command_id) == "INSTANCE_DELETED"


def test_deleting_a_target_takes_the_links_where_the_relationship_says_so(path: WritePath) -> None:
    tagged = a_class(
        "Order",
        text("order_id"),
        relationships=[{"predicate": "by", "target": "Customer", "cardinality": "n:m", "on_delete": "unlink"}],
    )
    path.commands.create_class("shop", "main", tagged)
    path.settle()
    alice(path)
    path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c2", "name": "Bob"})
    path.commands.create_instance("shop", "main", "Order", {"order_id": "o1", "by": ["Customer/c1", "Customer/c2"]})
    path.commands.create_instance("shop", "main", "Order", {"order_id": "o2", "by": ["Customer/c1"]})
    path.settle()
    deleted = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1)
    path.settle()
    assert path.document("Customer/c1") is None
    assert path.document("Order/o1") == {"order_id": "o1", "by": ["Customer/c2"]}
    assert path.document("Order/o2") == {"order_id": "o2"}
    events = [recorded.event for recorded in path.outcomes()[deleted.command_id]]
    assert [event.event_type for event in events] == ["INSTANCE_DELETED", "INSTANCE_UPDATED", "INSTANCE_UPDATED"]
    assert [event.aggregate_id for event in events[1:]] == ["shop:main:Order:o1", "shop:main:Order:o2"]
    follow_up = path.commands.update_instance("shop", "main", "Order", "o2", {"by": ["Customer/c2"]}, expected_seq=1)
    path.settle()
    assert path.outcome(follow_up.command_id) == "INSTANCE_UPDATED"


def test_composite_keys_give_distinct_ids_and_two_classes_may_hold_one_id(path: WritePath) -> None:
    pair = a_class("Pair", text("a", primaryKey=True), text("b", primaryKey=True))
    path.commands.create_class("shop", "main", pair)
    path.settle()
    first = path.commands.create_instance("shop", "main", "Pair", {"a": "x|y", "b": "z"})
    second = path.commands.create_instance("shop", "main", "Pair", {"a": "x", "b": "y|z"})
    path.commands.create_instance("shop", "main", "Customer", {"customer_id": "한국 a/b@c.d", "name": "n"})
    path.commands.create_instance("shop", "main", "Product", {"product_id": "한국 a/b@c.d", "name": "m"})
    path.settle()
    assert first.instance_id != second.instance_id
    assert path.document("Customer/한국 a/b@c.d") == {"customer_id": "한국 a/b@c.d", "name": "n"}
    assert path.document("Product/한국 a/b@c.d") == {"product_id": "한국 a/b@c.d", "name": "m"}


def test_ids_of_classes_without_a_key_are_generated_once_per_command(path: WritePath) -> None:
    path.commands.create_class("shop", "main", a_class("Note", text("body")))
    path.settle()
    command_id = command_id_of_key("shop", "one")
    first = path.commands.create_instance("shop", "main", "Note", {"body": "x"}, command_id=command_id)
    again = path.commands.create_instance("shop", "main", "Note", {"body": "x"}, command_id=command_id)
    path.settle()
    assert not first.is_duplicate
    assert again.is_duplicate
    assert (first.instance_id, first.position) == (again.instance_id, again.position)
    with pytest.raises(IdempotencyMismatch):
        path.commands.create_instance("shop", "main", "Note", {"body": "other"}, command_id=command_id)


def test_a_repeated_command_gets_its_first_answer_after_its_effect_too(path: WritePath) -> None:
    alice(path)
    command_id = command_id_of_key("shop", "del")
    first = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1, command_id=command_id)
    path.settle()
    again = path.commands.delete_instance("shop", "main", "Customer", "c1", expected_seq=1, command_id=command_id)
    assert again.is_duplicate
    assert again.position == first.position


def test_a_repeated_update_gets_its_first_answer_after_its_class_is_gone(path: WritePath) -> None:
    commands, key = path.commands, "00000000-0000-0000-0000-00000000abcd"
    commands.create_class("shop", "main", a_class("Gone", text("gone_id"), text("name")))
    path.settle()
    commands.create_instance("shop", "main", "Gone", {"gone_id": "x"})
    path.settle()

    def change() -> Accepted:
        return commands.update_instance("shop", "main", "Gone", "x", {"name": "X"}, expected_seq=1, command_id=key)

    first = change()
    path.settle()
    commands.delete_instance("shop", "main", "Gone", "x", expected_seq=2)
    path.settle()
    commands.delete_class("shop", "main", "Gone", expected_seq=1)
    path.settle()
    again = change()
    assert (again.position, again.is_duplicate) == (first.position, True)


def test_an_outdated_number_is_a_conflict_and_nothing_is_appended(path: WritePath) -> None:
    alice(path)
    before = len(path.events())
    with pytest.raises(OptimisticConcurrencyConflict) as caught:
        path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=5)
    assert caught.value.actual_seq == 1
    with pytest.raises(InvalidInput, match="expected_seq"):
        path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=None)
    with pytest.raises(InstanceNotFound):
        path.commands.delete_instance("shop", "main", "Customer", "c2", expected_seq=1)
    assert len(path.events()) == before


def test_wrong_input_is_refused_at_once_and_named(path: WritePath) -> None:
    commands = path.commands
    before = len(path.events())
    with pytest.raises(InvalidInstance) as caught:
        commands.create_instance("shop", "main", "Customer", {"customer_id": 7, "nmae": "x"})
    assert {error["field"] for error in caught.value.details["errors"]} == {"customer_id", "nmae", "name"}
    with pytest.raises(ClassNotFound):
        commands.create_instance("shop", "main", "Nothing", {})
    with pytest.raises(BranchNotFound):
        commands.create_instance("shop", "dev", "Customer", {})
    with pytest.raises(DatabaseNotFound):
        commands.create_instance("other", "main", "Customer", {})
    with pytest.raises(Forbidden):
        commands.create_database("_system")
    with pytest.raises(AlreadyExists):
        commands.create_database("shop")
    with pytest.raises(AlreadyExists):
        commands.create_class("shop", "main", CUSTOMER)
    with pytest.raises(InvalidOntology, match="Missing"):
        commands.create_class("shop", "main", a_class("A", relationships=[{"predicate": "x", "target": "Missing"}]))
    assert len(path.events()) == before


def test_a_class_that_is_accepted_and_undecided_is_waited_for() -> None:
    path = WritePath().with_classes(CUSTOMER)
    path.commands.create_class("shop", "main", PRODUCT)
    with pytest.raises(LogBehind):
        path.commands.create_instance("shop", "main", "Product", {"product_id": "p", "name": "x"})

    def work(_seconds: float) -> None:
        path.settle()

    path.clock.sleep = work  # type: ignore[method-assign]
    accepted = path.commands.create_instance("shop", "main", "Product", {"product_id": "p", "name": "x"})
    path.settle()
    assert path.outcome(accepted.command_id) == "INSTANCE_CREATED"


def test_a_bulk_request_is_accepted_whole_or_refused_whole(path: WritePath) -> None:
    before = len(path.events())
    rows = [BulkRow({"customer_id": f"c{n}", "name": "x"}) for n in range(5)]
    with pytest.raises(InvalidInstance) as caught:
        path.commands.bulk("shop", "main", "Customer", "create", [*rows, BulkRow({"customer_id": "c1", "name": 3}), rows[2]])
    assert [(error["row"], error["field"]) for error in caught.value.details["errors"]] == [(5, "name"), (6, "instance_id")]
    assert len(path.events()) == before
    accepted = path.commands.bulk("shop", "main", "Customer", "create", rows, command_id=command_id_of_key("shop", "b"))
    again = path.commands.bulk("shop", "main", "Customer", "create", rows, command_id=command_id_of_key("shop", "b"))
    path.settle()
    assert again.is_duplicate
    assert [member.position for member in again.members] == [member.position for member in accepted.members]
    assert {path.outcome(member.command_id) for member in accepted.members} == {"INSTANCE_CREATED"}
    assert path.outcomes()[accepted.members[0].command_id][0].event.metadata["bulk_id"] == accepted.bulk_id


def test_a_branch_is_written_without_touching_its_source(path: WritePath) -> None:
    alice(path)
    path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=1)
    path.commands.create_branch("shop", "dev")
    path.settle()
    with pytest.raises(OptimisticConcurrencyConflict) as caught:
        path.commands.update_instance("shop", "dev", "Customer", "c1", {"city": "Rome"}, expected_seq=7)
    assert caught.value.actual_seq == 2
    path.commands.update_instance("shop", "dev", "Customer", "c1", {"city": "Rome"}, expected_seq=2)
    path.settle()
    assert (path.document("Customer/c1") or {})["city"] == "Oslo"
    assert (path.document("Customer/c1", branch="dev") or {})["city"] == "Rome"
    path.commands.delete_branch("shop", "dev")
    path.settle()
    assert [branch.name for branch in path.graph.branches("shop")] == ["main"]


def test_a_command_for_a_database_deleted_before_it_fails(path: WritePath) -> None:
    path.commands.delete_database("shop", expected_seq=1)
    late = path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "x"})
    path.settle()
    assert path.outcome(late.command_id) == "COMMAND_FAILED:database_not_found"


def test_a_class_that_another_process_changed_is_read_again_before_a_refusal(path: WritePath) -> None:
    other = CommandService(log=path.log, graph=path.graph, work=path.work, clock=path.clock, ids=path.ids)
    data = {"customer_id": "c1", "name": "Alice", "size": 3}
    with pytest.raises(InvalidInstance):
        path.commands.create_instance("shop", "main", "Customer", data)
    wider = {**CUSTOMER, "properties": [*CUSTOMER["properties"], {"name": "size", "type": "integer"}]}
    other.update_class("shop", "main", "Customer", wider, expected_seq=1)
    path.settle()
    accepted = path.commands.create_instance("shop", "main", "Customer", data)
    path.settle()
    assert path.outcome(accepted.command_id) == "INSTANCE_CREATED"
    other.create_class("shop", "main", a_class("Zebra", text("zebra_id")))
    path.settle()
    assert "Zebra" in path.commands.settled.ontology("shop", "main", frozenset()).definitions


def test_a_class_whose_last_change_is_undecided_is_used_as_it_was(path: WritePath) -> None:
    path.commands.update_class("shop", "main", "Customer", CUSTOMER, expected_seq=1)
    accepted = path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c1", "name": "Alice"})
    path.settle()
    assert path.outcome(accepted.command_id) == "INSTANCE_CREATED"


def test_a_key_reused_for_another_instance_is_refused(path: WritePath) -> None:
    for name in ("c1", "c2"):
        path.commands.create_instance("shop", "main", "Customer", {"customer_id": name, "name": "x"})
    path.settle()
    command_id = command_id_of_key("shop", "k")
    path.commands.update_instance("shop", "main", "Customer", "c1", {"city": "Oslo"}, expected_seq=1, command_id=command_id)
    with pytest.raises(IdempotencyMismatch):
        path.commands.update_instance("shop", "main", "Customer", "c2", {"city": "Oslo"}, expected_seq=1, command_id=command_id)
    with pytest.raises(InvalidInput, match="UUID"):
        path.commands.create_instance("shop", "main", "Customer", {"customer_id": "c3", "name": "x"}, command_id="me")
