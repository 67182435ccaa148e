"""The contract of `Registry`, sentence by sentence, on every adapter."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.datasets import ClassMapping, Column, Dataset, DatasetVersion, FieldMapping, ObjectifyRun
from spice_core.errors import Closed
from spice_core.ports.registry import Registry, RegistryChange

AT = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def dataset(name: str, *, branch: str = "main") -> Dataset:
    return Dataset(f"db:{branch}:{name}", "db", branch, name, "csv", AT, None)


def version(name: str, number: int) -> DatasetVersion:
    return DatasetVersion(
        version_id=f"{name}-{number}",
        dataset_id=f"db:main:{name}",
        number=number,
        commit_id="c" * 40,
        path="p",
        raw_path="r",
        content_sha256="0" * 64,
        size_bytes=3,
        row_count=2,
        reject_count=1,
        columns=(Column("a", "integer", False, {"total": 3, "samples": ["1"]}), Column("한", "string")),
        schema_hash="h",
        primary_key_candidates=(("a",), ("a", "한")),
        created_at=AT,
        created_by="ann",
        filename="f.csv",
        dialect={"delimiter": ","},
    )


def mapping(name: str, mapping_id: str) -> ClassMapping:
    fields = (FieldMapping("a", ("x",)), FieldMapping("b", ("x", "y")))
    return ClassMapping(mapping_id, "db", "main", f"db:main:{name}", "Thing", fields, "h", on_missing_target="drop_link")


def run(run_id: str, mapping_id: str) -> ObjectifyRun:
    return ObjectifyRun(
        run_id, mapping_id, "v", None, "succeeded", rows=3, reasons={"x": 1}, samples=({"row": 1},), started_at=AT
    )


def fill(registry: Registry) -> None:
    changes = [
        RegistryChange(1, put_dataset=dataset("b")),
        RegistryChange(2, put_version=version("b", 1)),
        RegistryChange(3, put_dataset=dataset("a")),
        RegistryChange(4, put_dataset=dataset("a", branch="draft")),
        RegistryChange(5, put_version=version("b", 2)),
        RegistryChange(6, put_mapping=mapping("b", "m1")),
        RegistryChange(7, put_run=run("r1", "m1")),
        RegistryChange(8, put_run=run("r2", "m2")),
    ]
    registry.apply("db", changes, position=9)


def test_datasets_come_by_name_with_their_latest_version(registry: Registry):
    fill(registry)
    assert registry.datasets("db") == [
        replace(dataset("a", branch="draft"), position=4),
        replace(dataset("a"), position=3),
        replace(dataset("b"), latest=version("b", 2), position=5),
    ]
    assert [entry.name for entry in registry.datasets("db", branch="draft")] == ["a"]
    assert registry.dataset("db", "db:main:b") == registry.datasets("db")[-1]
    assert registry.dataset("db", "nothing") is None
    assert registry.datasets("other") == []
    assert registry.databases() == ["db"]


def test_versions_come_newest_first(registry: Registry):
    fill(registry)
    assert registry.versions("db", "db:main:b") == [version("b", 2), version("b", 1)]
    assert registry.versions("db", "db:main:b", limit=1) == [version("b", 2)]
    assert registry.version("db", "b-1") == version("b", 1)
    assert registry.version("db", "b-3") is None
    assert registry.version("other", "b-1") is None


def test_mappings_come_by_id_and_runs_newest_first(registry: Registry):
    fill(registry)
    registry.apply("db", [RegistryChange(10, put_mapping=mapping("a", "m0"))], position=10)
    assert registry.mappings("db") == [mapping("a", "m0"), mapping("b", "m1")]
    assert registry.mappings("db", dataset_id="db:main:b") == [mapping("b", "m1")]
    assert registry.runs("db") == [run("r2", "m2"), run("r1", "m1")]
    assert registry.runs("db", mapping_id="m1", limit=5) == [run("r1", "m1")]


def test_a_repeated_delivery_changes_nothing(registry: Registry):
    fill(registry)
    before = registry.datasets("db")
    registry.apply("db", [RegistryChange(5, delete_dataset="db:main:b"), RegistryChange(9, delete_mapping="m1")], position=9)
    assert registry.datasets("db") == before
    assert registry.mappings("db") == [mapping("b", "m1")]
    assert registry.position("db") == 9
    registry.apply("db", [], position=4)
    assert registry.position("db") == 9


def test_a_deleted_dataset_goes_with_its_versions_and_mappings(registry: Registry):
    fill(registry)
    registry.apply("db", [RegistryChange(10, delete_dataset="db:main:b")], position=10)
    assert registry.dataset("db", "db:main:b") is None
    assert registry.versions("db", "db:main:b") == []
    assert registry.mappings("db") == []
    registry.apply("db", [RegistryChange(11, put_dataset=dataset("b"))], position=11)
    assert registry.dataset("db", "db:main:b") == replace(dataset("b"), position=11)


def test_changes_since_a_position_come_in_order(registry: Registry):
    fill(registry)
    assert [entry.dataset_id for entry in registry.changed_since(0, database="db")] == ["db:main:a", "db:draft:a", "db:main:b"]
    assert [entry.dataset_id for entry in registry.changed_since(4, database="db")] == ["db:main:b"]
    assert [entry.dataset_id for entry in registry.changed_since(0, database="db", limit=1)] == ["db:main:a"]
    assert registry.changed_since(5, database="db") == []


def test_a_database_is_reset_alone(registry: Registry):
    fill(registry)
    registry.apply("other", [RegistryChange(1, put_dataset=replace(dataset("b"), database="other"))], position=1)
    registry.reset("db")
    assert (registry.position("db"), registry.datasets("db"), registry.runs("db")) == (0, [], [])
    assert registry.databases() == ["other"]
    fill(registry)
    assert registry.position("db") == 9


def test_every_method_of_a_closed_registry_raises(registry: Registry):
    registry.close()
    registry.close()
    calls = [
        lambda: registry.position("db"),
        lambda: registry.reset("db"),
        lambda: registry.apply("db", [], position=1),
        registry.databases,
        lambda: registry.datasets("db"),
        lambda: registry.dataset("db", "x"),
        lambda: registry.versions("db", "x"),
        lambda: registry.version("db", "x"),
        lambda: registry.mappings("db"),
        lambda: registry.runs("db"),
        lambda: registry.changed_since(0, database="db"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


def record(record_id: str, *, kind: RecordKind = RecordKind.WATCH, parent: str = "", status: str = "") -> CatalogueRecord:
    document = {"name": record_id, "열": [1, None, {"a": 1.5}]}
    return CatalogueRecord(kind, record_id, "db", "main", document, parent, status, 3, 0, AT, "ann")


def test_records_come_back_as_they_were_put_those_put_last_first(registry: Registry):
    changes = [
        RegistryChange(1, put_record=record("db:b", parent="p", status="open")),
        RegistryChange(2, put_record=record("db:a", parent="p", status="done")),
        RegistryChange(3, put_record=record("db:b", kind=RecordKind.GATE)),
        RegistryChange(4, put_record=record("db:c", status="open")),
    ]
    registry.apply("db", changes, position=4)
    assert registry.record("db", RecordKind.WATCH, "db:b") == replace(record("db:b", parent="p", status="open"), position=1)
    assert registry.record("db", RecordKind.LINK_TYPE, "db:b") is None
    assert registry.record("other", RecordKind.WATCH, "db:b") is None
    names = [found.record_id for found in registry.records("db", RecordKind.WATCH)]
    assert names == ["db:c", "db:a", "db:b"]
    assert [found.record_id for found in registry.records("db", RecordKind.WATCH, parent="p")] == ["db:a", "db:b"]
    assert [found.record_id for found in registry.records("db", RecordKind.WATCH, status="open", limit=1)] == ["db:c"]
    assert registry.databases() == []


def test_a_record_put_again_is_replaced_and_a_deleted_one_is_gone(registry: Registry):
    registry.apply("db", [RegistryChange(1, put_record=record("db:a", status="open"))], position=1)
    changed = replace(record("db:a", status="done"), version=4, document={})
    registry.apply("db", [RegistryChange(2, put_record=changed), RegistryChange(1, put_record=record("db:late"))], position=2)
    assert registry.records("db", RecordKind.WATCH) == [replace(changed, position=2)]
    registry.apply("db", [RegistryChange(3, delete_record=(RecordKind.WATCH, "db:a"))], position=3)
    assert registry.records("db", RecordKind.WATCH) == []


def test_records_of_an_ended_database_are_gone_and_later_ones_stay(registry: Registry):
    first = [RegistryChange(1, put_record=record("db:a")), RegistryChange(5, put_record=record("db:b"))]
    registry.apply("db", [*first, RegistryChange(6, delete_records_before=5)], position=6)
    assert [found.record_id for found in registry.records("db", RecordKind.WATCH)] == ["db:b"]
    registry.reset("db")
    assert registry.records("db", RecordKind.WATCH) == []
