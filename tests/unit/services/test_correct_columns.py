"""People's word on the columns of an upload: approved, corrected, remembered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spice_core.domain.corrections import ColumnCorrection
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.ingest_requests import SchemaStatus
from spice_core.errors import Conflict, InvalidInput, RecordNotFound, UnreadableFile
from spice_core.services.correct_columns import Approval, CorrectColumns
from tests.data_world import DataWorld

PEOPLE = "zip,name\n1234,Ann\n5678,Bob\n9012,Cy\n"
BOOK = (
    "#sheets\n#sheet Orders\nid,amount,city\n1,10,Rome\n2,20,Oslo\n3,30,Bonn\n4,40,Pisa\n"
    "#sheet Shops\ncode,staff\nS1,5\nS2,6\nS3,7\n"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def approve(world: DataWorld, version: DatasetVersion, *corrections: ColumnCorrection, **options: Any) -> Approval:
    correcting = CorrectColumns(ingest=world.ingest, registry=world.registry, commands=world.path.commands)
    done = correcting.approve("shop", version.request_id, corrections=corrections, actor="ann", **options)
    world.work()
    return done


def types(version: DatasetVersion | None) -> dict[str, str]:
    assert version is not None
    return {column.name: column.type for column in version.columns}


def test_an_approval_without_corrections_makes_no_version_and_is_given_once(world: DataWorld):
    version = world.upload("people", PEOPLE)
    done = approve(world, version)
    assert (done.request.schema_status, done.version) == (SchemaStatus.APPROVED, None)
    head = world.path.log.head("shop")
    assert approve(world, version).request.schema_status is SchemaStatus.APPROVED
    assert world.path.log.head("shop") == head
    assert len(world.registry.versions("shop", version.dataset_id)) == 1


def test_corrections_make_a_version_of_the_same_bytes_and_hold_for_the_next_ones(world: DataWorld):
    first = world.upload("people", PEOPLE)
    done = approve(world, first, ColumnCorrection("zip", type="string"))
    assert done.version is not None
    assert (done.version.number, types(done.version)) == (2, {"zip": "string", "name": "string"})
    assert done.version.content_sha256 == first.content_sha256
    assert b"".join(world.datasets.read("shop", done.version.commit_id, done.version.raw_path)) == PEOPLE.encode()
    assert done.version.schema_diff["types"] == [{"column": "zip", "before": "integer", "after": "string"}]
    following = world.upload("people", PEOPLE + "0042,Di\n")
    assert (following.number, types(following)["zip"]) == (3, "string")
    assert types(world.upload("others", PEOPLE))["zip"] == "integer", "another dataset is another thing"


def test_the_same_approval_again_is_one_version_and_a_later_one_another(world: DataWorld):
    first = world.upload("people", PEOPLE)
    as_text, as_number = ColumnCorrection("zip", type="string"), ColumnCorrection("zip", type="decimal", scale=1)
    one = approve(world, first, as_text).version
    assert approve(world, first, as_text).version == one
    two = approve(world, first, as_number).version
    three = approve(world, first, as_text).version
    assert [types(entry)["zip"] for entry in (one, two, three)] == ["string", "decimal", "string"]
    assert [entry.number for entry in (one, two, three) if entry] == [2, 3, 4]


def test_a_renamed_column_answers_to_both_its_names(world: DataWorld):
    first = world.upload("people", PEOPLE)
    approve(world, first, ColumnCorrection("zip", name="postcode"))
    done = approve(world, first, ColumnCorrection("postcode", type="string", name="code"))
    assert types(done.version) == {"code": "string", "name": "string"}
    assert list(types(world.upload("people", PEOPLE + "1,Di\n"))) == ["code", "name"]


def test_of_several_tables_one_is_corrected_and_the_others_stay(world: DataWorld):
    first = world.upload("report", BOOK)
    assert [entry.name for entry in world.registry.datasets("shop")] == ["report", "report_Shops"]
    with pytest.raises(InvalidInput, match="dataset_id"):
        approve(world, first, ColumnCorrection("staff", type="string"))
    done = approve(world, first, ColumnCorrection("staff", type="string"), dataset_id="shop:main:report_Shops")
    assert types(done.version) == {"code": "string", "staff": "string"}
    assert len(world.registry.versions("shop", "shop:main:report")) == 1
    world.upload("report", BOOK.replace("S3,7", "S3,7\nS4,8"))
    newest = world.registry.versions("shop", "shop:main:report_Shops")[0]
    assert (newest.number, newest.row_count, types(newest)["staff"]) == (3, 4, "string")


def test_old_rows_never_become_the_newest_version(world: DataWorld):
    first = world.upload("people", PEOPLE)
    second = world.upload("people", PEOPLE + "0042,Di\n")
    with pytest.raises(Conflict, match="newer version") as refused:
        approve(world, first, ColumnCorrection("zip", type="string"))
    assert refused.value.details["ingest_request_id"] == second.request_id
    assert approve(world, first).request.schema_status is SchemaStatus.APPROVED


def test_what_cannot_be_approved_is_told_and_changes_nothing(world: DataWorld):
    first = world.upload("people", PEOPLE)
    head = world.path.log.head("shop")
    for corrections in ([ColumnCorrection("zap", type="string")], [ColumnCorrection("zip", name="name")]):
        with pytest.raises(InvalidInput):
            approve(world, first, *corrections)
    assert world.path.log.head("shop") == head
    with pytest.raises(UnreadableFile):
        world.upload("broken", b"a,b\n1,\x00\n", key="broken")
    world.work()
    [failed] = world.ingest.requests.page("shop", dataset_id="shop:main:broken")
    correcting = CorrectColumns(ingest=world.ingest, registry=world.registry, commands=world.path.commands)
    with pytest.raises(Conflict, match="FAILED"):
        correcting.approve("shop", failed.request_id)
    with pytest.raises(RecordNotFound):
        correcting.approve("shop", "nothing")


def test_what_the_source_states_is_kept_but_for_what_people_say(world: DataWorld):
    world.sources.stated = {"zip": "string", "name": "string"}
    first = world.upload("people", PEOPLE)
    assert types(first)["zip"] == "string"
    assert types(approve(world, first, ColumnCorrection("zip", type="integer")).version)["zip"] == "integer"
