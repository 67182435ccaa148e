"""A command status as bytes."""

from dataclasses import asdict
from datetime import datetime

import orjson

from spice_core.domain.read_models import CommandState, CommandStatus
from spice_core.ports.status_cache import CachedStatus

_FORMAT = 1


def to_record(status: CommandStatus, *, origin: str, epoch: str) -> bytes:
    """Return `status` as JSON, with where it is from."""
    return orjson.dumps({"format": _FORMAT, "origin": origin, "epoch": epoch, "status": asdict(status)})


def from_record(record: bytes) -> tuple[CachedStatus, str] | None:
    """Return the entry and its epoch; None for bytes that another version, or another program, wrote."""
    try:
        fields = orjson.loads(record)
        if fields["format"] != _FORMAT:
            return None
        found = fields["status"]
        completed = found["completed_at"]
        times = {
            "state": CommandState(found["state"]),
            "submitted_at": datetime.fromisoformat(found["submitted_at"]),
            "completed_at": datetime.fromisoformat(completed) if completed else None,
            "history": [(CommandState(state), datetime.fromisoformat(at)) for state, at in found["history"]],
        }
        return CachedStatus(CommandStatus(**{**found, **times}), fields["origin"]), fields["epoch"]
    except (ValueError, KeyError, TypeError):
        return None
