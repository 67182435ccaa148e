"""Cells of newer workbooks that hold an error (`#N/A`, `#DIV/0!`): their text, which the reader gives as nothing."""

import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from html import unescape
from pathlib import Path
from posixpath import normpath

Errors = Mapping[tuple[int, int], str]
"""The text of an error by its row and column, from 0."""

_PIECE = 1 << 20
_LONGEST_CELL = 1 << 16
_LONGEST_LIST = 16_000_000
_MOST_ERRORS = 1_000_000
_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b[^>]*>")
_CELL = re.compile(
    rb'<(?:\w+:)?c\b(?=[^>]{0,300}?\br="([A-Z]{1,3})([0-9]{1,7})")(?=[^>]{0,300}?\bt="e")[^>]*>'
    rb"(?:<(?:\w+:)?f\b[^<]*(?:/>|</(?:\w+:)?f>))?<(?:\w+:)?v>(#[^<]{1,30})</"
)


def error_cells(path: Path, parts: Collection[str]) -> Mapping[str, Errors]:
    """Return the errors by sheet; `parts` are those of the workbook that hold any."""
    if not parts:
        return {}
    with zipfile.ZipFile(path) as archive:
        return {sheet: dict(_errors(archive, part)) for sheet, part in _sheets(archive) if part in parts}


def _sheets(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """The names of the sheets with their parts."""
    try:
        book = archive.open("xl/workbook.xml").read(_LONGEST_LIST)
        relations = archive.open("xl/_rels/workbook.xml.rels").read(_LONGEST_LIST)
    except KeyError:
        return
    targets = {}
    for relation in _RELATION.findall(relations):
        identifier, target = _attribute(relation, "Id"), _attribute(relation, "Target")
        targets[identifier] = target[1:] if target.startswith("/") else normpath(f"xl/{target}")
    for sheet in _SHEET.findall(book):
        yield _attribute(sheet, "name"), targets.get(_attribute(sheet, r"\w+:id"), "")


def _attribute(tag: bytes, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag.decode(errors="replace"))
    return unescape(found[1]) if found else ""


def _errors(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[tuple[int, int], str]]:
    found = 0
    with archive.open(part) as file:
        rest = b""
        while (piece := file.read(_PIECE)) and found < _MOST_ERRORS:
            text = rest + piece
            end = 0
            for match in _CELL.finditer(text):
                yield (int(match[2]) - 1, _column(match[1])), unescape(match[3].decode(errors="replace"))
                end = match.end()
                found += 1
            rest = text[max(end, len(text) - _LONGEST_CELL) :]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
