"""A request that comes again with its key gets its first answer, whatever its class has become meanwhile."""

import uuid
from dataclasses import replace

import pytest

from spice_core.errors import ClassNotFound, IdempotencyMismatch, InvalidInput
from spice_core.services.submit_rows import BulkRow
from tests.write_path import WritePath, a_class, text

DB = "shop"
PERSON = a_class("Person", text("person_id", required=True), text("name"), text("city"))
NARROW = a_class("Person", text("person_id", required=True), text("name"))
KEY = str(uuid.uuid5(uuid.NAMESPACE_URL, "the key of the client"))
NEW = [BulkRow({"person_id": name, "city": "Ulm"}) for name in ("kim", "lee")]


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(PERSON)


def become(path: WritePath, definition: dict) -> None:
    """Change the class; its instances are gone, so that nothing keeps it from changing."""
    path.commands.update_class(DB, "main", "Person", definition, expected_seq=1)
    path.settle()


def length(path: WritePath) -> int:
    return path.log.head(DB).position


def test_repeated_bulk_creation_is_answered_as_the_first_time(path: WritePath) -> None:
    first = path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)
    path.settle()
    for name in ("kim", "lee"):
        path.commands.delete_instance(DB, "main", "Person", name, expected_seq=1)
    path.settle()
    become(path, NARROW)
    before = length(path)
    with pytest.raises(InvalidInput):
        path.commands.bulk(DB, "main", "Person", "create", NEW)
    again = path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)
    assert again.is_duplicate
    assert (again.bulk_id, again.position) == (first.bulk_id, first.position)
    assert [member.instance_id for member in again.members] == [member.instance_id for member in first.members] == ["kim", "lee"]
    assert [member.position for member in again.members] == [member.position for member in first.members]
    assert length(path) == before


@pytest.mark.parametrize("kind", ["update", "delete"])
def test_repeated_bulk_change_is_answered_as_the_first_time(path: WritePath, kind) -> None:
    path.commands.bulk(DB, "main", "Person", "create", NEW)
    path.settle()
    patch = {"name": "x"} if kind == "update" else {}
    rows = [BulkRow(patch, name, 1) for name in ("kim", "lee")]
    first = path.commands.bulk(DB, "main", "Person", kind, rows, command_id=KEY)
    path.settle()
    if kind == "update":
        path.commands.bulk(DB, "main", "Person", "delete", [BulkRow({}, name, 2) for name in ("kim", "lee")])
        path.settle()
    path.commands.delete_class(DB, "main", "Person", expected_seq=1)
    path.settle()
    with pytest.raises(ClassNotFound):
        path.commands.bulk(DB, "main", "Person", kind, rows)
    again = path.commands.bulk(DB, "main", "Person", kind, rows, command_id=KEY)
    assert (again.is_duplicate, again.members) == (True, [replace(member, is_duplicate=True) for member in first.members])


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("create", NEW[:1]),
        ("create", [*NEW, BulkRow({"person_id": "max"})]),
        ("create", [NEW[0], BulkRow({"person_id": "other"})]),
        ("create", NEW[::-1]),
        ("update", [BulkRow({"city": "Ulm"}, name, 1) for name in ("kim", "lee")]),
    ],
)
def test_key_of_another_bulk_request_is_refused(path: WritePath, kind, rows) -> None:
    path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)
    path.settle()
    before = length(path)
    with pytest.raises(IdempotencyMismatch):
        path.commands.bulk(DB, "main", "Person", kind, rows, command_id=KEY)
    assert length(path) == before


def test_key_of_a_single_command_is_refused_for_a_bulk_request(path: WritePath) -> None:
    path.commands.create_instance(DB, "main", "Person", {"person_id": "kim"}, command_id=KEY)
    with pytest.raises(IdempotencyMismatch):
        path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)


def test_bulk_request_is_repeated_before_it_is_decided(path: WritePath) -> None:
    first = path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)
    again = path.commands.bulk(DB, "main", "Person", "create", NEW, command_id=KEY)
    assert (again.is_duplicate, again.position) == (True, first.position)
