"""Source files in tests of what comes after reading: texts and, for structure, their cells as the `csv` module reads them."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spice_core.domain.sheets import FoundTable, Sheet
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets, SourceTable
from spice_core.ports.table_engine import Dialect, TableEngine


class FakeSheets(SourceSheets):
    """One text; or, where it begins with `#sheets`, a workbook of sheets, each after a line `#sheet name`."""

    def __init__(self, path: Path, folder: Path, tables: TableEngine, said: Mapping[str, Any], stated: Mapping[str, str]) -> None:
        self._path = path
        self._folder = folder
        self._tables = tables
        self._stated = stated
        text = path.read_text(encoding="utf-8", errors="replace")
        self._sheets: dict[str, str] = {}
        if text.startswith("#sheets\n"):
            self.format = SourceFormat.WORKBOOK
            for part in text.split("#sheet ")[1:]:
                name, _, body = part.partition("\n")
                self._sheets[name] = body
        else:
            self.format = SourceFormat.TEXT
            self.dialect = tables.sniff(path, **said)

    @property
    def names(self) -> Sequence[str]:
        return list(self._sheets) or [""]

    def sheet(self, name: str) -> Sheet:
        rows = self._rows(name)
        return Sheet(name, rows, len(rows))

    def read_table(self, name: str, found: FoundTable | None, *, into: Path) -> SourceTable:
        if found is None:
            assert self.dialect is not None
            return SourceTable(self._tables.read_text_table(self._path, self.dialect, into=into), self._stated)
        box = found.bbox
        rows = [row[box.left : box.right + 1] for row in self._rows(name)[box.top : box.bottom + 1]]
        header = [" / ".join(dict.fromkeys(cell.path)) for cell in found.columns]
        body = self._folder / f"{into.parent.name}-body.csv"
        with body.open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows[found.header_rows :]])
        return SourceTable(self._tables.read_text_table(body, Dialect(",", '"', "utf-8", 0), into=into), notes=["read by a fake"])

    def _rows(self, name: str) -> list[list[str | None]]:
        text = self._sheets[name] if self._sheets else self._path.read_text(encoding="utf-8", errors="replace")
        rows = [[cell or None for cell in row] for row in csv.reader(text.splitlines())]
        width = max((len(row) for row in rows), default=0)
        return [[*row, *[None] * (width - len(row))] for row in rows]


class FakeSourceFiles(SourceFiles):
    """Reads texts with the table engine; `stated` are types that its sources state."""

    def __init__(self, tables: TableEngine) -> None:
        self._tables = tables
        self.stated: Mapping[str, str] = {}

    @contextmanager
    def open(self, path: Path, *, folder: Path, **said: Any) -> Iterator[SourceSheets]:
        if path.stat().st_size == 0:
            raise UnreadableFile("The file is empty.")
        yield FakeSheets(path, folder, self._tables, said, self.stated)
