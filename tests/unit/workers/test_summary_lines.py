"""Summaries are sentences."""

from datetime import UTC, datetime

import pytest

from spice_workers.__main__ import summary_text
from spice_workers.metrics import Summary

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("handled", "buried", "lag", "text"),
    [
        ({"Order": 1, "Customer": 3}, 0, 0, "graph on shop: 4 events (Customer 3, Order 1), up to date"),
        ({"Order": 1}, 2, 1500, "graph on shop: 1 event (Order 1), 2 buried, 1,500 behind"),
    ],
)
def test_summary_is_a_sentence(handled, buried, lag, text):
    assert summary_text(Summary("graph", "shop", handled, buried, lag, 0.0, AT, AT)) == text
