"""What sampled values mean by the rules of others: telephone numbers, addresses of mail, checked numbers, currencies, JSON.

Cost: at most 200 distinct values per column are looked at, and only by the recognisers whose form the first of them have; a
column of telephone numbers without a country code costs about 50 ms (40 values, 24 regions), any other a few milliseconds.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from stdnum import bic, ean, iban, imei, isbn, isin, issn, lei, luhn
from stdnum.eu import vat
from stdnum.kr import rrn
from stdnum.us import ssn

from spice_core.adapters.duckdb.currencies import currencies_in
from spice_core.domain.inference.numbers import is_phone_name
from spice_core.domain.readings import NULL_WORDS

_LOOKED_AT = 200
_PHONES_LOOKED_AT = 40
_FIRST = 20
_LIKELY = 0.5
_REGIONS = [
    "US",
    "GB",
    "DE",
    "FR",
    "IT",
    "ES",
    "NL",
    "BE",
    "CH",
    "AT",
    "SE",
    "PL",
    "JP",
    "KR",
    "CN",
    "TW",
    "IN",
    "AU",
    "BR",
    "MX",
    "RU",
    "TR",
    "ZA",
    "SG",
]
_PHONE = re.compile(r"[(+]{0,2}\d[\d ()./\u00a0-]{5,26}\d(?: ?(?:x|ext\.?) ?\d{1,6})?")
_PHONE_SEPARATORS = re.compile(r"\d[ ()./-]+\d")
_NOT_PHONE = re.compile(
    r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,4}.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*|\d+\.\d+|\d{1,3}(?:[ .]\d{3})+|(?:\d{1,3}\.){3}\d{1,3}"
)
_ARC = r"\d{1,3}°\s*\d{1,2}['\u2032]\s*(?:\d{1,2}(?:\.\d+)?[\"\u2033]\s*)?"
_COORDINATE = re.compile(
    r"\(?\s*(-?\d{1,2}(?:\.\d+)?)\s*°?\s*[NS]?\s*[,;]\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*[EW]?\s*\)?"
    r"|(?:SRID=\d+;)?POINT ?\(\s*-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?\s*\)"
    rf"|{_ARC}[NS][ ,]+{_ARC}[EW]",
    re.IGNORECASE,
)
_STREETS = (
    "street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|place|pl|square|sq|highway|hwy|parkway|pkwy|terrace"
    "|circle|cir|broadway|suite|rue|avenida|calle|via|piazza|plaza|allée|chemin|quai"
)
_ADDRESS = re.compile(
    rf".*(?:\b\d{{1,6}}[A-Za-z]?\b.*\b(?:{_STREETS})\b"
    r"|\b(?:rue|avenue|boulevard|calle|avenida|via|viale|piazza|rua|ul\.|carrer|plaza|paseo)\s.*\d"
    r"|\w+(?:straße|strasse|str\.|weg|allee|platz|gasse|straat|laan|gatan|vägen|gata|vej|katu|tie)\s*\d+"
    r"|[가-힣]+(?:시|도|구|군)\s.*(?:로|길|동)\s?\d*|.*[都道府県].*[市区町村].*\d?|.*[省市].*[区县區縣].*[路街道号號]).*",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9](?:[A-Za-z0-9]|[ -](?=[A-Za-z0-9])){6,41}|[A-Z]{8}(?:[A-Z0-9]{3})?")
_CODES: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "iban": (re.compile(r"[A-Z]{2}\d{2}[A-Z0-9 ]{11,38}"), iban.is_valid),
    "isbn": (re.compile(r"(?:97[89][- ]?)?\d[\d -]{8,14}[\dXx]"), isbn.is_valid),
    "issn": (re.compile(r"\d{4}-\d{3}[\dXx]"), issn.is_valid),
    "vat": (re.compile(r"[A-Z]{2}[A-Z0-9]{8,12}"), vat.is_valid),
    "isin": (re.compile(r"[A-Z]{2}[A-Z0-9]{9}\d"), isin.is_valid),
    "lei": (re.compile(r"[A-Z0-9]{18}\d{2}"), lei.is_valid),
    "bic": (re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"), bic.is_valid),
    "ean": (re.compile(r"\d{13}|\d{8}"), ean.is_valid),
    "imei": (re.compile(r"\d{15}|\d{2}-\d{6}-\d{6}-\d"), imei.is_valid),
    "card_number": (re.compile(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|\d{4} \d{6} \d{5}"), luhn.is_valid),
    "us_ssn": (re.compile(r"\d{3}-\d{2}-\d{4}"), ssn.is_valid),
    "kr_rrn": (re.compile(r"\d{6}-\d{7}"), rrn.is_valid),
}


def recognise(columns: Mapping[str, Counter[str]]) -> dict[str, dict[str, Any]]:
    """Return per column how many of its frequent distinct values each recogniser takes, of `examined`.

    `phone_regions`, `currencies` and `codes` are counts by name; a currency that a sign leaves open is named `JPY|CNY`.
    """
    return {column: _recognised(column, _looked_at(values)) for column, values in columns.items()}


def _looked_at(values: Counter[str]) -> list[str]:
    frequent = (value for value, _ in values.most_common(_LOOKED_AT + 20) if value.lower() not in NULL_WORDS)
    return [value for _, value in zip(range(_LOOKED_AT), frequent, strict=False)]


def _recognised(column: str, values: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"examined": len(values)}
    if not values:
        return found
    first = values[:_FIRST]
    found["currencies"] = dict(Counter(name for value in values if len(value) <= 40 for name in currencies_in(value)))
    for name, test in (("email", _is_email), ("array", _is_array), ("object", _is_object), ("coordinate", _is_place)):
        if _is_likely(first, test):
            found[name] = sum(map(test, values))
    if any(character.isdigit() for character in "".join(first)):
        found["address"] = (
            sum(bool(len(value) <= 300 and _ADDRESS.fullmatch(value)) for value in first) * len(values) // len(first)
        )
    if _is_likely(first, lambda value: bool(_CODE.fullmatch(value))):
        found["codes"] = _codes(values)
    if _is_likely(first, _looks_like_phone if not is_phone_name(column) else lambda value: bool(_PHONE.fullmatch(value))):
        found |= _phones(values[:_PHONES_LOOKED_AT], len(values))
    return found


def _is_likely(values: Sequence[str], test: Callable[[str], bool]) -> bool:
    return sum(map(test, values)) >= len(values) * _LIKELY


def _is_email(value: str) -> bool:
    if value.count("@") != 1 or len(value) > 254:
        return False
    try:
        validate_email(value, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _is_array(value: str) -> bool:
    return value[:1] == "[" and value[-1:] == "]" and isinstance(_json(value), list)


def _is_object(value: str) -> bool:
    return value[:1] == "{" and value[-1:] == "}" and isinstance(_json(value), dict)


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _is_place(value: str) -> bool:
    found = _COORDINATE.fullmatch(value) if len(value) <= 100 else None
    if found is None:
        return False
    if found[1] is None:
        return True
    is_exact = "." in found[1] or "." in found[2]
    return is_exact and abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180


def _looks_like_phone(value: str) -> bool:
    if not _PHONE.fullmatch(value) or _NOT_PHONE.fullmatch(value):
        return False
    digits = sum(character.isdigit() for character in value)
    return 7 <= digits <= 17 and (value[0] in "+(0" or len(_PHONE_SEPARATORS.findall(value)) >= 1)


def _phones(values: Sequence[str], examined: int) -> dict[str, Any]:
    """Valid numbers: with a country code as they are, the others by the rules of the region that takes most of them."""
    scale = examined / len(values)
    regions: Counter[str] = Counter()
    national: list[str] = []
    for value in values:
        if value.lstrip("(")[:1] == "+" or value.startswith("00"):
            regions.update(_region_of("+" + value.removeprefix("00") if value.startswith("00") else value))
        elif _PHONE.fullmatch(value):
            national.append(value)
    best = max(_REGIONS, key=lambda region: (_valid(national, region), -_REGIONS.index(region))) if national else ""
    if national and _valid(national, best):
        regions[best] += _valid(national, best)
    return {"phone": round(min(len(values), regions.total()) * scale), "phone_regions": dict(regions)}


def _valid(values: Iterable[str], region: str) -> int:
    return sum(_is_number(value, region) for value in values)


def _is_number(value: str, region: str) -> bool:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, region)


def _region_of(value: str) -> list[str]:
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_possible_number(number):
        return []
    return [phonenumbers.region_code_for_number(number) or f"+{number.country_code}"]


def _codes(values: Sequence[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for value in values:
        found.update(name for name, (form, is_valid) in _CODES.items() if form.fullmatch(value) and is_valid(value))
    return dict(found)
