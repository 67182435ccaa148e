"""A Hypothesis machine: memory and PostgreSQL in lockstep, both against a model that keeps one whole dict per commit."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from spice_core.adapters.memory.graph_store import MemoryGraphStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.domain.graph import Commit, Direction, GraphBatch, Hop, Link, Node, Provenance, Reached, Removal
from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.errors import AlreadyExists, DatabaseNotFound
from spice_core.ports.graph_store import GraphStore, GraphView

KEYS = [f"{name}/{number}" for name in "ABC" for number in range(5)]
BRANCHES = ["b", "c", "d/e"]
PREDICATES = ["to", "by"]
START = datetime(2024, 1, 1, tzinfo=UTC)

State = Mapping[str, Node]

targets = st.lists(st.sampled_from(KEYS), max_size=3, unique=True)
contents = st.one_of(st.none(), st.tuples(st.integers(0, 3) | st.none(), targets, targets))
POSITIVE = (Filter("x", Operator.GT, 0, Kind.INTEGER),)
ABSENT = (Filter("x", Operator.IS_NULL, kind=Kind.INTEGER),)
walks = st.builds(
    Hop,
    predicate=st.sampled_from([None, *PREDICATES]),
    direction=st.sampled_from(Direction),
    target_classes=st.sampled_from([(), ("A", "B")]),
    filters=st.sampled_from([(), POSITIVE]),
)
writes = st.dictionaries(st.sampled_from(KEYS), contents, max_size=6)


@dataclass
class Model:
    """Every commit with its parent and its whole content; branches with their heads."""

    parents: dict[str, str | None] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def add(self, commit: Commit, parent: str | None, state: State) -> None:
        self.parents[commit.id], self.states[commit.id] = parent, state
        self.order.append(commit.id)

    def line(self, commit: str) -> list[str]:
        found = [commit]
        while (parent := self.parents[found[-1]]) is not None:
            found.append(parent)
        return found


class GraphMachine(RuleBasedStateMachine):
    """Writes, branches, repetitions, drops; after each step some ref is read in every way."""

    stores: Sequence[GraphStore] = ()
    numbers: Iterator[int] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.database = f"machine{next(self.numbers)}"
        self.model = Model()
        self.position = 0
        self.last: tuple[GraphBatch, Commit] | None = None
        self.exists = False

    def both(self, act: Any) -> Any:
        results = [act(store) for store in self.stores]
        assert results[0] == results[1]
        return results[0]

    def next(self) -> int:
        self.position += 1
        return self.position

    @initialize()
    def begin(self) -> None:
        self.create()

    @precondition(lambda self: not self.exists)
    @rule()
    def create(self) -> None:
        at = self.next()
        root = self.both(lambda store: store.create_database(self.database, author="a", message="m", at=START, position=at))
        self.model = Model(heads={"main": root.id})
        self.model.add(root, None, {})
        self.exists = True

    @precondition(lambda self: self.exists)
    @rule(sure=st.integers(0, 4))
    def drop(self, sure: int) -> None:
        if sure == 0:
            at = self.next()
            for store in self.stores:
                store.drop_database(self.database, position=at)
                store.drop_database(self.database, position=at)
                with pytest.raises(DatabaseNotFound):
                    store.view(self.database)
            self.exists, self.last = False, None

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), changed=writes)
    def write(self, data: st.DataObject, changed: Mapping[str, Any]) -> None:
        branch = data.draw(st.sampled_from(sorted(self.model.heads)))
        first = self.next()
        changes = [_change(key, content, first) for key, content in changed.items()]
        batch = GraphBatch(branch, changes, "a", "m", START + timedelta(seconds=first), first, self.next())
        commit = self.both(lambda store: store.apply(self.database, batch))
        head = self.model.heads[branch]
        state = {key: node for key, node in self.model.states[head].items() if key not in changed}
        state |= {change.key: change for change in changes if isinstance(change, Node)}
        assert commit.parents == (head,)
        self.model.add(commit, head, state)
        self.model.heads[branch] = commit.id
        self.last = (batch, commit)

    @precondition(lambda self: self.last is not None)
    @rule()
    def repeat(self) -> None:
        assert self.last is not None
        batch, commit = self.last
        assert self.both(lambda store: store.apply(self.database, batch)) == commit

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), name=st.sampled_from(BRANCHES))
    def branch(self, data: st.DataObject, name: str) -> None:
        source, commit = self.ref(data)
        at = self.next()
        for store in self.stores:
            for _ in range(2):
                if name in self.model.heads:
                    with pytest.raises(AlreadyExists):
                        store.create_branch(self.database, name, source=source, at=START, position=at)
                else:
                    found = store.create_branch(self.database, name, source=source, at=START, position=at)
                    assert (found.head, found.created_from) == (commit, commit)
        self.model.heads.setdefault(name, commit)

    @precondition(lambda self: len(self.model.heads) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if not self.exists:
            return
        name = data.draw(st.sampled_from(sorted(set(self.model.heads) - {"main"})))
        at = self.next()
        for store in self.stores:
            store.delete_branch(self.database, name, position=at)
            store.delete_branch(self.database, name, position=at)
        del self.model.heads[name]

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), limit=st.sampled_from([1, 2, 3, 50]))
    def read_pages(self, data: st.DataObject, limit: int) -> None:
        ref, commit = self.ref(data)
        classes = data.draw(st.lists(st.sampled_from("ABC"), unique=True))
        sort = data.draw(st.sampled_from([None, Sort("x", Kind.INTEGER), Sort("x", Kind.INTEGER, descending=True)]))
        filters = data.draw(st.sampled_from([(), POSITIVE, ABSENT]))
        nodes = [node for node in self.model.states[commit].values() if node.class_id in classes and _meets(node, filters)]
        expected = [node.key for node in _ordered(nodes, sort)]
        for store in self.stores:
            view = store.view(self.database, ref)
            assert _pages(view, classes, filters, sort, limit) == expected
            assert view.count(classes, filters=filters) == len(expected)

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), direction=st.sampled_from(Direction), near=st.lists(st.sampled_from(KEYS), unique=True))
    def read_links(self, data: st.DataObject, direction: Direction, near: list[str]) -> None:
        ref, commit = self.ref(data)
        predicate = data.draw(st.sampled_from([None, *PREDICATES]))
        classes = data.draw(st.sampled_from([[], ["A"], ["B", "C"]]))
        filters = data.draw(st.sampled_from([[], [Filter("x", Operator.GT, 0, Kind.INTEGER)]]))
        limit = data.draw(st.sampled_from([None, 1, 4]))
        expected = _links(self.model.states[commit], near, predicate, direction, classes, filters)[:limit]
        for store in self.stores:
            found = store.view(self.database, ref).expand(
                near, predicate=predicate, direction=direction, target_classes=classes, filters=filters, limit=limit
            )
            assert list(found) == expected

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), near=st.lists(st.sampled_from(KEYS), max_size=3, unique=True), hops=st.lists(walks, max_size=4))
    def read_walks(self, data: st.DataObject, near: list[str], hops: list[Hop]) -> None:
        ref, commit = self.ref(data)
        limit = data.draw(st.sampled_from([None, 3]))
        expected = _reached(self.model.states[commit], near, hops)[:limit]
        for store in self.stores:
            assert list(store.view(self.database, ref).reach(near, hops, limit=limit)) == expected

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), after=st.sampled_from(["", "A/2", "B/"]), limit=st.sampled_from([2, 100]))
    def read_differences(self, data: st.DataObject, after: str, limit: int) -> None:
        (left, before), (right, now) = self.ref(data), self.ref(data)
        old, new = self.model.states[before], self.model.states[now]
        keys = sorted(key for key in {*old, *new} if key > after and _document(old, key) != _document(new, key))
        for store in self.stores:
            found = store.diff(self.database, left, right, after=after, limit=limit)
            assert [(item.key, item.before, item.after) for item in found] == [
                (key, old.get(key), new.get(key)) for key in keys[:limit]
            ]
        others = set(self.model.line(now))
        shared = next(commit for commit in self.model.line(before) if commit in others)
        ancestor = self.both(lambda store: store.common_ancestor(self.database, left, right))
        assert ancestor.id == shared

    @precondition(lambda self: self.exists)
    @rule(data=st.data(), limit=st.sampled_from([1, 3, 100]))
    def read_history(self, data: st.DataObject, limit: int) -> None:
        ref, commit = self.ref(data)
        found = self.both(lambda store: store.history(self.database, ref, limit=limit))
        assert [item.id for item in found] == self.model.line(commit)[:limit]
        at = data.draw(st.integers(0, self.position))
        self.both(lambda store: store.commit_covering(self.database, at))

    @invariant()
    def heads_hold_what_was_written(self) -> None:
        if not self.exists:
            return
        self.both(lambda store: store.applied_position(self.database))
        branches = self.both(lambda store: store.branches(self.database))
        assert {branch.name: branch.head for branch in branches} == self.model.heads
        for name, head in self.model.heads.items():
            found = self.both(lambda store, name=name: store.view(self.database, name).get(KEYS))
            assert found == self.model.states[head]

    def ref(self, data: st.DataObject) -> tuple[str, str]:
        """Draw a ref in one of its spellings; return it and the commit it stands for."""
        name = data.draw(st.sampled_from([*sorted(self.model.heads), *self.model.order]))
        line = self.model.line(self.model.heads.get(name, name))
        back = data.draw(st.integers(0, min(3, len(line) - 1)))
        base = name if name in self.model.heads else name[: data.draw(st.sampled_from([12, 40]))]
        return (f"{base}~{back}" if back else base), line[back]


def _change(key: str, content: Any, position: int) -> Node | Removal:
    provenance = Provenance(f"e{position}", f"c{position}", None, START)
    if content is None:
        return Removal(key, position, position, provenance)
    number, to, by = content
    links = {name: tuple(held) for name, held in (("to", to), ("by", by)) if held}
    document = {"id": key} | ({} if number is None else {"x": number}) | {name: list(held) for name, held in links.items()}
    return Node(key, key[0], document, links, position, position, provenance)


def _document(state: State, key: str) -> Any:
    return state[key].document if key in state else None


def _meets(node: Node, filters: Sequence[Filter]) -> bool:
    number = node.document.get("x")
    return all((number is None) if asked.operator is Operator.IS_NULL else (number or 0) > 0 for asked in filters)


def _ordered(nodes: Sequence[Node], sort: Sort | None) -> list[Node]:
    if sort is None:
        return sorted(nodes, key=lambda node: node.key)
    by_key = sorted(nodes, key=lambda node: node.key, reverse=sort.descending)
    known = [node for node in by_key if "x" in node.document]
    known.sort(key=lambda node: node.document["x"], reverse=sort.descending)
    return known + [node for node in by_key if "x" not in node.document]


def _links(  # noqa: PLR0917 - a model of one call with all its arguments
    state: State,
    near: Sequence[str],
    predicate: str | None,
    direction: Direction,
    classes: Sequence[str],
    filters: Sequence[Filter],
) -> list[Link]:
    every = [
        Link(node.key, name, target)
        for node in state.values()
        for name, held in node.links.items()
        for target in held
        if predicate in {None, name}
    ]
    ends = [
        (link.source, link.predicate, link.target, link)
        if direction is Direction.OUT
        else (link.target, link.predicate, link.source, link)
        for link in every
    ]
    wanted = [
        end
        for end in ends
        if end[0] in near and end[2] in state and (not classes or end[2][0] in classes) and _meets(state[end[2]], filters)
    ]
    return [link for *_, link in sorted(wanted, key=lambda end: end[:3])]


def _reached(state: State, near: Sequence[str], hops: Sequence[Hop]) -> list[Reached]:
    seen, frontier, found = set(near), set(near), []
    for depth, hop in enumerate(hops, start=1):
        asked = hop.predicate, hop.direction, list(hop.target_classes), hop.filters
        links = _links(state, sorted(frontier), *asked)
        frontier = {link.target if hop.direction is Direction.OUT else link.source for link in links} - seen
        seen |= frontier
        found += [Reached(key, depth) for key in sorted(frontier)]
    return found


def _pages(view: GraphView, classes: Sequence[str], filters: Sequence[Filter], sort: Sort | None, limit: int) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = view.page(classes, filters=filters, sort=sort, after=after, limit=limit)
        found += [node.key for node in page.nodes]
        after = page.next_after
        if after is None:
            return found


@contextmanager
def _stores(dsn: str) -> Iterator[Sequence[GraphStore]]:
    postgres = Postgres(dsn, max_size=2)
    yield MemoryGraphStore(), PostgresGraphStore(postgres)
    postgres.close()


def test_memory_postgres_and_model_agree_whatever_is_done(clean_database: str) -> None:
    with _stores(clean_database) as stores:
        machine = type("ConnectedGraphMachine", (GraphMachine,), {"stores": stores})
        profile = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(machine, settings=profile)
