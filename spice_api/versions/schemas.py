"""Shapes of commits and differences."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from spice_core.domain.graph import Commit, Difference, Node


class CommitBody(BaseModel):
    """One commit of the graph."""

    id: str = Field(examples=["9f2c1e0b7a53d8c4f6e1a2b3c4d5e6f708192a3b"])
    message: str
    author: str
    timestamp: datetime
    branch: str
    parents: list[str]
    changed: int = Field(description="How many nodes it changed.")
    first_position: int = Field(description="The first log position it covers.")
    last_position: int


class Head(BaseModel):
    """The head of a branch."""

    branch: str
    commit: CommitBody


class History(BaseModel):
    """Commits, newest first."""

    branch: str
    commits: list[CommitBody]


class NodeState(BaseModel):
    """A node at one commit."""

    document: dict[str, Any]
    sequence_number: int
    command_id: str


class Change(BaseModel):
    """One node that differs."""

    id: str = Field(examples=["Product/prod_001"])
    change: Literal["added", "changed", "removed"]
    fields: list[str] = Field(description="The fields that differ, where both sides have the node.")
    before: NodeState | None
    after: NodeState | None


class Diff(BaseModel):
    """What differs between two refs, in key order."""

    from_ref: str
    to_ref: str
    changes: list[Change]
    next_after: str | None = Field(description="Pass it as `after` for the next page; null at the end.")


class Ancestor(BaseModel):
    """The newest commit that both refs descend from."""

    left: str
    right: str
    commit: CommitBody | None


def commit_body(commit: Commit) -> CommitBody:
    """Return a commit as clients read it."""
    return CommitBody(
        id=commit.id,
        message=commit.message,
        author=commit.author,
        timestamp=commit.at,
        branch=commit.branch,
        parents=list(commit.parents),
        changed=commit.changed,
        first_position=commit.first_position,
        last_position=commit.last_position,
    )


def change_body(difference: Difference) -> Change:
    """Return a difference as clients read it."""
    before, after = difference.before, difference.after
    return Change(
        id=difference.key,
        change="added" if before is None else "removed" if after is None else "changed",
        fields=_changed_fields(before, after),
        before=_state(before),
        after=_state(after),
    )


def _changed_fields(before: Node | None, after: Node | None) -> list[str]:
    if before is None or after is None:
        return []
    names = before.document.keys() | after.document.keys()
    return sorted(name for name in names if before.document.get(name) != after.document.get(name))


def _state(node: Node | None) -> NodeState | None:
    if node is None:
        return None
    return NodeState(document=dict(node.document), sequence_number=node.sequence_number, command_id=node.provenance.command_id)
