"""Numbers in documents: 64-bit integers, doubles, and decimals as canonical text."""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

MAX_DIGITS = 100

_DECIMAL = re.compile(r"[+-]?([0-9]{1,100}([.][0-9]{0,100})?|[.][0-9]{1,100})([eE][+-]?[0-9]{1,3})?")

INTEGER_RANGES: Mapping[str, tuple[int, int]] = {
    "integer": (-(2**63), 2**63 - 1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-(2**7), 2**7 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "nonNegativeInteger": (0, 2**63 - 1),
    "positiveInteger": (1, 2**63 - 1),
    "nonPositiveInteger": (-(2**63), 0),
    "negativeInteger": (-(2**63), -1),
}


class InexactNumber(float):
    """The double next to a number that was written with more digits than a double keeps."""

    __slots__ = ()


def integer_reader(name: str) -> Callable[[Any], int]:
    """Return a reader of the integer type `name`; a whole double counts as an integer."""
    least, most = INTEGER_RANGES[name]

    def read(value: Any) -> int:
        if type(value) is not int:
            if not isinstance(value, float) or isinstance(value, InexactNumber) or not value.is_integer():
                raise ValueError(f"must be a whole number ({name})")
            value = int(value)
        if not least <= value <= most:
            raise ValueError(f"must be between {least} and {most} ({name})")
        return int(value)

    return read


def read_double(value: Any) -> float:
    """Return a finite double."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - every reader says what is wrong in one way
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError("must be a finite number")
    return found + 0.0 if found else 0.0


def read_float(value: Any) -> float:
    """Return a finite number in the range of single precision, kept as it was given."""
    found = read_double(value)
    if abs(found) > 3.4028234663852886e38:
        raise ValueError("must be within single precision; use double")
    return found


def read_decimal(value: Any) -> str:
    """Return canonical decimal text: no exponent, no trailing zeros, no plus, `-0` is `0`."""
    return decimal_text(to_decimal(value))


def to_decimal(value: Any) -> Decimal:
    """Return `value` (a number, or text of one) as a decimal of at most 100 digits on either side of the point."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be a decimal number, or text of one such as '12.50'")  # noqa: TRY004 - as above
    if isinstance(value, InexactNumber):
        raise ValueError("has more digits than a JSON number keeps; send it as text, such as '12345678901234567.89'")  # noqa: TRY004
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise ValueError("must be a decimal number, or text of one such as '12.50'")
        found = Decimal(value)
    else:
        found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not found.is_finite():
        raise ValueError("must be a finite number")
    exponent = found.as_tuple().exponent
    if found.adjusted() > MAX_DIGITS or (isinstance(exponent, int) and exponent < -MAX_DIGITS):
        raise ValueError(f"must have at most {MAX_DIGITS} digits on either side of the decimal point")
    return found


def decimal_text(value: Decimal) -> str:
    """Return the one text of a finite decimal."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
