"""Columns of numbers: notation, whole or not, money, and numbers that are names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spice_core.domain.inference.column_types import ColumnType, Evidence, is_enough, recognised, sureness, values_of
from spice_core.domain.readings import NUMBERS

_MOST_DIGITS = 36
_MOST_SCALE = 18
_LATITUDE = re.compile(
    r"(?:^|[_\s.-])(?:lat|latitude|breite|breitengrad|latitud|위도|緯度|纬度)(?:$|[_\s.-])|Lat(?:itude)?$", re.IGNORECASE
)
_LONGITUDE = re.compile(
    r"(?:^|[_\s.-])(?:lon|lng|long|longitude|länge|längengrad|longitud|경도|経度|经度)(?:$|[_\s.-])|Lon(?:gitude)?$|Lng$",
    re.IGNORECASE,
)
_PHONE_NAME = re.compile(
    r"phone|(?:^|[_\s.-])(?:tel|mobile|cell|fax|handy|telefon|téléphone|teléfono|telefone|telefono|movil|móvil)(?:$|[_\s.-])"
    r"|전화|연락처|휴대폰|電話|携帯|电话|手机",
    re.IGNORECASE,
)


def is_phone_name(column: str) -> bool:
    """Whether a column's name says that it holds telephone numbers."""
    return bool(_PHONE_NAME.search(column))


def number_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the number that a column is, the text that its numbers must stay, or None where it holds no numbers."""
    fits, marks = facts["fits"], facts["marks"]
    reading = max(NUMBERS, key=lambda name: (fits[name], name == "number_us", name == "number_eu"))
    if not is_enough(fits[reading], given):
        return None
    kept = _numbers_that_are_names(column, facts, given)
    if kept is not None:
        return kept
    whole, fraction = (int(part or 0) for part in facts["digits"][reading])
    others = tuple(name for name in NUMBERS if name != reading and fits[name] == fits[reading])
    is_ambiguous = bool(marks["grouped"]) and any(facts["digits"][other] != facts["digits"][reading] for other in others)
    confidence = sureness(fits[reading], given) - (0.05 if is_ambiguous else 0.0)
    kind = _type_of(marks, whole, fraction)
    chosen = ColumnType(
        column,
        kind,
        round(max(0.0, confidence), 4),
        f"{fits[reading]} of {given} values are numbers{_notation(reading, marks)}",
        reading,
        scale=min(fraction, _MOST_SCALE),
        rejected=given - fits[reading],
        is_percent=marks["percent"] > 0 and kind != "integer",
        is_ambiguous=is_ambiguous,
        alternatives=others if is_ambiguous else (),
    )
    return _with_meaning(chosen, facts, given)


def retyped_number(entry: ColumnType, reading: str, facts: Evidence) -> ColumnType:
    """Return the column under another notation that fits as many of its values."""
    whole, fraction = (int(part or 0) for part in facts["digits"][reading])
    kind, given = _type_of(facts["marks"], whole, fraction), facts["fits"][reading] + entry.rejected
    retyped = replace(
        entry,
        type=kind,
        reading=reading,
        scale=min(fraction, _MOST_SCALE),
        is_percent=facts["marks"]["percent"] > 0 and kind != "integer",
        reason=f"{facts['fits'][reading]} of {given} values are numbers{_notation(reading, facts['marks'])}",
    )
    return _with_meaning(retyped, facts, given)


def _numbers_that_are_names(column: str, facts: Evidence, given: int) -> ColumnType | None:
    marks = facts["marks"]
    if is_phone_name(column) and facts["max_length"] >= 7 and not marks["percent"] and not marks["exponent"]:
        return None if facts["fits"]["phone"] < given else ColumnType(column, "string", 0.0, "")
    for mark, reason in (
        ("leading_zero", "values with leading zeros are kept as text"),
        ("long_number", "numbers of more than 18 digits are kept as text"),
        ("beyond_double", "numbers that a double cannot hold, beside some with an exponent, are kept as text"),
    ):
        if marks[mark] and (mark != "beyond_double" or marks["exponent"]):
            return ColumnType(column, "string", 0.95, f"{reason} ({marks[mark]} of {given})")
    return ColumnType(column, "string", 0.0, "") if marks["phone"] > given / 2 else None


def _type_of(marks: Mapping[str, int], whole: int, fraction: int) -> str:
    if marks["exponent"] or fraction > _MOST_SCALE or whole + fraction > _MOST_DIGITS:
        return "double"
    return "decimal" if fraction or marks["percent"] else "integer"


def _notation(reading: str, marks: Mapping[str, int]) -> str:
    parts = []
    if reading == "number_eu":
        parts.append("a decimal comma")
    elif reading == "number_space":
        parts.append("spaces or apostrophes between thousands")
    elif marks["grouped"]:
        parts.append("commas between thousands")
    parts += [text for mark, text in (("percent", "percent signs"), ("brackets", "brackets for minus")) if marks[mark]]
    parts += ["currency signs"] if marks["currency"] else []
    return f", with {' and '.join(parts)}" if parts else ""


def _with_meaning(chosen: ColumnType, facts: Evidence, given: int) -> ColumnType:
    if facts["marks"]["currency"]:
        money = _money(chosen, recognised(facts).get("currencies", {}))
        if facts["marks"]["currency"] > given / 2 or money.type == "string":
            return money
    for name, limit, semantic in ((_LATITUDE, 90, "latitude"), (_LONGITUDE, 180, "longitude")):
        if name.search(chosen.name) and chosen.type in {"decimal", "double"} and _within(facts, limit):
            return replace(chosen, metadata={"semantic": semantic})
    return chosen


def _money(chosen: ColumnType, currencies: Mapping[str, int]) -> ColumnType:
    """Money keeps its amount; where a table mixes currencies the text is kept, or the currency would be lost."""
    certain = sorted({name for name in currencies if "|" not in name}, key=lambda name: (-currencies[name], name))
    open_signs = sorted(name for name in currencies if "|" in name and not set(name.split("|")) & set(certain))
    metadata: dict[str, Any] = {"semantic": "money", "currencies": certain or (open_signs[0].split("|") if open_signs else [])}
    reason = chosen.reason
    if open_signs:
        metadata["ambiguous_currency"] = True
        reason += f"; the currency may be {' or '.join(open_signs[0].split('|'))}"
    if len(certain) + len(open_signs) > 1:
        reason += "; amounts in several currencies are kept as text, so that none is lost"
        names = [*certain, *(code for name in open_signs for code in name.split("|"))]
        return ColumnType(chosen.name, "string", chosen.confidence, reason, metadata={**metadata, "currencies": names})
    return replace(chosen, reason=reason, metadata=metadata)


def _within(facts: Evidence, limit: int) -> bool:
    values: Sequence[str] = list(values_of(facts))[:200]
    try:
        return bool(values) and all(abs(float(value.replace(",", "."))) <= limit for value in values)
    except ValueError:
        return False
