"""The type of one column, and the evidence that it rests on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Evidence = Mapping[str, Any]

SHARE = 0.90
HINTED_SHARE = 0.70
BOOLEAN_SHARE = 0.95
FEW = 10
MANY = 1000
_BY_SIZE = 0.05


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of one column and how sure it is.

    Attributes:
        name: what the column is called in the typed table.
        type: a property type of `domain.values` that tables are kept in.
        confidence: 0 to 1.
        reason: one sentence for people.
        reading: how its texts are read (see `domain.readings`), None for text.
        null_words: the spellings that stand for nothing here.
        scale: digits behind the point of a decimal.
        rejected: how many values do not fit and will be null, their text kept.
        is_ambiguous: another reading fits as well; `alternatives` names it.
        true_words, false_words: of a boolean, in lower case; empty where the vocabulary decides.
        metadata: what else is known, JSON: `semantic` (the finer type: money, enum, coordinate, iban, …), `currencies`, ….
    """

    name: str
    type: str
    confidence: float
    reason: str
    reading: str | None = None
    null_words: tuple[str, ...] = ()
    scale: int = 0
    rejected: int = 0
    is_percent: bool = False
    is_ambiguous: bool = False
    alternatives: tuple[str, ...] = ()
    true_words: tuple[str, ...] = ()
    false_words: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def semantic(self) -> str | None:
        """The finer type, where one is known."""
        return self.metadata.get("semantic")

    def options(self) -> dict[str, Any]:
        """Return what `TableEngine.cast` needs to know of the column."""
        found: dict[str, Any] = {"null_words": list(self.null_words)}
        if self.reading:
            found |= {"reading": self.reading, "scale": self.scale, "percent": self.is_percent}
        if self.true_words or self.false_words:
            found |= {"true_words": list(self.true_words), "false_words": list(self.false_words)}
        return found


def given_values(facts: Evidence, null_words: Iterable[str] | None = None) -> int:
    """Return how many values a column has; `null_words` (None: all that were seen) stand for nothing."""
    if null_words is not None:
        counts = {**dict(facts["values"]), **facts["null_words"]}
        return int(facts["total"]) - int(facts["empty"]) - sum(int(counts.get(word, 0)) for word in set(null_words))
    return int(facts["total"]) - int(facts["empty"]) - int(sum(facts["null_words"].values()))


def values_of(facts: Evidence) -> Iterator[str]:
    """Yield the sampled distinct values that stand for something, frequent ones first."""
    return (value for value, _ in facts["values"] if value not in facts["null_words"])


def is_enough(fits: int, given: int, share: float = SHARE) -> bool:
    """Whether `fits` of `given` values carry a type: a larger share of few values, a smaller one of many."""
    by_size = _BY_SIZE if given <= FEW else -_BY_SIZE if given >= MANY else 0.0
    return fits >= given * (share + by_size)


def sureness(fits: int, given: int) -> float:
    """The share that fits, less for few values."""
    return round(max(0.0, fits / given - (_BY_SIZE if given <= FEW else 0.0)), 4)


def recognised(facts: Evidence) -> Mapping[str, Any]:
    """Return the counts of the recognisers, empty where they did not look."""
    found: Mapping[str, Any] = facts.get("recognised") or {}
    return found
