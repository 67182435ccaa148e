"""Parts that are closed together."""

from contextlib import ExitStack
from typing import Protocol, TypeVar


class _Closeable(Protocol):
    def close(self) -> None: ...


PartT = TypeVar("PartT", bound=_Closeable)


class Closing:
    """Registers a part for closing and hands it through."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, part: PartT) -> PartT:
        self._stack.callback(part.close)
        return part
