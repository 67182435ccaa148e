"""Workbooks (xlsx, xlsm, xlsb, xls, ods) as source files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spice_core.adapters.calamine.containers import check_container
from spice_core.adapters.calamine.reader_process import ReaderLimits, ReaderProcess
from spice_core.domain.sheets import CellRange
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SheetGrid, SourceFiles, SourceSheets


class CalamineSourceFiles(SourceFiles):
    """Reads the cells of all sheets into grids once, in a process of its own."""

    def __init__(
        self,
        *,
        sheets_of: Callable[[Sequence[SheetGrid], Path], SourceSheets],
        limits: ReaderLimits,
        process: ReaderProcess | None = None,
    ) -> None:
        """`sheets_of` takes the grids and the work folder; `process` is what reads, where it is not this package's reader."""
        self._sheets_of = sheets_of
        self._limits = limits
        self._process = process or ReaderProcess(limits=limits)

    @contextmanager
    def open(self, path: Path, *, folder: Path, **_: object) -> Iterator[SourceSheets]:
        ending = check_container(path, unpacked_bytes=self._limits.unpacked_bytes)
        answer = self._process.run({"path": str(path.absolute()), "folder": str(folder.absolute()), "ending": ending})
        grids = [
            SheetGrid(
                name=sheet["name"],
                path=Path(sheet["path"]),
                row_count=sheet["row_count"],
                width=sheet["width"],
                merged=tuple(CellRange(*box) for box in sheet["merged"]),
            )
            for sheet in answer["sheets"]
            if sheet["row_count"]
        ]
        if not grids:
            raise UnreadableFile("The workbook has no visible sheet with values.")
        yield self._sheets_of(grids, folder)
