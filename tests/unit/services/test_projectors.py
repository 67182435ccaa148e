"""What the projectors make of the events of the log."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.events import Event, RecordedEvent
from spice_core.domain.read_models import CommandState
from spice_core.domain.search import SearchQuery
from spice_core.errors import GraphUnavailable
from spice_core.services.project_audit import AuditProjector, audit_entry
from spice_core.services.project_lineage import lineage_records
from spice_core.services.project_search import SearchProjector
from spice_core.services.project_statuses import status_change
from spice_core.services.rebuild_graph import GraphRebuilder
from tests.workers_world import Workers
from tests.write_path import WritePath, a_class, text

AT = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = a_class("Person", text("person_id", required=True), text("name"))


def event(event_type: str, aggregate_type: str, aggregate_id: str, *, position: int = 7, **rest: Any) -> RecordedEvent:
    metadata = rest.pop("metadata", {"kind": "domain", "command_id": "c1", "commit": "abc"})
    found = Event(
        event_id=f"e{position}",
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        occurred_at=AT,
        metadata=metadata,
        sequence_number=2,
        actor="kim",
        **rest,
    )
    return RecordedEvent("shop", position, 1, found)


def test_every_event_of_the_log_is_an_audit_entry():
    audit, path = MemoryAuditStore(), WritePath().with_classes(PERSON)
    path.commands.create_instance("shop", "main", "Person", {"person_id": "kim"}, actor="ann")
    path.settle()
    AuditProjector(audit).handle("shop", path.events())
    entries = audit.query(database="shop", limit=1000)
    assert [entry.position for entry in entries] == list(range(len(path.events()), 0, -1))
    assert {entry.actor for entry in audit.query(database="shop", action="INSTANCE_CREATED")} == {"ann"}


def test_refusals_and_admin_reads_of_the_system_log_are_audit_entries_too():
    refused = event(
        "ACCESS_REFUSED",
        "Audit",
        "_system:1",
        data={"resource_type": "Database", "resource_id": "shop", "error": "no token", "path": "/x"},
        metadata={"kind": "domain"},
    )
    entry = audit_entry(replace(refused, database="_system"))
    assert (entry.database, entry.status, entry.resource_type, entry.resource_id) == ("_system", "refused", "Database", "shop")
    assert (entry.error, entry.command_id, entry.metadata["data"]["path"]) == ("no token", None, "/x")
    read = audit_entry(event("ADMIN_READ", "Audit", "_system:2", data={}, metadata={"kind": "domain"}))
    assert (read.status, read.action) == ("success", "ADMIN_READ")


def test_failed_command_is_a_failure_with_its_error_and_code():
    entry = audit_entry(event("COMMAND_FAILED", "Instance", "a", data={"error": "no", "code": "already_exists"}))
    assert (entry.status, entry.error, entry.metadata["code"], entry.command_id) == ("failure", "no", "already_exists", "c1")


def test_audit_takes_events_it_does_not_know():
    entry = audit_entry(event("SOMETHING_NEW", "Gadget", "x", data={"whatever": [1]}, metadata={}))
    assert (entry.action, entry.resource_type, entry.status, entry.command_id) == ("SOMETHING_NEW", "Gadget", "success", None)


@pytest.mark.parametrize(
    ("aggregate_type", "aggregate_id", "data", "artifacts"),
    [
        ("Instance", "shop:main:Person:a%3Ab", {}, ["node:main:Person/a:b"]),
        ("OntologyClass", "shop:side:Person", {}, ["class:side:Person"]),
        ("Branch", "shop:side", {}, ["branch:side"]),
        ("Database", "shop", {}, ["database"]),
        ("Dataset", "shop:main:flights", {"dataset_id": "d1", "version_id": "v1"}, ["dataset:d1", "version:v1"]),
        ("Mapping", "shop:m1", {}, ["mapping:m1"]),
        ("Run", "shop:r1", {"mapping_id": "m1", "version_id": "v1"}, ["mapping:m1", "version:v1"]),
        ("Gadget", "x", {}, []),
    ],
)
def test_lineage_names_the_artifacts_of_an_event(aggregate_type, aggregate_id, data, artifacts):
    records = lineage_records(event("SOMETHING_DONE", aggregate_type, aggregate_id, data=data))
    assert [record.artifact for record in records] == artifacts


def test_lineage_keeps_the_row_that_values_came_from():
    metadata = {"kind": "domain", "command_id": "c1", "commit": "abc", "source": {"version_id": "v7", "row": 12}}
    [record] = lineage_records(event("INSTANCE_CREATED", "Instance", "shop:main:Person:kim", metadata=metadata))
    assert (record.dataset_version, record.source, record.commit) == ("v7", {"version_id": "v7", "row": 12}, "abc")
    assert (record.command_id, record.actor, record.sequence_number, record.position) == ("c1", "kim", 2, 7)


def test_commands_and_failures_leave_no_lineage():
    assert lineage_records(event("CREATE_INSTANCE_REQUESTED", "Instance", "a:b:c:d", metadata={"kind": "command"})) == []
    assert lineage_records(event("COMMAND_FAILED", "Instance", "a:b:c:d")) == []


def test_statuses_carry_no_wall_clock():
    change = status_change(event("INSTANCE_CREATED", "Instance", "a"))
    assert (change.state, change.at, change.result["commit"]) == (CommandState.COMPLETED, AT, "abc")


def test_event_of_a_bulk_marker_says_that_its_members_are_under_way():
    assert status_change(event("INSTANCES_BULK_CREATED", "Bulk", "b", data={"count": 3})).state is CommandState.PROCESSING


def test_event_without_a_command_has_no_status():
    assert status_change(event("ADMIN_READ", "Audit", "x", metadata={"kind": "domain"})) is None


@pytest.fixture
def people() -> WritePath:
    path = WritePath().with_classes(PERSON)
    for name in ("kim", "lee", "max"):
        path.commands.create_instance("shop", "main", "Person", {"person_id": name, "name": name.title()})
    path.settle()
    return path


def test_document_that_cannot_be_applied_becomes_a_dead_letter_and_blocks_nothing(people, monkeypatch):
    workers = Workers()
    workers.log, workers.feed._log = people.log, people.log
    search = MemorySearchIndex()
    write = search.write

    def conflicting(database, branch, documents, **more):
        if any(document.key == "Person/lee" for document in documents):
            raise ValueError("mapping conflict")
        return write(database, branch, documents, **more)

    monkeypatch.setattr(search, "write", conflicting)
    runner = workers.another_runner("search", SearchProjector(search=search, graph=people.graph))
    runner.run_until_idle()
    assert [document.key for document in search.scan("shop", "main")] == ["Person/kim", "Person/max"]
    [letter] = workers.work.dead_letters(database="shop")
    assert (letter.handler, letter.error) == ("search", "ValueError: mapping conflict")
    monkeypatch.undo()
    workers.clock.sleep(10)
    runner.run_until_idle()
    assert [document.key for document in search.scan("shop", "main")] == ["Person/kim", "Person/lee", "Person/max"]


def test_deleted_index_is_made_again_from_the_log(people):
    empty = MemorySearchIndex()
    projector = SearchProjector(search=empty, graph=MemoryGraphStore())
    projector.handle("shop", [found for found in people.events() if projector.wants(found)])
    found = empty.search("shop", "main", SearchQuery(class_ids=["Person"], text="kim"))
    assert [hit.document.key for hit in found.hits] == ["Person/kim"]


def test_class_change_reaches_the_classes_below_it(people):
    people.commands.create_class("shop", "main", a_class("Pilot", parent_class="Person"))
    people.settle()
    number = people.log.number("shop", "OntologyClass|shop:main:Person")
    wider = a_class("Person", text("person_id", required=True), text("name"), text("city"))
    people.commands.update_class("shop", "main", "Person", wider, expected_seq=number)
    people.settle()
    people.commands.create_instance("shop", "main", "Pilot", {"person_id": "amy", "city": "Oslo"})
    people.settle()
    index = MemorySearchIndex()
    projector = SearchProjector(search=index, graph=people.graph)
    projector.handle("shop", [found for found in people.events() if projector.wants(found)])
    found = index.search("shop", "main", SearchQuery(class_ids=["Pilot"], text="oslo"))
    assert [hit.document.key for hit in found.hits] == ["Pilot/amy"]


def test_branch_of_an_old_commit_waits_for_a_graph_that_lost_it():
    path = WritePath().with_classes(PERSON)
    path.commands.create_instance("shop", "main", "Person", {"person_id": "kim"})
    path.settle()
    old = path.graph.view("shop").commit.id
    path.commands.delete_instance("shop", "main", "Person", "kim", expected_seq=1)
    path.settle()
    path.commands.create_branch("shop", "then", source=old)
    path.settle()
    graph, search = MemoryGraphStore(), MemorySearchIndex()
    projector = SearchProjector(search=search, graph=graph)
    events = [recorded for recorded in path.events() if projector.wants(recorded)]
    with pytest.raises(GraphUnavailable):
        projector.handle("shop", events)
    GraphRebuilder(log=path.log, graph=graph).rebuild("shop")
    projector.handle("shop", events)
    found = search.search("shop", "then", SearchQuery(class_ids=["Person"]))
    assert [hit.document.data["person_id"] for hit in found.hits] == ["kim"]
