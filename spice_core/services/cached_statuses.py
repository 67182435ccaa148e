"""The statuses of commands, kept in a cache by whoever projects them and asked of it by whoever reads them."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from spice_core.domain.read_models import FINAL_STATES, CommandStatus, StatusChange
from spice_core.errors import IntegrityViolation, Unavailable
from spice_core.ports.read_models import CommandStatuses
from spice_core.ports.status_cache import StatusCache

_log = logging.getLogger(__name__)


class StatusReader(Protocol):
    """Whatever tells the status of a command."""

    def get(self, command_id: str) -> CommandStatus | None:
        """Return the status, or None for an unknown command; may raise `Unavailable`."""


OriginOf = Callable[[str], str]
"""Returns what tells the log of a database from any other log of that name, "" for one without events; may raise `Unavailable`.

A log that was made anew may hold the same command ids (they can come from idempotency keys), so a cache that outlived the
log before must not answer for it.
"""


class CachedStatusReader:
    """Asks the cache, then the store. Only final statuses are cached, so the cache never tells less than the store did."""

    def __init__(self, stored: StatusReader, *, cache: StatusCache, origin_of: OriginOf) -> None:
        self._stored = stored
        self._cache = cache
        self._origin_of = origin_of

    def get(self, command_id: str) -> CommandStatus | None:
        """Return the status, or None for an unknown command; raises `Unavailable` where neither can tell."""
        return self._cached(command_id) or self._stored.get(command_id)

    def _cached(self, command_id: str) -> CommandStatus | None:
        try:
            entry = self._cache.get(command_id)
            if entry is not None and entry.origin == self._origin_of(entry.status.database):
                return entry.status
        except (Unavailable, IntegrityViolation) as error:
            _log.debug("the status of %s is not taken from the cache: %s", command_id, error.message)
        return None


class CachingCommandStatuses(CommandStatuses):
    """The store, with what becomes final copied into the cache after it is committed. Reading asks the store alone.

    A cache that does not answer is passed over, except by `reset`, which must reach it.
    """

    def __init__(self, stored: CommandStatuses, *, cache: StatusCache, origin_of: OriginOf) -> None:
        """Own `stored` and `cache`: closing closes them."""
        self._stored = stored
        self._cache = cache
        self._origin_of = origin_of

    def position(self, database: str) -> int:
        return self._stored.position(database)

    def apply(self, database: str, changes: Sequence[StatusChange], *, position: int, after: int = 0) -> None:
        self._stored.apply(database, changes, position=position, after=after)
        # Members of a bulk request are asked for through it: as many entries as rows would fill the cache with nothing asked.
        ids = {change.bulk_id or change.command_id for change in changes if change.state in FINAL_STATES}
        if not ids:
            return
        try:
            found = [status for status in self._stored.of_commands(sorted(ids)) if status.database == database]
            self._cache.put(found, origin=self._origin_of(database))
        except (Unavailable, IntegrityViolation) as error:
            _log.debug("%d statuses of %s are not cached: %s", len(ids), database, error.message)

    def get(self, command_id: str) -> CommandStatus | None:
        return self._stored.get(command_id)

    def of_commands(self, command_ids: Sequence[str]) -> list[CommandStatus]:
        return self._stored.of_commands(command_ids)

    def note_attempt(self, command_ids: Sequence[str], *, error: str, at: datetime) -> None:
        self._stored.note_attempt(command_ids, error=error, at=at)

    def reset(self, database: str) -> None:
        """Forget everything of `database`, in the cache first.

        Raises:
            CacheUnavailable: (retryable) the cache does not answer, and would tell what was forgotten when it is back.
        """
        self._cache.forget(database)
        self._stored.reset(database)

    def close(self) -> None:
        self._cache.close()
        self._stored.close()
