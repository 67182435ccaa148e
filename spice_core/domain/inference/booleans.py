"""Columns of two words, one for true and one for false."""

import re
from collections import Counter
from collections.abc import Iterator

from spice_core.domain.inference.column_types import BOOLEAN_SHARE, ColumnType, Evidence, is_enough, sureness
from spice_core.domain.readings import BOOLEAN_WORDS

_NAME = re.compile(
    r"(?:^|[_\s.-])(?:is|has|was|are|can|should|did|does|allow|allows|enable|use|flag|yn|ind|bool|boolean)(?:$|[_\s.-])"
    r"|^(?:is|has|can|was)[A-Z]|여부|유무|^(?:active|enabled|disabled|deleted|valid|verified|approved|subscribed|paid|churn(?:ed)?"
    r"|survived|default(?:ed)?|checked|visible|public|archived|completed|success|true|attended|member|smoker|married|aktiv|actif"
    r"|activo|ativo|attivo)$",
    re.ASCII,
)
_NO_NAME = re.compile(r"hemisphere|direction|compass|quarter|grade|blood|country|state|sex|gender|player|winner", re.IGNORECASE)
_PLAIN = frozenset({"true", "false", "yes", "1", "0"})
_MOST_SPELLINGS = 12
_LETTERS = ({"y", "n"}, {"t", "f"}, {"1", "0"}, {"j", "n"}, {"o", "n"}, {"s", "n"}, {"o", "x"})
"""Single letters that people use beside each other; an O for yes and an F for false are of two languages, or codes."""


def boolean_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the boolean that a column is, None where it is none.

    Zeros and ones are numbers unless the name says otherwise; single letters and words of other languages than English need
    both sides.
    """
    counts: Counter[str] = Counter()
    for value, count in facts["values"]:
        counts[value.lower()] += count
    has_name = bool(_NAME.search(column))
    for language, trues, falses in _vocabularies():
        words = set(counts) & (trues | falses)
        fits = sum(counts[word] for word in words)
        lost_null_words = {word for word in words if any(word == null.lower() for null in facts["null_words"])}
        whole = given + sum(counts[word] for word in lost_null_words)
        if (
            not words
            or not is_enough(fits, whole, BOOLEAN_SHARE)
            or not _is_plausible(column, words, trues, falses, has_name=has_name)
        ):
            continue
        share = sureness(min(fits, whole), whole) - (0.1 if _is_short(words) and language != "en" else 0.0)
        shown = ", ".join(sorted(words)[:6])
        return ColumnType(
            column,
            "boolean",
            round(max(0.0, share), 4),
            f"{fits} of {whole} values are words for true or false ({shown})",
            "boolean",
            null_words=tuple(word for word in facts["null_words"] if word.lower() not in words),
            rejected=max(0, whole - fits),
            true_words=tuple(sorted(words & trues)),
            false_words=tuple(sorted(words & falses)),
        )
    return None


def _vocabularies() -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    english = BOOLEAN_WORDS["en"]
    for language, (trues, falses) in BOOLEAN_WORDS.items():
        yield language, trues, falses
    for language, (trues, falses) in BOOLEAN_WORDS.items():
        if language != "en" and not (trues & english[1] or falses & english[0]):
            yield language, trues | english[0], falses | english[1]


def _is_plausible(column: str, words: set[str], trues: frozenset[str], falses: frozenset[str], *, has_name: bool) -> bool:
    if len(words) > _MOST_SPELLINGS:
        return False
    if words <= {"0", "1"}:
        return has_name
    if _is_short(words) and words & trues and words & falses and not any(pair <= words for pair in _LETTERS):
        return False
    if words & trues and words & falses:
        return has_name or not (_is_short(words) and _NO_NAME.search(column))
    return words <= _PLAIN - {"1", "0"} or (has_name and not _is_short(words)) or (has_name and words <= {"y", "n", "t", "f"})


def _is_short(words: set[str]) -> bool:
    return all(len(word) == 1 and word.isascii() for word in words)
