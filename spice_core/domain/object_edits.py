"""What people changed on objects that a source makes, and who wins when the source speaks again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

SOURCE_WINS, EDIT_WINS, NEWEST = "source_wins", "edit_wins", "newest"
EDIT_POLICIES = (SOURCE_WINS, EDIT_WINS, NEWEST)
EditPolicy = Literal["source_wins", "edit_wins", "newest"]

EDITS = "edits"
"""The key of a command's source under which the edits that stand are carried along."""

REMOVED = "removed"
"""The key of the source of a deletion: it tells a link that went with its target from a value that a row gave."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's value of one field, which differs from what a source last said.

    Attributes:
        at, by: when it was made, and by whom.
        said: what the source last said of the field, as the document holds it (None: no value).
        is_said: False where no source has ever spoken of it: the value is older than the first row.
    """

    at: datetime
    by: str | None
    said: Any = None
    is_said: bool = True


@dataclass(frozen=True, slots=True)
class Edits:
    """The edits that stand on one object, by field, and the source of the last command that a source made (None: never)."""

    fields: Mapping[str, Edit] = field(default_factory=dict)
    source: Mapping[str, Any] | None = None


NO_EDITS = Edits()


class Verdict(StrEnum):
    """What becomes of one field of an object."""

    NOTHING = "nothing"
    WRITE = "write"
    OVERWRITE = "overwrite"
    CATCH_UP = "catch_up"
    KEEP = "keep"
    REAPPLY = "reapply"


@dataclass(frozen=True, slots=True)
class Assertion:
    """How strongly a run asserts what its rows say.

    Attributes:
        made_at: when the version came.
        is_forced: whether the values are asserted also where the source says what it said before.
    """

    made_at: datetime
    is_forced: bool = False


def settle(wanted: Any, present: Any, edit: Edit | None, *, policy: str, assertion: Assertion, has_changed: bool) -> Verdict:
    """Decide one field that a row gives: `wanted` by the row, `present` in the document.

    Without an edit, a changed value is written. With one, nothing happens while the source says what it said when the edit
    was made (unless forced). Where it says something else the policy decides: the edit is overwritten (CATCH_UP: it is what
    the source says now, so that it stops being an edit), or it is re-applied on top of the new value, which is noted with it.
    """
    if edit is None:
        return Verdict.WRITE if has_changed and wanted != present else Verdict.NOTHING
    speaks = not edit.is_said or wanted != edit.said
    if policy == EDIT_WINS or (policy == NEWEST and edit.at > assertion.made_at):
        if speaks:
            return Verdict.REAPPLY
        return Verdict.KEEP if assertion.is_forced and wanted != present else Verdict.NOTHING
    if not speaks and not assertion.is_forced:
        return Verdict.NOTHING
    return Verdict.OVERWRITE if wanted != present else Verdict.CATCH_UP


def reapplied(edit: Edit, wanted: Any) -> Edit:
    """Return `edit` on top of what the source says now."""
    return replace(edit, said=wanted, is_said=True)


def edits_as_json(edits: Mapping[str, Edit]) -> dict[str, Any]:
    """Return edits as a JSON object, for a command's source."""
    return {
        name: {"at": edit.at.isoformat(), "by": edit.by, **({"said": edit.said} if edit.is_said else {})}
        for name, edit in sorted(edits.items())
    }


def edits_of_json(record: Mapping[str, Any] | None) -> dict[str, Edit]:
    """Read `edits_as_json` back."""
    return {
        name: Edit(datetime.fromisoformat(item["at"]), item.get("by"), item.get("said"), "said" in item)
        for name, item in (record or {}).items()
    }


def with_edits(source: Mapping[str, Any], edits: Mapping[str, Edit]) -> dict[str, Any]:
    """Return the source of a command that leaves `edits` standing."""
    plain = {name: value for name, value in source.items() if name != EDITS}
    return {**plain, EDITS: edits_as_json(edits)} if edits else plain


def is_of_source(source: Mapping[str, Any] | None) -> bool:
    """Whether a state with this provenance was made by a source's own command on the object, not by a person."""
    if source is None or REMOVED in source:
        return False
    return "mapping_id" in source or "link_type_id" in source
