"""Many documents to one index: bounded bytes per request, bounded requests under way, and every item's own outcome."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from spice_core.adapters.elasticsearch.connection import Answer, Elasticsearch
from spice_core.errors import SearchUnavailable

_BUSY = frozenset({429, 503})
_MALFORMED = 400
_ABSENT = 404
_CONFLICT = 409
_TOO_LARGE = 413
_WELL = b'{"errors":false'
_ALL_WELL: Mapping[str, Any] = {"errors": False}
_ATTEMPTS = 7
_PAUSE_SECONDS = 0.05
_OUTCOMES = "filter_path=errors,error,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"


class IndexGone(Exception):
    """The index that a request named is not there."""


Operation: TypeAlias = bytes
"""One document of a bulk request, its action and source as NDJSON: bytes alone, which the garbage collector need not visit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that the engine does not take, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class BulkOutcome:
    """How many operations were applied, how many were not above the version that is there, and which were refused."""

    applied: int = 0
    stale: int = 0
    refused: list[Refused] | None = None


def put_row(ident: str, source: bytes, *, version: int, is_repeatable: bool = False) -> Operation:
    """Return the operation that stores a row unless a version as high is there (as high or higher, if `is_repeatable`)."""
    kind = b"external_gte" if is_repeatable else b"external"
    return b'{"index":{"_id":' + orjson.dumps(ident) + b',"version":%d,"version_type":"%b"}}\n' % (version, kind) + source + b"\n"


def remove_row(ident: str) -> Operation:
    """Return the operation that removes a row for ever."""
    return orjson.dumps({"delete": {"_id": ident}}) + b"\n"


def name_of(operation: Operation) -> str:
    """Return the id of the row that an operation is about."""
    action: dict[str, Any] = orjson.loads(operation.partition(b"\n")[0])
    return str(next(iter(action.values()))["_id"])


class BulkWriter:
    """Sends operations in requests of about `max_bytes`, at most `concurrency` at once; what waits is never more than that.

    Of a request only the items that the engine was too busy for are sent again, with pauses that grow.
    """

    def __init__(self, server: Elasticsearch, *, max_bytes: int = 1_000_000, concurrency: int = 8) -> None:
        self._server = server
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._threads: ThreadPoolExecutor | None = None

    def send(self, alias: str, operations: Iterable[Operation], *, before: Callable[[], None] = lambda: None) -> BulkOutcome:
        """Send all `operations` to `alias` (never to an index of that name); `before` is called before each request.

        Raises:
            IndexGone: there is no such alias.
            SearchUnavailable: the engine cannot be reached or stays busy; some operations may have been applied.
        """
        total = BulkOutcome()
        waiting: deque[Future[BulkOutcome]] = deque()
        path = f"/{alias}/_bulk?require_alias=true&{_OUTCOMES}"
        requests = self._requests(operations)
        first = next(requests, None)
        while first is not None:
            following = next(requests, None)
            if following is None and not waiting:
                _add(total, self._deliver(path, first, before))
                break
            if len(waiting) >= self._concurrency:
                _add(total, waiting.popleft().result())
            waiting.append(self._executor().submit(self._deliver, path, first, before))
            first = following
        while waiting:
            _add(total, waiting.popleft().result())
        return total

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown()

    def _executor(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="elasticsearch-bulk")
        return self._threads

    def _requests(self, operations: Iterable[Operation]) -> Iterator[list[Operation]]:
        part: list[Operation] = []
        size = 0
        for operation in operations:
            if part and size + len(operation) > self._max_bytes:
                yield part
                part, size = [], 0
            part.append(operation)
            size += len(operation)
        if part:
            yield part

    def _deliver(self, path: str, operations: Sequence[Operation], before: Callable[[], None]) -> BulkOutcome:
        outcome = BulkOutcome()
        left = list(operations)
        for attempt in range(_ATTEMPTS):
            before()
            answer = self._server.call("POST", path, b"".join(left), read=_outcomes)
            if answer.status == _TOO_LARGE and len(left) > 1:
                middle = len(left) // 2
                _add(outcome, self._deliver(path, left[:middle], before))
                _add(outcome, self._deliver(path, left[middle:], before))
                return outcome
            left = _judge(outcome, left, answer)
            if not left:
                return outcome
            self._server.clock.sleep(_PAUSE_SECONDS * 2**attempt)
        raise SearchUnavailable(f"Elasticsearch stays too busy for {len(left)} of {len(operations)} documents")


def _outcomes(answer: bytes) -> Any:
    """Read an answer; where nothing failed, what it says of each of thousands of items is not looked at."""
    return _ALL_WELL if answer.startswith(_WELL) else orjson.loads(answer)


def _judge(outcome: BulkOutcome, sent: Sequence[Operation], answer: Answer) -> list[Operation]:
    """Count what became of the `sent` operations; return those to be sent again."""
    if answer.status == _ABSENT:
        raise IndexGone
    if answer.status == _TOO_LARGE:
        _add(outcome, BulkOutcome(refused=[Refused(name_of(operation), "it is too large for a request") for operation in sent]))
        return []
    body = answer.require()
    if not body.get("errors"):
        outcome.applied += len(sent)
        return []
    found: list[dict[str, Any]] = [next(iter(item.values())) for item in body["items"]]
    return [operation for operation, item in zip(sent, found, strict=True) if not _is_settled(outcome, operation, item)]


def _is_settled(outcome: BulkOutcome, operation: Operation, item: dict[str, Any]) -> bool:
    """Count what became of one operation; return whether it need not be sent again."""
    status = item["status"]
    if status in _BUSY:
        return False
    if status == _CONFLICT:
        outcome.stale += 1
    elif status == _MALFORMED:
        _add(outcome, BulkOutcome(refused=[Refused(name_of(operation), _reason(item["error"]))]))
    elif status == _ABSENT and "error" in item:
        raise IndexGone
    elif status >= 300 and status != _ABSENT:
        raise SearchUnavailable(f"Elasticsearch did not store {name_of(operation)} ({status}): {_reason(item.get('error', {}))}")
    else:
        outcome.applied += status != _ABSENT
    return True


def _reason(error: dict[str, Any]) -> str:
    cause = error.get("caused_by", {}).get("reason")
    return f"{error.get('type')}: {error.get('reason')}" + (f" ({cause})" if cause else "")


def _add(total: BulkOutcome, part: BulkOutcome) -> None:
    total.applied += part.applied
    total.stale += part.stale
    if part.refused:
        total.refused = [*(total.refused or ()), *part.refused]
