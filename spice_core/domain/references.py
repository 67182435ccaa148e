"""Which columns may name rows of another dataset: by types and names first; what is left is measured."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spice_core.domain.datasets import Column
from spice_core.domain.suggestions import class_name

SHARE = 0.8
"""The share of the rows that must be found in the target."""

_KEY_TYPES = frozenset({"string", "integer", "uuid", "date", "dateTime", "email", "url", "ip", "phone"})
_SMALL = frozenset({"integer", "date", "dateTime"})
_NAMED = 0.5
_GENERIC = frozenset({"id", "key", "code", "no", "num", "nr", "number", "uuid", "name", "pk", "date"})
_OWN = re.compile(
    r"parent|manager|boss|supervisor|super|report|previous|prev|next|replac|origin|root|상위|親|上级", re.IGNORECASE
)
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """A dataset that may be referred to: its columns, and one list of them that identifies a row."""

    dataset_id: str
    name: str
    key: tuple[str, ...]
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class ReferenceCandidate:
    """Columns whose values are keys of a dataset.

    Attributes:
        columns: of the referring dataset, in the order of `target_columns`.
        given: rows that have all of `columns`; `found`: those of them that the target has.
        distinct: how many different values (of composite ones: of the most varied part).
        confidence: 0 to 1.
        reason: one sentence for people.
    """

    columns: tuple[str, ...]
    target_dataset_id: str
    target_columns: tuple[str, ...]
    given: int
    found: int
    distinct: int
    confidence: float
    reason: str

    @property
    def coverage(self) -> float:
        """The share of the given rows that are found."""
        return self.found / self.given if self.given else 0.0


def possible_references(
    columns: Sequence[Column], target: ReferenceTarget, *, is_own: bool
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the column lists that may refer to `target`, each with how much their names say so, 0 to 1.

    Small numbers and days are in every key: columns of these need a name that says so, as do all within one dataset.
    """
    kinds = {column.name: column.type for column in target.columns}
    if len(target.key) > 1:
        parts = [_best_part(columns, target, name, kinds[name]) for name in target.key]
        chosen = tuple(name for name, _ in parts if name)
        if len(set(chosen)) == len(target.key) and not (is_own and chosen == target.key):
            yield chosen, sum(affinity for _, affinity in parts) / len(parts)
        return
    kind = kinds[target.key[0]]
    for column in columns:
        if column.type != kind or kind not in _KEY_TYPES or _distinct(column) < 2 or (is_own and column.name in target.key):
            continue
        affinity = name_affinity(column.name, target)
        if is_own:
            affinity = 0.8 if _OWN.search(column.name) else 0.0
        if affinity >= _NAMED or (kind not in _SMALL and not is_own):
            yield (column.name,), affinity


def name_affinity(column: str, target: ReferenceTarget, key: str | None = None) -> float:
    """Return how much a column's name says that it names rows of `target`, 0 to 1."""
    name, part = _plain(column), _plain(key or target.key[0])
    singular = class_name(target.name).casefold()
    if name == part and part not in _GENERIC:
        return 1.0
    if name in {singular + part, *(singular + word for word in _GENERIC), singular}:
        return 1.0
    if (len(singular) > 2 and singular in name) or (part not in _GENERIC and name.endswith(part)):
        return 0.6
    return 0.0


def reference_of(
    columns: Sequence[Column], names: tuple[str, ...], target: ReferenceTarget, counts: tuple[int, int], affinity: float
) -> ReferenceCandidate | None:
    """Return the candidate that `counts` (given, found) make, None where too few rows are found."""
    given, found = counts
    if not given or found < SHARE * given:
        return None
    distinct = max(_distinct(column) for column in columns if column.name in names)
    confidence = found / given * (0.6 + 0.4 * affinity) - (0.1 if distinct < 5 and affinity < _NAMED else 0.0)
    reason = f"{found} of {given} rows are found in {target.name} by {', '.join(target.key)}"
    if affinity >= _NAMED:
        reason += ", and the name says so"
    return ReferenceCandidate(names, target.dataset_id, target.key, given, found, distinct, round(confidence, 4), reason)


def _best_part(columns: Sequence[Column], target: ReferenceTarget, key: str, kind: str) -> tuple[str, float]:
    """The column that stands for one part of a composite key: of its type, and named after it."""
    found = [
        (1.0 if _plain(column.name) == _plain(key) else name_affinity(column.name, target, key), -index, column.name)
        for index, column in enumerate(columns)
        if column.type == kind
    ]
    affinity, _, name = max(found, default=(0.0, 0, ""))
    return (name, affinity) if affinity >= _NAMED else ("", 0.0)


def _distinct(column: Column) -> int:
    return int(column.statistics.get("unique_count", 2))


def _plain(name: str) -> str:
    return _NOT_WORD.sub("", name).casefold()
