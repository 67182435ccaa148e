"""Changing the primary key of a class that has instances: the two ways, and what a node becomes on either."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from spice_core.domain.instances import InstanceState
from spice_core.domain.object_edits import EDITS, is_of_source
from spice_core.errors import InvalidInput

RESET_EDITS: Final = "reset_edits"
ID_REMAP: Final = "id_remap"
MIGRATIONS = (RESET_EDITS, ID_REMAP)
Migration = Literal["reset_edits", "id_remap"]

MOVED_FROM = "moved_from"
"""The key of a state's source that names the node it was before: `{"key", "event_id"}`, the event of that node's last state."""


def checked_migration(name: str) -> Migration:
    """Return `name` if it is one of the two ways. Raises `InvalidInput`."""
    if name == RESET_EDITS:
        return RESET_EDITS
    if name == ID_REMAP:
        return ID_REMAP
    message = f"must be one of {', '.join(MIGRATIONS)}"
    raise InvalidInput(
        f"migration {message}, not {name[:80]!r}", details={"errors": [{"field": "migration", "message": message}]}
    )


def moved(state: InstanceState, moves: Mapping[str, str]) -> InstanceState:
    """Return `state` with its links leading to where their targets moved."""
    links = {name: tuple(moves.get(key, key) for key in targets) for name, targets in state.links.items()}
    document = dict(state.document)
    for name, targets in links.items():
        if targets != state.links[name]:
            document[name] = list(targets) if isinstance(document.get(name), list) else targets[0]
    return InstanceState(document, links)


def moved_source(
    source: Mapping[str, Any] | None, moves: Mapping[str, str], predicates: Iterable[str], *, origin: Mapping[str, str] | None
) -> Mapping[str, Any] | None:
    """Return the source of a moved state: that of the state before, where a source made it, for the values are still its own.

    The links in the edits that it carries lead to where their targets moved. A state that a person made keeps no source. `origin`
    (None: the node keeps its key) becomes `MOVED_FROM`.
    """
    kept: dict[str, Any] = dict(source) if source is not None and is_of_source(source) else {}
    kept.pop(MOVED_FROM, None)
    if EDITS in kept:
        kept[EDITS] = {name: _moved_edit(edit, moves, name in predicates) for name, edit in kept[EDITS].items()}
    if origin is not None:
        kept[MOVED_FROM] = dict(origin)
    return kept or None


def origin_of(source: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return the key that a state's node had before, and the event of its last state there; None where it did not move."""
    found = (source or {}).get(MOVED_FROM)
    return (str(found["key"]), str(found["event_id"])) if isinstance(found, Mapping) else None


def _moved_edit(edit: Mapping[str, Any], moves: Mapping[str, str], is_link: bool) -> dict[str, Any]:
    said = edit.get("said")
    if not is_link or said is None:
        return dict(edit)
    led = [moves.get(key, key) for key in said] if isinstance(said, list) else moves.get(said, said)
    return {**edit, "said": led}
