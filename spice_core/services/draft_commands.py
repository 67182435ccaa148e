"""Commands as they are drafted: who asks, under which id, on which aggregate."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack
from uuid import NAMESPACE_URL, UUID, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.errors import InvalidInput
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.services.submit_rows import INSTANCE_TYPES, BulkKind, BulkRow


class Origin(TypedDict, total=False):
    """Who asks, under which id, and from which request: what every command may carry."""

    actor: str | None
    command_id: str | None
    trace: Mapping[str, Any]


def command_id_of_key(database: str, key: str) -> str:
    """Return the command id that an `Idempotency-Key` stands for in `database` (uuid5, repeatable)."""
    return str(uuid5(NAMESPACE_URL, f"spice:{database}:{key}"))


def checked_command_id(text: str) -> str:
    """Return a command id in its one form, or raise `InvalidInput` for what is not a UUID."""
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInput(f"{text[:80]!r} is not a command id; use a UUID") from None


class Drafts:
    """Drafts commands: ids and times come from the ports."""

    def __init__(self, clock: Clock, ids: IdSource) -> None:
        self._clock = clock
        self._ids = ids

    def command(
        self, command_type: CommandType, database: str, aggregate_type: str, *parts: str, **origin: Unpack[Origin]
    ) -> Command:
        """Return a new command on the aggregate `naming.aggregate_id(*parts)`."""
        given = origin.get("command_id")
        return Command(
            command_id=self._ids.new_id() if given is None else checked_command_id(given),
            command_type=command_type,
            db_name=database,
            aggregate_type=aggregate_type,
            aggregate_id=naming.aggregate_id(*parts),
            created_at=self._clock.now(),
            created_by=origin.get("actor"),
            trace=origin.get("trace") or {},
        )


def row_command(kind: BulkKind, draft: Command, row: BulkRow, instance_id: str, *, command_id: str | None = None) -> Command:
    """Return the command of one row; `draft` gives database, branch, class, actor, time and trace.

    With a `command_id` of its own it is a member of the bulk request `draft`.
    """
    class_id = draft.class_id or ""
    return Command(
        command_id=command_id or draft.command_id,
        command_type=INSTANCE_TYPES[kind],
        db_name=draft.db_name,
        aggregate_type="Instance",
        aggregate_id=naming.aggregate_id(draft.db_name, draft.branch, class_id, instance_id),
        created_at=draft.created_at,
        payload=row.data,
        branch=draft.branch,
        class_id=class_id,
        instance_id=instance_id,
        expected_seq=None if kind == "create" else row.expected_seq,
        created_by=draft.created_by,
        bulk_id=draft.command_id if command_id else None,
        source=row.source,
        trace=draft.trace,
    )
