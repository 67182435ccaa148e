"""A bounded number of waiting threads: those that find no place do not wait."""

import pytest

from spice_core.services.waiting_room import WaitingRoom


def test_place_is_held_until_it_is_left() -> None:
    room = WaitingRoom(1)
    with room.place() as first, room.place() as second:
        assert (first, second) == (True, False)
    with room.place() as again:
        assert again


def test_place_is_left_also_by_an_error() -> None:
    room = WaitingRoom(1)
    with pytest.raises(ValueError, match="inside"), room.required_place():
        raise ValueError("inside")
    with room.place() as again:
        assert again
