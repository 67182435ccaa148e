"""What changed between the columns of two versions of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from spice_core.domain.datasets import Column

_ALIKE = 0.75
_MOST_COMPARED = 100


@dataclass(frozen=True, slots=True)
class Rename:
    """A guess that a column has another name now: how sure, from 0 to 1."""

    before: str
    after: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One property of a column that differs: `type` or `nullable`."""

    column: str
    before: str | bool
    after: str | bool


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """The differences of two lists of columns.

    Attributes:
        added, removed: without those in `renamed`.
        renamed: a removed and an added column of one type whose names or values are alike.
        types: columns whose type changed; `nullability`: whose gaps began or ended.
        is_reordered: the columns that both have stand in another order.
    """

    added: Sequence[str]
    removed: Sequence[str]
    renamed: Sequence[Rename]
    types: Sequence[ColumnChange]
    nullability: Sequence[ColumnChange]
    is_reordered: bool = False

    @property
    def is_same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.renamed or self.types or self.nullability or self.is_reordered)

    @property
    def is_breaking(self) -> bool:
        """Whether somebody who reads by name and type may stumble."""
        return bool(self.removed or self.renamed or self.types)

    def as_json(self) -> dict[str, Any]:
        """Return the diff as a JSON object, `is_same` and `is_breaking` included."""
        return {**asdict(self), "is_same": self.is_same, "is_breaking": self.is_breaking}


def compare_schemas(old: Sequence[Column], new: Sequence[Column]) -> SchemaDiff:
    """Return what changed from `old` to `new`, in the order of the file."""
    before, after = {column.name: column for column in old}, {column.name: column for column in new}
    gone = [column for column in old if column.name not in after]
    come = [column for column in new if column.name not in before]
    renamed = _renames(old, new, gone, come)
    from_names, to_names = {entry.before for entry in renamed}, {entry.after for entry in renamed}
    kept = [(before[column.name], column) for column in new if column.name in before]
    return SchemaDiff(
        added=[column.name for column in come if column.name not in to_names],
        removed=[column.name for column in gone if column.name not in from_names],
        renamed=renamed,
        types=[ColumnChange(now.name, was.type, now.type) for was, now in kept if was.type != now.type],
        nullability=[ColumnChange(now.name, was.nullable, now.nullable) for was, now in kept if was.nullable != now.nullable],
        is_reordered=[column.name for column in old if column.name in after] != [now.name for _, now in kept],
    )


def _renames(old: Sequence[Column], new: Sequence[Column], gone: Sequence[Column], come: Sequence[Column]) -> list[Rename]:
    """Pair removed with added columns, the likeliest first; each is in one pair at most."""
    places = {column.name: index for index, column in enumerate(old)}, {column.name: index for index, column in enumerate(new)}
    pairs = [
        Rename(was.name, now.name, score)
        for was in gone[:_MOST_COMPARED]
        for now in come[:_MOST_COMPARED]
        if (score := _likeness(was, now, is_in_place=places[0][was.name] == places[1][now.name])) >= _ALIKE
    ]
    found: list[Rename] = []
    for pair in sorted(pairs, key=lambda entry: (-entry.confidence, places[0][entry.before], places[1][entry.after])):
        if not any(pair.before == known.before or pair.after == known.after for known in found):
            found.append(pair)
    return sorted(found, key=lambda entry: places[1][entry.after])


def _likeness(was: Column, now: Column, *, is_in_place: bool) -> float:
    """How likely `now` is `was` under another name: one type, alike in name or in values, in the same place."""
    if was.type != now.type:
        return 0.0
    name = SequenceMatcher(None, _plain(was.name), _plain(now.name)).ratio()
    values = _shared_values(was.statistics, now.statistics)
    likeness = max(name, values if values > 0 else 0.0)
    return round(min(1.0, likeness + (0.15 if is_in_place else 0.0)), 3)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _shared_values(was: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    one, other = set(was.get("sample_values", ())), set(now.get("sample_values", ()))
    return len(one & other) / len(one | other) if len(one) > 1 and len(other) > 1 else 0.0
