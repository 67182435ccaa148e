"""THE loop: every handler on every database, with leases, retries, fairness and a clean stop."""

import logging
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from spice_core.errors import SpiceError, Unavailable
from spice_core.services.handling import Handler
from spice_workers.batch import error_text
from spice_workers.metrics import Summary
from spice_workers.stream import Parts, Pass, Stream

_LOGGER = logging.getLogger(__name__)
_Found = TypeVar("_Found")
_LIST_SECONDS = 0.05
_LOOK_SECONDS = 0.002
_PURGE_SECONDS = 3600.0
_LONGEST_OUTAGE_PAUSE = 2.0
"""A store that is away is asked this often, so that work goes on soon after it is back; a damaged log less and less often."""
_ALL = "*"
"""Stands for every database, where they cannot even be listed."""


@dataclass(frozen=True, slots=True)
class _Unseen:
    """A database whose feed did not answer: what it said, how often in a row, and when it is asked again."""

    error: str
    failures: int
    until: float


class Runner:
    """Works the streams of `handlers` with a few threads: whoever has news comes in turn, one batch at a time.

    `step` and `run_until_idle` work without threads, for tests and for rebuilds.
    """

    def __init__(
        self, handlers: Sequence[Handler], parts: Parts, *, on_summary: Callable[[Summary], None] = lambda _: None
    ) -> None:
        self._handlers = {handler.name: handler for handler in handlers}
        self._stop = threading.Event()
        self._parts = replace(parts, is_stopping=self._stop.is_set)
        self._on_summary = on_summary
        self._streams: dict[tuple[str, str], Stream] = {}
        self._ready: queue.SimpleQueue[Stream | None] = queue.SimpleQueue()
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._looked_at: dict[str, tuple[float, float, int]] = {}
        self._listed: tuple[float, list[str]] = (0.0, [])
        self._unseen: dict[str, _Unseen] = {}
        self._ticked_at = parts.clock.monotonic()
        self._threads: list[threading.Thread] = []

    def step(self, handler: str, database: str) -> Pass:
        """Make one pass of one stream, in this thread."""
        return self._stream(handler, database).step()

    def run_until_idle(self, *, most_passes: int = 100_000) -> None:
        """Pass over all streams in turn, in this thread, until nothing is left to do; a paused stream counts as idle."""
        for _ in range(most_passes):
            streams = [self._stream(handler, database) for database in self._databases() for handler in self._handlers]
            results = [(stream, stream.step()) for stream in streams]
            if any(result is Pass.WORKED for _, result in results):
                continue
            if not any(result is Pass.IDLE and stream.position < self._newest(stream) for stream, result in results):
                return
            self._parts.feed.wait(seconds=self._parts.limits.tick_seconds)  # a feed may still be waiting for its engine

    def stream(self, handler: str, database: str) -> Stream:
        """Return the stream, for a look at its position and error."""
        return self._stream(handler, database)

    def start(self) -> None:
        """Start working in threads; returns at once."""
        limits = self._parts.limits
        targets = [("dispatch", self._dispatch), ("heartbeat", self._heartbeat)]
        targets += [(f"work-{number}", self._work) for number in range(limits.threads)]
        for name, target in targets:
            thread = threading.Thread(target=target, name=f"runner-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> bool:
        """Finish the calls under way, give the leases back; return whether everything ended in `stop_seconds`."""
        self._stop.set()
        for _ in self._threads:
            self._ready.put(None)
        deadline = self._parts.clock.monotonic() + self._parts.limits.stop_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._parts.clock.monotonic()))
        has_ended = not any(thread.is_alive() for thread in self._threads)
        for stream in self._all_streams():
            if stream.started_at is None:
                stream.release()
        self._summarize()
        return has_ended

    def run(self) -> bool:
        """Work until SIGTERM or SIGINT; return whether the stop was clean. To be called in the main thread."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            del frame
            _LOGGER.info("stopping on signal %s", signal.Signals(number).name)
            self._stop.set()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            while not self._stop.wait(1.0):
                pass
            return self.stop()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def health(self) -> tuple[bool, Mapping[str, Any]]:
        """Return whether every thread makes progress, and what each stream is at. A paused stream is no illness."""
        now, limit = self._parts.clock.monotonic(), self._parts.limits.stuck_seconds
        stuck = [_name(stream) for stream in self._all_streams() if (at := stream.started_at) is not None and now - at > limit]
        if self._threads and now - self._ticked_at > limit:
            stuck.append("dispatcher")
        paused = {f"{name}:{database}": found.error for database, found in self._unseen.copy().items() for name in self._handlers}
        paused |= {_name(stream): stream.error for stream in self._all_streams() if stream.error}
        return not stuck, {"handlers": sorted(self._handlers), "stuck": stuck, "paused": paused}

    def _dispatch(self) -> None:
        """Put every stream with news in the queue, once; sleep when there is none."""
        summary_at = self._parts.clock.monotonic() + self._parts.limits.summary_seconds
        purge_at = self._parts.clock.monotonic()
        while not self._stop.is_set():
            now = self._ticked_at = self._parts.clock.monotonic()
            for database in self._seen(_ALL, now, self._databases) or []:
                self._seen(database, now, partial(self._look_at, database, now))
            if now >= purge_at:
                purge_at = now + _PURGE_SECONDS
                self._purge()
            if now >= summary_at:
                summary_at = now + self._parts.limits.summary_seconds
                self._summarize()
            self._wait()

    def _seen(self, database: str, now: float, look: Callable[[], _Found]) -> _Found | None:
        """Return what `look` finds, or None: a database that cannot be looked at is left alone for a while, and no other is."""
        before = self._unseen.get(database)
        if before is not None and now < before.until:
            return None
        self._ticked_at = self._parts.clock.monotonic()
        try:
            found = look()
        except Exception as error:  # noqa: BLE001 - what one log does to its reader must not stop the work on the others
            self._note_unseen(database, error, now)
            return None
        if before is not None:
            _LOGGER.info("sees the news of %s again", database)
            self._show_unseen(database, None)
            del self._unseen[database]
        return found

    def _note_unseen(self, database: str, error: Exception, now: float) -> None:
        limits = self._parts.limits
        is_outage = isinstance(error, Unavailable)
        failures = self._unseen[database].failures + 1 if database in self._unseen else 0
        longest = min(_LONGEST_OUTAGE_PAUSE, limits.longest_backoff_seconds) if is_outage else limits.longest_backoff_seconds
        delay = min(longest, limits.first_backoff_seconds * 2 ** min(failures, 30))
        if not failures:
            trace = None if isinstance(error, SpiceError) else error
            _LOGGER.warning("cannot look for news of %s, and tries again: %s", database, error_text(error), exc_info=trace)
        self._unseen[database] = _Unseen(error_text(error), failures, now + delay)
        self._show_unseen(database, error_text(error))

    def _show_unseen(self, database: str, error: str | None) -> None:
        for name in self._handlers if database != _ALL else ():
            self._parts.metrics.passed(name, database, Pass.PAUSED, error=error)

    def _wait(self) -> None:
        try:
            self._parts.feed.wait(seconds=self._parts.limits.tick_seconds)
        except Exception as error:  # noqa: BLE001 - without its bell the feed is asked by the clock
            _LOGGER.debug("cannot wait for news: %s", error_text(error))
            self._stop.wait(self._parts.limits.tick_seconds)

    def _look_at(self, database: str, now: float) -> None:
        """Look what the feed has of one log; a quiet one is looked at less and less often."""
        due_at, pause, known = self._looked_at.get(database, (0.0, 0.0, -1))
        if now >= due_at:
            head = self._parts.feed.newest(database)
            longest = min(self._parts.limits.idle_seconds, _LOOK_SECONDS * len(self._looked_at))
            pause = 0.0 if head != known else min(longest, pause * 1.2 + 0.001)
            self._looked_at[database] = (now + pause, pause, head)
            known = head
        for name in self._handlers:
            stream = self._stream(name, database)
            self._parts.metrics.lag(name, database, None if stream.is_standby else max(0, known - stream.position))
            if stream.is_news(known) and not stream.is_paused:
                self._enqueue(stream)

    def _work(self) -> None:
        while (stream := self._ready.get()) is not None:
            try:
                result = Pass.IDLE if self._stop.is_set() else stream.step()
            finally:
                with self._lock:
                    self._busy.discard((stream.handler.name, stream.database))
            if result is Pass.WORKED and not self._stop.is_set():
                self._enqueue(stream)

    def _heartbeat(self) -> None:
        """Keep the leases of streams alive, except of those that are stuck: another worker shall have them."""
        while not self._stop.wait(self._parts.limits.heartbeat_seconds):
            now = self._parts.clock.monotonic()
            for stream in self._all_streams():
                at = stream.started_at
                if at is None or now - at <= self._parts.limits.stuck_seconds:
                    self._renew(stream)
            self._notice_lost_commits()

    def _renew(self, stream: Stream) -> None:
        try:
            stream.renew()
        except Exception as error:  # noqa: BLE001 - a lease that is not renewed must not cost the others theirs
            _LOGGER.warning("the lease of %s was not renewed: %s", _name(stream), error_text(error))

    def _notice_lost_commits(self) -> None:
        """Let streams begin again whose ledger went back: a server that crashed may have lost what was not yet durable."""
        known = [(stream, stream.recorded) for stream in self._all_streams()]
        try:
            positions = self._parts.work.positions()
        except Exception as error:  # noqa: BLE001 - the next heartbeat looks again
            _LOGGER.debug("the positions were not compared: %s", error_text(error))
            return
        for stream, recorded in known:
            if positions.get((stream.handler.name, stream.database), 0) < recorded:
                _LOGGER.warning("the ledger of %s went back behind %d: it begins again from there", _name(stream), recorded)
                stream.begin_again()

    def _summarize(self) -> None:
        try:
            self._parts.metrics.summarize(self._parts.clock.now(), self._on_summary)
        except Exception:  # a summary is a courtesy: it never stops the work
            _LOGGER.exception("the summary was not reported")

    def _purge(self) -> None:
        """Drop marks that the positions protect anyway."""
        try:
            self._parts.work.purge(before=self._parts.clock.now() - timedelta(days=self._parts.limits.retention_days))
        except Exception as error:  # noqa: BLE001 - the next purge takes them
            _LOGGER.warning("old marks were not purged: %s", error_text(error))

    def _newest(self, stream: Stream) -> int:
        return self._parts.feed.newest(stream.database)

    def _enqueue(self, stream: Stream) -> None:
        key = (stream.handler.name, stream.database)
        with self._lock:
            if key in self._busy:
                return
            self._busy.add(key)
        self._ready.put(stream)

    def _databases(self) -> list[str]:
        """List the databases; a moment's old list will do, since the dispatcher asks all the time."""
        now = self._parts.clock.monotonic()
        if not self._threads or now >= self._listed[0]:
            self._listed = (now + _LIST_SECONDS, self._parts.feed.databases())
        return self._listed[1]

    def _stream(self, handler: str, database: str) -> Stream:
        with self._lock:
            key = (handler, database)
            if key not in self._streams:
                self._streams[key] = Stream(self._handlers[handler], database, self._parts)
            return self._streams[key]

    def _all_streams(self) -> list[Stream]:
        with self._lock:
            return list(self._streams.values())


def _name(stream: Stream) -> str:
    return f"{stream.handler.name}:{stream.database}"
