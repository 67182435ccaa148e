"""Command statuses in memory."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from spice_core.adapters.memory.projection import MemoryProjection
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus, StatusChange
from spice_core.ports.read_models import CommandStatuses

_MAX_ERRORS = 100


class MemoryCommandStatuses(MemoryProjection, CommandStatuses):
    """A dictionary of statuses."""

    def __init__(self) -> None:
        super().__init__()
        self._statuses: dict[tuple[str, str], CommandStatus] = {}
        self._bulk_of: dict[tuple[str, str], str] = {}

    def apply(self, database: str, changes: Sequence[StatusChange], *, position: int, after: int = 0) -> None:
        with self._lock:
            self._check_open()
            known = self._advance(database, position, after)
            for change in changes:
                if change.position > known:
                    self._apply(database, change)

    def get(self, command_id: str) -> CommandStatus | None:
        with self._lock:
            self._check_open()
            found = [status for (known, _), status in self._statuses.items() if known == command_id]
            return copy.deepcopy(max(found, key=lambda status: status.submitted_at)) if found else None

    def of_commands(self, command_ids: Sequence[str]) -> list[CommandStatus]:
        with self._lock:
            self._check_open()
            wanted = set(command_ids)
            return [copy.deepcopy(status) for (known, _), status in self._statuses.items() if known in wanted]

    def note_attempt(self, command_ids: Sequence[str], *, error: str, at: datetime) -> None:
        with self._lock:
            self._check_open()
            wanted = set(command_ids)
            for key, status in self._statuses.items():
                if key[0] in wanted and status.state not in FINAL_STATES:
                    self._statuses[key] = replace(
                        status,
                        state=CommandState.RETRYING,
                        retry_count=status.retry_count + 1,
                        error=error,
                        history=[*status.history, (CommandState.RETRYING, at)],
                    )

    def _forget(self, database: str) -> None:
        for key in [key for key in self._statuses if key[1] == database]:
            del self._statuses[key]
            self._bulk_of.pop(key, None)

    def _apply(self, database: str, change: StatusChange) -> None:
        key = (change.command_id, database)
        if change.bulk_id:
            self._bulk_of.setdefault(key, change.bulk_id)
        known = self._statuses.get(key) or CommandStatus(
            command_id=change.command_id,
            database=database,
            state=CommandState.PENDING,
            command_type="",
            aggregate_id="",
            submitted_at=change.at,
        )
        if known.state in FINAL_STATES:
            return
        is_final = change.state in FINAL_STATES
        self._statuses[key] = replace(
            known,
            state=change.state,
            command_type=known.command_type or change.command_type,
            aggregate_id=known.aggregate_id or change.aggregate_id,
            completed_at=change.at if is_final else None,
            result=copy.deepcopy(change.result) if change.result is not None else known.result,
            error=change.error,
            total=max(known.total, change.total),
            history=[*known.history, (change.state, change.at)],
        )
        if is_final and key in self._bulk_of:
            self._count(database, self._bulk_of[key], change)

    def _count(self, database: str, bulk_id: str, member: StatusChange) -> None:
        bulk = self._statuses.get((bulk_id, database))
        if bulk is None or bulk.state in FINAL_STATES:
            return
        if member.state is CommandState.COMPLETED:
            bulk = replace(bulk, done=bulk.done + 1)
        else:
            error = {"command_id": member.command_id, "aggregate_id": member.aggregate_id, "error": member.error}
            bulk = replace(bulk, failed=bulk.failed + 1, errors=[*bulk.errors, error][:_MAX_ERRORS])
        if 0 < bulk.total <= bulk.done + bulk.failed:
            state = CommandState.FAILED if bulk.failed else CommandState.COMPLETED
            bulk = replace(
                bulk,
                state=state,
                completed_at=member.at,
                error=f"{bulk.failed} of {bulk.total} failed" if bulk.failed else None,
                history=[*bulk.history, (state, member.at)],
            )
        self._statuses[bulk_id, database] = bulk
