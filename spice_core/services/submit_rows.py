"""Rows of instance commands: checked against their class, and turned into commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import CommandType
from spice_core.domain.instances import checked_patch, created, generated_id, key_id
from spice_core.domain.resolution import ResolvedClass
from spice_core.errors import InvalidInput, InvalidInstance

BulkKind = Literal["create", "update", "delete"]

INSTANCE_TYPES: Mapping[BulkKind, CommandType] = {
    "create": CommandType.CREATE_INSTANCE,
    "update": CommandType.UPDATE_INSTANCE,
    "delete": CommandType.DELETE_INSTANCE,
}
BULK_TYPES: Mapping[BulkKind, CommandType] = {
    "create": CommandType.BULK_CREATE_INSTANCES,
    "update": CommandType.BULK_UPDATE_INSTANCES,
    "delete": CommandType.BULK_DELETE_INSTANCES,
}


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One row: `data` is the new instance or the patch; update and delete name the instance and its number.

    `source` says where the values came from (`dataset_id`, `version_id`, `row`, …).
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    instance_id: str | None = None
    expected_seq: int | None = None
    source: Mapping[str, Any] | None = None


def member_id(bulk_id: str, row: int) -> str:
    """Return the command id of row number `row` (from 0) of a bulk request: the same on every repetition."""
    return str(uuid5(UUID(bulk_id), str(row)))


def required_seq(expected_seq: int | None) -> int:
    """Return the number, or raise `InvalidInput` where an update or delete names none."""
    if expected_seq is None:
        raise InvalidInput(
            "expected_seq is required: the sequence number that you last read", details=_field("expected_seq", "is required")
        )
    if isinstance(expected_seq, bool) or expected_seq < 0:
        raise InvalidInput("expected_seq must be a whole number, 0 or more", details=_field("expected_seq", "must be 0 or more"))
    return expected_seq


def checked_row(kind: BulkKind, resolved: ResolvedClass, row: BulkRow, *, command_id: str) -> str:
    """Check what can be known of `row` without the instance, and return its instance id.

    Raises:
        InvalidInstance: it does not fit the class; details name every field.
        InvalidInput: an update or delete does not say of what, or expects no number.
    """
    if not isinstance(row.data, Mapping):
        raise InvalidInstance("the data of an instance must be a JSON object", details=_field("data", "must be a JSON object"))
    if kind == "create":
        return _created_id(resolved, row, command_id)
    required_seq(row.expected_seq)
    if row.instance_id is None:
        raise InvalidInput("the instance id is required", details=_field("instance_id", "is required"))
    if kind == "update":
        if not row.data:
            raise InvalidInput("nothing to change: the patch is empty", details=_field("data", "is empty"))
        checked_patch(resolved, row.data)
    return naming.instance_id(row.instance_id)


def row_problems(rows: Sequence[BulkRow], targets: Sequence[str | InvalidInput]) -> list[dict[str, Any]]:
    """Return every problem as `{"row", "field", "message"}`: the refused rows, and rows for the same instance."""
    problems: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for number, target in enumerate(targets):
        if isinstance(target, str):
            earlier = first.setdefault(target, number)
            if earlier != number:
                message = f"row {earlier} is for {target} too; a bulk request has one row per instance"
                problems.append({"row": number, "field": "instance_id", "message": message})
        else:
            found = target.details.get("errors") or [{"field": "row", "message": target.message}]
            problems.extend({"row": number, **problem} for problem in found)
    return problems if len(rows) else [{"row": 0, "field": "rows", "message": "there are no rows"}]


def _created_id(resolved: ResolvedClass, row: BulkRow, command_id: str) -> str:
    state = created(resolved, row.data)
    found = key_id(resolved, state.document) or row.instance_id or generated_id(resolved.id, command_id)
    if row.instance_id is not None and row.instance_id != found:
        message = f"the primary key makes the id {found!r}, not {row.instance_id!r}"
        raise InvalidInstance(message, details=_field("instance_id", message))
    return naming.instance_id(found)


def _field(name: str, message: str) -> dict[str, Any]:
    return {"errors": [{"field": name, "message": message}]}
