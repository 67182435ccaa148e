"""What stops a run: other columns, broken keys, types that do not fit; and when a gate says PASS."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.datasets import Column
from spice_core.domain.key_specs import KeySpec
from spice_core.domain.values import spec_of
from spice_core.errors import InvalidInput, InvalidMapping, ObjectTypeMismatch
from spice_core.services.check_mapping import fits
from spice_core.services.save_key_specs import KeySpecs
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

PERSON = a_class(
    "Person",
    text("id", primaryKey=True, required=True),
    text("name", titleKey=True),
    text("mail"),
    {"name": "age", "type": "integer"},
)
ABSTRACT = a_class("Thing", text("id", primaryKey=True, required=True), abstract=True)
KEYLESS = a_class("Loose", text("word"))
FIELDS = {"id": "id", "name": "name", "mail": "mail", "age": "age"}
COLUMNS = ("id", "name", "mail", "age")
ROWS = [("p1", "Ann", "a@x.org", 30), ("p2", "Bob", "b@x.org", 31)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes(PERSON, ABSTRACT, KEYLESS)
    yield found
    found.close()


def gates(world: DataWorld, mapping: str) -> list[tuple[str, Mapping[str, Any]]]:
    world.work()
    records = world.registry.records("shop", RecordKind.GATE, parent=mapping)
    return [(record.status, record.document) for record in records]


def commands(world: DataWorld) -> int:
    return sum(event.event.is_command and event.event.aggregate_type == "Instance" for event in world.path.events())


def keys(world: DataWorld) -> KeySpecs:
    return KeySpecs(commands=world.path.commands, registry=world.registry, datasets=world.datasets, tables=world.tables)


def test_must_hold_31_a_gate_passes_only_after_the_commands_completed(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    mapping = world.map(world.upload("people", csv_of(COLUMNS, ROWS)), "Person", FIELDS)
    seen: list[int] = []
    original = type(world.path.commands).bulk

    def watching(self: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(len(gates(world, mapping)))
        return original(self, *arguments, **options)

    monkeypatch.setattr(type(world.path.commands), "bulk", watching)
    world.objectify.run("shop", mapping)
    assert seen == [0]
    (status, document), *others = gates(world, mapping)
    assert (status, others) == ("PASS", [])
    assert [check["code"] for check in document["checks"]] == ["OBJECT_TYPE_SCHEMA_HASH_MISMATCH", "COMMANDS_COMPLETED"]


def test_must_hold_31_a_removed_row_whose_instance_is_still_linked_fails_with_the_reason_and_no_gate_passes(world: DataWorld):
    link = {"predicate": "boss", "target": "Person", "cardinality": "n:1", "label": "boss"}
    world.path.commands.create_class("shop", "main", a_class("Pet", text("id", primaryKey=True), relationships=[link]))
    world.work()
    version = world.upload("people", csv_of(COLUMNS, ROWS))
    mapping = world.map(version, "Person", FIELDS)
    world.objectify.run("shop", mapping)
    world.path.commands.create_instance("shop", "main", "Pet", {"id": "rex", "boss": "Person/p2"})
    world.work()
    world.upload("people", csv_of(COLUMNS, ROWS[:1]))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.reasons) == ("failed", {"command_failed": 1})
    assert "still link to Person/p2" in str(run.samples[0])
    assert gates(world, mapping)[0][0] == "FAIL"
    world.path.commands.delete_instance("shop", "main", "Pet", "rex", expected_seq=1)
    world.work()
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.deleted, gates(world, mapping)[0][0]) == ("succeeded", 1, "PASS")


def test_must_hold_25_a_row_that_is_rejected_keeps_what_the_last_good_row_made_and_is_counted(world: DataWorld):
    link = {"predicate": "boss", "target": "Person", "cardinality": "n:1", "label": "boss"}
    pet = a_class("Pet", text("id", primaryKey=True), text("name", constraints={"maxLength": 4}), relationships=[link])
    world.path.commands.create_class("shop", "main", pet)
    world.work()
    version = world.upload("pets", csv_of(("id", "name"), [("p1", "Rex"), ("p2", "Tom")]))
    mapping = world.map(version, "Pet", {"id": "id", "name": "name"})
    world.objectify.run("shop", mapping)
    world.upload("pets", csv_of(("id", "name"), [("p1", "Rexington"), ("p2", "Tim")]))
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.updated, run.rejected, run.deleted, run.reasons) == ("succeeded", 1, 1, 0, {"name: invalid": 1})
    assert {name: found["name"] for name, found in world.instances("Pet").items()} == {"p1": "Rex", "p2": "Tim"}
    assert (run.samples[0]["row"], run.samples[0]["field"]) == (1, "name")


def test_a_version_with_other_columns_is_refused_with_what_differs_until_the_mapping_is_saved_again(world: DataWorld):
    mapping = world.map(world.upload("people", csv_of(COLUMNS, ROWS)), "Person", FIELDS)
    world.objectify.run("shop", mapping)
    before = commands(world)
    wider = world.upload("people", csv_of((*COLUMNS, "shoe"), [(*row, 40) for row in ROWS]))
    with pytest.raises(ObjectTypeMismatch, match="shoe") as caught:
        world.objectify.run("shop", mapping)
    assert caught.value.details["errors"][0]["code"] == "OBJECT_TYPE_SCHEMA_HASH_MISMATCH"
    status, document = gates(world, mapping)[0]
    assert (status, document["version_id"], document["checks"][0]["details"]["added"]) == ("FAIL", wider.version_id, ["shoe"])
    assert commands(world) == before
    assert world.objectify.run("shop", mapping, accept_schema=True).state == "succeeded"
    world.map(wider, "Person", FIELDS)
    assert world.objectify.run("shop", mapping).state == "succeeded"
    assert gates(world, mapping)[0][0] == "PASS"


def test_a_stated_key_that_rows_break_stops_the_run_and_names_rows(world: DataWorld):
    rows = [*ROWS, ("p3", "Cy", "a@x.org", 1), ("p4", "Di", None, 1)]
    version = world.upload("people", csv_of(COLUMNS, rows))
    mapping = world.map(version, "Person", FIELDS)
    spec = KeySpec(version.dataset_id, "unique", ("mail",))
    _, check = keys(world).save("shop", spec)
    assert check is not None
    assert (check.missing, check.repeated, check.holds) == (1, 1, False)
    world.work()
    run = world.objectify.run("shop", mapping)
    assert (run.state, run.reasons, commands(world)) == ("failed", {"mail.key_repeated": 1}, 0)
    assert gates(world, mapping)[0][0] == "FAIL"
    world.upload("people", csv_of(COLUMNS, [*ROWS, ("p4", "Di", None, 1)]))
    assert world.objectify.run("shop", mapping).created == 3
    keys(world).delete("shop", spec)
    world.work()
    assert keys(world).of_dataset("shop", version.dataset_id) == []


def test_keys_of_several_columns_are_kept_and_bad_ones_refused(world: DataWorld):
    version = world.upload("people", csv_of(COLUMNS, ROWS))
    _, check = keys(world).save("shop", KeySpec(version.dataset_id, "primary", ("id", "age")))
    assert check is not None
    assert check.holds
    world.work()
    with pytest.raises(InvalidMapping) as caught:
        world.map(version, "Person", FIELDS)
    assert caught.value.details["errors"][0]["code"] == "MAPPING_SPEC_DATASET_PK_MISMATCH"
    for columns in ((), ("id", "id"), ("shoe",)):
        with pytest.raises(InvalidInput):
            keys(world).save("shop", KeySpec(version.dataset_id, "unique", columns))


@pytest.mark.parametrize(
    ("class_id", "fields", "options", "code"),
    [
        ("Person", {"id": "id", "mail": "mail"}, {}, "MAPPING_SPEC_TITLE_KEY_MISSING"),
        ("Person", {"id": "id", "name": "name", "age": "mail"}, {}, "MAPPING_SPEC_UNSUPPORTED_TYPES"),
        ("Person", FIELDS, {"target_field_types": {"age": "date"}}, "MAPPING_SPEC_TARGET_TYPE_MISMATCH"),
        ("Person", FIELDS, {"edit_policy": {"age": "mine"}}, "MAPPING_SPEC_POLICY_UNKNOWN"),
        ("Person", FIELDS, {"edit_policy": {"shoe": "edit_wins"}}, "MAPPING_SPEC_POLICY_UNKNOWN"),
        ("Thing", {"id": "id"}, {}, "OBJECT_TYPE_INACTIVE"),
        ("Loose", {"word": "name"}, {}, "OBJECT_TYPE_PRIMARY_KEY_MISSING"),
    ],
)
def test_what_does_not_fit_is_refused_by_code_and_blamed_on_mapping_or_class(
    world: DataWorld, class_id: str, fields: dict[str, str], options: dict[str, Any], code: str
):
    version = world.upload("people", csv_of(COLUMNS, ROWS))
    error = ObjectTypeMismatch if code.startswith("OBJECT_TYPE") else InvalidMapping
    with pytest.raises(error) as caught:
        world.map(version, class_id, fields, **options)
    assert code in {found["code"] for found in caught.value.details["errors"]}


@pytest.mark.parametrize(
    ("column", "target", "verdict"),
    [
        ("integer", "decimal", True),
        ("decimal", "integer", False),
        ("date", "dateTime", True),
        ("dateTime", "date", True),
        ("boolean", "string", True),
        ("string", "integer", False),
        ("integer", "boolean", False),
        ("integer", "long", True),
        ("email", "string", True),
    ],
)
def test_types_fit_where_every_value_can(column: str, target: str, *, verdict: bool):
    assert fits(Column("c", column), spec_of(target)) is verdict
    assert fits(Column("c", column, statistics={"total_count": 3, "null_count": 3}), spec_of(target))
