"""Command statuses close at hand, so that asking for them need not reach the database."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.read_models import CommandStatus


@dataclass(frozen=True, slots=True)
class CachedStatus:
    """A status, and the log that told it: `origin` names that log, so that an entry of another one is known for what it is."""

    status: CommandStatus
    origin: str


class StatusCache(ABC):
    """Final statuses by command id. A status that can still change is never kept, so no entry ever grows old.

    Entries may vanish at any time. Values never alias the caller's memory.
    """

    @abstractmethod
    def get(self, command_id: str) -> CachedStatus | None:
        """Return the entry, or None where there is none, or none that was put since its database was last forgotten.

        Raises:
            CacheUnavailable: (retryable) the cache does not answer.
        """

    @abstractmethod
    def put(self, statuses: Sequence[CommandStatus], *, origin: str) -> None:
        """Keep those of `statuses` that are final; an entry of the same command is replaced.

        Raises:
            CacheUnavailable: (retryable) the cache does not answer; any of them may be kept.
        """

    @abstractmethod
    def forget(self, database: str) -> None:
        """Let no entry of `database` be found again that was put before.

        Raises:
            CacheUnavailable: (retryable) the cache does not answer; the entries may come back with it.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing. Other methods then raise `Closed`."""
