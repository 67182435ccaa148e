"""What only PostgreSQL's graph store promises: a bounded number of statements, several processes, an honest 503."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from graph_samples import START, Writer, batch, node, removal

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.domain.graph import Commit, Direction, Hop
from spice_core.errors import Conflict, GraphUnavailable


class CountingConnection:
    """Counts what is sent to the server."""

    def __init__(self, connection: psycopg.Connection[Any], sent: list[str]) -> None:
        self._connection, self._sent = connection, sent

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._sent.append(str(query)[:60])
        return self._connection.execute(query, *arguments, **options)

    def cursor(self) -> Any:
        self._sent.append("COPY")
        return self._connection.cursor()


class CountingPostgres(Postgres):
    """A pool whose connections count."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, max_size=2)
        self.sent: list[str] = []

    @contextmanager
    def connection(self, **options: Any) -> Iterator[Any]:
        with super().connection(**options) as connection:
            yield CountingConnection(connection, self.sent)


@pytest.fixture
def postgres(clean_database: str) -> Iterator[CountingPostgres]:
    pool = CountingPostgres(clean_database)
    yield pool
    pool.close()


def linked(numbers: range, word: str) -> list[Any]:
    return [node(f"A/{number}", {"x": word}, {"to": [f"A/{number + 1}", f"B/{number % 7}"]}) for number in numbers]


def sent_for(postgres: CountingPostgres, act: Any) -> int:
    postgres.sent.clear()
    act()
    return len(postgres.sent)


def test_a_batch_takes_as_many_statements_whatever_its_size(postgres: CountingPostgres) -> None:
    writer = Writer(PostgresGraphStore(postgres))
    writer.create()
    writer.write(*linked(range(3), "first"))
    small = sent_for(postgres, lambda: writer.write(*linked(range(5, 15), "a"), *linked(range(3), "b"), removal("A/9x")))
    large = sent_for(postgres, lambda: writer.write(*linked(range(20, 1000), "a"), *linked(range(3), "c"), removal("A/8x")))
    assert large == small <= 12
    rewritten = sent_for(postgres, lambda: writer.write(*linked(range(1000), "d")))
    assert rewritten <= large


def test_reads_take_a_bounded_number_of_statements(postgres: CountingPostgres) -> None:
    writer = Writer(PostgresGraphStore(postgres))
    writer.create()
    writer.write(*linked(range(300), "a"))
    seen = writer.store.view("shop")
    keys = [f"A/{number}" for number in range(300)]
    assert sent_for(postgres, lambda: seen.get(keys)) == 1
    assert sent_for(postgres, lambda: seen.expand(keys, predicate=None, direction=Direction.OUT)) == 1
    assert sent_for(postgres, lambda: seen.reach(keys[:1], [Hop("to")] * 5)) == 1
    assert sent_for(postgres, lambda: seen.page(["A"])) == 1
    assert sent_for(postgres, lambda: seen.count(["A"])) <= 2


def test_several_processes_write_one_database_in_turn(clean_database: str) -> None:
    pools = [Postgres(clean_database, max_size=2) for _ in range(3)]
    stores = [PostgresGraphStore(pool) for pool in pools]
    Writer(stores[0]).create()
    done: list[Commit] = []
    refused: list[Conflict] = []

    def work(store: PostgresGraphStore) -> None:
        for number in range(2, 22):
            try:
                done.append(store.apply("shop", batch(linked(range(number, number + 3), "x"), first=number)))
            except Conflict as error:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    assert len(done) == 60
    assert len({commit.id for commit in done}) == 20
    assert len(stores[0].history("shop")) == 21
    assert stores[1].view("shop").count(["A"]) == 22
    for pool in pools:
        pool.close()


def test_writers_that_wait_for_each_other_see_what_the_other_wrote(clean_database: str) -> None:
    pools = [Postgres(clean_database, max_size=2) for _ in range(3)]
    stores = [PostgresGraphStore(pool) for pool in pools]
    Writer(stores[0]).create()
    accepted: list[int] = []
    failed: list[Exception] = []

    def work(store: PostgresGraphStore, start: int) -> None:
        for position in range(start, 92, 3):
            try:
                store.apply("shop", batch([node(f"A/{position}"), node(f"B/{position}")], first=position))
                accepted.append(position)
            except Conflict:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is fails the test
                failed.append(error)

    threads = [threading.Thread(target=work, args=(store, start)) for start, store in enumerate(stores, start=2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert stores[0].view("shop").count(["A", "B"]) == 2 * len(accepted)
    for pool in pools:
        pool.close()


def test_names_that_another_process_learned_meanwhile_are_no_surprise(clean_database: str) -> None:
    pools = [Postgres(clean_database, max_size=2) for _ in range(2)]
    one, two = (Writer(PostgresGraphStore(pool)) for pool in pools)
    one.create()
    for position, writer in enumerate([one, two, one, two], start=1):
        writer.position = position
        writer.write(node(f"C{position}/1", links={f"p{position}": ["A/1"], "to": ["A/1"]}), node("A/1"))
    found = one.store.view("shop").expand(["A/1"], predicate=None, direction=Direction.IN)
    assert len(found) == 8
    for pool in pools:
        pool.close()


def test_numbers_that_a_restored_database_gives_out_again_are_not_trusted(clean_database: str) -> None:
    pool = Postgres(clean_database, max_size=2)
    writer = Writer(PostgresGraphStore(pool))
    writer.create()
    writer.write(node("A/1", links={"to": ["A/2", "A/3"]}), node("A/2"))
    with psycopg.connect(clean_database, autocommit=True) as connection:
        for table in ("entry", "arrival", "key", "prefix", "predicate"):
            connection.execute(f"DELETE FROM spice_graph.{table}")  # noqa: S608 - names from above
        connection.execute("DELETE FROM spice_graph.commit WHERE number > 1")
        connection.execute("UPDATE spice_graph.layer SET head = 1")
        connection.execute("UPDATE spice_graph.repo SET next_key = 1")
        connection.execute("UPDATE spice_graph.applied SET position = 1")
    writer.position = 1
    writer.write(node("B/1", links={"by": ["A/3", "A/2"]}), node("A/2"), node("A/3"))
    found = writer.store.view("shop").expand(["B/1"], predicate=None, direction=Direction.OUT)
    assert [(link.predicate, link.target) for link in found] == [("by", "A/2"), ("by", "A/3")]
    pool.close()


def test_server_that_is_away_is_unavailable_and_never_an_empty_answer(clean_database: str) -> None:
    pool = Postgres("postgresql://postgres@/none?host=%2Fnowhere", wait_seconds=0.2)
    store = PostgresGraphStore(pool)
    for call in (
        store.databases,
        lambda: store.applied_position("shop"),
        lambda: store.view("shop"),
        lambda: store.history("shop"),
        lambda: store.apply("shop", batch([node("A/1")], first=1)),
        lambda: store.create_database("shop", author="a", message="m", at=START, position=1),
    ):
        with pytest.raises(GraphUnavailable):
            call()
    pool.close()


def test_connection_that_was_cut_is_made_anew(clean_database: str) -> None:
    pool = Postgres(clean_database, max_size=1)
    writer = Writer(PostgresGraphStore(pool))
    writer.create()
    with psycopg.connect(clean_database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE application_name = 'spice' AND datname = current_database()"
        )
    writer.write(node("A/1"))
    assert writer.store.view("shop").count(["A"]) == 1
    pool.close()
