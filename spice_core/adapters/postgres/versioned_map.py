"""A versioned map in PostgreSQL: repositories with branches and commits over keys with JSON values.

A branch is a layer over a commit of another; a read looks at the branch's layer, then at its ancestors'. Every method
works on a connection of the caller, so that a caller's own writes share the transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.domain.graph import Branch, Commit
from spice_core.domain.matching import is_storable
from spice_core.domain.naming import MAIN
from spice_core.domain.node_records import commit_id
from spice_core.domain.refs import Ref, parse_ref
from spice_core.errors import AlreadyExists, BranchNotFound, CommitNotFound, Conflict, DatabaseNotFound


@dataclass(frozen=True, slots=True)
class Pin:
    """A commit as a place to read from: its layer and the layers below, nearest first, each up to a commit number."""

    repo: int
    commit: Commit
    layers: tuple[int, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LockedRepo:
    """A repository whose row of applied positions this transaction holds: no other writer meanwhile.

    `repo` is None where there is none of that name.
    """

    name: str
    applied: int
    repo: int | None
    created_position: int
    next_key: int


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a branch, to be written on."""

    layer: int
    head: int
    parent: str


@dataclass(frozen=True, slots=True)
class CommitText:
    """What a commit says of itself."""

    branch: str
    author: str
    message: str
    at: datetime
    first_position: int
    last_position: int


class VersionedMap:
    """The repositories of one space. Names of repositories and keys are any text without NUL characters."""

    def __init__(self, space: str) -> None:
        self.space = space
        self._sql = load_queries("graph")

    def lock(self, connection: Connection, name: str, *, is_new: bool = False) -> LockedRepo:
        """Wait for the other writers of `name` and keep them away until the transaction ends.

        Raises:
            DatabaseNotFound: there is no repository `name` (not with `is_new`).
        """
        names = self._names(name)
        if is_new:
            connection.execute(self._sql["ensure_applied"], names)
        row = connection.execute(self._sql["lock"], names).fetchone()
        repo = connection.execute(self._sql["locked_repo"], names).fetchone() if row is not None else None
        if row is None or (repo is None and not is_new):
            raise _no_database(name)
        if repo is None:
            return LockedRepo(name, row[0], None, 0, 1)
        return LockedRepo(name, row[0], *repo)

    def check_ahead(self, locked: LockedRepo, position: int) -> None:
        """Raise `Conflict` unless `position` is above the applied one."""
        if position <= locked.applied:
            raise Conflict(f"position {position} of {locked.name!r} is behind the applied position {locked.applied}")

    def repo_id(self, connection: Connection, name: str) -> int:
        """Return the repository `name` or raise `DatabaseNotFound`."""
        row = connection.execute(self._sql["repo"], self._names(name)).fetchone() if is_storable(name) else None
        if row is None:
            raise _no_database(name)
        return int(row[0])

    def repos(self, connection: Connection) -> list[str]:
        """Return the names of the repositories, in order."""
        return [name for (name,) in connection.execute(self._sql["repos"], {"space": self.space})]

    def applied_position(self, connection: Connection, name: str) -> int:
        """Return the remembered position of `name`, 0 if never seen."""
        row = connection.execute(self._sql["applied_position"], self._names(name)).fetchone() if is_storable(name) else None
        return int(row[0]) if row else 0

    def create(self, connection: Connection, locked: LockedRepo, text: CommitText, *, digest: str) -> Commit:
        """Create the repository with branch main and one empty commit."""
        position = text.last_position
        row = connection.execute(self._sql["create_repo"], self._names(locked.name, position=position)).fetchone()
        repo = _one(row)
        layer = self._add_layer(connection, repo, MAIN, ((), ()), created_from=None, at=text.at, position=position)
        empty = LockedRepo(locked.name, locked.applied, repo, position, 1)
        return self.add_commit(connection, empty, Tip(layer, 0, ""), text, digest=digest, keys=(), next_key=1)

    def drop(self, connection: Connection, locked: LockedRepo, *, position: int) -> None:
        """Remove the repository, if there is one, and remember the position."""
        if locked.repo is not None:
            connection.execute(self._sql["drop_repo"], {"repo": locked.repo})
        self._set_applied(connection, locked, position)

    def create_branch(
        self, connection: Connection, locked: LockedRepo, name: str, *, source: str, at: datetime, position: int
    ) -> Branch:
        """Create branch `name`, or return it if this position created it. Raises as `GraphStore.create_branch`."""
        repo = locked.repo or 0
        asked = {"repo": repo, "branch": name, "position": position}
        repeated = connection.execute(self._sql["created_at"], asked).fetchone()
        if repeated is not None:
            return _branch(repeated)
        start = self.pin(connection, repo, source)
        if connection.execute(self._sql["branch_layer"], asked).fetchone() is not None:
            raise AlreadyExists(f"branch {name!r} exists")
        self.check_ahead(locked, position)
        chain = (start.layers, start.numbers)
        self._add_layer(connection, repo, name, chain, created_from=start.commit.id, at=at, position=position)
        self._set_applied(connection, locked, position)
        return Branch(name, start.commit.id, start.commit.id, at)

    def delete_branch(self, connection: Connection, locked: LockedRepo, name: str, *, position: int) -> None:
        """Delete branch `name` unless this position did so before. Raises as `GraphStore.delete_branch`."""
        asked = {"repo": locked.repo, "branch": name, "position": position}
        if connection.execute(self._sql["deleted_at"], asked).fetchone() is not None:
            return
        row = connection.execute(self._sql["branch_layer"], asked).fetchone() if is_storable(name) else None
        if row is None:
            raise _no_branch(name)
        self.check_ahead(locked, position)
        if name == MAIN:
            raise Conflict("main cannot be deleted")
        connection.execute(self._sql["delete_layer"], {"layer": row[0], "position": position})
        self._set_applied(connection, locked, position)

    def branches(self, connection: Connection, repo: int) -> list[Branch]:
        """Return the live branches, main first, then by name."""
        return [_branch(row) for row in connection.execute(self._sql["branches"], {"repo": repo})]

    def tip(self, connection: Connection, repo: int, branch: str) -> Tip:
        """Return the end of `branch` or raise `BranchNotFound`."""
        pin = self._pin_of_branch(connection, repo, branch)
        if pin is None:
            raise _no_branch(branch)
        layer, head, below = pin
        at_head = (layer, head) if head else (below[0][0], below[1][0])
        return Tip(layer, head, self._commit(connection, *at_head).id)

    def add_commit(
        self,
        connection: Connection,
        locked: LockedRepo,
        tip: Tip,
        text: CommitText,
        *,
        digest: str,
        keys: Sequence[int],
        next_key: int,
    ) -> Commit:
        """Add the commit over `keys` (the caller writes their entries as number `tip.head + 1`); move branch and position."""
        parents = (tip.parent,) if tip.parent else ()
        first, last = text.first_position, text.last_position
        key = commit_id(
            parents,
            author=text.author,
            message=text.message,
            at=text.at,
            first_position=first,
            last_position=last,
            digest=digest,
        )
        row: dict[str, object] = {
            "repo": locked.repo,
            "layer": tip.layer,
            "number": tip.head + 1,
            "id": key,
            "parent": tip.parent or None,
        }
        row |= {"branch": text.branch, "author": text.author, "message": text.message, "at": text.at}
        row |= {"first_position": first, "last_position": last, "changed": len(keys), "keys": list(keys)}
        connection.execute(self._sql["add_commit"], {**row, **self._names(locked.name), "next_key": next_key})
        return Commit(key, text.branch, parents, text.author, text.message, text.at, first, last, len(keys))

    def commit_of_range(self, connection: Connection, repo: int, first: int, last: int) -> Commit | None:
        """Return the commit of exactly these positions."""
        asked = {"repo": repo, "first": first, "last": last}
        row = connection.execute(self._sql["commit_of_range"], asked).fetchone()
        return None if row is None else _commit(row)

    def commit_covering(self, connection: Connection, repo: int, position: int) -> Commit | None:
        """Return the commit whose range holds `position`."""
        row = connection.execute(self._sql["commit_covering"], {"repo": repo, "position": position}).fetchone()
        return None if row is None else _commit(row)

    def history(self, connection: Connection, pin: Pin, *, limit: int) -> list[Commit]:
        """Return up to `limit` commits from `pin` back along first parents."""
        asked = {"layers": list(pin.layers), "numbers": list(pin.numbers), "limit": limit}
        return [_commit(row) for row in connection.execute(self._sql["history"], asked)]

    def pin(self, connection: Connection, repo: int, text: str) -> Pin:
        """Resolve a ref. Raises as `GraphStore.view`."""
        ref = parse_ref(text)
        layers, numbers = self._base(connection, repo, ref)
        back = ref.back
        while back >= numbers[0]:
            back -= numbers[0]
            layers, numbers = layers[1:], numbers[1:]
            if not layers:
                raise CommitNotFound(f"{text!r} goes back behind the first commit")
        numbers = (numbers[0] - back, *numbers[1:])
        return Pin(repo, self._commit(connection, layers[0], numbers[0]), layers, numbers)

    def common_ancestor(self, connection: Connection, left: Pin, right: Pin) -> Pin | None:
        """Return the newest commit that both descend from (first parents: there are no merges yet)."""
        seen = dict(zip(right.layers, right.numbers, strict=True))
        for depth, (layer, number) in enumerate(zip(left.layers, left.numbers, strict=True)):
            if layer in seen:
                shared = min(number, seen[layer])
                numbers = (shared, *left.numbers[depth + 1 :])
                return Pin(left.repo, self._commit(connection, layer, shared), left.layers[depth:], numbers)
        return None

    def _base(self, connection: Connection, repo: int, ref: Ref) -> tuple[tuple[int, ...], tuple[int, ...]]:
        found = self._pin_of_branch(connection, repo, ref.base)
        if found is not None:
            layer, head, (layers, numbers) = found
            return ((layer, *layers), (head, *numbers)) if head else (layers, numbers)
        if not ref.is_commit_like:
            raise _no_branch(ref.base)
        rows = connection.execute(self._sql["commits_of_prefix"], {"repo": repo, "prefix": ref.base}).fetchall()
        if len(rows) != 1:
            raise CommitNotFound(f"{ref.base!r} is {'no commit' if not rows else 'the beginning of several commit ids'}")
        layer, number = rows[0]
        chain = connection.execute(self._sql["layer_chain"], {"layer": layer}).fetchone()
        below = chain if chain is not None else ((), ())
        return (layer, *below[0]), (number, *below[1])

    def _pin_of_branch(
        self, connection: Connection, repo: int, branch: str
    ) -> tuple[int, int, tuple[tuple[int, ...], tuple[int, ...]]] | None:
        if not is_storable(branch):
            return None
        row = connection.execute(self._sql["branch_layer"], {"repo": repo, "branch": branch}).fetchone()
        return None if row is None else (row[0], row[1], (tuple(row[2]), tuple(row[3])))

    def _commit(self, connection: Connection, layer: int, number: int) -> Commit:
        row = connection.execute(self._sql["commit_at"], {"layer": layer, "number": number}).fetchone()
        if row is None:
            raise CommitNotFound
        return _commit(row)

    def _add_layer(
        self,
        connection: Connection,
        repo: int,
        branch: str,
        chain: tuple[Iterable[int], Iterable[int]],
        *,
        created_from: str | None,
        at: datetime,
        position: int,
    ) -> int:
        row: Mapping[str, Any] = {
            "repo": repo,
            "branch": branch,
            "ancestors": list(chain[0]),
            "numbers": list(chain[1]),
            "created_from": created_from,
            "at": at,
            "position": position,
        }
        return _one(connection.execute(self._sql["create_layer"], row).fetchone())

    def _set_applied(self, connection: Connection, locked: LockedRepo, position: int) -> None:
        connection.execute(self._sql["set_applied"], self._names(locked.name, position=position))

    def _names(self, name: str, **more: Any) -> dict[str, Any]:
        return {"space": self.space, "name": name, **more}


def _one(row: tuple[Any, ...] | None) -> int:
    if row is None:
        raise Conflict
    return int(row[0])


def _branch(row: tuple[Any, ...]) -> Branch:
    name, head, created_from, created_at = row
    return Branch(name, head, created_from, created_at.astimezone(UTC))


def _commit(row: tuple[Any, ...]) -> Commit:
    key, branch, parent, merged, author, message, at, first, last, changed = row
    parents = tuple(found for found in (parent, merged) if found is not None)
    return Commit(key, branch, parents, author, message, at.astimezone(UTC), first, last, changed)


def _no_database(name: str) -> DatabaseNotFound:
    return DatabaseNotFound(f"there is no database {name!r}")


def _no_branch(name: str) -> BranchNotFound:
    return BranchNotFound(f"there is no branch {name!r}")
