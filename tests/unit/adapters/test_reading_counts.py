"""The signs by which readings are looked for in values."""

import time

import pytest

from spice_core.adapters.duckdb.reading_counts import _SIGNS

PROSE = "people said that the market report of growth was about a house near the river " * 2000


@pytest.mark.parametrize("reading", _SIGNS)
def test_a_sign_is_looked_for_in_time_that_grows_with_the_text_only(reading: str) -> None:
    started = time.perf_counter()
    _SIGNS[reading].search(PROSE)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("reading", "value", "has_it"),
    [
        ("date_named", "x\n31 Jan 2024", True),
        ("date_named", "Jan\n31", False),
        ("date_time_named", "Wed, 31 Jan 2024 12:30", True),
        ("date_time_named", "12:30 on 5.6.2024", True),
        ("date_time_named", "31 Ja 12:30", False),
    ],
)
def test_a_sign_is_looked_for_line_by_line(reading: str, value: str, *, has_it: bool) -> None:
    assert bool(_SIGNS[reading].search(value)) is has_it
