"""Branches, commits and refs of one database in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from spice_core.adapters.memory.persistent_map import PersistentMap
from spice_core.domain.graph import Branch, Commit
from spice_core.domain.naming import MAIN
from spice_core.domain.node_records import changes_digest, commit_id
from spice_core.domain.refs import Ref, parse_ref
from spice_core.errors import AlreadyExists, BranchNotFound, CommitNotFound, Conflict


@dataclass(frozen=True, slots=True)
class StoredNode:
    """One version of a node: its encoded record (bytes, so nothing is shared with callers) and its links."""

    data: bytes
    links: Mapping[str, tuple[str, ...]]


Arrivals = frozenset[tuple[str, str]]
"""The links that reach one key, as (source, predicate)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a commit holds: nodes by key, and by target the links that reach it (also a target that does not exist)."""

    nodes: PersistentMap[StoredNode] = field(default_factory=PersistentMap)
    arrivals: PersistentMap[Arrivals] = field(default_factory=PersistentMap)

    def changed(self, changes: Mapping[str, StoredNode | None]) -> "Snapshot":
        """Return this snapshot with nodes written and (None) removed."""
        arrivals: dict[str, set[tuple[str, str]]] = {}
        for key, node in changes.items():
            before = self.nodes.get(key)
            for predicate, target in link_pairs(before):
                arrivals.setdefault(target, set(self.arrivals.get(target) or ())).discard((key, predicate))
            for predicate, target in link_pairs(node):
                arrivals.setdefault(target, set(self.arrivals.get(target) or ())).add((key, predicate))
        settled: dict[str, Arrivals | None] = {target: frozenset(pairs) or None for target, pairs in arrivals.items()}
        return Snapshot(self.nodes.changed(changes), self.arrivals.changed(settled))


def link_pairs(node: StoredNode | None) -> list[tuple[str, str]]:
    """Return the (predicate, target) pairs of a node."""
    return [] if node is None else [(name, target) for name, targets in node.links.items() for target in targets]


@dataclass(slots=True)
class _Line:
    """A branch, also a deleted one: a repeated command still finds it."""

    branch: Branch
    created_position: int
    deleted_position: int | None = None


class DatabaseHistory:
    """The commits and branches of one database that exists."""

    def __init__(self, *, author: str, message: str, at: datetime, position: int) -> None:
        self.created_position = position
        self.commits: dict[str, Commit] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self._by_range: dict[tuple[int, int], str] = {}
        self._lines: list[_Line] = []
        self.root = self._add(
            MAIN, (), Snapshot(), author=author, message=message, at=at, positions=(position, position), encoded=()
        )
        self._lines.append(_Line(Branch(MAIN, self.root.id, None, at), position))

    def branch(self, name: str) -> Branch:
        """Return the live branch `name` or raise `BranchNotFound`."""
        return self._line(name).branch

    def branches(self) -> list[Branch]:
        """Return the live branches, main first."""
        live = [line.branch for line in self._lines if line.deleted_position is None]
        return sorted(live, key=lambda branch: (branch.name != MAIN, branch.name))

    def commit(
        self,
        branch: str,
        snapshot: Snapshot,
        *,
        author: str,
        message: str,
        at: datetime,
        positions: tuple[int, int],
        encoded: Sequence[tuple[str, bytes]],
    ) -> Commit:
        """Add a commit on `branch` and move its head there."""
        line = self._line(branch)
        parents = (line.branch.head,)
        commit = self._add(branch, parents, snapshot, author=author, message=message, at=at, positions=positions, encoded=encoded)
        line.branch = Branch(branch, commit.id, line.branch.created_from, line.branch.created_at)
        return commit

    def repetition(self, first: int, last: int) -> Commit | None:
        """Return the commit of exactly these positions."""
        found = self._by_range.get((first, last))
        return None if found is None else self.commits[found]

    def covering(self, position: int) -> Commit | None:
        """Return the commit whose range holds `position`."""
        held = (commit for commit in self.commits.values() if commit.first_position <= position <= commit.last_position)
        return next(held, None)

    def created_at(self, name: str, position: int) -> Branch | None:
        """Return branch `name` made at `position`, though it may be deleted since."""
        return next((line.branch for line in self._lines if (line.branch.name, line.created_position) == (name, position)), None)

    def was_deleted_at(self, name: str, position: int) -> bool:
        """Return whether `position` is where branch `name` was deleted."""
        return any((line.branch.name, line.deleted_position) == (name, position) for line in self._lines)

    def check_free(self, name: str) -> None:
        """Raise `AlreadyExists` if a live branch has this name."""
        if any(branch.name == name for branch in self.branches()):
            raise AlreadyExists(f"branch {name!r} exists")

    def create_branch(self, name: str, start: Commit, *, at: datetime, position: int) -> Branch:
        """Add branch `name`, which is free, at `start`."""
        branch = Branch(name, start.id, start.id, at)
        self._lines.append(_Line(branch, position))
        return branch

    def delete_branch(self, name: str, *, position: int) -> None:
        """Delete branch `name`; its commits stay."""
        if name == MAIN:
            raise Conflict("main cannot be deleted")
        self._line(name).deleted_position = position

    def resolve(self, text: str) -> Commit:
        """Return the commit of a ref."""
        ref = parse_ref(text)
        commit = self._base(ref)
        for _ in range(ref.back):
            if not commit.parents:
                raise CommitNotFound(f"{text!r} goes back behind the first commit")
            commit = self.commits[commit.parents[0]]
        return commit

    def ancestors(self, commit: Commit) -> set[str]:
        """Return the ids of `commit` and of everything it descends from."""
        seen: set[str] = set()
        pending = [commit.id]
        while pending:
            current = pending.pop()
            if current not in seen:
                seen.add(current)
                pending.extend(self.commits[current].parents)
        return seen

    def _base(self, ref: Ref) -> Commit:
        live = next((branch for branch in self.branches() if branch.name == ref.base), None)
        if live is not None:
            return self.commits[live.head]
        if not ref.is_commit_like:
            raise BranchNotFound(f"there is no branch {ref.base!r}")
        found = [key for key in self.commits if key.startswith(ref.base)]
        if len(found) != 1:
            raise CommitNotFound(f"{ref.base!r} is {'no commit' if not found else 'the beginning of several commit ids'}")
        return self.commits[found[0]]

    def _line(self, name: str) -> _Line:
        live = (line for line in self._lines if line.branch.name == name and line.deleted_position is None)
        found = next(live, None)
        if found is None:
            raise BranchNotFound(f"there is no branch {name!r}")
        return found

    def _add(
        self,
        branch: str,
        parents: tuple[str, ...],
        snapshot: Snapshot,
        *,
        author: str,
        message: str,
        at: datetime,
        positions: tuple[int, int],
        encoded: Sequence[tuple[str, bytes]],
    ) -> Commit:
        first, last = positions
        key = commit_id(
            parents,
            author=author,
            message=message,
            at=at,
            first_position=first,
            last_position=last,
            digest=changes_digest(encoded),
        )
        commit = Commit(key, branch, parents, author, message, at, first, last, len(encoded))
        self.commits[key] = commit
        self.snapshots[key] = snapshot
        self._by_range[first, last] = key
        return commit


def frozen_links(links: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    """Return a copy of `links` that nobody can change."""
    return MappingProxyType({name: tuple(targets) for name, targets in links.items()})
