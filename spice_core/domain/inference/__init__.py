"""Which type each column of a text table has: evidence in, types with reasons out.

The evidence per column is what `TableEngine.profile` returns: total, empty, distinct, min_length, max_length, values (pairs of
text and count), null_words (words and counts), fits (reading to count), marks (pattern to count), digits (reading to most
digits before and behind the point).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spice_core.domain.readings import DATE_TIMES, DATES, FALSE_WORDS, IDENTIFIERS, NUMBERS, PLAIN_NULL_WORDS, TRUE_WORDS

Evidence = Mapping[str, Any]

SHARE = 0.90
BOOLEAN_SHARE = 0.95
FEW = 10
_MOST_DIGITS = 36
_MOST_SCALE = 18
_SEMANTIC = {"email": "email", "url": "url", "uuid": "uuid", "ip": "ip"}
_BOOLEAN_NAME = re.compile(
    r"(?:^|[_\s.-])(?:is|has|was|are|can|should|did|does|allow|allows|enable|use|flag|yn|ind|bool|boolean)(?:$|[_\s.-])"
    r"|^(?:is|has|can|was)[A-Z]|여부|^(?:active|enabled|disabled|deleted|valid|verified|approved|subscribed|paid|churn(?:ed)?"
    r"|survived|default(?:ed)?|checked|visible|public|archived|completed|success|true|attended|member)$"
)
_DATE_NAME = re.compile(r"date|day\b|_dt\b|^dt|ymd|birth|dob|일자|날짜|생년월일|年月日|日付|日期", re.IGNORECASE)
_NUMERIC_DATE = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}")
_PUNCTUATION = re.compile(r"[^\w\s]+")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of one column and how sure it is.

    Attributes:
        type: a property type of `domain.values`.
        confidence: 0 to 1.
        reason: one sentence for people.
        reading: how its texts are read (see `domain.readings`), None for text.
        null_words: the spellings that stand for nothing here.
        scale: digits behind the point of a decimal.
        rejected: how many values do not fit and will be null, their text kept.
        is_ambiguous: another reading fits as well; `alternatives` names it.
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
    risks: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Return what `TableEngine.cast` needs to know of the column."""
        found: dict[str, Any] = {"null_words": list(self.null_words)}
        if self.reading:
            found |= {"reading": self.reading, "scale": self.scale, "percent": self.is_percent}
        return found


def infer_types(evidence: Mapping[str, Evidence]) -> dict[str, ColumnType]:
    """Return the type of every column.

    A word such as `NA` counts as nothing in a column of numbers, dates or booleans. In a column of text it does only where
    the table uses it so elsewhere, or where it can be no text (`#N/A`, `-`).
    """
    found = {column: infer_type(column, facts) for column, facts in evidence.items()}
    nulls_elsewhere = {word for entry in found.values() if entry.reading for word in entry.null_words}
    for column, entry in found.items():
        if entry.reading is None:
            words = tuple(word for word in evidence[column]["null_words"] if _is_null(word, evidence[column], nulls_elsewhere))
            found[column] = replace(entry, null_words=words)
    return {column: replace(entry, risks=tuple(_risks(entry, evidence[column]))) for column, entry in found.items()}


def infer_type(column: str, facts: Evidence) -> ColumnType:
    """Return the type of one column by its own evidence; text where nothing fits well enough."""
    given = given_values(facts)
    if given <= 0:
        return ColumnType(column, "string", 0.0, "the column has no values")
    for candidate in (_boolean, _compact_date, _number, _date, _date_time, _identifier):
        chosen = candidate(column, facts, given)
        if chosen is not None:
            return replace(chosen, null_words=tuple(facts["null_words"]) if chosen.reading else ())
    return _text(column, facts, given)


def given_values(facts: Evidence, null_words: Iterable[str] | None = None) -> int:
    """Return how many values a column has; `null_words` (None: all that were seen) stand for nothing."""
    if null_words is not None:
        counts = {**dict(facts["values"]), **facts["null_words"]}
        return int(facts["total"]) - int(facts["empty"]) - sum(int(counts.get(word, 0)) for word in set(null_words))
    return int(facts["total"]) - int(facts["empty"]) - int(sum(facts["null_words"].values()))


def _values(facts: Evidence) -> Iterator[str]:
    return (value for value, _ in facts["values"] if value not in facts["null_words"])


def _enough(fits: int, given: int, share: float = SHARE) -> bool:
    return fits >= given * (share + (0.05 if given <= FEW else 0.0))


def _sure(fits: int, given: int) -> float:
    """The share that fits, less for few values."""
    return round(max(0.0, fits / given - (0.05 if given <= FEW else 0.0)), 4)


def _boolean(column: str, facts: Evidence, given: int) -> ColumnType | None:
    fits = facts["fits"]["boolean"]
    if not _enough(fits, given, BOOLEAN_SHARE):
        return None
    words = {value.lower() for value in _values(facts)} & (TRUE_WORDS | FALSE_WORDS)
    has_name = bool(_BOOLEAN_NAME.search(column))
    if words <= {"0", "1"} and not has_name:
        return None
    if len(words) < 2 and not has_name and all(len(word) == 1 for word in words):
        return None
    reason = f"{fits} of {given} values are words for true or false ({', '.join(sorted(words)[:6])})"
    return ColumnType(column, "boolean", _sure(fits, given), reason, "boolean", rejected=given - fits)


def _compact_date(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Dates without separators are numbers too: all must be dates of our times, or the name says it."""
    fits = facts["fits"]["date_ymd"]
    if not _enough(fits, given) or not _enough(facts["fits"]["number_us"], given):
        return None
    values = list(_values(facts))
    near = sum(len(value) == 8 and "1900" <= value[:4] <= "2100" for value in values)
    if not (near == len(values) and fits == given and (len(values) >= 3 or _DATE_NAME.search(column))):
        return None
    return ColumnType(column, "date", _sure(fits, given), f"all {given} values are dates written YYYYMMDD", "date_ymd")


def _number(column: str, facts: Evidence, given: int) -> ColumnType | None:
    fits, marks = facts["fits"], facts["marks"]
    reading = max(NUMBERS, key=lambda name: (fits[name], name == "number_us", name == "number_eu"))
    if not _enough(fits[reading], given):
        return None
    for mark, reason in (
        ("leading_zero", "values with leading zeros are kept as text"),
        ("long_number", "numbers of more than 18 digits are kept as text"),
    ):
        if marks[mark]:
            return ColumnType(column, "string", 0.95, f"{reason} ({marks[mark]} of {given})")
    if marks["phone"] > given / 2:
        return ColumnType(column, "string", 0.9, "the numbers are written as phone numbers", metadata={"semantic": "phone"})
    whole, fraction = facts["digits"][reading]
    chosen = ColumnType(column, "decimal", _sure(fits[reading], given), "", reading, rejected=given - fits[reading])
    chosen = replace(chosen, type=_number_type(marks, whole, fraction), scale=fraction, is_percent=marks["percent"] > 0)
    others = tuple(name for name in NUMBERS if name != reading and fits[name] == fits[reading])
    is_ambiguous = _reads_differently(reading, others, marks, facts)
    reason = f"{fits[reading]} of {given} values are numbers{_notation(reading, marks)}"
    confidence = chosen.confidence - (0.05 if is_ambiguous else 0.0)
    metadata = {"semantic": "money"} if marks["currency"] > given / 2 else {}
    return replace(
        chosen,
        reason=reason,
        confidence=round(max(0.0, confidence), 4),
        is_ambiguous=is_ambiguous,
        alternatives=others if is_ambiguous else (),
        metadata=metadata,
    )


def _number_type(marks: Mapping[str, int], whole: int, fraction: int) -> str:
    if marks["exponent"] or fraction > _MOST_SCALE or whole + fraction > _MOST_DIGITS:
        return "double"
    return "decimal" if fraction or marks["percent"] else "integer"


def _reads_differently(reading: str, others: Sequence[str], marks: Mapping[str, int], facts: Evidence) -> bool:
    """Whether another notation fits as well and gives other numbers: groups of three behind a comma or a point."""
    return bool(marks["grouped"]) and any(facts["digits"][other] != facts["digits"][reading] for other in others)


def _notation(reading: str, marks: Mapping[str, int]) -> str:
    parts = []
    if reading == "number_eu":
        parts.append("a decimal comma")
    elif reading == "number_space":
        parts.append("spaces between thousands")
    elif marks["grouped"]:
        parts.append("commas between thousands")
    parts += [text for mark, text in (("percent", "percent signs"), ("brackets", "brackets for minus")) if marks[mark]]
    parts += ["currency signs"] if marks["currency"] else []
    return f", with {' and '.join(parts)}" if parts else ""


def _date(column: str, facts: Evidence, given: int) -> ColumnType | None:
    return _calendar(column, facts, given, "date", DATES)


def _date_time(column: str, facts: Evidence, given: int) -> ColumnType | None:
    return _calendar(column, facts, given, "dateTime", DATE_TIMES)


def _calendar(column: str, facts: Evidence, given: int, type_name: str, names: Sequence[str]) -> ColumnType | None:
    fits = facts["fits"]
    year_first, day_first, month_first = names
    dots = any("." in value[:6] for value in list(_values(facts))[:20])
    order = [year_first, day_first, month_first] if dots else [year_first, month_first, day_first]
    reading = max(order, key=lambda name: (fits[name], -order.index(name)))
    if not _enough(fits[reading], given):
        return None
    is_open = reading != year_first and fits[day_first] == fits[month_first]
    is_ambiguous = is_open and any(_NUMERIC_DATE.match(value) for value in _values(facts))
    what = "dates" if type_name == "date" else "dates with a time"
    reason = f"{fits[reading]} of {given} values are {what}, {_order(reading)}"
    if is_ambiguous:
        reason += "; no value settles whether the day or the month comes first"
    confidence = _sure(fits[reading], given) - (0.05 if is_ambiguous else 0.0)
    others = tuple(name for name in (day_first, month_first) if name != reading) if is_ambiguous else ()
    return ColumnType(
        column,
        type_name,
        round(max(0.0, confidence), 4),
        reason,
        reading,
        rejected=given - fits[reading],
        is_ambiguous=is_ambiguous,
        alternatives=others,
    )


def _order(reading: str) -> str:
    return {"ymd": "year first", "dmy": "day first", "mdy": "month first"}[reading.rpartition("_")[2]]


def _identifier(column: str, facts: Evidence, given: int) -> ColumnType | None:
    fits = facts["fits"]
    for reading in (*IDENTIFIERS, "time"):
        if fits[reading] == given:
            type_name = _SEMANTIC.get(reading, reading)
            return ColumnType(column, type_name, _sure(given, given), f"all {given} values are of the form {reading}", reading)
    return None


def _text(column: str, facts: Evidence, given: int) -> ColumnType:
    fits = facts["fits"]
    numeric = max(fits[name] for name in NUMBERS)
    if numeric > given * 0.2:
        return ColumnType(column, "string", 0.6, f"{numeric} of {given} values are numbers, the others are not")
    dated = max(fits[name] for name in (*DATES, *DATE_TIMES))
    if dated > given * 0.2:
        return ColumnType(column, "string", 0.6, f"{dated} of {given} values are dates of one form, the others are not")
    metadata: dict[str, Any] = {}
    distinct = int(facts["distinct"])
    if distinct <= min(50, max(2, int(given * 0.2))) and distinct / given <= 0.2:
        metadata["enum"] = sorted(_values(facts))[:50]
    return ColumnType(column, "string", 0.95 if given > FEW else 0.9, "the values are text", metadata=metadata)


def _is_null(word: str, facts: Evidence, nulls_elsewhere: set[str]) -> bool:
    """Whether `word` in a column of text evidently stands for nothing."""
    others = [value for value in _values(facts) if value != word]
    if word.lower() in PLAIN_NULL_WORDS or word == "NaN":
        return True
    if _PUNCTUATION.fullmatch(word):
        return not others or sum(bool(re.search(r"\w", value)) for value in others) > len(others) / 2
    alike = sum(len(value) == len(word) and value.isupper() == word.isupper() for value in others)
    return word in nulls_elsewhere and alike <= len(others) * 0.2


def _risks(entry: ColumnType, facts: Evidence) -> Iterator[str]:
    total, given = int(facts["total"]), given_values(facts)
    nulls = total - given if entry.reading else int(facts["empty"]) + sum(facts["null_words"][w] for w in entry.null_words)
    tests = (
        ("no_sample_rows", total == 0),
        ("all_values_empty", total > 0 and given <= 0),
        ("sample_size_low", 0 < given <= FEW),
        ("low_confidence_type", entry.confidence < 0.8 and given > 0),
        ("high_null_ratio", total > 0 and 0.5 <= nulls / total < 1),
        ("moderate_null_ratio", total > 0 and 0.2 <= nulls / total < 0.5),
        ("ambiguous_date_format", entry.is_ambiguous and entry.type in {"date", "dateTime"}),
        ("ambiguous_type_candidates", entry.is_ambiguous and entry.type not in {"date", "dateTime"}),
        ("mixed_numeric_values", entry.type == "string" and "are numbers" in entry.reason),
        ("values_do_not_fit", entry.rejected > 0),
    )
    return (code for code, holds in tests if holds)
