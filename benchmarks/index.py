"""Bar 6: the same documents to one sink, by our bulk writer and by the helpers of the Elasticsearch client.

The fast sink is a process that answers a bulk request at once, the slow one takes 50 ms and 20 microseconds a document, as
many requests as come at once. Both sides make their requests of the same dicts. The growth of memory is that of this process.
With `--elasticsearch URL` the documents go to a real server as well, into an index without replicas.

Run: `python -m benchmarks.index [--pairs 5] [--documents 200000] [--elasticsearch URL]`.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.report import Pairs, Row, paired, write
from spice_core.adapters.elasticsearch.bulk import BulkWriter, Operation, put_row
from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.adapters.system.clock import SystemClock

BARS = {"streaming_bulk": 3.0, "parallel_bulk": 5.0}
MEMORY_BAR_MB = 50.0
SLOW = (0.05, 0.00002)


def documents(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Flights, about 400 bytes each."""
    for number in range(count):
        yield (
            f"Flight/{number:07d}",
            {
                "name": f"Flight {number}",
                "carrier": ["AA", "UA", "DL", "B6"][number % 4],
                "distance": number % 3_000,
                "price": f"{number % 700}.50",
                "is_late": number % 7 == 0,
                "day": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
                "stops": ["JFK", "ORD"][: number % 3],
                "notes": "some words about a flight that was on its way " * 4,
            },
        )


class Sink(asyncio.Protocol):
    """Answers bulk requests as Elasticsearch does, without keeping anything."""

    delay: tuple[float, float] = (0.0, 0.0)
    received = 0
    answers: dict[tuple[int, bool], bytes] = {}  # noqa: RUF012 - one process, one sink

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parts: list[bytes] = []
        self.wanted = -1
        self.have = 0

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.have += len(data)
        if self.wanted < 0:
            whole = b"".join(self.parts)
            head, found, _ = whole.partition(b"\r\n\r\n")
            if not found:
                return
            self.parts = [whole]
            self.head = head
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.wanted = len(head) + 4 + (int(length[0].partition(b":")[2]) if length else 0)
        if self.have >= self.wanted:
            body = b"".join(self.parts)[len(self.head) + 4 :]
            self.parts, self.wanted, self.have = [], -1, 0
            self.serve(body)

    def serve(self, body: bytes) -> None:
        if self.head.startswith(b"GET /count"):
            answer, Sink.received = orjson.dumps(Sink.received), 0
            self.reply(answer)
            return
        count = body.count(b"\n") // 2
        Sink.received += count
        is_short = b"filter_path" in self.head
        known = Sink.answers.get((count, is_short))
        if known is None:
            item = {"status": 201} if is_short else {"_index": "bench", "_id": "Flight/0000000", "_version": 1, "status": 201}
            found: dict[str, Any] = {"errors": False, "items": [{"index": item}] * count}
            known = Sink.answers[count, is_short] = orjson.dumps(found if is_short else {"took": 1} | found)
        seconds = Sink.delay[0] + Sink.delay[1] * count
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.reply, known)
        else:
            self.reply(known)

    def reply(self, answer: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-elastic-product: Elasticsearch\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def serve_sink(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def sink(*, is_slow: bool) -> Iterator[str]:
    """Run a sink in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-m", "benchmarks.index", "--sink", str(port), "--slow", str(int(is_slow))]
    process = subprocess.Popen(arguments)
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass
class Bench:
    """One target, and how many documents go to it."""

    url: str
    count: int
    alias: str = "bench"

    def ours(self) -> float:
        server = Elasticsearch(ElasticsearchOptions(self.url, timeout_seconds=120), clock=SystemClock())
        bulk = BulkWriter(server)

        def operations() -> Iterator[Operation]:
            for ident, source in documents(self.count):
                yield put_row(ident, orjson.dumps(source), version=1, is_repeatable=True)

        start = time.perf_counter()
        outcome = bulk.send(self.alias, operations())
        seconds = time.perf_counter() - start
        assert outcome.applied == self.count, outcome
        bulk.close()
        server.close()
        return self.count / seconds

    def streaming(self) -> float:
        return self._helper("streaming_bulk")

    def parallel(self) -> float:
        return self._helper("parallel_bulk")

    def _helper(self, name: str) -> float:
        from elasticsearch import Elasticsearch as Client  # noqa: PLC0415 - an extra
        from elasticsearch import helpers  # noqa: PLC0415 - an extra

        client = Client(self.url, request_timeout=120)
        actions = (
            {
                "_op_type": "index",
                "_index": self.alias,
                "_id": ident,
                "_source": source,
                "version": 1,
                "version_type": "external_gte",
            }
            for ident, source in documents(self.count)
        )
        start = time.perf_counter()
        done = sum(is_ok for is_ok, _ in getattr(helpers, name)(client, actions))
        seconds = time.perf_counter() - start
        assert done == self.count
        client.close()
        return self.count / seconds

    def check(self) -> None:
        """Equal answers: the sink got every document of every run."""
        server = Elasticsearch(ElasticsearchOptions(self.url), clock=SystemClock())
        assert server.call("GET", "/count").body % self.count == 0
        server.close()


def growth_mb(run: Callable[[], object]) -> float:
    """Return by how many MB this process grew at most while `run` ran."""
    before, most, is_done = _resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.01):
            most[0] = max(most[0], _resident_mb() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    run()
    is_done.set()
    thread.join()
    return most[0]


def _resident_mb() -> float:
    with open("/proc/self/statm") as found:  # noqa: PTH123 - read a hundred times a second
        return int(found.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def compare(bench: Bench, case: str, pairs: int, *, has_bars: bool) -> list[Row]:
    rows = []
    for name, theirs in (("streaming_bulk", bench.streaming), ("parallel_bulk", bench.parallel)):
        figures = paired(bench.ours, theirs, pairs)
        bar = BARS[name] if has_bars else None
        rows.append(Row.of("index", case, f"helpers.{name}", figures, unit="documents/s", bar=bar))
        print(rows[-1], flush=True)
    return rows


def on_elasticsearch(url: str, count: int, pairs: int) -> list[Row]:
    server = Elasticsearch(ElasticsearchOptions(url, timeout_seconds=120), clock=SystemClock())
    name = f"bench-{uuid.uuid4().hex[:8]}"
    body = {"settings": {"number_of_replicas": 0, "refresh_interval": "-1"}, "aliases": {f"{name}-rw": {}}}
    server.call("PUT", f"/{name}", body).require()
    try:
        return compare(Bench(url, count, f"{name}-rw"), f"{count:,} documents, Elasticsearch", pairs, has_bars=False)
    finally:
        server.call("DELETE", f"/{name}")
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--elasticsearch", default="", help="URL of a real server, to be measured as well")
    parser.add_argument("--sink", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--slow", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        Sink.delay = SLOW if options.slow else (0.0, 0.0)
        asyncio.run(serve_sink(options.sink))
        return
    rows: list[Row] = []
    for is_slow in (False, True):
        with sink(is_slow=is_slow) as url:
            bench = Bench(url, options.documents)
            case = f"{options.documents:,} documents, {'slow' if is_slow else 'fast'} sink"
            rows += compare(bench, case, options.pairs, has_bars=True)
            bench.check()
            if is_slow:
                grown = Pairs([growth_mb(bench.ours)], [MEMORY_BAR_MB])
                rows.append(Row.of("index", f"{case}, memory", "50 MB", grown, unit="MB", bar=1.0, is_rate=False))
    if options.elasticsearch:
        rows += on_elasticsearch(options.elasticsearch, options.documents, options.pairs)
    write(rows)


if __name__ == "__main__":
    main()
