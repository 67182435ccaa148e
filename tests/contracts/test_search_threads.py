"""What every search index promises to many threads at once."""

import random
import threading

from search_samples import FLIGHT, doc, put

from spice_core.domain.queries import FacetRequest
from spice_core.domain.search import SearchQuery
from spice_core.ports.search_index import SearchIndex


def test_overlapping_unsorted_writers_never_deadlock_and_the_highest_version_wins(make_index, index, db):
    keys = [f"{n:03d}" for n in range(300)]
    failures: list[BaseException] = []

    def work(seed: int, writer: SearchIndex) -> None:
        rng = random.Random(seed)
        try:
            for step in range(12):
                batch = [
                    doc(key, step * 4 + seed + 1, distance=step * 4 + seed, name=f"w{seed}x{step}")
                    for key in rng.sample(keys, 200)
                ]
                writer.write(db, "main", batch)
            writer.write(db, "main", [doc(key, 100 + seed, distance=seed) for key in rng.sample(keys, len(keys))])
        except BaseException as error:  # noqa: BLE001 reported by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed, make_index())) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.refresh(db)
    assert failures == []
    assert {document.version for document in index.scan(db, "main")} == {103}
    assert index.search(db, "main", SearchQuery(["Flight"])).total == len(keys)


def test_readers_see_either_the_old_or_the_new_generation_never_a_mixture(make_index, index, db):
    put(index, db, *(doc(f"{n}", carrier="g0") for n in range(20)))
    failures: list[object] = []
    done = threading.Event()

    def read(reader: SearchIndex) -> None:
        try:
            while not done.is_set():
                query = SearchQuery(["Flight"], facets=[FacetRequest("carrier")], limit=50)
                result = reader.search(db, "main", query)
                carriers = {hit.document.data["carrier"] for hit in result.hits}
                if len(carriers) != 1 or len(result.hits) != 20 or result.total != 20 or len(result.facets[0].buckets) != 1:
                    failures.append((carriers, result.total))
                if len(reader.get(db, "main", ["Flight/1"])) != 1 or len(reader.scan(db, "main")) != 20:
                    failures.append("missing")
        except BaseException as error:  # noqa: BLE001 reported by the test
            failures.append(error)

    threads = [threading.Thread(target=read, args=(make_index(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for generation in range(1, 8):
        number = index.begin_rebuild(db)
        index.define(db, FLIGHT, generation=number)
        index.write(db, "main", [doc(f"{n}", carrier=f"g{generation}") for n in range(20)], generation=number)
        index.finish_rebuild(db, number)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_branch_started_while_its_source_is_written_holds_whole_writes(make_index, index, db):
    put(index, db, *(doc(f"{n}", 1, distance=1) for n in range(50)))
    writer = make_index()

    def write() -> None:
        for version in range(2, 25):
            writer.write(db, "main", [doc(f"{n}", version, distance=version) for n in range(50)])

    thread = threading.Thread(target=write)
    thread.start()
    names = [f"b{n}" for n in range(8)]
    before = {}
    for name in names:
        index.create_branch(db, name, source="main")
        before[name] = [document.version for document in index.scan(db, name)]
    thread.join()
    for name in names:
        versions = [document.version for document in index.scan(db, name)]
        assert len(set(versions)) == 1, name
        assert versions == before[name]
