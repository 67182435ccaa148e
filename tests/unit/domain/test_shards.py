"""Shards are sets of hash values, whatever their count is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_core.domain.shards import WHOLE, Shards, key_hash, shards_of, shards_of_text
from spice_core.errors import InvalidInput

_ALL = 12 * 5 * 7


@st.composite
def some_shards(draw: st.DrawFn) -> Shards:
    count = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7]))
    return shards_of(draw(st.sets(st.integers(0, count - 1), min_size=1)), count)


def values(shards: Shards) -> set[int]:
    return {value for value in range(_ALL) if value % shards.count in shards.numbers}


@given(one=some_shards(), other=some_shards())
def test_covering_and_meeting_are_those_of_the_sets_of_values(one: Shards, other: Shards):
    assert one.covers(other) == (values(other) <= values(one))
    assert one.meets(other) == bool(values(one) & values(other))


@given(shards=some_shards(), finer=st.integers(1, 4))
def test_shards_are_made_of_those_that_they_are_split_into(shards: Shards, finer: int):
    cells = shards.split(shards.count * finer)
    assert sorted(value for cell in cells for value in values(cell)) == sorted(values(shards))
    assert shards_of_text(shards.text) == shards


def test_all_shards_are_the_whole():
    assert shards_of([0, 1, 2], 3) == WHOLE == shards_of_text("")
    assert (shards_of([3, 0], 16).text, WHOLE.text) == ("0,3/16", "")


@pytest.mark.parametrize(("numbers", "count"), [([], 3), ([3], 3), ([-1], 3), ([0], 0)])
def test_shards_that_there_are_not_are_refused(numbers: list[int], count: int):
    with pytest.raises(InvalidInput, match="at least one"):
        shards_of(numbers, count)


def test_the_hash_of_a_key_never_changes():
    """Runs on record rest on it."""
    assert [key_hash(["a"]), key_hash(["a", "b"]), key_hash(["ab"]), key_hash(["a", None])] == [
        214005177, 3722527180, 410973251, 0,
    ]  # fmt: skip
