"""Labelled text files as people have them: preambles, comments, footnotes, units below headers, several tables, broken rows."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("dialects")


@dataclass(frozen=True, slots=True)
class TextFile:
    """One file: where it is from, its delimiter, and how many columns its main table has (all counts that people would say)."""

    file: str
    source: str
    version: str
    path: str
    licence: str
    cut: bool
    delimiter: str
    columns: tuple[int, ...]

    @property
    def place(self) -> Path:
        """The file itself."""
        return FOLDER / "files" / self.file

    @property
    def is_held_out(self) -> bool:
        """Whether nothing was tuned on it: a half, by a digest of the name."""
        return int(hashlib.sha256(self.file.encode()).hexdigest(), 16) % 2 == 0


def text_files() -> list[TextFile]:
    """Return the corpus, by file name."""
    entries = json.loads((FOLDER / "manifest.json").read_text())
    return [TextFile(**{**entry, "columns": tuple(entry["columns"])}) for entry in entries]
