"""Words that stand for nothing: where they evidently do, and where they are a value like any other."""

import re

from spice_core.domain.inference.column_types import Evidence, values_of
from spice_core.domain.readings import PLAIN_NULL_WORDS

_AS_WRITTEN = frozenset({"NaN", "NaT"})
"""Words for nothing that are names when written otherwise."""
_PUNCTUATION = re.compile(r"[^\w\s]+")


def is_null_word(word: str, facts: Evidence, nulls_elsewhere: set[str]) -> bool:
    """Whether `word` in a column of text evidently stands for nothing."""
    others = [value for value in values_of(facts) if value != word]
    if word.lower() in PLAIN_NULL_WORDS or word in _AS_WRITTEN:
        return True
    if _PUNCTUATION.fullmatch(word):
        return not others or sum(bool(re.search(r"\w", value)) for value in others) > len(others) / 2
    alike = sum(len(value) == len(word) and value.isupper() == word.isupper() for value in others)
    return word in nulls_elsewhere and alike <= len(others) * 0.2
