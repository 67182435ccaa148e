"""Uploads become dataset versions, once per idempotency key."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.adapters.memory.dataset_store import MemoryDatasetStore
from spice_core.domain import naming
from spice_core.domain.ingest_requests import IngestState
from spice_core.errors import (
    Conflict,
    DatabaseNotFound,
    IdempotencyMismatch,
    InvalidInput,
    InvalidName,
    LogBehind,
    TooLarge,
    Unavailable,
    UnreadableFile,
)
from spice_core.services.ingest_dataset import UploadRequest, dataset_name_of
from spice_core.services.read_datasets import csv_text
from spice_core.services.waiting_room import WaitingRoom
from tests.data_world import DataWorld

PEOPLE = "id,name,age,joined\n1,Ann,30,2024-01-31\n2,Bob,,2024-02-29\n3,Cy,41,2023-05-06\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def command_types(world: DataWorld) -> list[str]:
    return [event.event.event_type for event in world.path.events()]


def test_an_upload_becomes_a_registered_version_with_types_and_keys(world: DataWorld):
    version = world.upload("people", PEOPLE, actor="ann")
    assert [(column.name, column.type, column.nullable) for column in version.columns] == [
        ("id", "integer", False),
        ("name", "string", False),
        ("age", "integer", True),
        ("joined", "date", False),
    ]
    assert (version.number, version.row_count, version.reject_count, version.size_bytes) == (1, 3, 0, len(PEOPLE))
    assert version.primary_key_candidates[0] == ("id",)
    assert world.rows(version)[1] == (2, "Bob", None, "2024-02-29")
    assert b"".join(world.datasets.read("shop", version.commit_id, version.raw_path)) == PEOPLE.encode()
    dataset = world.registry.dataset("shop", version.dataset_id)
    assert dataset is not None
    assert (dataset.latest, dataset.name, dataset.branch) == (version, "people", "main")


def test_the_next_upload_is_the_next_version_and_the_first_stays(world: DataWorld):
    first = world.upload("people", PEOPLE)
    second = world.upload("people", PEOPLE + "4,Di,20,2024-03-01\n")
    assert (first.number, second.number, second.row_count) == (1, 2, 4)
    assert world.registry.versions("shop", first.dataset_id) == [second, first]
    assert len(world.rows(first)) == 3
    assert first.schema_hash == second.schema_hash


def test_the_same_key_with_the_same_content_gives_the_same_version(world: DataWorld):
    first = world.upload("people", PEOPLE, key="k")
    head = world.path.log.head("shop")
    assert world.upload("people", PEOPLE, key="k") == first
    assert world.path.log.head("shop") == head
    assert [commit.message for commit in world.datasets.history("shop", "main")] == [
        "Upload people.csv to people",
        "Receive people.csv",
    ]


@pytest.mark.parametrize("change", ["content", "name", "delimiter"])
def test_must_hold_28_the_same_key_with_another_upload_is_refused_and_changes_nothing(world: DataWorld, change: str):
    first = world.upload("people", PEOPLE, key="k")
    log, store = world.path.log.head("shop"), world.datasets.head("shop", "main")
    name, data, options = {
        "content": ("people", PEOPLE + "4,Di,20,2024-03-01\n", {}),
        "name": ("others", PEOPLE, {}),
        "delimiter": ("people", PEOPLE, {"delimiter": ";"}),
    }[change]
    with pytest.raises(IdempotencyMismatch):
        world.upload(name, data, key="k", **options)
    assert (world.path.log.head("shop"), world.datasets.head("shop", "main")) == (log, store)
    assert [entry.latest for entry in world.registry.datasets("shop")] == [first]


def test_must_hold_28_a_failed_ingest_registers_nothing_says_why_and_its_key_can_be_used_again(world: DataWorld):
    for data in (b"a,b\n1,\x00\n", b"PK\x03\x04"):
        with pytest.raises(UnreadableFile):
            world.upload("people", data, key="k")
    world.work()
    assert world.registry.datasets("shop") == []
    [found] = world.ingest.requests.page("shop", state=IngestState.FAILED)
    assert (found.attempts, found.error and found.error["code"]) == (2, "unreadable_file")
    version = world.upload("people", PEOPLE, key="k")
    assert version.number == 1
    assert world.ingest.requests.get("shop", version.request_id).attempts == 3


def test_of_an_upload_that_is_refused_at_once_nothing_is_on_record_or_stored(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    world.upload("people", PEOPLE, key="k")
    head = world.path.log.head("shop")
    stored = []
    monkeypatch.setattr(MemoryDatasetStore, "store", lambda _self, _repository, chunks: stored.append(b"".join(chunks)))
    with pytest.raises(IdempotencyMismatch):
        world.upload("people", PEOPLE + "4,Di,20,2024-03-01\n", key="k")
    with pytest.raises(UnreadableFile):
        world.upload("people", b"", key="other")
    with pytest.raises(TooLarge):
        world.new_ingest(max_bytes=10).run(UploadRequest("shop", "main", "people", "f.csv", "l"), [PEOPLE.encode()])
    assert stored == []
    assert world.path.log.head("shop") == head


def test_a_key_whose_version_was_deleted_says_so(world: DataWorld):
    version = world.upload("people", PEOPLE, key="k")
    world.catalogue.delete_dataset("shop", version.dataset_id)
    world.work()
    with pytest.raises(Conflict, match="use another key"):
        world.upload("people", PEOPLE, key="k")
    assert world.upload("people", PEOPLE, key="l").version_id != version.version_id


def test_more_uploads_at_once_than_there_are_places_are_told_to_come_again(world: DataWorld):
    ingest = world.new_ingest(room=WaitingRoom(1))
    one, two = (UploadRequest("shop", "main", "people", "f.csv", key) for key in "kl")
    with ingest.receive(one, [PEOPLE.encode()]), pytest.raises(Unavailable, match="come again") as refused:
        ingest.run(two, [PEOPLE.encode()])
    assert refused.value.details["retry_after"] == 5
    assert ingest.run(two, [PEOPLE.encode()]).number == 1


def test_an_upload_over_the_limit_is_refused_while_it_streams(world: DataWorld):
    taken = []

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield b"x" * 100

    ingest = world.new_ingest(max_bytes=1000)
    with pytest.raises(TooLarge):
        ingest.run(UploadRequest("shop", "main", "people", "f.csv", "k"), chunks())
    assert len(taken) == 11
    assert list((world.folder / "ingest").iterdir()) == []


def test_what_is_accepted_and_not_yet_registered_says_so_and_is_found_later(world: DataWorld):
    world.clock.pump = lambda: None
    ingest = world.new_ingest(wait_seconds=0.05)
    request = UploadRequest("shop", "main", "people", "people.csv", "k")
    with pytest.raises(LogBehind):
        ingest.run(request, [PEOPLE.encode()])
    world.clock.pump = world.work
    assert ingest.run(request, [PEOPLE.encode()]).number == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"database": "nowhere"}, DatabaseNotFound),
        ({"database": "UPPER"}, InvalidName),
        ({"name": "../x"}, InvalidName),
        ({"branch": "a//b"}, InvalidName),
        ({"key": ""}, InvalidInput),
        ({"delimiter": "ab"}, InvalidInput),
        ({"filename": "a\nb"}, InvalidInput),
    ],
)
def test_a_request_outside_the_rules_is_refused(world: DataWorld, fields: dict[str, str], error: type[Exception]):
    request = {"database": "shop", "branch": "main", "name": "people", "filename": "f.csv", "key": "k", **fields}
    with pytest.raises(error):
        world.ingest.run(UploadRequest(**request), [PEOPLE.encode()])


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("people.csv", "people"),
        ("my people (2).csv", "my_people__2_"),
        ("2024-sales.csv", "dataset_2024-sales"),
        ("_x.csv", "dataset_x"),
        ("sales 매출.csv", "sales___"),
        ("매출.csv", "dataset_ecf51b1f"),
        ("매출 2024.csv", "dataset_855fd109"),
        (".csv", "dataset"),
        ("x" * 250 + ".csv", "x" * 100),
        ("1" + "x" * 250, "dataset_1" + "x" * 91),
    ],
)
def test_every_file_name_makes_a_name_that_a_dataset_may_have(filename: str, name: str):
    assert dataset_name_of(filename) == name
    assert naming.dataset_name(name) == name


def test_a_file_name_is_the_same_however_its_letters_are_composed():
    assert dataset_name_of(unicodedata.normalize("NFD", "매출.csv")) == dataset_name_of("매출.csv")


def test_a_refused_name_is_told_which_letters_there_are(world: DataWorld):
    with pytest.raises(InvalidName, match="a-z, A-Z, 0-9, _ and -, a letter first"):
        world.upload("매출", PEOPLE)


def test_must_hold_28_keys_are_scoped_by_database(world: DataWorld):
    world.with_classes(database="other")
    first = world.upload("people", PEOPLE, key="k")
    second = world.upload("people", "a,b\n1,2\n", key="k", database="other")
    assert first.version_id != second.version_id
    assert world.registry.version("other", first.version_id) is None


def test_must_hold_25_rejected_rows_and_values_are_counted_and_listed(world: DataWorld):
    rows = "".join(f"{n},{n}\n" for n in range(100))
    version = world.upload("mixed", f"id,n\n{rows}100,oops\n101\n102,1,2\n")
    assert (version.row_count, version.reject_count) == (101, 2)
    assert world.reading.rejects("shop", version.version_id) == [
        {"kind": "row", "line": 103, "reason": "fewer columns than the table", "text": "101"},
        {"kind": "row", "line": 104, "reason": "more columns than the table", "text": "102,1,2"},
        {"kind": "value", "row": 101, "column": "n", "reason": "does not fit the type", "text": "oops"},
    ]
    assert version.columns[1].statistics["rejected_count"] == 1
    assert version.columns[1].nullable


def test_the_caller_may_say_the_delimiter_and_that_there_is_no_header(world: DataWorld):
    version = world.upload("plain", "a;b\nc;d\n", delimiter=";", has_header=False)
    assert [column.name for column in version.columns] == ["column_1", "column_2"]
    assert world.rows(version) == [("a", "b"), ("c", "d")]


def test_a_delimiter_that_is_said_keeps_the_first_rows_of_one_column(world: DataWorld):
    version = world.upload("clock", "time\n" + "".join(f"{hour}:30\n" for hour in range(8, 20)), delimiter=",", has_header=True)
    assert ([column.name for column in version.columns], version.row_count) == (["time"], 12)


def test_a_download_escapes_formulas_and_nothing_else(world: DataWorld):
    version = world.upload("cells", 'a,n\n"=cmd()",-1\n@x,2\n+1 (555) 1,3\n-y,4\nplain,5\n')
    text = b"".join(world.reading.csv("shop", version.version_id)).decode("utf-8-sig")
    assert text.splitlines() == ["a,n", "'=cmd(),-1", "'@x,2", "'+1 (555) 1,3", "'-y,4", "plain,5"]
    assert csv_text(-1) == "-1"
    assert csv_text("-1") == "'-1"


def test_deleting_a_dataset_takes_it_out_of_the_catalogue_and_numbers_go_on(world: DataWorld):
    first = world.upload("people", PEOPLE)
    world.catalogue.delete_dataset("shop", first.dataset_id)
    world.work()
    assert world.registry.datasets("shop") == []
    assert world.upload("people", PEOPLE, key="again").number == 3


def test_the_registry_is_the_same_after_a_repeated_delivery_and_a_rebuild(world: DataWorld):
    world.upload("people", PEOPLE)
    world.upload("people", PEOPLE + "4,Di,20,2024-03-01\n")
    before = (world.registry.datasets("shop"), world.registry.versions("shop", "shop:main:people"), world.path.log.head("shop"))
    events = [event for event in world.path.events() if world.handler.wants(event)]
    world.handler.handle("shop", events)
    world.registry.reset("shop")
    for event in events:
        world.handler.handle("shop", [event])
    assert (
        world.registry.datasets("shop"),
        world.registry.versions("shop", "shop:main:people"),
        world.path.log.head("shop"),
    ) == before


def test_a_deleted_database_takes_its_datasets_along(world: DataWorld):
    world.upload("people", PEOPLE)
    world.path.commands.delete_database("shop", expected_seq=1)
    world.work()
    assert world.registry.datasets("shop") == []
