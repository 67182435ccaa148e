"""The signs by which readings are looked for in values."""

import time

import pytest

from spice_core.adapters.duckdb.reading_counts import _SIGNS

PROSE = "people said that the market report of growth was about a house near the river "


def cost(reading: str, text: str) -> float:
    """The least processor time of three looks, in seconds; one that is too short to tell counts a millisecond."""
    found = [0.001]
    for _ in range(3):
        started = time.thread_time()
        _SIGNS[reading].search(text)
        found.append(time.thread_time() - started)
    return max(found[0], min(found[1:]))


@pytest.mark.parametrize("reading", _SIGNS)
def test_a_look_for_a_sign_costs_no_more_than_in_proportion_to_the_text(reading: str) -> None:
    assert cost(reading, PROSE * 800) < 30 * cost(reading, PROSE * 100)


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
