"""What a graph store keeps: nodes with their links, commits, branches, differences."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from spice_core.domain.queries import Filter

ONTOLOGY_CLASS = "_Class"
"""The reserved class of ontology definitions: the node `_Class/Product` holds the definition of `Product`."""


class Direction(StrEnum):
    """Which way a link is followed."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Why a node's state is what it is: the command and event of its last change, and the row it came from."""

    event_id: str
    command_id: str
    actor: str | None
    occurred_at: datetime
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One node at one version.

    Attributes:
        key: `Class/id` (see `naming.node_key`).
        class_id: its class.
        document: the full JSON state, relationships included as references (`"Customer/c1"` or a list of them).
        links: the targets by predicate, in document order, without repeats. The targets of a predicate are node keys.
        sequence_number: the number that clients know this version by: the aggregate's, of the command that made it; on a
            branch plus the number that the node had where the branch began.
        position: the log position of that command.
        provenance: why.
    """

    key: str
    class_id: str
    document: Mapping[str, Any]
    links: Mapping[str, tuple[str, ...]]
    sequence_number: int
    position: int
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Removal:
    """The deletion of a node, with the number and position of its command; its outgoing links go with it."""

    key: str
    sequence_number: int
    position: int
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """The changes of one commit: at most one change per key, the last of the batch.

    `first_position` and `last_position` say which part of the log the commit covers; positions of later batches of the same
    database are always higher. `at` is the time of the newest command, so that a replay gives the same commit id.
    """

    branch: str
    changes: Sequence[Node | Removal]
    author: str
    message: str
    at: datetime
    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `id` is a hash over parents, changes, author, message, time and positions (hex, 40 characters)."""

    id: str
    branch: str
    parents: tuple[str, ...]
    author: str
    message: str
    at: datetime
    first_position: int
    last_position: int
    changed: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A named line of commits: its head, and the commit it was created from (None for main)."""

    name: str
    head: str
    created_from: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs between two refs; None stands for absent."""

    key: str
    before: Node | None
    after: Node | None


@dataclass(frozen=True, slots=True)
class Link:
    """One link between two nodes."""

    source: str
    predicate: str
    target: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a walk: along `predicate` (None: any), to nodes of `target_classes` (empty: any) that meet all `filters`."""

    predicate: str | None = None
    direction: Direction = Direction.OUT
    target_classes: Collection[str] = ()
    filters: Sequence[Filter] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that a walk reaches, and after how many hops it does so first."""

    key: str
    depth: int


@dataclass(frozen=True, slots=True)
class NodePage:
    """One page of nodes, and where the next begins (None at the end)."""

    nodes: Sequence[Node]
    next_after: str | None = None
    links: Sequence[Link] = field(default_factory=tuple)
