"""The XML parts of a workbook, unpacked in pieces that are thrown away: what they declare, and how large they truly are."""

import zipfile
import zlib
from pathlib import Path

from spice_core.errors import UnreadableFile

_PIECE = 1 << 20
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_ERROR_CELL = b' t="e"'
_LONGEST = max(map(len, _DECLARATIONS))
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\0<", b"<\0")


def check_parts(path: Path, *, unpacked_bytes: int) -> list[str]:
    """Refuse XML parts that declare document types or entities or are not in UTF-8, and parts that are not as the archive says.

    Returns the parts with cells that hold errors.

    Raises:
        UnreadableFile: says which part and what to do.
    """
    left = unpacked_bytes
    with_errors = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            try:
                size, has_errors = _check_part(archive, entry, left)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise UnreadableFile(
                    f"The part {_shown(entry)} is not what the archive says of it: open the workbook and save it again."
                ) from error
            left -= size
            with_errors += [entry.filename] if has_errors else []
    return with_errors


def _check_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> tuple[int, bool]:
    is_xml = entry.filename.endswith((".xml", ".rels", ".vml"))
    size, before, has_errors = 0, b"", False
    with archive.open(entry) as part:
        while piece := part.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise UnreadableFile(f"The part {_shown(entry)} is too large when unpacked: export the sheet as CSV.")
            if is_xml:
                _check_xml(entry, before + piece, is_first=not before)
                has_errors = has_errors or _ERROR_CELL in before + piece
                before = piece[-_LONGEST:]
    return size, has_errors


def _check_xml(entry: zipfile.ZipInfo, text: bytes, *, is_first: bool) -> None:
    if is_first and text.startswith(_OTHER_ENCODINGS):
        raise UnreadableFile(f"The part {_shown(entry)} is not in UTF-8: open the workbook and save it again.")
    if any(declaration in text for declaration in _DECLARATIONS):
        raise UnreadableFile(
            f"The part {_shown(entry)} declares a document type, which no workbook needs: open the workbook and save it again."
        )


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.filename[:100])
