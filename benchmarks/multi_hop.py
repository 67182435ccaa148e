"""Bar 7: multi-hop traversal on 100 k nodes and 1 M skewed edges, against ladybug and a bare recursive CTE.

Our side walks level by level over `GraphView.expand` with a visited set (cycle protection); peers get the same question:
which nodes are reached within n hops when every node on the way has w >= 50. Answers are compared first (with a
breadth-first search of networkx too), then pairs alternate and the median of their ratios counts.

Run: `python -m benchmarks.multi_hop [--nodes 100000] [--edges 1000000]`.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ladybug
import networkx
import numpy as np
import pandas as pd
import psycopg

from benchmarks.report import Pairs, Row, write
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.embedded import start_embedded, stop_embedded
from spice_core.adapters.postgres.graph_store import PostgresGraphStore
from spice_core.adapters.postgres.migrate import migrate
from spice_core.domain.graph import Direction, GraphBatch, Hop, Node, Provenance
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.ports.graph_store import GraphStore, GraphView

LEAST = 50
START = datetime(2024, 1, 1, tzinfo=UTC)
FILTERS = (Filter("w", Operator.GTE, LEAST, Kind.INTEGER),)
Walk = Callable[[int, int], set[int]]


@dataclass(frozen=True, slots=True)
class Sample:
    """The graph: `targets[n]` are the nodes that n links to, `weights[n]` its property w."""

    targets: Sequence[Sequence[int]]
    weights: Sequence[int]

    def edges(self) -> Iterator[tuple[int, int]]:
        return ((source, target) for source, held in enumerate(self.targets) for target in held)


def skewed(nodes: int, edges: int, *, seed: int = 7) -> Sample:
    """Draw both ends of `edges` distinct edges from a Zipf-like law, the ranks shuffled apart."""
    draw = np.random.default_rng(seed)
    chances = 1 / np.arange(1, nodes + 1) ** 0.75
    chances /= chances.sum()
    ends = [draw.permutation(nodes)[draw.choice(nodes, size=edges + edges // 3, p=chances)] for _ in range(2)]
    pairs = np.unique(np.stack(ends, axis=1), axis=0)
    pairs = pairs[draw.permutation(len(pairs))[:edges]]
    targets: list[list[int]] = [[] for _ in range(nodes)]
    for source, target in pairs.tolist():
        targets[source].append(target)
    return Sample(targets, draw.integers(0, 100, nodes).tolist())


def node(number: int, weight: int, targets: Sequence[int]) -> Node:
    keys = tuple(f"N/{target}" for target in targets)
    document = {"id": number, "w": weight, "name": f"node number {number}", "to": list(keys)}
    provenance = Provenance(f"{number:032x}", f"{number:032x}", "bench", START)
    return Node(f"N/{number}", "N", document, {"to": keys} if keys else {}, 1, number, provenance)


def load_ours(store: GraphStore, sample: Sample) -> dict[str, str]:
    """Load the sample, rewrite a twentieth of it, branch, and rewrite 1,000 nodes there; return refs by name."""
    store.create_database("hops", author="bench", message="begin", at=START, position=1)
    position = 1

    def write(numbers: Sequence[int], branch: str, *, is_reversed: bool) -> None:
        nonlocal position
        for begin in range(0, len(numbers), 1000):
            part = numbers[begin : begin + 1000]
            order = -1 if is_reversed else 1
            changes = [node(number, sample.weights[number], sample.targets[number][::order]) for number in part]
            at = START + timedelta(seconds=position)
            store.apply("hops", GraphBatch(branch, changes, "bench", "load", at, position + 1, position + len(part)))
            position += len(part)

    numbers = list(range(len(sample.targets)))
    write(numbers, "main", is_reversed=False)
    loaded = store.view("hops").commit.id
    write(numbers[::20], "main", is_reversed=True)
    position += 1
    store.create_branch("hops", "branch", source="main", at=START, position=position)
    write(numbers[3 :: len(numbers) // 1000], "branch", is_reversed=True)
    return {"head": "main", "as-of": loaded, "branch": "branch"}


def walk_ours(view: GraphView, *, filters: Sequence[Filter]) -> Walk:
    """One call for the whole walk."""

    def walk(start: int, hops: int) -> set[int]:
        return {int(found.key[2:]) for found in view.reach([f"N/{start}"], [Hop("to", filters=filters)] * hops)}

    return walk


def walk_by_links(view: GraphView, *, filters: Sequence[Filter]) -> Walk:
    """A call per hop that returns the links too, as a query for paths needs them."""

    def walk(start: int, hops: int) -> set[int]:
        seen = {f"N/{start}"}
        frontier = list(seen)
        for _ in range(hops):
            links = view.expand(frontier, predicate="to", direction=Direction.OUT, filters=filters)
            frontier = list({link.target for link in links} - seen)
            if not frontier:
                break
            seen.update(frontier)
        return {int(key[2:]) for key in seen} - {start}

    return walk


def load_plain(dsn: str, sample: Sample) -> psycopg.Connection[tuple[int]]:
    connection: psycopg.Connection[tuple[int]] = psycopg.connect(dsn, autocommit=True)
    connection.execute("CREATE TABLE plain_node (id int PRIMARY KEY, w int NOT NULL)")
    connection.execute("CREATE TABLE plain_edge (source int NOT NULL, target int NOT NULL)")
    with connection.cursor() as cursor:
        with cursor.copy("COPY plain_node FROM STDIN") as copy:
            for row in enumerate(sample.weights):
                copy.write_row(row)
        with cursor.copy("COPY plain_edge FROM STDIN") as copy:
            for row in sample.edges():
                copy.write_row(row)
    connection.execute("CREATE INDEX ON plain_edge (source, target)")
    connection.execute("VACUUM ANALYZE plain_node, plain_edge")
    return connection


def walk_plain(connection: psycopg.Connection[tuple[int]]) -> Walk:
    statement = """
        WITH RECURSIVE reached (id, depth) AS (
            SELECT %(start)s::int, 0
            UNION
            SELECT edge.target, reached.depth + 1
              FROM reached JOIN plain_edge AS edge ON edge.source = reached.id JOIN plain_node AS node ON node.id = edge.target
             WHERE reached.depth < %(hops)s AND node.w >= %(least)s)
        SELECT DISTINCT id FROM reached WHERE depth > 0 AND id <> %(start)s"""

    def walk(start: int, hops: int) -> set[int]:
        asked = {"start": start, "hops": hops, "least": LEAST}
        return {number for (number,) in connection.execute(statement, asked, binary=True)}

    return walk


def load_ladybug(folder: Path, sample: Sample) -> ladybug.Connection:
    connection = ladybug.Connection(ladybug.Database(str(folder / "ladybug")))
    connection.execute("CREATE NODE TABLE N(id INT64, w INT64, PRIMARY KEY(id))")
    connection.execute("CREATE REL TABLE E(FROM N TO N)")
    pd.DataFrame(enumerate(sample.weights)).to_csv(folder / "nodes.csv", index=False, header=False)
    pd.DataFrame(sample.edges()).to_csv(folder / "edges.csv", index=False, header=False)
    connection.execute(f"COPY N FROM '{folder / 'nodes.csv'}'")
    connection.execute(f"COPY E FROM '{folder / 'edges.csv'}'")
    return connection


def walk_ladybug(connection: ladybug.Connection) -> Walk:
    statements = {
        hops: connection.prepare(
            f"MATCH (a:N)-[e:E* SHORTEST 1..{hops} (r, n | WHERE n.w >= {LEAST})]->(b:N)"
            f" WHERE a.id = $start AND b.w >= {LEAST} AND b.id <> $start RETURN b.id"
        )
        for hops in range(1, 6)
    }

    def walk(start: int, hops: int) -> set[int]:
        return {row[0] for row in connection.execute(statements[hops], {"start": start}).get_all()}

    return walk


def walk_networkx(sample: Sample) -> Walk:
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(sample.targets)))
    graph.add_edges_from((source, target) for source, target in sample.edges() if sample.weights[target] >= LEAST)

    def walk(start: int, hops: int) -> set[int]:
        return set(networkx.single_source_shortest_path_length(graph, start, cutoff=hops)) - {start}

    return walk


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="spice-hops-"))
    folder.chmod(0o711)
    yield folder
    stop_embedded(folder / "postgres")
    shutil.rmtree(folder)


def milliseconds(walk: Walk, start: int, hops: int) -> float:
    begun = time.perf_counter()
    walk(start, hops)
    return (time.perf_counter() - begun) * 1000


def compare(walks: Mapping[str, Walk], starts: Sequence[int], hops: int, *, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of every walk, start by start; walks take turns, forwards and backwards."""
    taken: dict[str, list[float]] = {name: [] for name in walks}
    for number, start in enumerate([*starts] * rounds):
        for name in list(walks)[:: -1 if number % 2 else 1]:
            taken[name].append(milliseconds(walks[name], start, hops))
    return taken


def check(walks: Mapping[str, Walk], truth: Walk, starts: Sequence[int], hops: int) -> None:
    for start in starts:
        expected = truth(start, hops)
        for name, walk in walks.items():
            found = walk(start, hops)
            assert found == expected, (name, start, hops, len(found), len(expected))


def rows(case: str, taken: Mapping[str, Sequence[float]], *, ladybug_bar: float) -> list[Row]:
    """Compare the head with each peer, and reads of the past and of a branch with the head."""
    head = taken["head"]
    asked = [("head", "ladybug", ladybug_bar), ("head", "recursive CTE", 1.5), ("head", "ours, hop by hop with links", None)]
    found = [
        Row.of("multi-hop", case, peer, Pairs(taken[ours], taken[peer]), unit="ms", bar=bar, is_rate=False)
        for ours, peer, bar in asked
    ]
    pasts = [("as-of", 2.0), ("branch", None)]
    return found + [
        Row.of("multi-hop", f"{case}, {name}", "head", Pairs(taken[name], head), unit="ms", bar=bar, is_rate=False)
        for name, bar in pasts
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    sample = skewed(options.nodes, options.edges)
    by_degree = sorted(range(options.nodes), key=lambda number: -len(sample.targets[number]))
    ordinary = random.Random(3).sample([n for n in range(options.nodes) if 3 <= len(sample.targets[n]) <= 30], 20)
    found: list[Row] = []
    with scratch() as folder:
        dsn = start_embedded(folder / "postgres", shared_buffers="512MB")
        migrate(dsn)
        postgres = Postgres(dsn)
        store = PostgresGraphStore(postgres)
        begun = time.perf_counter()
        refs = load_ours(store, sample)
        degrees = [len(sample.targets[number]) for number in by_degree[:5]]
        print(f"loaded in {time.perf_counter() - begun:.0f} s; supernodes have {degrees} links", flush=True)
        walks = {name: walk_ours(store.view("hops", ref), filters=FILTERS) for name, ref in refs.items()}
        walks["ours, hop by hop with links"] = walk_by_links(store.view("hops"), filters=FILTERS)
        walks["ladybug"] = walk_ladybug(load_ladybug(folder, sample))
        walks["recursive CTE"] = walk_plain(load_plain(dsn, sample))
        truth = walk_networkx(sample)
        for hops in range(1, 6):
            starts = ordinary if hops < 4 else ordinary[:6]
            check(walks, truth, starts[:6], hops)
            taken = compare(walks, starts, hops, rounds=options.rounds)
            found += rows(f"{hops} hop{'s' if hops > 1 else ''}", taken, ladybug_bar=0.5)
        for hops in range(1, 4):
            check(walks, truth, by_degree[:1], hops)
            taken = compare(walks, by_degree[:5], hops, rounds=1)
            found += rows(f"{hops} hop{'s' if hops > 1 else ''} from supernodes", taken, ladybug_bar=1.0)
        postgres.close()
    write(found)


if __name__ == "__main__":
    main()
