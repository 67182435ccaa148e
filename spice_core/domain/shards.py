"""Shards: parts of a table by a hash of the key that any engine can compute, so that a large class can be worked on in parts."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from spice_core.errors import InvalidInput

MAX_SHARDS = 256
KEY_SEPARATOR = "\x1f"
HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Shards:
    """Some of `count` shards: the rows whose `key_hash` leaves one of `numbers` when divided by `count`.

    Made by `shards_of`, so that equal sets are equal. What is asked of others holds whatever their counts are.
    """

    numbers: tuple[int, ...]
    count: int

    @property
    def is_whole(self) -> bool:
        """Whether every row is in them."""
        return self.count == 1

    @property
    def text(self) -> str:
        """Empty for all rows, else as `0,3/16`: in records and in the names of leases."""
        return "" if self.is_whole else f"{','.join(map(str, self.numbers))}/{self.count}"

    def holds(self, texts: Sequence[str | None]) -> bool:
        """Whether the key of these parts is in them."""
        return self.is_whole or key_hash(texts) % self.count in self.numbers

    def covers(self, other: "Shards") -> bool:
        """Whether every row of `other` is in them."""
        return _images(other, self.count) <= set(self.numbers)

    def meets(self, other: "Shards") -> bool:
        """Whether a row of `other` may be in them."""
        return not _images(other, self.count).isdisjoint(self.numbers)

    def split(self, count: int) -> list["Shards"]:
        """Return the single shards of `count`, a multiple of the own count, that they are made of."""
        wanted = set(self.numbers)
        return [shards_of([number], count) for number in range(count) if number % self.count in wanted]


WHOLE = Shards((0,), 1)


def shards_of(numbers: Iterable[int], count: int) -> Shards:
    """Return the shards `numbers` (each from 0 to below `count`) of `count`.

    Raises:
        InvalidInput: there are none, or they are not among `count`, or `count` is out of bounds.
    """
    wanted = tuple(sorted(set(numbers)))
    if count < 1 or not wanted or wanted[0] < 0 or wanted[-1] >= count:
        raise InvalidInput(f"Shards {list(wanted)[:20]} of {count}: name at least one, from 0 to below their count")
    return WHOLE if len(wanted) == count else Shards(wanted, count)


def shards_of_text(text: str) -> Shards:
    """Read `Shards.text` back."""
    numbers, _, count = text.partition("/")
    return shards_of(map(int, numbers.split(",")), int(count)) if text else WHOLE


def _images(shards: Shards, count: int) -> set[int]:
    """The numbers among `count` that the rows of `shards` may have."""
    step = gcd(shards.count, count)
    remainders = {number % step for number in shards.numbers}
    return {number for number in range(count) if number % step in remainders}


def key_hash(texts: Sequence[str | None]) -> int:
    """Return the hash of a key by the texts of its parts: the first 8 hexadecimal digits of the MD5 of the parts, in UTF-8, with
    U+001F between them; 0 where a part is missing."""
    if any(text is None for text in texts):
        return 0
    joined = KEY_SEPARATOR.join(text for text in texts if text is not None)
    return int(hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()[:HASH_DIGITS], 16)
