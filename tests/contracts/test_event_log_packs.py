"""Packs: copies of sealed segments that readers prefer, and that outlive the segments."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from event_log_world import DB, VirtualClock, World, all_events, command, key, world
from faulty_store import ANSWER_LOST, NO_FAULT, REFUSED, FaultyStore

from spice_core.errors import BrokenChain, CorruptSegment, IntegrityViolation, StoreUnavailable
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.pack import PackRange, build_pack, pack_key, parse_pack
from spice_core.services.event_log.segment import build_segment, parse_segment, segment_key

LIMITS = LogLimits(pack_segments=4)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def filled(place: World, segments: int = 10, *, clock: VirtualClock | None = None, limits: LogLimits = LIMITS) -> EventLog:
    log = place.log(limits=limits, **({"clock": clock} if clock else {}))
    for number in range(segments):
        log.append(DB, [command("a", event_id=f"e{number}", n=number)], create=True)
    log.fold(DB)
    return log


def later(clock: VirtualClock, limits: LogLimits = LIMITS) -> None:
    clock.sleep(limits.drop_after_seconds + 1)


def test_a_pack_holds_the_bytes_of_its_segments(place: World):
    log = filled(place)
    store = place.store()
    segments = [store.get(segment_key(DB, number)) for number in range(1, 9)]
    assert log.pack(DB) == [PackRange(1, 4), PackRange(5, 8)]
    assert log.pack(DB) == []
    assert store.list_keys(f"{DB}/pack/") == [pack_key(DB, PackRange(1, 4)), pack_key(DB, PackRange(5, 8))]
    packs = [parse_pack(store.get(pack_key(DB, place)), database=DB, place=place) for place in (PackRange(1, 4), PackRange(5, 8))]
    assert [data for pack in packs for data in pack.segments] == segments


def test_everything_works_on_when_packed_segments_are_dropped(place: World):
    clock = VirtualClock()
    before = filled(place, clock=clock)
    events, head = all_events(before), before.head(DB)
    before.pack(DB)
    later(clock)
    dropped = place.log(clock=clock, limits=LIMITS).drop_packed(DB, before=100)
    assert (dropped.segments, dropped.waiting_packs) == (8, 0)
    assert place.store().list_keys(f"{DB}/log/") == [segment_key(DB, 9), segment_key(DB, 10)]
    for log in (before, place.log(clock=clock, limits=LIMITS)):
        assert all_events(log) == events
        assert log.read_lines(DB, after=2, limit=3) == [
            line for n in (3, 4, 5) for line in log.read_lines(DB, after=n - 1, limit=1)
        ]
        assert log.head(DB) == head
        assert log.find(DB, "e1").position == 2  # type: ignore[union-attr]
        assert log.append(DB, [command("a", event_id="e3", n=3)]).is_duplicate
        assert log.lines(DB, segment=1)[0]["event_id"] == "e0"
        report = log.verify(DB)
        assert report.is_intact, report.problem
        assert (report.segments, report.events) == (10, 10)
    place.ledger().forget(DB)
    log = place.log(clock=clock, limits=LIMITS)
    assert log.rebuild_ledger(DB) == 10
    assert log.append(DB, [command("a")], expected={"Instance|a": 10}).events[0].position == 11
    assert log.verify(DB).is_intact


def test_only_segments_below_the_horizon_with_a_pack_of_some_age_are_dropped(memory: World):
    clock = VirtualClock()
    log = filled(memory, clock=clock)
    log.pack(DB)
    young = log.drop_packed(DB, before=100)
    assert (young.segments, young.waiting_packs) == (0, 2)
    later(clock)
    assert log.drop_packed(DB, before=8).segments == 4
    assert log.drop_packed(DB, before=9).segments == 4
    assert log.drop_packed(DB, before=100).segments == 0


def test_a_writer_that_slept_while_its_slot_was_packed_and_dropped_does_not_fork_the_log(memory: World):
    """Its put finds the slot free; it must notice that the slot was taken, take its segment back and decide again."""
    clock = VirtualClock()
    sleeper = filled(memory, 3, clock=clock)
    awake = memory.log(clock=clock, limits=LIMITS)
    for number in range(3, 20):
        awake.append(DB, [command("a", event_id=f"e{number}", n=number)])
    awake.fold(DB)
    awake.pack(DB)
    later(clock)
    assert memory.log(clock=clock, limits=LIMITS).drop_packed(DB, before=21).segments == 20
    placed = sleeper.append(DB, [command("b", event_id="late")]).events[0]
    assert placed.position == 21
    assert [event.event_id for event in all_events(memory.log(clock=clock))] == [*(f"e{n}" for n in range(20)), "late"]
    assert memory.log(clock=clock).verify(DB).is_intact
    assert memory.store().list_keys(f"{DB}/log/") == [segment_key(DB, 21)]


def test_a_reader_that_slept_finds_what_was_packed_and_dropped_meanwhile(memory: World):
    clock = VirtualClock()
    sleeper = filled(memory, 2, clock=clock)
    assert len(all_events(sleeper)) == 2
    awake = filled(memory, 20, clock=clock)
    awake.pack(DB)
    later(clock)
    awake.drop_packed(DB, before=100)
    assert [r.position for r in sleeper.read(DB, after=2, limit=50)] == list(range(3, 21))
    assert sleeper.head(DB).position == 20


@pytest.mark.parametrize("fault", [REFUSED, ANSWER_LOST])
def test_a_crash_while_packing_is_harmless_and_packing_goes_on(memory: World, fault: str):
    filled(memory, 12)
    faults = iter([NO_FAULT, fault])
    store = FaultyStore(memory.store(), lambda operation, key: next(faults, NO_FAULT) if operation == "put" else NO_FAULT)
    broken = memory.log(store=store, limits=LIMITS)
    with pytest.raises(StoreUnavailable):
        broken.pack(DB)
    log = memory.log(limits=LIMITS)
    assert len(all_events(log)) == 12
    log.pack(DB)
    assert len(memory.store().list_keys(f"{DB}/pack/")) == 3
    assert memory.log().verify(DB).is_intact


def test_of_several_processes_that_pack_at_once_each_range_is_packed_once(place: World):
    filled(place, 12)
    logs = [place.log(limits=LIMITS) for _ in range(3)]
    made: list[PackRange] = []
    threads = [threading.Thread(target=lambda log=log: made.extend(log.pack(DB))) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs[0].pack(DB)
    assert sorted(made) == [PackRange(1, 4), PackRange(5, 8), PackRange(9, 12)]


def test_packs_of_changed_settings_stand_side_by_side(memory: World):
    filled(memory, 10).pack(DB)
    wider = memory.log(limits=replace(LIMITS, pack_segments=2))
    assert wider.pack(DB) == [PackRange(9, 10)]
    data = [memory.store().get(segment_key(DB, number)) for number in range(3, 8)]
    overlapping = PackRange(3, 7)
    memory.store().put_if_absent(pack_key(DB, overlapping), build_pack(DB, overlapping, data, packed_at=VirtualClock().now()))
    for number in range(1, 11):
        memory.store().delete(segment_key(DB, number))
    log = memory.log()
    assert len(all_events(log)) == 10
    assert log.verify(DB).is_intact


def test_a_pack_is_full_by_its_bytes_too_and_takes_at_least_one_segment(memory: World):
    log = memory.log(limits=LogLimits(pack_segments=4, pack_bytes=3_000))
    for size in (10, 10, 2_500, 5_000, 10, 10, 10, 10):
        log.append(DB, [command("a", text="x" * size)], create=True)
    log.fold(DB)
    assert log.pack(DB) == [PackRange(1, 2), PackRange(3, 3), PackRange(4, 4), PackRange(5, 8)]
    assert len(all_events(memory.log())) == 8


def rotten(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def test_fault_06_a_damaged_pack_is_read_around_while_its_segments_stand_and_named_afterwards(memory: World):
    clock = VirtualClock()
    log = filled(memory, clock=clock)
    log.pack(DB)
    damaged = pack_key(DB, PackRange(5, 8))
    memory.objects[damaged] = (object(), rotten(memory.objects[damaged][1]))
    assert len(all_events(memory.log(clock=clock))) == 10
    report = memory.log(clock=clock).verify(DB)
    assert report.problem is not None
    assert damaged in report.problem.message
    assert report.problem.segment == 8
    later(clock)
    with pytest.raises(IntegrityViolation):
        memory.log(clock=clock).drop_packed(DB, before=100)
    for number in range(5, 9):
        memory.objects.pop(segment_key(DB, number))
    reader = memory.log(clock=clock)
    assert len(reader.read(DB, after=0, limit=7)) == 7
    with pytest.raises(CorruptSegment, match=damaged):
        reader.read(DB, after=7, limit=10)


def test_fault_07_a_forged_pack_fails_verification_at_its_position(memory: World):
    log = filled(memory)
    log.pack(DB)
    place = PackRange(5, 8)
    pack = parse_pack(memory.objects[pack_key(DB, place)][1], database=DB, place=place)
    old = parse_segment(pack.segments[0], database=DB, number=5).header
    forged, _ = build_segment(
        database=DB, segment=5, previous=old.previous, writer="w", nonce="n", first=old.first, lines=[b'{"position":5}']
    )
    data = build_pack(DB, place, [forged, *pack.segments[1:]], packed_at=pack.packed_at)
    memory.objects[pack_key(DB, place)] = (object(), data)
    report = memory.log().verify(DB)
    assert report.problem is not None
    assert (report.problem.segment, report.problem.position) == (5, 5)
    memory.objects.pop(segment_key(DB, 5))
    memory.objects.pop(segment_key(DB, 6))
    with pytest.raises((BrokenChain, CorruptSegment)):
        all_events(memory.log())


def test_a_segment_that_is_not_what_its_pack_holds_is_neither_dropped_nor_passed(memory: World):
    clock = VirtualClock()
    log = filled(memory, clock=clock)
    log.pack(DB)
    later(clock)
    memory.objects[segment_key(DB, 2)] = memory.objects[segment_key(DB, 1)]
    with pytest.raises(BrokenChain, match=segment_key(DB, 2)):
        log.drop_packed(DB, before=100)
    assert memory.store().list_keys(f"{DB}/log/", limit=1) == [segment_key(DB, 1)]
    report = memory.log(clock=clock).verify(DB)
    assert report.problem is not None
    assert report.problem.segment == 2


def test_the_background_packs_when_a_log_has_grown_by_a_whole_pack(place: World):
    filled(place, 9)
    log = place.log(limits=replace(LIMITS, pack_seconds=0.02), started=True)
    waiter = threading.Event()
    for _ in range(500):
        if len(place.store().list_keys(f"{DB}/pack/")) == 2:
            break
        waiter.wait(0.02)
    assert [r.position for r in log.read(DB, after=0, limit=20)] == list(range(1, 10))
    assert len(place.store().list_keys(f"{DB}/pack/")) == 2


def test_a_replay_fetches_packs_instead_of_segments_and_fetches_ahead(place: World):
    limits = replace(LIMITS, read_ahead=4, cache_bytes=4_000)
    filled(place, 30, limits=limits).pack(DB)
    store = FaultyStore(place.store(), lambda operation, key: NO_FAULT)
    log = place.log(store=store, limits=limits)
    log.head(DB)
    store.calls.clear()
    assert [event.event_id for event in all_events(log)] == [f"e{n}" for n in range(30)]
    gets = [object_key for operation, object_key in store.calls if operation == "get"]
    assert sum("/pack/" in object_key for object_key in gets) == 7
    assert sum("/log/" in object_key for object_key in gets) <= 4
    assert [r.position for r in log.read(DB, after=0, limit=100)] == list(range(1, 31))


def test_a_stranger_to_packs_appends_after_them(memory: World):
    clock = VirtualClock()
    filled(memory, clock=clock).pack(DB)
    later(clock)
    memory.log(clock=clock).drop_packed(DB, before=100)
    asked = command("a", event_id="new")
    assert memory.log().append(DB, [asked], expected={key(asked): 10}).events[0].position == 11
