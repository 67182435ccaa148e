"""Workbooks that harm, or claim what is not so."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ROOT = (
    f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
BOOK = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>'
BOOK_RELATIONS = (
    f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
)
SHEET = "xl/worksheets/sheet1.xml"


def sheet_xml(cells: str, *, before: str = "") -> str:
    """A worksheet of `cells` (XML of rows); `before` stands in front of it."""
    return f'{before}<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>'


def parts(**changed: str) -> dict[str, bytes]:
    """The parts of a small workbook with two rows; `sheet`, `book` and `relations` replace one."""
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row><row r="2"><c r="A2"><v>7</v></c></row>'
    found = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": ROOT,
        "xl/workbook.xml": changed.get("book", BOOK),
        "xl/_rels/workbook.xml.rels": changed.get("relations", BOOK_RELATIONS),
        SHEET: changed.get("sheet", sheet_xml(rows)),
    }
    return {name: text.encode() for name, text in found.items()}


def archive(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A zip archive of `files`, and of symbolic links to what `links` says."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as into:
        for name, data in files.items():
            into.writestr(name, data)
        for name, place in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            into.writestr(entry, place)
    return target.getvalue()


def bomb(size: int) -> bytes:
    """A workbook whose sheet unpacks to `size` bytes and a few."""
    return archive(parts() | {SHEET: sheet_xml(" " * size).encode()})


def lying_bomb(size: int) -> bytes:
    """The same; but its headers say that the sheet is small, and give the checksum of so much of it."""
    data = bytearray(bomb(size))
    real = struct.pack("<I", len(sheet_xml(" " * size)))
    start = sheet_xml(" " * size).encode()[:1000]
    checksum = struct.pack("<I", zlib.crc32(sheet_xml(" " * size).encode()))
    return bytes(data.replace(real, struct.pack("<I", len(start))).replace(checksum, struct.pack("<I", zlib.crc32(start))))


def with_flag(data: bytes, flag: int) -> bytes:
    """The archive with a bit set in the flags of all its entries."""
    found = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := found.find(mark, at + 1)) >= 0:
            found[at + place] |= flag
    return bytes(found)


def many_entries(count: int) -> bytes:
    """A workbook beside `count` empty files."""
    return archive(parts() | {f"xl/media/{number}": b"" for number in range(count)})
