"""Which dataset a table of a file belongs to, by its file's name and by what earlier versions of the file held."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain.sheets import FoundTable

_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 100
_LONGEST_TITLE = 40


@dataclass(frozen=True, slots=True)
class PlacedTable:
    """A table found in a file: `ordinal` counts from 1 within its sheet."""

    sheet: str
    ordinal: int
    found: FoundTable

    @property
    def size(self) -> int:
        """The number of cells."""
        return self.found.bbox.height * self.found.bbox.width

    @property
    def header_key(self) -> str:
        """A sha256 hex over the header's texts and how the table lies: the same in the next version of the file."""
        header = [list(cell.path) for cell in self.found.columns]
        return hashlib.sha256(json.dumps([self.found.mode, header]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KnownTable:
    """A dataset that an earlier version of the file made, with the region of its newest version."""

    name: str
    region: Mapping[str, Any]


def dataset_name_of(filename: str) -> str:
    """Return the dataset that a file makes where nobody names one: its name up to the ending, other characters as `_`.

    A name in which no letter of a-z is left would be the same for many files: `dataset_` with a digest of it stands instead.
    """
    stem = unicodedata.normalize("NFC", filename.rpartition("/")[2].partition(".")[0])
    plain = _OTHER.sub("_", stem)
    if not any(letter.isalpha() for letter in plain):
        return f"dataset_{hashlib.sha256(stem.encode()).hexdigest()[:8]}" if stem else "dataset"
    return (plain if plain[0].isalpha() else f"dataset_{plain.lstrip('_-')}")[:_LONGEST]


def name_tables(
    base: str, tables: Sequence[PlacedTable], *, known: Iterable[KnownTable], is_taken: Callable[[str], bool]
) -> list[str]:
    """Return the dataset's name for each of `tables`, all different.

    A table that an earlier version of the file held keeps its name: the one with its headers in its sheet; else with its
    headers in any sheet, with its title, or in its place; else the only one then and now. Of the others the largest gets
    `base`, where that is free, and the rest `base` with their sheet's name or title; `is_taken` says which names belong to
    other files.
    """
    left = {entry.name: entry for entry in known}
    if len(tables) == len(left) == 1:
        return list(left)
    names: dict[int, str] = {}
    for is_same in (_same_headers_in_sheet, _same_headers, _same_title, _same_place):
        for index, table in enumerate(tables):
            match = next((name for name, entry in left.items() if is_same(table, entry.region)), None)
            if index not in names and match is not None:
                names[index] = match
                del left[match]
    taken = {*names.values(), *left}
    unnamed = sorted(
        (index for index in range(len(tables)) if index not in names), key=lambda index: (-tables[index].size, index)
    )
    many_sheets = len({table.sheet for table in tables}) > 1
    for index in unnamed:
        name = base if base not in taken else _free_name(base, tables[index], many_sheets, taken, is_taken)
        names[index] = name
        taken.add(name)
    return [names[index] for index in range(len(tables))]


def _free_name(base: str, table: PlacedTable, many_sheets: bool, taken: set[str], is_taken: Callable[[str], bool]) -> str:
    told = table.sheet if many_sheets and table.ordinal == 1 else (table.found.title or table.sheet or "table")
    wanted = f"{base[:50]}_{_part(told)}"[: _LONGEST - 4]
    lowered = {name.casefold() for name in taken}
    number, name = 1, wanted
    while name.casefold() in lowered or is_taken(name):
        number += 1
        name = f"{wanted}_{number}"
    return name


def _part(text: str) -> str:
    plain = _OTHER.sub("_", unicodedata.normalize("NFC", text.strip())).strip("_")[:_LONGEST_TITLE]
    return plain if any(letter.isalnum() for letter in plain) else hashlib.sha256(text.encode()).hexdigest()[:8]


def _same_headers_in_sheet(table: PlacedTable, region: Mapping[str, Any]) -> bool:
    return _same_headers(table, region) and table.sheet == region.get("sheet")


def _same_headers(table: PlacedTable, region: Mapping[str, Any]) -> bool:
    return table.found.header_rows > 0 and table.header_key == region.get("header_key")


def _same_title(table: PlacedTable, region: Mapping[str, Any]) -> bool:
    return table.found.title is not None and (table.found.title, table.sheet) == (region.get("title"), region.get("sheet"))


def _same_place(table: PlacedTable, region: Mapping[str, Any]) -> bool:
    return (table.sheet, table.ordinal) == (region.get("sheet"), region.get("table"))
