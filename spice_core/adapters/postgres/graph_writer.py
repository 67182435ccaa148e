"""Writes node versions and their links: a constant handful of statements for any number of changes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import LockedRepo, Tip
from spice_core.domain.graph import Node, Removal

PREFIX_SHIFT = 40
"""A key's id is its prefix's id shifted left by this, plus a number of its own."""

_MOST_CACHED_KEYS = 50_000
_NULL = b"\\N"

Pair = tuple[int, int]
"""Predicate and target of one link, as ids."""


@dataclass(slots=True)
class KnownNames:
    """Ids of one repository's prefixes, predicates and link targets. Ids never change, so that they can be kept.

    What a transaction learns is kept only after its commit (`keep`); `next_key` guards against a database that was
    restored from an older state and gives the same numbers out again.
    """

    next_key: int = 1
    prefixes: dict[str, int] = field(default_factory=dict)
    predicates: dict[str, int] = field(default_factory=dict)
    targets: dict[str, int] = field(default_factory=dict)

    def keep(self, learned: "KnownNames") -> None:
        """Add what a committed transaction learned."""
        if len(self.targets) + len(learned.targets) > _MOST_CACHED_KEYS:
            self.targets = {}
        self.prefixes |= learned.prefixes
        self.predicates |= learned.predicates
        self.targets |= learned.targets
        self.next_key = learned.next_key


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the ids of the changed keys, and what may be kept once it is committed."""

    keys: Sequence[int]
    learned: KnownNames


@dataclass(frozen=True, slots=True)
class _Job:
    connection: Connection
    repo: int
    known: KnownNames
    learned: KnownNames


class GraphWriter:
    """Writes the changes of one commit within a caller's transaction."""

    def __init__(self) -> None:
        self._sql = load_queries("graph")

    def write(
        self,
        connection: Connection,
        locked: LockedRepo,
        tip: Tip,
        changes: Sequence[Node | Removal],
        *,
        encoded: Sequence[tuple[str, bytes]],
        known: KnownNames,
    ) -> Written:
        """Write `changes` (with their `encoded` values, in the same order) as commit number `tip.head + 1` of its layer."""
        job = _Job(connection, locked.repo or 0, known, KnownNames(next_key=locked.next_key))
        links = [change.links if isinstance(change, Node) else {} for change in changes]
        targets = {target for held in links for name in held for target in held[name]}
        ids, fresh = self._ids(job, [change.key for change in changes], targets)
        names = {name for held in links for name in held}
        predicates = self._named(job, "predicates", names, known.predicates, learned=job.learned.predicates)
        keys = [ids[change.key] for change in changes]
        pairs = [[(predicates[name], ids[target]) for name in held for target in held[name]] for held in links]
        self._move_arrivals(connection, tip, keys, pairs, fresh)
        self._copy(connection, "copy_entries", _entry_rows(tip, keys, changes, encoded, pairs))
        job.learned.targets = {target: ids[target] for target in targets}
        return Written(keys, job.learned)

    def _ids(self, job: "_Job", keys: Sequence[str], targets: Collection[str]) -> tuple[Mapping[str, int], Collection[int]]:
        """Return the ids of keys and targets, and which of them are new to the repository."""
        held = job.known.targets
        ids = {key: held[key] for key in {*keys, *targets} if key in held}
        missing = [key for key in {*keys, *targets} if key not in ids]
        asked = {"repo": job.repo, "keys": missing}
        ids |= dict(job.connection.execute(self._sql["keys"], asked).fetchall()) if missing else {}
        fresh = sorted(key for key in missing if key not in ids)
        if not fresh:
            return ids, ()
        names = {key.partition("/")[0] for key in fresh}
        prefixes = self._named(job, "prefixes", names, job.known.prefixes, learned=job.learned.prefixes)
        for key in fresh:
            ids[key] = (prefixes[key.partition("/")[0]] << PREFIX_SHIFT) + job.learned.next_key
            job.learned.next_key += 1
        rows = (b"%d\t%d\t%s\n" % (ids[key], job.repo, _escaped(key.encode())) for key in fresh)
        self._copy(job.connection, "copy_keys", rows)
        return ids, {ids[key] for key in fresh}

    def _named(
        self, job: "_Job", table: str, names: Collection[str], known: Mapping[str, int], *, learned: dict[str, int]
    ) -> Mapping[str, int]:
        """Return the ids of prefixes or predicates; those that are new get one."""
        missing = sorted(name for name in names if name not in known)
        if missing:
            learned |= dict(job.connection.execute(self._sql[table], {"repo": job.repo, "names": missing}).fetchall())
            fresh = {"repo": job.repo, "names": [name for name in missing if name not in learned]}
            if fresh["names"]:
                learned |= dict(job.connection.execute(self._sql[f"add_{table}"], fresh).fetchall())
        return {**known, **learned}

    def _move_arrivals(
        self, connection: Connection, tip: Tip, keys: Sequence[int], pairs: Sequence[Sequence[Pair]], fresh: Collection[int]
    ) -> None:
        """End the links that the last versions in this layer had and these have not; begin those that they had not."""
        number = tip.head + 1
        rewritten = [key for key in keys if key not in fresh] if tip.head else []
        asked = {"layer": tip.layer, "keys": rewritten, "number": number}
        before: dict[int, set[Pair]] = {}
        if rewritten:
            for key, predicates, targets in connection.execute(self._sql["latest_links"], asked):
                before[key] = set(zip(predicates, targets, strict=True))
        after = {key: set(held) for key, held in zip(keys, pairs, strict=True)}
        ended = [(key, *pair) for key, held in before.items() for pair in sorted(held - after[key])]
        if ended:
            sources, predicates, targets = zip(*ended, strict=True)
            row = {"sources": list(sources), "predicates": list(predicates), "targets": list(targets)}
            connection.execute(self._sql["end_arrivals"], {**asked, **row})
        begun = (
            b"%d\t%d\t%d\t%d\t%d\n" % (tip.layer, predicate, target, key, number)
            for key, held in zip(keys, pairs, strict=True)
            for predicate, target in held
            if (predicate, target) not in before.get(key, ())
        )
        self._copy(connection, "copy_arrivals", begun)

    def _copy(self, connection: Connection, name: str, rows: Iterable[bytes]) -> None:
        data = b"".join(rows)
        if data:
            with connection.cursor() as cursor, cursor.copy(self._sql[name]) as copy:
                copy.write(data)


def _entry_rows(
    tip: Tip,
    keys: Sequence[int],
    changes: Sequence[Node | Removal],
    encoded: Sequence[tuple[str, bytes]],
    pairs: Sequence[Sequence[Pair]],
) -> Iterable[bytes]:
    for key, change, (_, data), held in zip(keys, changes, encoded, pairs, strict=True):
        head = b"%d\t%d\t%d\t" % (tip.layer, tip.head + 1, key)
        if isinstance(change, Removal):
            yield head + b"\\N\t\\N\t\\N\n"
        else:
            yield head + b"\t".join((_escaped(data), _array(pair[0] for pair in held), _array(pair[1] for pair in held))) + b"\n"


def _array(numbers: Iterable[int]) -> bytes:
    inner = ",".join(map(str, numbers))
    return f"{{{inner}}}".encode() if inner else _NULL


def _escaped(text: bytes) -> bytes:
    """COPY's text format: the backslash and the characters that end fields and rows."""
    text = text.replace(b"\\", b"\\\\")
    return text.replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
