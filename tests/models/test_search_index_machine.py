"""A Hypothesis machine: two indexes in lockstep, both against a model that copies a whole dict per branch."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.search_index import PostgresSearchIndex
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.queries import FacetRequest, Filter, Kind, Operator, Sort
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument, SearchQuery
from spice_core.errors import SpiceError
from spice_core.ports.search_index import SearchIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
BRANCHES = ["main", "a", "b", "c"]
CLASSES = ["Thing", "Thing-x"]
KINDS = {"name": Kind.TEXT, "size": Kind.INTEGER, "cost": Kind.NUMBER, "is_new": Kind.BOOLEAN, "day": Kind.DATE}
LISTS = {"tags": Kind.TEXT, "sizes": Kind.INTEGER}
WORDS = ["Boston", "bostón", "bosten", "New York", "york", 'new\nyork\'s \\N "q" \t', "", "ñ", "{a,b}", "null", "x" * 300]

texts = st.sampled_from(WORDS)
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([2.5, -0.0, 1e300, 2**63, 10**25]), st.sampled_from(["1.50", "x"]))
days = st.sampled_from(["2026-01-01", "2026-10-01", "nonsense"])
values = st.one_of(st.none(), texts, numbers, st.booleans(), days)
elements = st.lists(values, max_size=3)
contents = st.fixed_dictionaries(
    {},
    optional={
        "name": values | texts,
        "size": values | st.integers(-3, 3),
        "cost": values | numbers,
        "is_new": values | st.booleans(),
        "day": values | days,
        "tags": elements | texts,
        "sizes": elements,
        "notes": texts | elements,
        "json": values | elements | st.dictionaries(texts, numbers, max_size=2),
        "later": values,
    },
)
keys = st.builds(lambda class_id, number: f"{class_id}/{number}", st.sampled_from(CLASSES), st.integers(0, 5))
writes = st.lists(st.tuples(keys, st.integers(1, 9), st.none() | contents), max_size=8)
branches = st.sampled_from(BRANCHES)
scalars = st.sampled_from(sorted(KINDS))
class_lists = st.sampled_from([["Thing"], ["Thing-x", "Thing"], ["Nothing"]])
queries = st.one_of(
    st.none(), st.sampled_from(["boston", "bostn", "bost*", '"new york"', "new york", "n*", "york new q", "xx", "...", "2.5"])
)


def operands(name: str) -> st.SearchStrategy[Any]:
    kind = {**KINDS, **LISTS, "notes": Kind.TEXT, "json": Kind.JSON}[name]
    if kind is Kind.JSON:
        return values.filter(lambda value: value is not None)
    fitting = {Kind.TEXT: texts, Kind.BOOLEAN: st.booleans(), Kind.DATE: days}
    return fitting.get(kind, numbers)


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from([*KINDS, *LISTS, "json"]))
    operator = draw(st.sampled_from(Operator))
    value: Any = draw(operands(name))
    if operator in {Operator.IN, Operator.NOT_IN}:
        value = draw(st.lists(operands(name), max_size=3))
    return Filter(name, operator, value, Kind.TEXT)


searches = st.builds(
    SearchQuery,
    class_lists,
    text=queries,
    is_fuzzy=st.booleans(),
    filters=st.lists(conditions(), max_size=2),
    sort=st.none() | st.builds(Sort, scalars, st.just(Kind.TEXT), st.booleans()),
    facets=st.lists(
        st.builds(FacetRequest, st.sampled_from([*KINDS, *LISTS]), st.just(Kind.TEXT), st.integers(0, 3)), max_size=2
    ),
    offset=st.integers(0, 2),
    limit=st.integers(0, 4),
    with_highlights=st.booleans(),
)


def definition(
    class_id: str, *, size: Kind = Kind.INTEGER, title: str = "name", more: Sequence[IndexedField] = ()
) -> IndexedClass:
    fields = [IndexedField(name, size if name == "size" else kind) for name, kind in KINDS.items()]
    fields += [IndexedField(name, kind, is_array=True) for name, kind in LISTS.items()]
    fields += [IndexedField("notes", Kind.TEXT, is_array=True, is_text=True), IndexedField("json", Kind.JSON), *more]
    return IndexedClass(class_id, fields, title)


@dataclass
class Model:
    """Every branch as a dict of its own."""

    branches: dict[str, dict[str, SearchDocument]] = field(default_factory=lambda: {"main": {}})

    def write(self, branch: str, documents: Sequence[SearchDocument]) -> int:
        held = self.branches.setdefault(branch, {}) if documents else {}
        before = {key: document.version for key, document in held.items()}
        for document in documents:
            if document.key not in held or held[document.key].version < document.version:
                held[document.key] = document
        return sum(document.version != before.get(key, 0) for key, document in held.items())

    def live(self, branch: str) -> dict[str, SearchDocument]:
        held = self.branches.get(branch, {})
        return {key: held[key] for key in sorted(held) if not held[key].is_deleted}


class SearchMachine(RuleBasedStateMachine):
    """Writes, branches, redefinitions and rebuilds; after each step some branch is read in every way."""

    indexes: Sequence[SearchIndex] = ()
    numbers: Iterator[int] = itertools.count()

    @initialize()
    def start(self) -> None:
        self.database = f"machine_{next(self.numbers)}"
        self.live, self.building, self.steps = Model(), None, 0
        self.generations: list[int | None] = [None for _ in self.indexes]
        self.definitions = [definition(class_id) for class_id in CLASSES]
        for index in self.indexes:
            for item in self.definitions:
                index.define(self.database, item)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            for index in self.indexes:
                index.drop(self.database)

    @rule(branch=branches, changes=writes)
    def write(self, branch: str, changes: list[tuple[str, int, dict[str, Any] | None]]) -> None:
        documents = _documents(changes)
        applied = self.live.write(branch, documents)
        for index in self.indexes:
            result = index.write(self.database, branch, documents)
            assert (result.applied, result.stale) == (applied, len(documents) - applied)
            index.refresh(self.database)

    @rule(name=branches, source=branches)
    def create_branch(self, name: str, source: str) -> None:
        for index in self.indexes:
            index.create_branch(self.database, name, source=source)
        if name not in self.live.branches:
            self.live.branches[name] = dict(self.live.branches.get(source, {}))

    @rule(name=st.sampled_from(BRANCHES[1:]))
    def delete_branch(self, name: str) -> None:
        for index in self.indexes:
            index.delete_branch(self.database, name)
        self.live.branches.pop(name, None)

    @rule(
        class_number=st.integers(0, 1),
        size=st.sampled_from([Kind.INTEGER, Kind.TEXT, Kind.NUMBER]),
        title=st.sampled_from(["name", "size"]),
        has_more=st.booleans(),
    )
    def redefine(self, class_number: int, size: Kind, title: str, has_more: bool) -> None:
        more = [IndexedField("later", Kind.TEXT, is_text=True)] if has_more else []
        self.definitions[class_number] = definition(CLASSES[class_number], size=size, title=title, more=more)
        for index in self.indexes:
            index.define(self.database, self.definitions[class_number])

    @rule()
    def begin_rebuild(self) -> None:
        self.building = Model()
        self.generations = [index.begin_rebuild(self.database) for index in self.indexes]
        for index, generation in zip(self.indexes, self.generations, strict=True):
            for item in self.definitions:
                index.define(self.database, item, generation=generation)

    @precondition(lambda self: self.building is not None)
    @rule(branch=branches, changes=writes)
    def write_to_rebuild(self, branch: str, changes: list[tuple[str, int, dict[str, Any] | None]]) -> None:
        documents = _documents(changes)
        self.building.write(branch, documents)
        for index, generation in zip(self.indexes, self.generations, strict=True):
            index.write(self.database, branch, documents, generation=generation)
            index.refresh(self.database)

    @precondition(lambda self: self.building is not None)
    @rule(is_good=st.booleans())
    def end_rebuild(self, is_good: bool) -> None:
        for index, generation in zip(self.indexes, self.generations, strict=True):
            assert generation is not None
            (index.finish_rebuild if is_good else index.abandon_rebuild)(self.database, generation)
        if is_good and self.building is not None:
            self.live = self.building
        self.building = None

    @rule(branch=branches, query=searches)
    def search(self, branch: str, query: SearchQuery) -> None:
        embedded, other = (_outcome(index, self.database, branch, query) for index in self.indexes)
        assert embedded == other

    @rule(branch=branches, query=searches, size=st.integers(1, 3))
    def page_through(self, branch: str, query: SearchQuery, size: int) -> None:
        query = replace(query, limit=size, offset=0, facets=())
        embedded, other = (
            _follow(lambda q, index=index: index.search(self.database, branch, q), query) for index in self.indexes
        )
        assert embedded == other
        assert embedded is None or len(embedded) == len(set(embedded))

    @invariant()
    def branches_hold_what_the_model_holds(self) -> None:
        if not hasattr(self, "database"):
            return
        self.steps += 1
        for branch in BRANCHES[self.steps % 2 :: 2]:
            expected = list(self.live.live(branch).values())
            held = self.live.branches.get(branch, {})
            for index in self.indexes:
                assert list(index.scan(self.database, branch)) == expected
                assert index.get(self.database, branch, list(held)) == held


def _documents(changes: list[tuple[str, int, dict[str, Any] | None]]) -> list[SearchDocument]:
    return [
        SearchDocument(key, key.partition("/")[0], data or {}, version, version, f"e{number}", AT, None, is_deleted=data is None)
        for number, (key, version, data) in enumerate(changes)
    ]


def _outcome(index: SearchIndex, database: str, branch: str, query: SearchQuery) -> Any:
    """Return the answer without the opaque token, or the code of the error."""
    try:
        found = index.search(database, branch, query)
    except SpiceError as error:
        return error.code
    facets = [(facet.field, list(facet.buckets)) for facet in found.facets]
    return list(found.hits), found.total, found.total_is_exact, found.next_after is None, facets


def _follow(search: Callable[[SearchQuery], Any], query: SearchQuery) -> list[str] | None:
    """Return the keys of all pages, None for an invalid query."""
    keys: list[str] = []
    while True:
        try:
            page = search(query)
        except SpiceError:
            return None
        keys += [hit.document.key for hit in page.hits]
        if page.next_after is None:
            return keys
        query = replace(query, after=page.next_after)


EXAMPLES = [12, pytest.param(150, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]


def run_in_lockstep(*indexes: SearchIndex, examples: int, steps: int = 20) -> None:
    """Let the machine act on both indexes, and on the model."""
    run_state_machine_as_test(
        type("Machine", (SearchMachine,), {"indexes": indexes}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=[Phase.generate],
        ),
    )


@pytest.mark.parametrize("examples", EXAMPLES)
def test_memory_and_postgres_stay_in_lockstep(postgres_dsn, examples):
    postgres = Postgres(postgres_dsn, max_size=2)
    try:
        run_in_lockstep(MemorySearchIndex(), PostgresSearchIndex(postgres), examples=examples)
    finally:
        postgres.close()


@pytest.mark.full
@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_embedded_and_elasticsearch_stay_in_lockstep(elasticsearch_server, examples):
    options = ElasticsearchOptions(elasticsearch_server.url, timeout_seconds=60)
    prefix = f"machine-{uuid.uuid4().hex[:8]}"
    elasticsearch = ElasticsearchSearchIndex(options, clock=SystemClock(), ids=RandomIds(), prefix=prefix)
    try:
        run_in_lockstep(MemorySearchIndex(), elasticsearch, examples=examples, steps=15)
    finally:
        elasticsearch.close()
