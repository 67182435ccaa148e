"""Values as terms: keyword terms whose byte order is the order of the values, exact where a double is not.

Elasticsearch compares keywords by their UTF-8 bytes, which is codepoint order, and takes terms of at most 32,766 bytes. A
longer text is kept by its beginning with a NUL behind it, which no text holds, and by a digest of the whole.
"""

import hashlib
import math
from decimal import Decimal
from typing import Any

from spice_core.domain.matching import comparable
from spice_core.domain.queries import Kind
from spice_core.domain.search_rules import NUMERIC, json_digest, json_form

HEAD = 8_000
"""Characters of a text that order and prefixes look at."""

STRIDE = 7_000
"""A longer text is also kept in pieces of `HEAD` characters that begin this far apart, for `contains`."""

CUT = "\0"

_MIDDLE = 500_000
_MOST_DIGITS = 16_000
_NINES = str.maketrans("0123456789", "9876543210")


def term_of(value: Any, kind: Kind) -> str | None:
    """Return the term of a comparable value (of a JSON value for JSON), None for a number of too many digits."""
    if kind is Kind.JSON:
        return json_digest(value)
    if kind in NUMERIC:
        return number_term(value)
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return text_term(value) if kind is Kind.TEXT else str(value)


def text_term(text: str) -> str:
    """Return the term of a text: itself, or its beginning."""
    return text if len(text) <= HEAD else text[:HEAD] + CUT


def text_digest(text: str) -> str:
    """Return what stands for the whole of a long text."""
    return hashlib.sha256(text.encode()).hexdigest()


def pieces(text: str) -> list[str]:
    """Return the overlapping pieces of a long text."""
    return [text[start : start + HEAD] for start in range(0, len(text), STRIDE)]


def number_term(number: Decimal) -> str | None:
    """Return a text that sorts as `number` does: sign, exponent, digits; of a negative number all of them turned round."""
    if number == 0:
        return "1"
    digits = "".join(map(str, number.as_tuple().digits)).lstrip("0").rstrip("0")
    exponent = number.adjusted() + _MIDDLE
    if len(digits) > _MOST_DIGITS or not 0 <= exponent < 2 * _MIDDLE:
        return None
    text = f"{exponent:06d}{digits}"
    return f"2{text}" if number > 0 else f"0{text.translate(_NINES)}~"


def native_number(number: Decimal, kind: Kind) -> int | float | None:
    """Return an integer as it is, a number as the nearest double; None for one that is too large for that."""
    if kind is Kind.INTEGER:
        return int(number)
    found = float(number)
    return found if math.isfinite(found) else None


def number_of(term: str) -> Decimal:
    """Return the number of a `number_term`."""
    if term == "1":
        return Decimal(0)
    text = term[1:] if term[0] == "2" else term[1:-1].translate(_NINES)
    exponent = int(text[:6]) - _MIDDLE
    digits = text[6:]
    return Decimal((0 if term[0] == "2" else 1, tuple(map(int, digits)), exponent - len(digits) + 1))


def facet_value(term: Any, kind: Kind) -> object:
    """Return the JSON form of the value of a term, of an integer as it is; a long text stays cut."""
    if kind is Kind.INTEGER:
        return term
    if kind in NUMERIC:
        return json_form(number_of(term), kind)
    if kind is Kind.BOOLEAN:
        return term == "true"
    return json_form(term.rstrip(CUT), kind)


def marked_term(text: str | None, kind: Kind) -> str | None:
    """Return the term of a page mark's value; a mark was signed by nobody."""
    if text is None:
        return None
    if kind in NUMERIC:
        return number_term(Decimal(text))
    return text_term(text) if kind is Kind.TEXT else text


def mark_text(value: Any, kind: Kind) -> str | None:
    """Return a document's sort value as a page mark keeps it."""
    found = comparable(value, kind)
    if found is None:
        return None
    return str(found).lower() if kind is Kind.BOOLEAN else str(found)
