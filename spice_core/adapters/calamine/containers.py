"""What a workbook's container says of itself, looked at without unpacking it."""

import stat
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from spice_core.errors import UnreadableFile

MOST_ENTRIES = 10_000
_LONGEST_DIRECTORY = 8_000_000
_TAIL = 22 + 65_535
_END, _END_64, _END_64_PLACE = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_HIGHEST_RATIO = 500
_RATIO_FROM = 20_000_000
_OTHER_CONTENTS = (
    ("word/", "a Word document: copy its table into a workbook"),
    ("ppt/", "a presentation: copy its table into a workbook"),
    ("META-INF/MANIFEST.MF", "a Java archive: it holds no table"),
)
_DAMAGED = "The workbook is damaged or cut off: open it, save it again and upload that."


def check_container(path: Path, *, unpacked_bytes: int) -> str:
    """Refuse a container that is no workbook, or that no workbook program would write; return the ending of its format.

    Raises:
        UnreadableFile: says what is wrong with it and what to do.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return ".xls"
        _check_directory_size(file)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError) as error:
        raise UnreadableFile(_DAMAGED) from error
    ending = _ending({entry.filename for entry in entries})
    for entry in entries:
        _check_entry(entry)
    total = sum(entry.file_size for entry in entries)
    if total > unpacked_bytes:
        raise UnreadableFile(
            f"The workbook unpacks to {total} bytes; at most {unpacked_bytes} are read: export the sheet as CSV.",
            details={"unpacked_bytes": total, "max_unpacked_bytes": unpacked_bytes},
        )
    return ending


def _check_directory_size(file: BinaryIO) -> None:
    """A list of millions of names is refused before it is read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    end = tail.rfind(_END)
    if end < 0 or end + 22 > len(tail):
        raise UnreadableFile(_DAMAGED)
    entries, length = struct.unpack_from("<HI", tail, end + 10)
    place = tail.rfind(_END_64_PLACE, 0, end)
    if place >= 0 and end - place == 20:
        file.seek(min(struct.unpack_from("<Q", tail, place + 8)[0], size))
        record = file.read(56)
        if not record.startswith(_END_64) or len(record) < 56:
            raise UnreadableFile(_DAMAGED)
        entries, length = struct.unpack_from("<QQ", record, 32)
    if entries > MOST_ENTRIES or length > _LONGEST_DIRECTORY:
        raise UnreadableFile(f"The archive lists {entries} files in {length} bytes: no workbook has over {MOST_ENTRIES}.")


def _ending(names: set[str]) -> str:
    if "xl/workbook.bin" in names:
        return ".xlsb"
    if any(name.startswith("xl/") for name in names):
        return ".xlsx"
    if "content.xml" in names:
        return ".ods"
    for start, what in _OTHER_CONTENTS:
        if any(name.startswith(start) for name in names):
            raise UnreadableFile(f"The file is {what}.")
    raise UnreadableFile("The file is a zip archive, not a workbook: unpack it and upload the files in it.")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    # ZipInfo cuts the name at a NUL; its path is looked at as given
    name = entry.orig_filename.replace("\\", "/")
    shown = repr(name[:100])
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\0" in name or name[1:2] == ":":
        raise UnreadableFile(f"The archive names a place outside of itself, {shown}: save the workbook again.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnreadableFile(f"The archive holds a link, {shown}: save the workbook again.")
    if entry.flag_bits & 1:
        raise UnreadableFile("The workbook is encrypted: remove its password and upload it again.")
    if entry.file_size > _RATIO_FROM and entry.file_size > _HIGHEST_RATIO * max(entry.compress_size, 1):
        raise UnreadableFile(
            f"The part {shown} unpacks to {entry.file_size} bytes from {entry.compress_size}: it is no workbook."
        )
