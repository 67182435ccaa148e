"""Projections of the log that the APIs read: command status, lineage, audit."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from spice_core.domain.read_models import AuditEntry, CommandStatus, LineageRecord, StatusChange
from spice_core.errors import CommitsLost


class Projection(ABC):
    """A table that follows the log of each database.

    `apply` of each projection stores its rows and the position in one commit, and ignores rows at or behind the position: a
    repeated delivery changes nothing. A commit may be lost in a crash of the server, and with it all that came later. So the
    caller says `after`, the position that it knows the projection had reached: a projection that is behind it stores nothing
    and raises `CommitsLost`, and the caller goes on behind the position there is. Unavailable stores raise
    `LedgerUnavailable`. After `close`, every method but `close` raises `Closed`.
    """

    @abstractmethod
    def position(self, database: str) -> int:
        """Return the log position up to which the projection has followed `database`, 0 for none."""

    @abstractmethod
    def reset(self, database: str) -> None:
        """Forget everything of `database`, position included, for a rebuild."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""


def commits_lost(projection: str, database: str, *, known: int, after: int) -> CommitsLost:
    """Return the error of a projection at `known` that had reached `after`."""
    return CommitsLost(f"{projection} of {database} is at {known} and had reached {after}: its server lost commits")


class CommandStatuses(Projection):
    """The status of every command."""

    @abstractmethod
    def apply(self, database: str, changes: Sequence[StatusChange], *, position: int, after: int = 0) -> None:
        """Store `changes` in order and advance to `position`. No change leaves a final state; the history keeps every step."""

    @abstractmethod
    def get(self, command_id: str) -> CommandStatus | None:
        """Return the status, or None for an unknown command."""

    @abstractmethod
    def of_commands(self, command_ids: Sequence[str]) -> list[CommandStatus]:
        """Return the statuses of those of `command_ids` that are known, in no order; one per database that has the command."""

    @abstractmethod
    def note_attempt(self, command_ids: Sequence[str], *, error: str, at: datetime) -> None:
        """Show commands that are not final as RETRYING with one more attempt; a later `apply` wins over it."""


class LineageStore(Projection):
    """Which events made each artifact what it is."""

    @abstractmethod
    def apply(self, database: str, records: Sequence[LineageRecord], *, position: int, after: int = 0) -> None:
        """Store `records` and advance to `position`."""

    @abstractmethod
    def of_artifact(self, database: str, artifact: str, *, limit: int = 100) -> list[LineageRecord]:
        """Return the records of `artifact`, newest first."""

    @abstractmethod
    def of_dataset_version(
        self, database: str, dataset_version: str, *, after: int = 0, limit: int = 1000
    ) -> list[LineageRecord]:
        """Return the records made from `dataset_version`, by position after `after`."""

    @abstractmethod
    def of_command(self, database: str, command_id: str) -> list[LineageRecord]:
        """Return the records that one command caused, by position."""

    @abstractmethod
    def counts(self, database: str) -> Mapping[str, int]:
        """Return the number of records by event type."""


class AuditStore(Projection):
    """Who did what, and who was refused what."""

    @abstractmethod
    def apply(self, database: str, entries: Sequence[AuditEntry], *, position: int, after: int = 0) -> None:
        """Store `entries` and advance to `position`."""

    @abstractmethod
    def query(
        self,
        *,
        database: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        status: str | None = None,
        resource_id: str | None = None,
        command_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: tuple[str, int] | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return entries that meet all conditions, newest first (by time, then database, then position); `before` continues
        behind an entry's (database, position)."""
