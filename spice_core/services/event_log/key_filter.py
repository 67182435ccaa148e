"""A Bloom filter that grows: says of most keys at once that they were never seen."""

from collections.abc import Iterable

_FIRST_KEYS = 1 << 14
_GROWTH = 4
_BITS_PER_KEY = 16


class KeyFilter:
    """A set of strings with false positives (about one in a thousand) and no false negatives; two bytes per key.

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
        place, step = _start(key)
        for _ in range(4):
            place &= mask
            bits[place >> 3] |= 1 << (place & 7)
            place += step
        self._room -= 1
        self.count += 1

    def update(self, keys: Iterable[str]) -> None:
        """Remember all of `keys`."""
        for key in keys:
            self.add(key)

    def __contains__(self, key: str) -> bool:
        """Whether `key` may have been added; False is certain."""
        start, step = _start(key)
        for bits, mask in self._layers:
            place = start & mask
            if not bits[place >> 3] & (1 << (place & 7)):
                continue
            for _ in range(3):
                place = (place + step) & mask
                if not bits[place >> 3] & (1 << (place & 7)):
                    break
            else:
                return True
        return False


def _layer(keys: int) -> tuple[bytearray, int]:
    bits = keys * _BITS_PER_KEY  # a power of two, as `keys` is
    return bytearray(bits // 8), bits - 1


def _start(key: str) -> tuple[int, int]:
    digest = hash(key)
    return digest, (digest >> 31) | 1
