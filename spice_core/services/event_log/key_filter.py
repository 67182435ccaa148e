"""A Bloom filter that grows: says of most keys at once that they were never seen."""

from collections.abc import Iterable

_FIRST_KEYS = 1 << 14
_GROWTH = 4
_BITS_PER_KEY = 32


class KeyFilter:
    """A set of strings with false positives (less than one in a thousand) and no false negatives; four bytes per key.

    It grows by layers, each four times the last, so nothing is ever rehashed. One thread at a time may add.
    """

    def __init__(self) -> None:
        self.count = 0
        self._room = _FIRST_KEYS
        self._layers: list[tuple[bytearray, int]] = [_layer(_FIRST_KEYS)]

    def add(self, key: str) -> None:
        """Remember `key`."""
        if self._room == 0:
            size = _FIRST_KEYS * _GROWTH ** len(self._layers)
            self._layers.append(_layer(size))
            self._room = size
        bits, mask = self._layers[-1]
        digest = hash(key)
        # Three places by double hashing, written out: this runs for every event.
        step = (digest >> 31) | 1
        place = digest & mask
        bits[place >> 3] |= 1 << (place & 7)
        place = (place + step) & mask
        bits[place >> 3] |= 1 << (place & 7)
        place = (place + step) & mask
        bits[place >> 3] |= 1 << (place & 7)
        self._room -= 1
        self.count += 1

    def update(self, keys: Iterable[str]) -> None:
        """Remember all of `keys`."""
        for key in keys:
            self.add(key)

    def __contains__(self, key: str) -> bool:
        """Whether `key` may have been added; False is certain."""
        digest = hash(key)
        step = (digest >> 31) | 1
        for bits, mask in self._layers:
            place = digest & mask
            if bits[place >> 3] >> (place & 7) & 1:
                place = (place + step) & mask
                if bits[place >> 3] >> (place & 7) & 1:
                    place = (place + step) & mask
                    if bits[place >> 3] >> (place & 7) & 1:
                        return True
        return False


def _layer(keys: int) -> tuple[bytearray, int]:
    bits = keys * _BITS_PER_KEY  # a power of two, as `keys` is
    return bytearray(bits // 8), bits - 1
