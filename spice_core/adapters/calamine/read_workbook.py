"""The process that reads one workbook: `python -m spice_core.adapters.calamine.read_workbook`, asked and answering in JSON.

It bounds itself before it looks at the file. Asked: `path`, its `ending` by content, `folder`, `memory_bytes`, `cpu_seconds`,
`unpacked_bytes`. Answered: `sheets`, each with the fields of `SheetGrid`; or `refused`, a message for people. Ending without an
answer means that the file broke the reader.
"""

import json
import resource
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.abc import MetaPathFinder
from mmap import PROT_READ, mmap
from pathlib import Path
from typing import Any

import python_calamine as calamine

from spice_core.adapters.calamine.cells import cell_text, opendocument_text
from spice_core.adapters.calamine.error_cells import Errors, error_cells
from spice_core.adapters.calamine.grids import write_grid
from spice_core.adapters.calamine.parts import check_parts
from spice_core.errors import UnreadableFile

OUT_OF_MEMORY = 3
_MOST_SHEETS = 500
_ENCRYPTED = "The workbook is protected by a password: remove it and upload the workbook again."


class _WithoutPandas(MetaPathFinder):
    """Keeps pyarrow from loading pandas for its first array: that takes half a second, and nothing here is of pandas."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Say of pandas that there is none."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def main() -> int:
    """Answer one request; return the exit code."""
    asked = json.load(sys.stdin)
    sys.meta_path.insert(0, _WithoutPandas())
    _bound(memory_bytes=asked["memory_bytes"], cpu_seconds=asked["cpu_seconds"])
    try:
        answer: dict[str, Any] = {"sheets": list(_sheets(asked))}
    except UnreadableFile as error:
        answer = {"refused": error.message, "details": error.details}
    except MemoryError:
        return OUT_OF_MEMORY
    json.dump(answer, sys.stdout)
    return 0


def _bound(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Bound the time, and the address space to what this process has already and `memory_bytes` more."""
    sizes = Path("/proc/self/statm")
    pages = int(sizes.read_text().split()[0]) if sizes.exists() else 0
    limit = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _sheets(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    path, folder = Path(asked["path"]), Path(asked["folder"])
    named = folder / f"workbook{asked['ending']}"  # the reader goes by the ending
    named.symlink_to(path)
    errors: Mapping[str, Errors] = {}
    text_of = opendocument_text if named.suffix == ".ods" else cell_text
    try:
        if named.suffix != ".xls":
            errors = error_cells(path, check_parts(path, unpacked_bytes=asked["unpacked_bytes"]))
        with calamine.CalamineWorkbook.from_path(named) as book:
            for number, name in enumerate(_shown(book)):
                into = folder / f"sheet-{number}.parquet"
                yield write_grid(book.get_sheet_by_name(name), errors.get(name, {}), text_of, into=into)
    except calamine.PasswordError as error:
        raise UnreadableFile(_ENCRYPTED) from error
    except (calamine.CalamineError, zipfile.BadZipFile, OSError, ValueError) as error:
        if named.suffix == ".xls" and _holds_encrypted_package(path):
            raise UnreadableFile(_ENCRYPTED) from error
        short = " ".join(str(error).split())[:200]
        raise UnreadableFile(f"The workbook is damaged, or none: open it, save it again and upload that ({short}).") from error


def _holds_encrypted_package(path: Path) -> bool:
    """Whether the container is that of an encrypted workbook of the newer formats."""
    with path.open("rb") as file, mmap(file.fileno(), 0, prot=PROT_READ) as data:
        return data.find("EncryptedPackage".encode("utf-16-le")) >= 0


def _shown(book: calamine.CalamineWorkbook) -> list[str]:
    """The names of the worksheets that a person sees."""
    found = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    if len(found) > _MOST_SHEETS:
        raise UnreadableFile(f"The workbook has {len(found)} sheets; at most {_MOST_SHEETS} are read.")
    return found


if __name__ == "__main__":
    sys.exit(main())
