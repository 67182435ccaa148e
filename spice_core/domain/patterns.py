"""Regular expressions that clients may write, and a bound on what matching them can cost."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from spice_core.errors import InvalidOntology

MAX_PATTERN = 200
MAX_STEPS = 20_000_000
MAX_TEXT = 10_000

_REPEATS = frozenset({_constants.MAX_REPEAT, _constants.MIN_REPEAT})
_PLAIN = frozenset({_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN, _constants.AT})


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that must match a whole text of at most `max_text` characters."""

    text: str
    compiled: re.Pattern[str]
    max_text: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """How many ways there are to match: `width` times the text's length to the power of `degree`."""

    width: int = 1
    degree: int = 0

    @property
    def is_fixed(self) -> bool:
        return self.width == 1 and self.degree == 0


@lru_cache(maxsize=1000)
def pattern(text: str) -> Pattern:
    """Compile `text`; the longest text it may meet follows from how often it can backtrack.

    Raises:
        InvalidOntology: it does not parse, is too long, or could take exponential time.
    """
    if len(text) > MAX_PATTERN:
        raise InvalidOntology(f"a pattern has at most {MAX_PATTERN} characters")
    try:
        compiled = re.compile(text)
        cost = _sequence(_parser.parse(text))
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidOntology(f"{text!r} is not a regular expression: {error}") from error
    if cost.width > MAX_STEPS // MAX_TEXT or cost.degree > 6:
        raise InvalidOntology(f"{text!r} can match in too many ways; use fewer optional or repeated parts")
    ways = MAX_STEPS // cost.width
    longest = MAX_TEXT if cost.degree == 0 else int(ways ** (1 / cost.degree))
    return Pattern(text, compiled, min(MAX_TEXT, longest))


def _sequence(items: Iterable[tuple[Any, Any]]) -> _Cost:
    width, degree = 1, 0
    for operation, argument in items:
        cost = _item(operation, argument)
        width, degree = min(width * cost.width, MAX_STEPS), degree + cost.degree
    return _Cost(width, degree)


def _item(operation: Any, argument: Any) -> _Cost:
    if operation in _PLAIN:
        return _Cost()
    if operation is _constants.SUBPATTERN:
        return _sequence(argument[3])
    if operation is _constants.BRANCH:
        costs = [_sequence(branch) for branch in argument[1]]
        return _Cost(min(sum(cost.width for cost in costs), MAX_STEPS), max(cost.degree for cost in costs))
    if operation in _REPEATS:
        return _repeat(*argument)
    raise re.error("look-around, back references and conditions are not taken")


def _repeat(least: int, most: int, items: Any) -> _Cost:
    inner = _sequence(items)
    if most <= 64:
        return _Cost(min((most - least + 1) * inner.width**most, MAX_STEPS), inner.degree * most)
    if not inner.is_fixed:
        raise re.error("an open repeat of alternatives or of repeats can take for ever; bound it, as in {0,5}")
    return _Cost(1, 1)
