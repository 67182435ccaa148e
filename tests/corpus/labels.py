"""The labelled corpus of types and dialects: what a careful person says of each file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("types")
ACCEPTED: Mapping[str, frozenset[str]] = {
    "i": frozenset({"integer"}),
    "d": frozenset({"decimal", "double"}),
    "n": frozenset({"integer", "decimal", "double"}),
    "b": frozenset({"boolean"}),
    "x": frozenset({"integer", "boolean"}),
    "y": frozenset({"boolean", "string", "enum"}),
    "D": frozenset({"date"}),
    "T": frozenset({"dateTime"}),
    "h": frozenset({"time", "string"}),
    "s": frozenset({"string", "enum", "address", "coordinate", "array", "object"}),
    "m": frozenset({"decimal", "double", "integer", "money"}),
    "M": frozenset({"decimal", "string", "money"}),
    "e": frozenset({"email"}),
    "u": frozenset({"url"}),
    "p": frozenset({"phone"}),
    "g": frozenset({"uuid"}),
    "k": frozenset({"ip"}),
}
"""Per letter of a label the types that are right; `?` is a column that nobody can tell (empty, or a dispute)."""
NAMES = {
    "i": "integer",
    "d": "decimal",
    "n": "decimal",
    "b": "boolean",
    "x": "0/1 flag",
    "y": "flag or text",
    "D": "date",
    "T": "dateTime",
    "h": "time",
    "s": "string",
    "m": "money",
    "M": "mixed money",
    "e": "email",
    "u": "url",
    "p": "phone",
    "g": "uuid",
    "k": "ip",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: where it is from, how it is written, and a letter per column (see `ACCEPTED`)."""

    file: str
    source: str
    version: str
    path: str
    licence: str
    cut: bool
    delimiter: str
    quote: str | None
    encoding: str
    header_row: int | None
    columns: int
    types: str

    @property
    def place(self) -> Path:
        """The file itself."""
        return FOLDER / "files" / self.file

    @property
    def is_held_out(self) -> bool:
        """Whether nothing was tuned on it: a third, by a digest of the name."""
        return int(hashlib.sha256(self.file.encode()).hexdigest(), 16) % 3 == 0


def labelled() -> list[Labelled]:
    """Return the corpus, by file name."""
    found = [
        Labelled(**entry)
        for name in ("manifest.json", "own_labels.json")
        for entry in json.loads((FOLDER / name).read_text("utf-8"))
    ]
    return sorted(found, key=lambda entry: entry.file)
