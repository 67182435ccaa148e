"""What a file is by its first bytes and its last ones."""

import codecs
import json
import stat
from pathlib import Path

from spice_core.domain.text_encodings import refuse_binary
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFormat

_HEAD = 65_536
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET, _SECRET_PARQUET = b"PAR1", b"PARE"
_SPACE = b" \t\r\n"


def format_of(path: Path) -> SourceFormat:
    """Return the format of a file.

    Raises:
        UnreadableFile: it is empty, no plain file, or of a format that holds no tables; says what to do.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UnreadableFile("The file is a link or no plain file: upload the file itself.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, file.seek(0, 2) - 4))
        end = file.read(4)
    if head.startswith((*_ZIPS, _OFFICE)):
        return SourceFormat.WORKBOOK
    if head.startswith((_PARQUET, _SECRET_PARQUET)):
        return _parquet(head, end)
    if _is_json(head.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)):
        return SourceFormat.JSON_LINES
    refuse_binary(head)
    return SourceFormat.TEXT


def _parquet(head: bytes, end: bytes) -> SourceFormat:
    if _SECRET_PARQUET in (head[:4], end):
        raise UnreadableFile("The Parquet file is encrypted: write it without encryption.")
    if end != _PARQUET:
        raise UnreadableFile("The Parquet file is cut off: its end is missing; upload it again.")
    return SourceFormat.PARQUET


def _is_json(text: bytes) -> bool:
    """Whether `text` begins an object, or a list of objects; a table's first cell may begin with a bracket, too."""
    if text[:1] == b"[":
        return text[1:].lstrip(_SPACE)[:1] in {b"{", b"]"} or _is_value(text.partition(b"\n")[0])
    return text[:1] == b"{" and (text[1:].lstrip(_SPACE)[:1] in {b'"', b"}"} or _is_value(text.partition(b"\n")[0]))


def _is_value(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
