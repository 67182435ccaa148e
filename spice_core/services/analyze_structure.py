"""What is in a sheet or in a file of sheets, and what a person says against it. Nothing is stored."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_core.domain.sheets import CellRange, Sheet, SheetStructure
from spice_core.domain.structure import MOST_COLUMNS, TableCorrection, corrected, find_structure
from spice_core.errors import InvalidInput, TooLarge, UnreadableFile
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets

MOST_CELLS = 1_000_000
MOST_SHEETS = 100
_FLAT = frozenset({SourceFormat.JSON_LINES, SourceFormat.PARQUET})


@dataclass(frozen=True, slots=True)
class AnalyzedSheet:
    """A sheet's structure and how many rows it has."""

    structure: SheetStructure
    row_count: int


@dataclass(frozen=True, slots=True)
class AnalyzedFile:
    """What is in a file: its format, and its sheets in their order."""

    format: SourceFormat
    sheets: Sequence[AnalyzedSheet]


class AnalyzeStructure:
    """Finds tables in cells and files; suggestions, never a gate."""

    def __init__(self, *, sources: SourceFiles, scratch: Path, max_bytes: int = 2_000_000_000) -> None:
        """Open files with `sources`; `scratch` is a local directory for a file while it is read, `max_bytes` bounds it."""
        self._sources = sources
        self._scratch = scratch
        self._max_bytes = max_bytes

    def of_cells(self, rows: Sequence[Sequence[Any]], *, merged: Sequence[CellRange] = (), name: str = "") -> AnalyzedSheet:
        """Return what is in rows of JSON values. Raises `TooLarge` for over a million cells."""
        sheet = sheet_of(rows, merged=merged, name=name)
        return AnalyzedSheet(find_structure(sheet), sheet.row_count)

    def of_file(self, chunks: Iterable[bytes], *, sheet: str | None = None) -> AnalyzedFile:
        """Return what is in a file, or in one `sheet` of it. Memory does not grow with the file.

        Raises:
            TooLarge: over the size limit, or a sheet of over 20,000 columns.
            UnreadableFile: it is empty, damaged, of no known format, or of one that has no sheets; says what to do.
            InvalidInput: it has no sheet of that name, or over a hundred sheets and none was named.
        """
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="structure-") as folder:
            file = Path(folder) / "raw"
            self._spool(chunks, file)
            with self._sources.open(file, folder=Path(folder)) as source:
                if source.format in _FLAT:
                    raise UnreadableFile("The file is one table by its format: upload it as a dataset.")
                return AnalyzedFile(source.format, [_analyzed(source, name) for name in _names(source, sheet)])

    def patch(
        self, structure: SheetStructure, corrections: Sequence[TableCorrection], *, sheet: Sheet | None = None
    ) -> SheetStructure:
        """Return a structure as a person wants it (see `domain.structure.corrected`). Raises `InvalidInput`."""
        return corrected(structure, corrections, sheet=sheet)

    def _spool(self, chunks: Iterable[bytes], file: Path) -> None:
        size = 0
        with file.open("wb") as out:
            for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    raise TooLarge(f"the file is over the limit of {self._max_bytes} bytes", details={"limit": self._max_bytes})
                out.write(chunk)


def sheet_of(rows: Sequence[Sequence[Any]], *, merged: Sequence[CellRange] = (), name: str = "") -> Sheet:
    """Return rows of JSON values as a sheet of texts. Raises `TooLarge` for over a million cells."""
    if sum(map(len, rows)) > MOST_CELLS:
        raise TooLarge(f"a grid has at most {MOST_CELLS} cells: upload the file instead", details={"limit": MOST_CELLS})
    texts = [[_text(value) for value in row] for row in rows]
    while texts and not any(texts[-1]):
        texts.pop()
    return Sheet(name, texts, len(texts), merged=merged)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _names(source: SourceSheets, sheet: str | None) -> Sequence[str]:
    names = source.names
    if sheet is not None and sheet not in names:
        known = ", ".join(repr(name) for name in names[:20])
        raise InvalidInput(f"the file has no sheet {sheet[:100]!r}; it has {known}", details={"sheets": list(names)})
    if sheet is None and len(names) > MOST_SHEETS:
        raise InvalidInput(f"the file has {len(names)} sheets, over {MOST_SHEETS}: name one", details={"sheets": len(names)})
    return names if sheet is None else [sheet]


def _analyzed(source: SourceSheets, name: str) -> AnalyzedSheet:
    sheet = source.sheet(name)
    if max(map(len, sheet.head), default=0) > MOST_COLUMNS:
        raise TooLarge(f"a sheet to analyze has at most {MOST_COLUMNS} columns", details={"sheet": name, "limit": MOST_COLUMNS})
    return AnalyzedSheet(find_structure(sheet), sheet.row_count)
