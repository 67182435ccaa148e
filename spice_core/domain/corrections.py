"""What a person says of a column, against what its values look like."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from spice_core.domain.inference import ColumnType, given_values
from spice_core.domain.readings import ALL_READINGS, NUMBERS, READINGS_OF
from spice_core.domain.values import type_name
from spice_core.errors import InvalidInput

MOST_CORRECTIONS = 2000
_MOST_NULL_WORDS = 100
_MOST_SCALE = 18
_LONGEST_TEXT = 1000
_ORDERS = ("ymd", "dmy", "mdy")
_TYPES = frozenset({"string", *READINGS_OF})


@dataclass(frozen=True, slots=True)
class ColumnCorrection:
    """What a person says of one column; None leaves a point to the evidence.

    Attributes:
        column: the column's name as the file has it.
        type: a type that tables are kept in: string, boolean, integer, decimal, double, date, dateTime, time, uuid, email, url,
            ip, phone.
        reading: how its texts are read (a name of `domain.readings`); must suit the type.
        null_words: the spellings that stand for nothing, all of them; empty: none does.
        date_order: `ymd`, `dmy` or `mdy`.
        scale: digits behind the point of a decimal, 0 to 18.
        name: what the column is called from now on.
    """

    column: str
    type: str | None = None
    reading: str | None = None
    null_words: tuple[str, ...] | None = None
    date_order: str | None = None
    scale: int | None = None
    name: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what `correction_of_json` reads; points that are left to the evidence are not in it."""
        found = {key: value for key, value in asdict(self).items() if value is not None}
        if self.null_words is not None:
            found["null_words"] = list(self.null_words)
        return found


def correction_of_json(body: Mapping[str, Any]) -> ColumnCorrection:
    """Return the correction that `as_json` made, or that a person sent.

    Raises:
        InvalidInput: a field that is not known or of another form, or points that exclude each other.
    """
    unknown = sorted(set(body) - set(ColumnCorrection.__slots__))
    if unknown:
        raise InvalidInput(f"a correction has no {unknown[0][:80]!r}; it has {', '.join(ColumnCorrection.__slots__)}")
    for field in ("column", "type", "reading", "date_order", "name"):
        if not _is_short_text(body.get(field, None if field != "column" else 0)):
            raise InvalidInput(f"{field} must be a text of 1 to {_LONGEST_TEXT} characters")
    words = body.get("null_words")
    if words is not None:
        words = _null_words(words)
    correction = ColumnCorrection(**{**body, "null_words": words})
    check_correction(correction)
    return correction


def check_correction(correction: ColumnCorrection) -> None:
    """Raise `InvalidInput` where a correction's points are not known or exclude each other."""
    name = correction.column[:80]
    if correction.type is not None and type_name(correction.type) not in _TYPES:
        raise InvalidInput(f"{name}: a column cannot be kept as {correction.type[:80]!r}; use one of {', '.join(sorted(_TYPES))}")
    if correction.reading is not None and correction.reading not in ALL_READINGS:
        raise InvalidInput(f"{name}: {correction.reading[:80]!r} is no reading; use one of {', '.join(ALL_READINGS)}")
    if correction.type is not None and correction.reading is not None:
        suitable = READINGS_OF.get(type_name(correction.type) or "", ())
        if correction.reading not in suitable:
            raise InvalidInput(
                f"{name}: a {correction.type} is not read as {correction.reading}; {', '.join(suitable) or 'leave it out'}"
            )
    if correction.date_order is not None and correction.date_order not in _ORDERS:
        raise InvalidInput(f"{name}: date_order must be ymd, dmy or mdy")
    scale: Any = correction.scale
    if scale is not None and (type(scale) is not int or not 0 <= scale <= _MOST_SCALE):
        raise InvalidInput(f"{name}: scale must be a whole number of 0 to {_MOST_SCALE}")
    if correction.name is not None and (not correction.name.strip() or correction.name.startswith("__")):
        raise InvalidInput(f"{name}: a column's name must not be blank, nor begin with two underscores")


def readings_asked(corrections: Sequence[ColumnCorrection]) -> dict[str, tuple[str, ...]]:
    """Return per column the readings whose fits must be counted on every row for `apply_corrections`."""
    return {correction.column: _possible_readings(correction) for correction in corrections if _possible_readings(correction)}


def apply_corrections(
    types: Mapping[str, ColumnType], corrections: Sequence[ColumnCorrection], *, evidence: Mapping[str, Mapping[str, Any]]
) -> dict[str, ColumnType]:
    """Return `types` as people corrected them: what a correction says overrules the evidence, and the reason says so.

    Values that do not fit a corrected type are counted as rejected. A correction of a column that the table does not have is
    left out: the next version of a source may lack it.

    Raises:
        InvalidInput: two columns would have one name, one column is corrected twice, or `check_correction` refuses one.
    """
    found = dict(types)
    seen: set[str] = set()
    for correction in corrections:
        check_correction(correction)
        if correction.column in seen:
            raise InvalidInput(f"{correction.column[:80]!r} is corrected twice; say it in one correction")
        seen.add(correction.column)
        if correction.column in found:
            found[correction.column] = _corrected(found[correction.column], correction, evidence[correction.column])
    names = [entry.name.casefold() for entry in found.values()]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidInput(f"two columns would be called {twice[0][:80]!r}; give one of them another name")
    return found


def _corrected(entry: ColumnType, correction: ColumnCorrection, facts: Mapping[str, Any]) -> ColumnType:
    words = entry.null_words
    if correction.null_words is not None:
        spelled = {word.lower() for word in correction.null_words}
        known = {**facts["null_words"], **{value: 1 for value, _ in facts["values"]}}
        words = tuple(dict.fromkeys([*correction.null_words, *(word for word in known if word.lower() in spelled)]))
    entry = replace(entry, name=(correction.name or entry.name).strip(), null_words=words)
    readings = _possible_readings(correction)
    wanted = type_name(correction.type) if correction.type else None
    said = [part for part in ColumnCorrection.__slots__[1:] if getattr(correction, part) is not None]
    reason = f"a person said so ({', '.join(said)})"
    if wanted == "string":
        return replace(_plain(entry), reason=reason, confidence=1.0)
    if not readings:
        reason = f"{entry.reason}; {reason}"
        return replace(entry, reason=reason, scale=entry.scale if correction.scale is None else correction.scale)
    reading = max(readings, key=lambda name: (facts["fits"].get(name, 0), name == entry.reading, -readings.index(name)))
    given = given_values(facts, words)
    fits = min(given, int(facts["fits"].get(reading, 0)))
    digits = facts["digits"].get(reading, (0, 0)) if reading in NUMBERS else (0, 0)
    kept = wanted or next(name for name, names in READINGS_OF.items() if reading in names)
    if wanted is None and entry.type in {"integer", "decimal", "double"} and reading in NUMBERS:
        kept = "decimal" if correction.scale else entry.type
    return replace(
        _plain(entry),
        type=kept,
        reading=reading,
        null_words=words if correction.null_words is not None else tuple(facts["null_words"]),
        scale=min(_MOST_SCALE, digits[1] or 0) if correction.scale is None else correction.scale,
        is_percent=reading in NUMBERS and kept != "integer" and facts["marks"]["percent"] > 0,
        rejected=given - fits,
        reason=f"{reason}; {fits} of {given} values fit",
        confidence=1.0,
    )


def _plain(entry: ColumnType) -> ColumnType:
    return ColumnType(entry.name, "string", 1.0, "", null_words=entry.null_words)


def _possible_readings(correction: ColumnCorrection) -> tuple[str, ...]:
    if correction.reading is not None:
        return (correction.reading,)
    wanted = type_name(correction.type) if correction.type else None
    if correction.date_order is not None:
        prefixes = {"date": ("date_",), "dateTime": ("date_time_",)}.get(wanted or "", ("date_", "date_time_"))
        return tuple(f"{prefix}{correction.date_order}" for prefix in prefixes)
    return READINGS_OF.get(wanted, ()) if wanted else ()


def _is_short_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT)


def _null_words(words: Any) -> tuple[str, ...]:
    is_list = isinstance(words, list | tuple) and len(words) <= _MOST_NULL_WORDS
    if not is_list or not all(isinstance(word, str) and 0 < len(word) <= _LONGEST_TEXT for word in words):
        raise InvalidInput(f"null_words must be a list of at most {_MOST_NULL_WORDS} texts")
    return tuple(word.strip() for word in words)
