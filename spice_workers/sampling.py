"""The platform as a worker process sees it, as Prometheus metrics: sampled in a thread, so that a scrape never waits."""

import logging
import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from spice_core.errors import SpiceError
from spice_core.services.sample_platform import PlatformSample
from spice_workers.metrics import MOST_DATABASES

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 5.0


class PlatformGauges:
    """The gauges of a `PlatformSample`. Of many databases the ones that lag most are told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge("spice_part_up", "1 while a part of the platform answers this process.", ["part"], registry=registry)
        self._folder = Gauge(
            "spice_folder_lag_events", "Events of the log that the ledger lacks.", ["database"], registry=registry
        )
        self._unpacked = Gauge(
            "spice_log_unpacked_segments", "Segments of the log that stand in no pack yet.", ["database"], registry=registry
        )
        self._age = Gauge(
            "spice_index_age_seconds",
            "How long the oldest event waits that the search index has not seen; 0 when it has seen all.",
            ["database"],
            registry=registry,
        )
        self._letters = Gauge(
            "spice_dead_letters_waiting", "Dead letters that wait for an operator.", ["handler"], registry=registry
        )
        self._disk = Gauge("spice_disk_free_bytes", "Free space where the state directory is.", registry=registry)

    def show(self, sample: PlatformSample) -> None:
        """Set all gauges to `sample`; those of databases that are gone disappear."""
        for part, is_up in sample.parts.items():
            self._up.labels(part).set(1 if is_up else 0)
        self._disk.set(sample.disk_free_bytes)
        if sample.dead_letters is None:
            return  # a part is down: what was seen last still holds best
        for gauge, values in (
            (self._folder, sample.folder_lag),
            (self._unpacked, sample.unpacked),
            (self._age, sample.index_age),
        ):
            gauge.clear()
            for database in sorted(values, key=lambda name: -values[name])[:MOST_DATABASES]:
                gauge.labels(database).set(values[database])
        self._letters.clear()
        for handler, count in sample.dead_letters.items():
            self._letters.labels(handler).set(count)


class SamplingThread:
    """Takes a sample at once and then every few seconds, until it is closed."""

    def __init__(self, sample: Callable[[], PlatformSample], gauges: PlatformGauges) -> None:
        self._sample = sample
        self._gauges = gauges
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; a sample under way may be waited for, a few seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._gauges.show(self._sample())
            except (SpiceError, OSError) as error:
                _log.warning("no sample of the platform was taken: %s", error)
            self._stop.wait(_INTERVAL_SECONDS)
