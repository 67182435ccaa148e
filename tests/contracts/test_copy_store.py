"""Moving a log between stores: everything is there, nothing else is touched, a copy that broke off goes on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_log_world import DB, VirtualClock, World, all_events, command, world
from faulty_store import NO_FAULT, REFUSED, FaultyStore

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.system.id_source import RandomIds
from spice_core.errors import ConfigurationError, CorruptObject, CorruptSegment, StoreUnavailable
from spice_core.ports.object_store import ObjectStore
from spice_core.services.event_log.copy_store import CopyReport, StoreCopier
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.segment import segment_key

BYTES = b"a,b\n1,2\n"
DATASET = f"datasets/shop/sha256/{hashlib.sha256(BYTES).hexdigest()}"


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.full)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    server = request.getfixturevalue("s3_server") if request.param == "s3" else None
    with world(request.param, directory=tmp_path / "target", dsn=None, s3=server) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Iterator[World]:
    """A store with two logs, one of them packed, one packed and dropped, and a dataset."""
    clock = VirtualClock()
    with world("memory", directory=tmp_path, dsn=None) as made:
        log = made.log(clock=clock, limits=LogLimits(pack_segments=4), started=True)
        for database in (DB, "zoo"):
            for number in range(10):
                log.append(database, [command("a", event_id=f"{database}{number}")], create=True)
            log.fold(database)
            log.pack(database)
        clock.sleep(4_000)
        log.drop_packed("zoo", before=9)
        log.close()
        made.store().put_if_absent(DATASET, BYTES)
        yield made


def copied(source: ObjectStore, target: ObjectStore) -> CopyReport:
    return StoreCopier(source, target, clock=VirtualClock(), ids=RandomIds()).copy()


def keys(store: ObjectStore) -> list[str]:
    return [key for key in store.list_keys("") if not key.startswith("_probes/")]


def test_a_copy_holds_every_object_and_verifies_and_works_on(source: World, target: World):
    report = copied(source.store(), target.store())
    assert report.is_intact
    assert [(log.database, log.segments, log.events) for log in report.logs] == [(DB, 10, 10), ("zoo", 10, 10)]
    assert keys(target.store()) == keys(source.store())
    assert target.store().get(DATASET) == BYTES
    log = target.log(ledger=source.ledger(), started=True)
    for database in (DB, "zoo"):
        assert all_events(log, database) == all_events(source.log(), database)
        assert log.append(database, [command("a")], expected={"Instance|a": 10}).events[0].position == 11


def test_a_repeated_copy_brings_only_what_is_new(source: World, target: World):
    copied(source.store(), target.store())
    assert copied(source.store(), target.store()).objects == 0
    source.log().append(DB, [command("a")])
    again = copied(source.store(), target.store())
    assert (again.objects, again.is_intact, again.logs[0].events) == (1, True, 11)


@pytest.mark.parametrize("puts", [3, 9, 15])
def test_a_copy_that_broke_off_goes_on(source: World, target: World, puts: int):
    counted: list[str] = []

    def cut(operation: str, object_key: str) -> str:
        if operation == "put" and not object_key.startswith("_probes/"):
            counted.append(object_key)
        return REFUSED if len(counted) > puts else NO_FAULT

    with pytest.raises(StoreUnavailable):
        copied(source.store(), FaultyStore(target.store(), cut))
    assert copied(source.store(), target.store()).is_intact
    assert keys(target.store()) == keys(source.store())


def test_a_target_of_another_installation_is_refused_and_left_alone(source: World, target: World):
    other = target.log(ledger=MemoryLedger(), started=True)
    other.append("other", [command("z")], create=True)
    before = keys(target.store())
    with pytest.raises(ConfigurationError, match="belongs to installation"):
        copied(source.store(), target.store())
    assert keys(target.store()) == before


def test_a_target_with_foreign_objects_is_refused(source: World, target: World):
    target.store().put_if_absent("photos/1", b"...")
    with pytest.raises(ConfigurationError, match="not empty"):
        copied(source.store(), target.store())


def test_a_target_that_went_on_by_itself_is_refused(source: World, target: World):
    copied(source.store(), target.store())
    target.log(ledger=MemoryLedger()).append(DB, [command("a", event_id="there")])
    source.log(ledger=MemoryLedger()).append(DB, [command("a", event_id="here")])
    with pytest.raises(ConfigurationError, match="something else"):
        copied(source.store(), target.store())


def test_damaged_bytes_are_not_passed_on_as_sound(source: World, target: World):
    damaged = segment_key(DB, 10)
    sound = source.objects[damaged]
    source.objects[damaged] = (object(), sound[1][:-9])
    with pytest.raises(CorruptSegment, match=damaged):
        copied(source.store(), target.store())
    assert target.store().size(damaged) is None
    source.objects[damaged] = sound
    source.objects[DATASET] = (object(), BYTES + b"x")
    with pytest.raises(CorruptObject, match=DATASET):
        copied(source.store(), target.store())
    assert target.store().size(DATASET) is None


def open_log(place: World, ledger: MemoryLedger, *, adopts: bool = True) -> EventLog:
    log = place.log(ledger=ledger)
    log.start(adopts=adopts)
    return log


def test_two_installations_at_one_store_are_refused_at_start(target: World):
    first, second = MemoryLedger(), MemoryLedger()
    open_log(target, first)
    open_log(target, first)
    second.join_installation("of another bucket")
    with pytest.raises(ConfigurationError, match=r"two installations must not share.*SPICE_S3_BUCKET"):
        open_log(target, second)
    open_log(target, first)


def test_a_lost_ledger_adopts_the_store_where_it_may(target: World):
    lost = MemoryLedger()
    open_log(target, lost).append(DB, [command("a")], create=True)
    fresh = MemoryLedger()
    with pytest.raises(ConfigurationError, match="spice log adopt"):
        open_log(target, fresh, adopts=False)
    assert fresh.installation() is None
    log = open_log(target, fresh)
    assert fresh.installation() == lost.installation()
    assert log.append(DB, [command("a")], expected={"Instance|a": 1}).events[0].position == 2
    open_log(target, fresh, adopts=False)
