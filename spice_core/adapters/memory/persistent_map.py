"""A map whose versions share their content: the memory stores keep one per commit."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")

_SMALLEST_OVERLAY = 256


class PersistentMap(Generic[Value]):
    """An immutable map of text keys. `changed` returns another one and leaves this as it is.

    Changes gather in an overlay over a shared base; where the overlay outgrows an eighth of the base, it becomes a base.
    """

    __slots__ = ("_base", "_overlay")

    def __init__(self, base: Mapping[str, Value] | None = None, overlay: Mapping[str, Value | None] | None = None) -> None:
        self._base: Mapping[str, Value] = base or {}
        self._overlay: Mapping[str, Value | None] = overlay or {}

    def get(self, key: str) -> Value | None:
        """Return the value of `key`, None if absent."""
        return self._overlay[key] if key in self._overlay else self._base.get(key)

    def changed(self, changes: Mapping[str, Value | None]) -> "PersistentMap[Value]":
        """Return this map with `changes`; None removes a key."""
        overlay = {**self._overlay, **changes}
        if len(overlay) <= max(_SMALLEST_OVERLAY, len(self._base) // 8):
            return PersistentMap(self._base, overlay)
        return PersistentMap({key: value for key, value in {**self._base, **overlay}.items() if value is not None})

    def items(self) -> Iterator[tuple[str, Value]]:
        """Yield keys and values in no particular order."""
        for key, value in self._base.items():
            if key not in self._overlay:
                yield key, value
        for key, changed in self._overlay.items():
            if changed is not None:
                yield key, changed
