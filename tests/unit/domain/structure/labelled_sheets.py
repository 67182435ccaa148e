"""The labelled sheets of tests/corpus/structure: the cells as CSV, the label beside them as JSON, sources in manifest.csv."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_core.domain.sheets import CellRange, FoundTable, Sheet

CORPUS = Path(__file__).parents[3] / "corpus" / "structure"
ANY_MODE = "*"


@dataclass(frozen=True)
class LabelledSheet:
    """A sheet and the tables that a person sees in it."""

    name: str
    part: str
    sheet: Sheet
    tables: list[dict[str, Any]]

    def has_right_boxes(self, found: list[FoundTable]) -> bool:
        return sorted(box(table) for table in found) == sorted(tuple(table["bbox"]) for table in self.tables)

    def is_right(self, found: list[FoundTable]) -> bool:
        told = {box(table): (table.mode.value, table.header_rows) for table in found}
        wanted = {tuple(table["bbox"]): (table["mode"], table["header_rows"]) for table in self.tables}
        return told.keys() == wanted.keys() and all(
            wanted[place][0] == ANY_MODE or wanted[place] == told[place] for place in wanted
        )


def box(table: FoundTable) -> tuple[int, int, int, int]:
    return table.bbox.top, table.bbox.left, table.bbox.bottom, table.bbox.right


def labelled_sheets() -> Iterator[LabelledSheet]:
    with (CORPUS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        entries = list(csv.DictReader(file))
    for entry in entries:
        label = json.loads((CORPUS / f"{entry['file']}.json").read_text(encoding="utf-8"))
        with (CORPUS / f"{entry['file']}.csv").open(encoding="utf-8", newline="") as file:
            rows = [[cell or None for cell in row] for row in csv.reader(file)]
        merged = [CellRange(*area) for area in label["merged"]]
        sheet = Sheet(label["sheet"], rows, len(rows), merged=merged)
        yield LabelledSheet(entry["file"], entry["part"], sheet, label["tables"])
