"""DuckDB engines that outlive a call: to make one costs 30 ms of processor time, more than most calls on small tables."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb

from spice_core.adapters.duckdb.connections import connect, engine, readable


class KeptEngines:
    """Lends each call an engine of its own, which reaches the files of `roots` and nothing else.

    An engine goes to the next call when the one before ended well; what it held went with that call's connection. One that
    met an error is not used again. A call beyond `roots` gets a fresh engine that reaches its files only.
    """

    def __init__(self, *, memory: str, scratch: Path, roots: Sequence[Path], most: int = 2) -> None:
        """Bound each engine to `memory` (`300MB`); keep at most `most` that nobody uses."""
        self._memory = memory
        self._scratch = scratch
        self._roots = [root.absolute() for root in roots]
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[duckdb.DuckDBPyConnection] | None = []

    def lend(self, paths: Collection[Path]) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Lend a connection that reaches `paths`. Raises `UnreadableFile` where DuckDB cannot work with a file's content."""
        if all(any(path.is_relative_to(root) for root in self._roots) for path in paths):
            return self._kept()
        return connect(memory=self._memory, scratch=self._scratch, paths=paths)

    def close(self) -> None:
        """Close the engines that nobody uses now, and each other one when its call ends."""
        with self._lock:
            idle, self._idle = self._idle or [], None
        for one in idle:
            one.close()

    @contextmanager
    def _kept(self) -> Iterator[duckdb.DuckDBPyConnection]:
        one = self._taken() or engine(memory=self._memory, scratch=self._scratch, directories=self._roots)
        is_sound = False
        try:
            with readable(), one.cursor() as connection:
                try:
                    yield connection
                except GeneratorExit:
                    is_sound = True
                    raise
            is_sound = True
        finally:
            if not (is_sound and self._put_back(one)):
                one.close()

    def _taken(self) -> duckdb.DuckDBPyConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _put_back(self, one: duckdb.DuckDBPyConnection) -> bool:
        with self._lock:
            if self._idle is None or len(self._idle) >= self._most:
                return False
            self._idle.append(one)
            return True
