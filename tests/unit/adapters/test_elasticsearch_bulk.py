"""Bulk requests to a server that has bad days."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import orjson
import pytest

from spice_core.adapters.elasticsearch.bulk import BulkWriter, IndexGone, Operation, put_row
from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.errors import SearchUnavailable
from tests.scripted_server import ScriptedServer, scripted_server
from tests.write_path import SteppedClock

Judge = Callable[[str, int], tuple[int, dict[str, str] | None]]


def rows(count: int, size: int = 10) -> Iterator[Operation]:
    for number in range(count):
        yield put_row(f"row{number}", orjson.dumps({"text": "x" * size}), version=1)


def idents(body: bytes) -> list[str]:
    return [orjson.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]


class Sink:
    """Judges every item by its id and how often it came."""

    def __init__(self, judge: Judge) -> None:
        self.times: Counter[str] = Counter()
        self._judge = judge
        self._lock = threading.Lock()

    def __call__(self, _method: str, _path: str, body: bytes) -> tuple[int, dict[str, object]]:
        items = []
        with self._lock:
            for ident in idents(body):
                self.times[ident] += 1
                status, error = self._judge(ident, self.times[ident])
                items.append({"index": {"status": status} | ({"error": error} if error else {})})
        return 200, {"errors": any(item["index"]["status"] >= 400 for item in items), "items": items}


def writer(script: ScriptedServer, **options: int) -> BulkWriter:
    return BulkWriter(Elasticsearch(ElasticsearchOptions(script.url), clock=SteppedClock()), **options)


def test_only_the_items_that_the_engine_was_too_busy_for_are_sent_again():
    """Fault 16."""

    def judge(ident: str, times: int) -> tuple[int, dict[str, str] | None]:
        is_busy = ident in {"row3", "row7"} and times < 3
        return (429, {"type": "es_rejected_execution_exception", "reason": "full"}) if is_busy else (201, None)

    sink = Sink(judge)
    with scripted_server(sink) as script:
        assert writer(script).send("alias", rows(10)).applied == 10
    assert sink.times == {f"row{n}": 3 if n in {3, 7} else 1 for n in range(10)}


def test_an_engine_that_stays_too_busy_is_unavailable():
    sink = Sink(lambda ident, _times: (429, {"type": "x", "reason": "y"}) if ident == "row1" else (201, None))
    with scripted_server(sink) as script, pytest.raises(SearchUnavailable, match="1 of 3"):
        writer(script).send("alias", rows(3))
    assert 2 < sink.times["row1"] < 20
    assert sink.times["row0"] == 1


def test_conflicts_are_stale_and_a_document_that_does_not_fit_is_named_while_the_others_are_stored():
    """Fault 16: a mapping conflict."""
    judged = {"row1": (409, {"type": "version_conflict_engine_exception", "reason": "x"})}
    judged["row2"] = (400, {"type": "document_parsing_exception", "reason": "no number"})
    sink = Sink(lambda ident, _times: judged.get(ident, (201, None)))
    with scripted_server(sink) as script:
        outcome = writer(script).send("alias", rows(5))
    assert (outcome.applied, outcome.stale) == (3, 1)
    assert outcome.refused is not None
    assert [(item.name, item.reason) for item in outcome.refused] == [("row2", "document_parsing_exception: no number")]


def test_a_full_disk_is_no_fault_of_the_document():
    blocked = (403, {"type": "cluster_block_exception", "reason": "index read-only / allow delete"})
    with (
        scripted_server(Sink(lambda _ident, _times: blocked)) as script,
        pytest.raises(SearchUnavailable, match="read-only"),
    ):
        writer(script).send("alias", rows(1))


def test_a_missing_alias_is_told_apart_from_everything_else():
    gone = (404, {"type": "index_not_found_exception", "reason": "x"})
    with scripted_server(Sink(lambda _ident, _times: gone)) as script, pytest.raises(IndexGone):
        writer(script).send("alias", rows(1))


def test_a_request_that_is_too_large_is_sent_in_halves():
    sink = Sink(lambda _ident, _times: (201, None))

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, object]]:
        return sink(method, path, body) if len(idents(body)) < 4 else (413, {})

    with scripted_server(answer) as script:
        assert writer(script).send("alias", rows(10)).applied == 10
        assert set(sink.times.values()) == {1}


def test_requests_are_bounded_in_size_and_number_and_take_turns_to_keep_the_lock():
    kept: list[int] = []
    sink = Sink(lambda _ident, _times: (201, None))
    with scripted_server(sink, delay_seconds=0.02) as script:
        bulk = writer(script, max_bytes=2_000, concurrency=3)
        assert bulk.send("alias", rows(300, 100), before=lambda: kept.append(1)).applied == 300
        bulk.close()
        assert script.most_at_once <= 3
        assert max(len(request.body) for request in script.asked) <= 2_000
        assert len(kept) == len(script.asked) > 20
    assert all("require_alias=true" in request.path for request in script.asked)


def test_a_document_larger_than_a_request_goes_alone():
    sink = Sink(lambda _ident, _times: (201, None))
    with scripted_server(sink) as script:
        assert writer(script, max_bytes=1_000).send("alias", rows(3, 5_000)).applied == 3
        assert len(script.asked) == 3


def test_many_documents_wait_in_the_callers_iterator_and_not_in_memory():
    taken = [0]

    def counted() -> Iterator[Operation]:
        for operation in rows(2_000, 1_000):
            taken[0] += 1
            yield operation

    seen: list[int] = []

    def judge(_ident: str, _times: int) -> tuple[int, None]:
        return 201, None

    sink = Sink(judge)

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, object]]:
        seen.append(taken[0] - sum(sink.times.values()))
        return sink(method, path, body)

    with scripted_server(answer, delay_seconds=0.01) as script:
        writer(script, max_bytes=20_000, concurrency=2).send("alias", counted())
    assert max(seen) <= 5 * 20
