"""The contract of `RateLimiter`, on every adapter."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.domain.rates import Rate
from spice_core.errors import Closed
from spice_core.ports.clock import Clock
from spice_core.ports.rate_limiter import Allowance, Charge, RateLimiter

HOUR = Rate("hour", 5, 3600)
SECOND = Rate("second", 3, 1)
DEAR = Rate("dear", 7, 3600, cost=3)


@pytest.fixture
def bucket() -> str:
    return f"bucket-{uuid.uuid4()}"


def takes(limiter: RateLimiter, bucket: str, rate: Rate, times: int) -> list[bool]:
    return [limiter.take([Charge(bucket, rate)]).is_allowed for _ in range(times)]


def test_bucket_lets_through_no_more_than_its_limit(limiter, bucket):
    assert takes(limiter, bucket, HOUR, 7) == [True] * 5 + [False] * 2


def test_request_takes_the_cost_of_its_rate(limiter, bucket):
    assert takes(limiter, bucket, DEAR, 3) == [True, True, False]
    assert limiter.take([Charge(bucket, DEAR)]).remaining == 1


def test_request_that_costs_more_than_the_limit_never_passes(limiter, bucket):
    assert takes(limiter, bucket, Rate("never", 2, 3600, cost=3), 2) == [False, False]


def test_buckets_and_rates_are_independent(limiter, bucket):
    assert not all(takes(limiter, bucket, HOUR, 6))
    others = [replace(HOUR, name="other"), replace(HOUR, limit=4), replace(HOUR, window_seconds=1800)]
    assert all(limiter.take([Charge(bucket, rate)]).is_allowed for rate in others)
    assert limiter.take([Charge(f"{bucket}/", HOUR)]).is_allowed


def test_answer_names_the_rate_under_which_the_fewest_requests_fit(limiter, bucket):
    wide, dear = Rate("wide", 100, 3600), Rate("dear", 101, 3600, cost=50)
    allowed = limiter.take([Charge(bucket, wide), Charge(bucket, dear)])
    assert (allowed.is_allowed, allowed.rate, allowed.remaining) == (True, dear, 51)
    limiter.take([Charge(bucket, wide), Charge(bucket, dear)])
    refused = limiter.take([Charge(bucket, wide), Charge(bucket, dear)])
    assert (refused.is_allowed, refused.rate, refused.remaining) == (False, dear, 1)


def test_refused_request_costs_nothing_under_any_of_its_rates(limiter, bucket):
    narrow = Rate("narrow", 1, 3600)
    for order in ([HOUR, narrow], [narrow, HOUR], [narrow, HOUR]):
        limiter.take([Charge(bucket, rate) for rate in order])
    assert takes(limiter, bucket, HOUR, 5) == [True] * 4 + [False]


def test_unit_comes_back_after_the_window_and_not_before(limiter, bucket):
    began = time.monotonic()
    assert takes(limiter, bucket, SECOND, 4) == [True] * 3 + [False]
    while not (found := limiter.take([Charge(bucket, SECOND)])).is_allowed:
        assert 0 < found.reset_seconds <= 1
        assert time.monotonic() - began < 10
        time.sleep(min(0.05, found.reset_seconds))
    assert time.monotonic() - began >= 0.99


def test_no_stretch_of_a_window_holds_more_than_the_limit(limiter, bucket):
    """A fixed interval would let twice the limit through around its border."""
    passed: list[float] = []
    until = time.monotonic() + 2.2
    while time.monotonic() < until:
        asked = time.monotonic()
        if limiter.take([Charge(bucket, SECOND)]).is_allowed:
            passed.append((asked + time.monotonic()) / 2)
        time.sleep(0.02)
    assert len(passed) >= 2 * SECOND.limit
    assert all(later - first > 0.9 for first, later in zip(passed, passed[SECOND.limit :], strict=False))


def test_reset_tells_when_the_oldest_unit_leaves(limiter, bucket):
    first = limiter.take([Charge(bucket, HOUR)])
    assert 3599 < first.reset_seconds <= 3600
    assert limiter.take([Charge(bucket, HOUR)]).reset_seconds <= first.reset_seconds


def test_of_concurrent_callers_no_more_pass_than_fit(limiter, bucket):
    rate, barrier = Rate("crowd", 25, 3600), threading.Barrier(8)

    def many() -> int:
        barrier.wait()
        return sum(takes(limiter, bucket, rate, 10))

    with ThreadPoolExecutor(8) as pool:
        assert sum(done.result() for done in [pool.submit(many) for _ in range(8)]) == 25


def test_closed_limiter_refuses(limiter, bucket):
    limiter.close()
    limiter.close()
    with pytest.raises(Closed):
        limiter.take([Charge(bucket, HOUR)])


def test_answer_tells_who_counted(limiter, bucket):
    found = limiter.take([Charge(bucket, HOUR)])
    assert (found.mode, found.is_degraded) == (limiter.mode, limiter.is_degraded)
    assert found.mode == ("shared" if limiter.is_remote else "local")


# The contract goes red on broken limiters.


class Forgetful(MemoryRateLimiter):
    """Loses its windows."""

    def take(self, charges):
        self._windows.clear()
        return super().take(charges)


class Greedy(MemoryRateLimiter):
    """Charges each rate by itself, so a refused request has paid."""

    def take(self, charges):
        found = [super(Greedy, self).take([charge]) for charge in charges]
        return next((one for one in found if not one.is_allowed), found[0])


class Stepping(MemoryRateLimiter):
    """Empties every window at the full second."""

    def take(self, charges):
        if getattr(self, "_step", None) != int(self._clock.monotonic()):
            self._step = int(self._clock.monotonic())
            self._windows.clear()
        return super().take(charges)


class Handy(Clock):
    """Is where it is put."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self):
        raise NotImplementedError

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Forgetful, test_bucket_lets_through_no_more_than_its_limit),
        (Forgetful, test_of_concurrent_callers_no_more_pass_than_fit),
        (Greedy, test_refused_request_costs_nothing_under_any_of_its_rates),
    ],
)
def test_contract_goes_red_on_a_broken_limiter(broken, test, bucket):
    with pytest.raises(AssertionError):
        test(broken(Handy(100.5)), bucket)


def test_contract_goes_red_on_a_fixed_interval(bucket):
    clock = Handy(100.9)
    limiter = Stepping(clock)
    assert takes(limiter, bucket, SECOND, 3) == [True] * 3
    clock.at = 101.0
    assert takes(limiter, bucket, SECOND, 3) == [True] * 3, "it lets twice the limit through in a tenth of a second"
    sound = MemoryRateLimiter(clock)
    assert takes(sound, bucket, SECOND, 3) == [True] * 3
    clock.at = 101.9
    assert takes(sound, bucket, SECOND, 3) == [False] * 3


def test_windows_of_buckets_that_are_gone_are_dropped(bucket):
    clock = Handy(100.0)
    limiter = MemoryRateLimiter(clock, sweep_at=100)
    for number in range(1000):
        clock.at += 0.1
        limiter.take([Charge(f"{bucket}{number}", SECOND)])
    assert len(limiter._windows) <= 100


def test_allowance_is_a_value() -> None:
    assert Allowance(True, HOUR, 4, 1.0, "local") == Allowance(True, HOUR, 4, 1.0, "local", is_degraded=False)
