"""Media files become rows of a dataset; a file that is none is refused, and nothing is half done."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from spice_core.domain.ingest_requests import IngestState
from spice_core.domain.media_types import media_type_of
from spice_core.errors import DatasetNotFound, IdempotencyMismatch, InvalidInput, UnreadableFile
from spice_core.services.build_media import COLUMNS
from spice_core.services.ingest_dataset import IngestDataset, Ingested, UploadRequest
from spice_core.services.media_archive import members, packed, plain_name
from spice_core.services.read_datasets import ReadDatasets
from tests.data_world import DataWorld

PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x01" * 1000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    world = DataWorld(tmp_path)
    world.with_classes()
    yield world
    world.close()


@pytest.fixture
def reader(world: DataWorld) -> ReadDatasets:
    return ReadDatasets(datasets=world.datasets, tables=world.tables, registry=world.registry)


def sent(world: DataWorld, *files: tuple[str, bytes], key: str = "k1", ingest: IngestDataset | None = None) -> Ingested:
    request = UploadRequest("shop", "main", "photos", files[0][0], key, "media")
    found = (ingest or world.ingest).ingest(request, packed([(name, BytesIO(data)) for name, data in files]))
    world.work()
    return found


def test_media_files_become_rows_with_types_by_content_and_hashes(world: DataWorld, reader: ReadDatasets) -> None:
    done = sent(world, ("cat.txt", PNG), ("=cmd.wav", WAV), ("2024-01-05", PNG))
    (version,) = done.versions
    assert {column.name: column.type for column in version.columns} == COLUMNS
    assert (version.row_count, version.reject_count, version.source["format"]) == (3, 0, "media")
    rows = reader.preview("shop", version.version_id)
    assert [row["media_type"] for row in rows] == ["image/png", "audio/wav", "image/png"]
    assert [row["name"] for row in rows] == ["cat.txt", "=cmd.wav", "2024-01-05"]
    assert [row["size_bytes"] for row in rows] == [len(PNG), len(WAV), len(PNG)]
    assert rows[0]["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert version.primary_key_candidates[0] == ("reference",)
    assert world.registry.dataset("shop", version.dataset_id).source_type == "media"


def test_the_bytes_of_each_media_file_are_read_back(world: DataWorld, reader: ReadDatasets) -> None:
    (version,) = sent(world, ("a.png", PNG), ("b.wav", WAV)).versions
    for number, data in ((1, PNG), (2, WAV)):
        found, content = reader.media("shop", version.version_id, number)
        assert (found.reference, b"".join(content)) == (f"media/{number}", data)
    for number in (0, 3):
        with pytest.raises(DatasetNotFound):
            reader.media("shop", version.version_id, number)


def test_the_same_files_with_the_same_key_are_the_same_version(world: DataWorld) -> None:
    first = sent(world, ("a.png", PNG), ("b.wav", WAV))
    again = sent(world, ("a.png", PNG), ("b.wav", WAV))
    assert [item.version_id for item in again.versions] == [item.version_id for item in first.versions]
    with pytest.raises(IdempotencyMismatch):
        sent(world, ("b.wav", WAV), ("a.png", PNG))


def test_a_file_that_is_no_media_fails_the_whole_upload_and_is_named(world: DataWorld) -> None:
    with pytest.raises(UnreadableFile, match=r"b\.png is no image"):
        sent(world, ("a.png", PNG), ("b.png", b"MZ\x90\x00 a program"))
    world.work()
    assert world.registry.datasets("shop") == []
    (request,) = world.ingest.requests.page("shop")
    assert (request.state, request.error is not None) == (IngestState.FAILED, True)
    assert sent(world, ("a.png", PNG)).versions[0].row_count == 1  # the key is free


def test_names_are_plain_and_files_are_not_empty() -> None:
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\photos\\cat.png") == "cat.png"
    for name in ("", "..", "a\nb", "x" * 256, "photos/"):
        with pytest.raises(InvalidInput):
            plain_name(name)
    with pytest.raises(UnreadableFile, match=r"a\.png is empty"):
        list(packed([("a.png", BytesIO())]))
    with pytest.raises(InvalidInput, match="1 to 1000 files"):
        list(packed([]))


def test_names_of_any_script_and_length_come_back(tmp_path: Path) -> None:
    names = ["고양이 사진.png", "x" * 255, "a; b=c.png"]
    archive = tmp_path / "raw"
    archive.write_bytes(b"".join(packed([(name, BytesIO(PNG)) for name in names])))
    with members(archive) as found:
        assert [(number, name, size) for number, name, size, _ in found] == [
            (place, name, len(PNG)) for place, name in enumerate(names, start=1)
        ]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x1cftypisom\x00", "video/mp4"),
        (b"\x00\x00\x00\x1cftypavif\x00", "image/avif"),
        (b"\x1aE\xdf\xa3\x01\x00B\x82\x84webm", "video/webm"),
        (b"ID3\x03\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        (b"BM\x36\x00\x00\x00\x00\x00\x00\x00", "image/bmp"),
        (b"<!---->" * 500 + b"<html>", None),
        (b"BMI,age\n22,50\n", None),
        (b"ID3,age\n22,50\n", None),
        (b"<html><svg>", None),
        (b"id,name\n1,a\n", None),
        (b"PK\x03\x04", None),
        (b"", None),
    ],
)
def test_what_a_file_is_its_first_bytes_say(head: bytes, kind: str | None) -> None:
    assert media_type_of(head) == kind
