"""Which currency an amount is written in, by the signs and codes of the Unicode locale data."""
# ruff: noqa: RUF001 - signs of many scripts are what it reads

import re
from collections.abc import Mapping
from functools import cache

from babel import Locale
from babel.numbers import list_currencies

from spice_core.domain.readings import CURRENCY_CODES, CURRENCY_WORDS

_PART = re.compile(r"[^\W\d_]+\.?|[A-Z]{0,3}[$€£¥₩₹₽₺₫₴₦₪฿₱₡₲₵₸￥￡￦]")
_OPEN: Mapping[str, str] = {
    "¥": "JPY|CNY",
    "￥": "JPY|CNY",
    "元": "CNY",
    "圆": "CNY",
    "円": "JPY",
    "원": "KRW",
    "￦": "KRW",
    "￡": "GBP",
    "£": "GBP",
    "$": "USD",
    "dollars": "USD",
    "euros": "EUR",
    "kr": "SEK|NOK|DKK",
    "Rs": "INR|PKR",
    "Fr": "CHF",
    "руб": "RUB",
    "лв": "BGN",
    "lei": "RON",
}
_LOCALES = ("en", "de", "fr", "pl", "cs", "hu", "ro", "bg", "pt_BR", "ms", "id", "tr", "ru", "uk", "vi", "th", "he", "hi")


def currencies_in(value: str) -> list[str]:
    """Return the currency that `value` names beside a number: an ISO 4217 code, several joined by `|` where the sign is open."""
    if not any(character.isdigit() for character in value):
        return []
    for part in _PART.findall(value):
        word = part.rstrip(".")
        if word in CURRENCY_CODES:
            return [word]
        if name := _signs().get(word):
            return [name]
    return []


@cache
def _signs() -> dict[str, str]:
    found: dict[str, str] = dict(_OPEN)
    known = set(CURRENCY_WORDS)
    for name in _LOCALES:
        locale = Locale.parse(name)
        codes = list_currencies(locale)
        for code, symbol in locale.currency_symbols.items():
            sign = symbol.strip("\u200e\u200f")
            is_sign = any(not character.isalnum() for character in sign) or sign.rstrip(".") in known
            if code in codes and code in CURRENCY_CODES and is_sign:
                found.setdefault(sign.rstrip("."), code)
    return found
