"""Source files of every format: what a file is decides who reads it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from spice_core.adapters.source_files.contents import format_of
from spice_core.ports.source_files import SourceFiles, SourceFormat, SourceSheets


class SourceFilesByContent(SourceFiles):
    """Hands each file to the reader of its format."""

    def __init__(self, readers: Mapping[SourceFormat, SourceFiles]) -> None:
        """`readers` has one for every format."""
        self._readers = dict(readers)

    def open(
        self, path: Path, *, folder: Path, delimiter: str | None = None, has_header: bool | None = None
    ) -> AbstractContextManager[SourceSheets]:
        return self._readers[format_of(path)].open(path, folder=folder, delimiter=delimiter, has_header=has_header)
