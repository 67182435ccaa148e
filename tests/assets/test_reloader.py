"""One reload for a burst of changes to the registry."""

import threading

from spice_assets.reloader import PATIENCE_SECONDS, QUIET_SECONDS, Burst, watch
from spice_core.errors import LedgerUnavailable


def test_unchanged_registry_is_not_reloaded():
    assert not Burst("a").is_due("a", at=1000.0)


def test_change_is_reloaded_once_it_is_quiet():
    burst = Burst("a")
    assert not burst.is_due("b", at=10.0)
    assert not burst.is_due("b", at=10.0 + QUIET_SECONDS / 2)
    assert burst.is_due("b", at=10.0 + QUIET_SECONDS)
    burst.done()
    assert not burst.is_due("b", at=1000.0)


def test_burst_is_reloaded_once_and_not_put_off_for_ever():
    burst = Burst("a")
    due = [at for at in range(100) if burst.is_due(f"state {at}", at=float(at))]
    assert due[0] == PATIENCE_SECONDS


def test_change_that_is_taken_back_is_forgotten():
    burst = Burst("a")
    burst.is_due("b", at=0.0)
    assert not burst.is_due("a", at=1.0)
    assert not burst.is_due("b", at=50.0)


def test_part_that_is_down_does_not_end_the_watch(monkeypatch):
    monkeypatch.setattr("spice_assets.reloader.POLL_SECONDS", 0.0)
    stop = threading.Event()
    looks = iter([LedgerUnavailable("away"), "b", "b", "b"])
    times = iter([0.0, 1.0, 9.0])
    reloads = []

    def fingerprint():
        look = next(looks)
        if isinstance(look, Exception):
            raise look
        return look

    def reload():
        reloads.append(1)
        stop.set()

    watch(fingerprint, reload, stop=stop, now=lambda: next(times))
    assert reloads == [1]
