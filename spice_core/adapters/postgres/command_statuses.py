"""Command statuses in PostgreSQL."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.projection import PostgresProjection, as_utc
from spice_core.domain.read_models import FINAL_STATES, CommandState, CommandStatus, StatusChange
from spice_core.ports.read_models import CommandStatuses

_FINAL = sorted(state.value for state in FINAL_STATES)
_MAX_ERRORS = 100


class PostgresCommandStatuses(PostgresProjection, CommandStatuses):
    """One row per command; a batch of changes is one statement, and one more where bulk members finished."""

    table = "statuses"

    def apply(self, database: str, changes: Sequence[StatusChange], *, position: int, after: int = 0) -> None:
        with self._following(database, position, after) as (connection, known):
            fresh = [change for change in changes if change.position > known]
            steps = _steps(fresh)
            if not steps:
                return_ids: dict[str, str] = {}
            else:
                rows = connection.execute(self._sql["apply_statuses"], _columns(database, steps)).fetchall()
                return_ids = {command_id: bulk_id for command_id, state, bulk_id in rows if bulk_id and state in FINAL_STATES}
            if return_ids:
                self._count(connection, database, [change for change in fresh if change.command_id in return_ids], return_ids)

    def get(self, command_id: str) -> CommandStatus | None:
        with self._reading() as connection:
            row = connection.execute(self._sql["status"], {"command_id": command_id}).fetchone()
        return _status(row) if row else None

    def of_commands(self, command_ids: Sequence[str]) -> list[CommandStatus]:
        with self._reading() as connection:
            rows = connection.execute(self._sql["statuses_of_commands"], {"command_ids": list(command_ids)}).fetchall()
        return [_status(row) for row in rows]

    def note_attempt(self, command_ids: Sequence[str], *, error: str, at: datetime) -> None:
        with self._reading() as connection:
            wanted = {"command_ids": sorted(command_ids), "error": error, "at": at.isoformat(), "final": _FINAL}
            connection.execute(self._sql["note_attempt"], wanted)

    def _count(self, connection: Connection, database: str, changes: Sequence[StatusChange], bulk_of: dict[str, str]) -> None:
        """Count members that just became final in their bulk commands, and finish those that are full."""
        finals = {change.command_id: change for change in changes if change.state in FINAL_STATES}
        tallies: dict[str, _Tally] = {}
        for command_id, change in finals.items():
            tallies.setdefault(bulk_of[command_id], _Tally()).add(change)
        columns = {
            "database": database,
            "final": _FINAL,
            "bulk_ids": list(tallies),
            "done": [tally.done for tally in tallies.values()],
            "failed": [tally.failed for tally in tallies.values()],
            "errors": [json.dumps(tally.errors) for tally in tallies.values()],
            "times": [tally.at for tally in tallies.values()],
            "time_texts": [tally.at.isoformat() if tally.at else None for tally in tallies.values()],
        }
        connection.execute(self._sql["count_members"], columns)
        connection.execute(self._sql["finish_bulks"], columns)


@dataclass(slots=True)
class _Tally:
    """Members of one bulk command that became final in one batch."""

    done: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    at: datetime | None = None

    def add(self, change: StatusChange) -> None:
        self.at = change.at
        if change.state is CommandState.COMPLETED:
            self.done += 1
            return
        self.failed += 1
        if len(self.errors) < _MAX_ERRORS:
            self.errors.append({"command_id": change.command_id, "aggregate_id": change.aggregate_id, "error": change.error})


def _steps(changes: Iterable[StatusChange]) -> dict[str, list[StatusChange]]:
    """Group changes by command in order, up to the first final one of each."""
    steps: dict[str, list[StatusChange]] = {}
    for change in changes:
        known = steps.setdefault(change.command_id, [])
        if not known or known[-1].state not in FINAL_STATES:
            known.append(change)
    return steps


def _columns(database: str, steps: dict[str, list[StatusChange]]) -> dict[str, Any]:
    lasts = [known[-1] for known in steps.values()]
    return {
        "database": database,
        "final": _FINAL,
        "command_ids": list(steps),
        "states": [last.state.value for last in lasts],
        "command_types": [_first(step.command_type for step in known) for known in steps.values()],
        "aggregate_ids": [_first(step.aggregate_id for step in known) for known in steps.values()],
        "submitted": [known[0].at for known in steps.values()],
        "completed": [last.at if last.state in FINAL_STATES else None for last in lasts],
        "results": [json.dumps(dict(last.result)) if last.result is not None else None for last in lasts],
        "errors": [last.error for last in lasts],
        "bulk_ids": [_first(step.bulk_id for step in known) or None for known in steps.values()],
        "totals": [max(step.total for step in known) for known in steps.values()],
        "histories": [json.dumps([(step.state.value, step.at.isoformat()) for step in known]) for known in steps.values()],
    }


def _first(values: Iterable[str | None]) -> str:
    return next((value for value in values if value), "")


def _status(row: Sequence[Any]) -> CommandStatus:
    return CommandStatus(
        command_id=row[0],
        database=row[1],
        state=CommandState(row[2]),
        command_type=row[3],
        aggregate_id=row[4],
        submitted_at=as_utc(row[5]),
        completed_at=as_utc(row[6]) if row[6] else None,
        result=row[7],
        error=row[8],
        retry_count=row[9],
        total=row[10],
        done=row[11],
        failed=row[12],
        errors=row[13][:_MAX_ERRORS],
        history=[(CommandState(state), datetime.fromisoformat(at)) for state, at in row[14]],
    )
