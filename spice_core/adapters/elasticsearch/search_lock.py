"""The right to change a database: a document that one of many creates, and deletes when it is done.

A holder that died is noticed by its lock not changing for the lease, counted on the waiter's own clock.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spice_core.adapters.elasticsearch.connection import Answer, Elasticsearch
from spice_core.adapters.elasticsearch.search_catalogue import Catalogue
from spice_core.errors import SearchUnavailable
from spice_core.ports.id_source import IdSource

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1
_GONE = "the lock of {!r} passed to another writer, since this one was silent for too long; repeat the write"


class WriteLock:
    """A held lock. `keep` before every request that writes: after a pause of the process it may be someone else's."""

    def __init__(self, server: Elasticsearch, catalogue: Catalogue, database: str, *, owner: str, lease_seconds: float) -> None:
        self._server = server
        self._catalogue = catalogue
        self._database = database
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._turn = 0
        self._version: tuple[int, int] = (0, 0)
        self._kept_at = 0.0
        self._guard = threading.Lock()

    def take(self) -> None:
        """Wait for the lock and take it.

        Raises:
            SearchUnavailable: another writer holds it for too long.
        """
        clock = self._server.clock
        deadline = clock.monotonic() + 3 * self._lease_seconds
        pause, seen, seen_at = _FIRST_PAUSE_SECONDS, "", clock.monotonic()
        while True:
            at = clock.monotonic()
            answer = self._server.call("PUT", self._catalogue.lock_path(self._database, "_create"), self._body())
            if self._is_mine(answer, at):
                return None
            present = self._server.call("GET", self._catalogue.lock_path(self._database))
            now = clock.monotonic()
            if present.is_ok:
                found = present.body["_source"]["state"]
                stamp = f"{found['owner']} {found['turn']}"
                if found["owner"] == self._owner:
                    return self._remember(present, at)
                seen, seen_at = (seen, seen_at) if stamp == seen else (stamp, now)
                if now - seen_at > self._lease_seconds and self._take_over(present, at):
                    return None
            if now > deadline:
                raise SearchUnavailable(f"another writer holds the lock of {self._database!r}; repeat the write")
            clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def keep(self) -> None:
        """Renew the lock where a third of its lease is over.

        Raises:
            SearchUnavailable: it is lost.
        """
        with self._guard:
            at = self._server.clock.monotonic()
            if at - self._kept_at < self._lease_seconds / 3:
                return
            self._turn += 1
            path = self._catalogue.lock_path(self._database)
            if not self._is_mine(self._server.call("PUT", f"{path}?{self._condition()}", self._body()), at):
                raise SearchUnavailable(_GONE.format(self._database))

    def give_back(self) -> None:
        """Release the lock; a lost one is left to its owner, and one that cannot be released runs out."""
        path = self._catalogue.lock_path(self._database)
        with suppress(SearchUnavailable):
            self._server.call("DELETE", f"{path}?{self._condition()}")

    def _take_over(self, present: Answer, at: float) -> bool:
        condition = f"if_seq_no={present.body['_seq_no']}&if_primary_term={present.body['_primary_term']}"
        path = self._catalogue.lock_path(self._database)
        return self._is_mine(self._server.call("PUT", f"{path}?{condition}", self._body()), at)

    def _is_mine(self, answer: Answer, at: float) -> bool:
        if answer.status == 409:
            return False
        answer.require()
        self._remember(answer, at)
        return True

    def _remember(self, answer: Answer, at: float) -> None:
        self._version = (answer.body["_seq_no"], answer.body["_primary_term"])
        self._kept_at = at

    def _condition(self) -> str:
        return f"if_seq_no={self._version[0]}&if_primary_term={self._version[1]}"

    def _body(self) -> dict[str, object]:
        return {"state": {"owner": self._owner, "turn": self._turn}}


class WriteLocks:
    """Takes the locks of databases; threads of one process queue among themselves first."""

    def __init__(self, server: Elasticsearch, catalogue: Catalogue, *, ids: IdSource, lease_seconds: float) -> None:
        self._server = server
        self._catalogue = catalogue
        self._ids = ids
        self._lease_seconds = lease_seconds
        self._queues: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    @contextmanager
    def held(self, database: str) -> Iterator[WriteLock]:
        """Hold the lock of a database."""
        with self._guard:
            queue = self._queues.setdefault(database, threading.Lock())
        with queue:
            lock = WriteLock(self._server, self._catalogue, database, owner=self._ids.new_id(), lease_seconds=self._lease_seconds)
            lock.take()
            try:
                yield lock
            finally:
                lock.give_back()
