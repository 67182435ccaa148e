"""Columns of text: identifiers of a form, and what text means where its form alone does not say."""

import re
from typing import Any

from spice_core.domain.inference.column_types import FEW, ColumnType, Evidence, recognised, sureness, values_of
from spice_core.domain.inference.numbers import is_phone_name
from spice_core.domain.readings import DATE_TIMES, DATES, IDENTIFIERS, NUMBERS

_COMPLEX_SHARE = 0.90
_MOST_ENUM = 50
_ENUM_SHARE = 0.2
_FEW_CHECKED = 3
_ADDRESS_NAME = re.compile(
    r"address|addr|(?:^|[_\s])(?:street|straße|strasse|adresse|rue|calle|dirección)|주소|住所|地址", re.IGNORECASE
)


def identifier_type(column: str, facts: Evidence, given: int) -> ColumnType | None:
    """Return the type of a column whose every value has one form: uuid, email, url, ip, phone, time; else None."""
    fits = facts["fits"]
    for reading in IDENTIFIERS:
        if fits[reading] == given and not (reading == "email" and _share(facts, "email") < _COMPLEX_SHARE):
            return _identifier(column, reading, given)
    if fits["phone"] == given and _are_phones(column, facts):
        regions = recognised(facts).get("phone_regions", {})
        reason = f"all {given} values are telephone numbers"
        reason += f", by their form of {max(regions, key=regions.__getitem__)}" if regions else ""
        metadata = {"regions": sorted(regions, key=lambda name: (-regions[name], name))[:5]} if regions else {}
        return ColumnType(column, "phone", sureness(given, given), reason, "phone", metadata=metadata)
    return _identifier(column, "time", given) if fits["time"] == given else None


def text_type(column: str, facts: Evidence, given: int) -> ColumnType:
    """Return text, with what it may mean beside."""
    fits = facts["fits"]
    numeric = max(fits[name] for name in NUMBERS)
    semantic = _semantic(column, facts, given)
    if numeric > given * 0.2 and not semantic:
        return ColumnType(column, "string", 0.6, f"{numeric} of {given} values are numbers, the others are not")
    dated = max(fits[name] for name in (*DATES, *DATE_TIMES))
    if dated > given * 0.2 and not semantic:
        return ColumnType(column, "string", 0.6, f"{dated} of {given} values are dates of one form, the others are not")
    reason = f"the values are text, of the form {semantic}" if semantic else "the values are text"
    metadata: dict[str, Any] = {"semantic": semantic} if semantic else {}
    distinct = int(facts["distinct"])
    if distinct <= min(_MOST_ENUM, max(2, int(given * _ENUM_SHARE))) and distinct / given <= _ENUM_SHARE:
        metadata = {"semantic": "enum", **metadata, "enum": sorted(values_of(facts))[:_MOST_ENUM]}
    return ColumnType(column, "string", 0.95 if given > FEW else 0.9, reason, metadata=metadata)


def _identifier(column: str, reading: str, given: int) -> ColumnType:
    return ColumnType(column, reading, sureness(given, given), f"all {given} values are of the form {reading}", reading)


def _are_phones(column: str, facts: Evidence) -> bool:
    """Telephone numbers by their region's rules; without a name that says so nearly all must be valid."""
    codes = recognised(facts).get("codes", {})
    if not is_phone_name(column) and any(count >= _COMPLEX_SHARE * recognised(facts)["examined"] for count in codes.values()):
        return False
    return _share(facts, "phone") >= (0.6 if is_phone_name(column) else _COMPLEX_SHARE)


def _semantic(column: str, facts: Evidence, given: int) -> str | None:
    """What the values mean: the first that fits."""
    for name in IDENTIFIERS:
        if facts["fits"][name] >= given * _COMPLEX_SHARE:
            return name
    for name in ("array", "object", "coordinate"):
        if _share(facts, name) >= _COMPLEX_SHARE:
            return name
    if code := code_hint(facts):
        return code
    if _are_phones(column, facts):
        return "phone"
    return "address" if _share(facts, "address") >= (0.3 if _ADDRESS_NAME.search(column) else 0.8) else None


def code_hint(facts: Evidence) -> str | None:
    """Return which checked number (ISBN, IBAN, …) nearly all values are, None where they are none."""
    codes = recognised(facts).get("codes", {})
    best = max(codes, key=lambda name: codes[name], default=None)
    if best is None or codes[best] < _COMPLEX_SHARE * recognised(facts)["examined"]:
        return None
    return best if codes[best] >= _FEW_CHECKED else None


def _share(facts: Evidence, name: str) -> float:
    found = recognised(facts)
    examined = int(found.get("examined", 0))
    return int(found.get(name, 0)) / examined if examined else 0.0
