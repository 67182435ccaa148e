"""What the S3 adapter does when requests fail, and which settings it refuses (faults 2, 4 and 5)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from event_log_world import DB, SeededIds, VirtualClock, all_events, command
from s3_faults import SpoiledS3, spoiled_s3
from s3_places import options_of

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.s3.object_store import S3ObjectStore
from spice_core.adapters.s3.options import S3Options, is_loopback
from spice_core.errors import ConfigurationError, ObjectNotFound, SlotTaken, SpiceError, StoreUnavailable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits

PASSING = ["429", "503", "500", "reset", "slow", "partial"]


@pytest.fixture
def server() -> Iterator[SpoiledS3]:
    with spoiled_s3() as started:
        yield started


def opened(server: SpoiledS3, *, clock: VirtualClock | None = None, **options: Any) -> S3ObjectStore:
    options = {"timeout_seconds": 0.4, "attempts": 4, **options}
    return S3ObjectStore(options_of(server, **options), clock=clock or VirtualClock(), ids=SeededIds(1))


def first(faults: Sequence[str], *, method: str = "", part: str = "") -> Callable[[str, str], str]:
    """Spoil the first requests of `method` for keys that hold `part`."""
    rest = iter(faults)
    return lambda asked, key: next(rest, "") if method in {"", asked} and part in key else ""


@pytest.mark.parametrize("fault", PASSING)
def test_fault_05_what_may_pass_is_tried_again_and_succeeds(server: SpoiledS3, fault: str):
    store = opened(server)
    server.objects["spice-tests"]["a"] = b"first"
    requests: list[tuple[Callable[[], object], object]] = [
        (lambda: store.get("a"), b"first"),
        (lambda: store.size("a"), 5),
        (lambda: b"".join(store.get_stream("a")), b"first"),
        (lambda: store.list_keys(""), ["a"]),
        (lambda: store.delete("gone"), None),
    ]
    for request, expected in requests:
        server.fault = first([fault, fault])
        assert request() == expected


@pytest.mark.parametrize("fault", [*PASSING, "409"])
def test_fault_05_a_store_that_keeps_failing_is_given_up_after_bounded_growing_jittered_pauses(server: SpoiledS3, fault: str):
    clock = VirtualClock()
    pauses: list[float] = []
    clock.sleep = pauses.append  # type: ignore[method-assign]
    store = opened(server, clock=clock, attempts=4)
    server.fault = lambda method, key: fault if method == "PUT" and fault != "partial" else ("503" if method == "PUT" else "")
    with pytest.raises(StoreUnavailable) as caught:
        store.put_if_absent("a", b"x")
    assert caught.value.retryable
    assert sum(method == "PUT" for method, _ in server.requests) == 4
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, [0.05, 0.1, 0.2], strict=True)), pauses


def test_fault_05_retries_of_the_layers_do_not_multiply(server: SpoiledS3):
    log = EventLog(
        store=opened(server, attempts=3),
        ledger=MemoryLedger(),
        clock=VirtualClock(),
        ids=SeededIds(2),
        writer_id="w",
        limits=LogLimits(store_attempts=1),
    )
    log.append(DB, [command("a")], create=True)
    server.requests.clear()
    server.fault = lambda method, key: "503" if method == "PUT" else ""
    with pytest.raises(StoreUnavailable):
        log.append(DB, [command("a")])
    assert sum(method == "PUT" for method, _ in server.requests) == 3
    log.close()


def test_409_and_412_say_that_the_slot_is_taken(server: SpoiledS3):
    store = opened(server)
    server.objects["spice-tests"]["a"] = b"theirs"
    with pytest.raises(SlotTaken):
        store.put_if_absent("a", b"mine")
    server.fault = first(["409"] * 4, method="PUT")
    with pytest.raises(SlotTaken):
        store.put_if_absent("a", b"mine")
    server.fault = first(["409"], method="PUT")
    store.put_if_absent("b", b"mine")  # the other write that was under way did not end in an object
    assert server.objects["spice-tests"]["b"] == b"mine"


@pytest.mark.parametrize("faults", [["lost"], ["lost", "503"], ["slow"], ["reset"], ["503", "lost"]])
def test_fault_02_the_log_recognises_its_segment_when_the_answer_was_lost(server: SpoiledS3, faults: list[str]):
    log = EventLog(
        store=opened(server),
        ledger=MemoryLedger(),
        clock=VirtualClock(),
        ids=SeededIds(3),
        writer_id="w",
        limits=LogLimits(store_attempts=1),
    )
    server.fault = first(faults, method="PUT", part="/log/")
    result = log.append(DB, [command("a", event_id="k")], create=True)
    assert not result.is_duplicate
    assert log.append(DB, [command("a", event_id="j")]).events[0].position == 2
    assert [event.event_id for event in all_events(log)] == ["k", "j"]
    assert log.verify(DB).is_intact
    log.close()


def test_fault_02_an_outcome_that_stays_unknown_is_an_error_and_the_repetition_finds_it(server: SpoiledS3):
    log = EventLog(
        store=opened(server, attempts=2),
        ledger=MemoryLedger(),
        clock=VirtualClock(),
        ids=SeededIds(4),
        writer_id="w",
        limits=LogLimits(store_attempts=1),
    )
    rest = iter(["lost", "503"])
    server.fault = lambda method, key: next(rest, "") if method == "PUT" and "/log/" in key else ""
    asked = command("a", event_id="k")
    with pytest.raises(StoreUnavailable):
        log.append(DB, [asked], create=True)
    assert log.append(DB, [asked], expected={"Instance|a": 0}).is_duplicate
    assert log.head(DB).position == 1
    log.close()


@pytest.mark.parametrize(
    ("status", "setting"),
    [("403", "SPICE_S3_ACCESS_KEY"), ("301", "SPICE_S3_REGION"), ("400", "SPICE_S3_ENDPOINT"), ("501", "If-None-Match")],
)
def test_a_refusal_names_the_setting_and_is_not_tried_again(server: SpoiledS3, status: str, setting: str):
    store = opened(server)
    server.fault = lambda method, key: status
    with pytest.raises(ConfigurationError, match=setting):
        store.get("a")
    assert len(server.requests) == 1


def test_a_missing_bucket_is_refused_in_production_by_name(server: SpoiledS3):
    store = opened(server, bucket="absent")
    for call in (lambda: store.check_bucket(creates=False), lambda: store.get("a"), lambda: store.put_if_absent("a", b"")):
        with pytest.raises(ConfigurationError, match="SPICE_S3_BUCKET"):
            call()


def test_an_object_that_is_not_there_is_no_missing_bucket(server: SpoiledS3):
    with pytest.raises(ObjectNotFound):
        opened(server).get("a")


def test_fault_04_a_server_without_put_if_absent_is_refused_at_start(server: SpoiledS3):
    store = opened(server)
    original = store._store.put

    class Careless:
        def __getattr__(self, name: str) -> Any:
            return getattr(original.__self__, name)

        def put(self, key: str, data: bytes, **_: Any) -> object:
            return original(key, data)

    store._store = Careless()  # type: ignore[assignment]
    log = EventLog(store=store, ledger=MemoryLedger(), clock=VirtualClock(), ids=SeededIds(5), writer_id="w")
    with pytest.raises(ConfigurationError, match="put-if-absent"):
        log.start()
    assert server.objects["spice-tests"] == {}
    log.close()


def test_a_server_that_is_away_is_unavailable_and_named():
    store = S3ObjectStore(
        S3Options("b", endpoint="http://127.0.0.1:9", access_key="k", secret_key="s", attempts=2),  # noqa: S106
        clock=VirtualClock(),
        ids=SeededIds(6),
    )
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        store.check_bucket(creates=False)


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": "http://s3.example.com", "requires_tls": True}, "SPICE_S3_REQUIRE_TLS"),
    ({"endpoint": "s3.example.com"}, "SPICE_S3_ENDPOINT"),
    ({"access_key": "k"}, "SPICE_S3_SECRET_KEY"),
    ({"bucket": ""}, "SPICE_S3_BUCKET"),
    ({"prefix": "x" * 101}, "SPICE_S3_PREFIX"),
    ({"prefix": "/x"}, "SPICE_S3_PREFIX"),
    ({"ca_file": Path("/nowhere/ca.pem")}, "SPICE_S3_CA_FILE"),
]


@pytest.mark.parametrize(("options", "setting"), BAD_OPTIONS, ids=lambda value: str(value)[:40])
def test_options_that_cannot_work_are_refused_by_name(options: dict[str, Any], setting: str):
    with pytest.raises(ConfigurationError, match=setting):
        S3ObjectStore(S3Options(**{"bucket": "b", **options}), clock=VirtualClock(), ids=SeededIds(7))


def test_only_this_machine_is_loopback():
    assert [is_loopback(url) for url in ("http://127.0.0.1:9", "http://localhost", "http://[::1]:9", "http://10.0.0.1")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"secret_key": "wrong"}, ConfigurationError, "SPICE_S3_SECRET_KEY"),
        ({"access_key": "wrong"}, ConfigurationError, "SPICE_S3_ACCESS_KEY"),
        ({"bucket": "not-there-at-all"}, ConfigurationError, "SPICE_S3_BUCKET"),
        ({"endpoint": "http://127.0.0.1:9", "attempts": 2}, StoreUnavailable, "127.0.0.1:9"),
    ],
    ids=["secret", "key", "bucket", "away"],
)
def test_a_real_server_refuses_by_name(s3_server: Any, options: dict[str, Any], error: type[SpiceError], words: str):
    store = S3ObjectStore(options_of(s3_server, **options), clock=VirtualClock(), ids=SeededIds(8))
    with pytest.raises(error, match=words):
        store.check_bucket(creates=False)
