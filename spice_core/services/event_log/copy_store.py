"""Copies the logs and the dataset bytes of one store to another, object by object, and proves the copy."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from spice_core.errors import ConfigurationError, CorruptObject, SlotTaken
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import EMPTY_HEAD
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.pack import pack_prefix, parse_pack, range_of
from spice_core.services.event_log.segment import parse_segment
from spice_core.services.event_log.segments import Segments
from spice_core.services.event_log.store_checks import DATABASES, INSTALLATION, installation_of, refuse_overwriting_store
from spice_core.services.event_log.verifier import Verifier, VerifyReport

_DATASETS = "datasets/"
_PAGE = 1000
_AT_ONCE = 8

CopyProgress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied now (objects that were there already are not counted), and how each log of the copy verified."""

    objects: int
    bytes: int
    logs: Sequence[VerifyReport]

    @property
    def is_intact(self) -> bool:
        """Whether every log of the copy is intact."""
        return all(log.is_intact for log in self.logs)


class StoreCopier:
    """Copies `source` to `target`. A copy that broke off goes on where it stopped; keys never change their bytes."""

    def __init__(self, source: ObjectStore, target: ObjectStore, *, clock: Clock, ids: IdSource) -> None:
        self._source = source
        self._target = target
        self._clock = clock
        self._ids = ids
        self._objects = 0
        self._bytes = 0

    def copy(self, *, progress: CopyProgress = lambda *_: None) -> CopyReport:
        """Copy everything, then check every copied log from its start; `progress` gets a prefix and the objects seen in it.

        What is appended to the source meanwhile may be missing: stop the writers and repeat, which costs what is new.

        Raises:
            ConfigurationError: the target holds something else, or does not refuse a second put.
            CorruptSegment: a segment of the source is damaged; names it.
            CorruptObject: a dataset's bytes are not those of their address; names the key.
            StoreUnavailable: (retryable) a store does not answer; repeat.
        """
        refuse_overwriting_store(self._target, self._ids)
        self._claim_target()
        databases = [key.removeprefix(DATABASES) for key in _keys(self._source, DATABASES)]
        for database in databases:
            self._check_same(database)
            # Packs last: a pack that is there makes its segments count as written.
            self._copy_all(f"{database}/log/", partial(self._copy_segment, database), progress)
            self._copy_all(pack_prefix(database), partial(self._copy_pack, database), progress)
            self._check_same(database)
        self._copy_all(_DATASETS, self._copy_content, progress)
        self._copy_all(DATABASES, self._copy, progress)
        return CopyReport(self._objects, self._bytes, [self._verified(name) for name in databases])

    def _claim_target(self) -> None:
        """Mark the target as this installation's, before anything else is in it."""
        mine, theirs = installation_of(self._source), installation_of(self._target)
        if mine is None:
            mine = self._ids.new_id()
            with suppress(SlotTaken):
                self._source.put_if_absent(INSTALLATION, b'{"installation_id":"%s"}\n' % mine.encode())
            mine = installation_of(self._source)
        if theirs is None and self._target.list_keys("", limit=1):
            raise ConfigurationError("The target is not empty and carries no mark of this installation: choose another place")
        if theirs not in {None, mine}:
            raise ConfigurationError(f"The target belongs to installation {theirs}, not to {mine}: choose another place")
        self._copy(INSTALLATION)

    def _check_same(self, database: str) -> None:
        """Compare the newest segment that the target has: by the chain it stands for all before it."""
        mine, theirs = self._segments(self._source), self._segments(self._target)
        last = max([theirs.last_packed(database), *_numbers(theirs, database)])
        if last == 0:
            return
        expected, found = mine.read(database, last), theirs.read(database, last)
        if expected is None or found is None or expected.header.hash != found.header.hash:
            raise ConfigurationError(
                f"The target holds something else as segment {last} of {database}: it went on by itself, or is another log. "
                "Choose an empty place"
            )

    def _copy_all(self, prefix: str, copy: Callable[[str], int], progress: CopyProgress) -> None:
        """Copy the keys under `prefix` that the target lacks, a few at a time."""
        seen = 0
        there = _Merged(_keys(self._target, prefix))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as threads:
            for page in _pages(_keys(self._source, prefix)):
                missing = [key for key in page if not there.has(key)]
                for length in threads.map(copy, missing):
                    self._objects += 1
                    self._bytes += length
                seen += len(page)
                progress(prefix, seen)

    def _copy_segment(self, database: str, key: str) -> int:
        data = self._source.get(key)
        parse_segment(data, database=database, number=int(key.rpartition("/")[2]))
        return self._put(key, data)

    def _copy_pack(self, database: str, key: str) -> int:
        data = self._source.get(key)
        place = range_of(key, database)
        for number, segment in enumerate(parse_pack(data, database=database, place=place).segments, start=place.first):
            parse_segment(segment, database=database, number=number)
        return self._put(key, data)

    def _copy(self, key: str) -> int:
        return self._put(key, self._source.get(key))

    def _put(self, key: str, data: bytes) -> int:
        try:
            self._target.put_if_absent(key, data)
        except SlotTaken:
            if self._target.get(key) != data:
                raise ConfigurationError(f"The target holds something else under {key}: choose another place") from None
        return len(data)

    def _copy_content(self, key: str) -> int:
        digest = hashlib.sha256()

        def chunks() -> Iterator[bytes]:
            for chunk in self._source.get_stream(key):
                digest.update(chunk)
                yield chunk
            if digest.hexdigest() != key.rpartition("/")[2]:
                raise CorruptObject(f"{key} does not hold the bytes of its address")

        with suppress(SlotTaken):
            return self._target.put_stream_if_absent(key, chunks())
        return 0

    def _segments(self, store: ObjectStore) -> Segments:
        return Segments(store, clock=self._clock, ids=self._ids, limits=LogLimits())

    def _verified(self, database: str) -> VerifyReport:
        return Verifier(database, self._segments(self._target), folded=EMPTY_HEAD, witness=None, progress=None).verify()


def _numbers(segments: Segments, database: str) -> Iterator[int]:
    after = 0
    while numbers := segments.list_numbers(database, after=after, limit=_PAGE):
        yield numbers[-1]
        after = numbers[-1]


class _Merged:
    """Asks a sorted row of keys whether it has each of another sorted row."""

    def __init__(self, keys: Iterator[str]) -> None:
        self._keys = keys
        self._next = next(keys, None)

    def has(self, key: str) -> bool:
        while self._next is not None and self._next < key:
            self._next = next(self._keys, None)
        return self._next == key


def _keys(store: ObjectStore, prefix: str) -> Iterator[str]:
    after = ""
    while keys := store.list_keys(prefix, after=after, limit=_PAGE):
        yield from keys
        after = keys[-1]


def _pages(keys: Iterator[str]) -> Iterator[list[str]]:
    page: list[str] = []
    for key in keys:
        page.append(key)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
