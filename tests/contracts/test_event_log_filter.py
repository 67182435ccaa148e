"""The append path and its filter: what is surely new does not ask the ledger, what may be known does."""

import pytest
from event_log_world import DB, World, command

from spice_core.errors import IdempotencyMismatch, LedgerUnavailable, LogBehind, OptimisticConcurrencyConflict
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits


@pytest.fixture
def place(place: World) -> World:
    for number in range(30):
        place.log().append(DB, [command(f"a{number % 3}", event_id=f"e{number}")], create=True)
    place.log().fold(DB)
    return place


def restarted(place: World) -> EventLog:
    """A process that came later and read the ledger's keys, as the background does after a fold."""
    log = place.log()
    log.append(DB, [command("b")])
    log.fold(DB)
    log._load_filter(DB)
    return log


def views(log: EventLog) -> int:
    return log.stats(DB).counters.views


def test_appends_of_new_keys_do_not_ask_the_ledger(place: World):
    log = restarted(place)
    before = views(log)
    for number in range(20):
        log.append(DB, [command(f"new{number}")], expected={f"Instance|new{number}": 0})
        log.append(DB, [command(f"new{number}")], expected={f"Instance|new{number}": 1})
    assert views(log) == before


def test_known_keys_and_numbers_are_found_behind_the_filter(place: World):
    log = restarted(place)
    again = log.append(DB, [command("a0", event_id="e0")])
    assert (again.is_duplicate, again.events[0].position) == (True, 1)
    with pytest.raises(IdempotencyMismatch):
        log.append(DB, [command("a1", event_id="e0")])
    with pytest.raises(OptimisticConcurrencyConflict):
        log.append(DB, [command("a1")], expected={"Instance|a1": 0})
    assert log.append(DB, [command("a1")], expected={"Instance|a1": 10}).events[0].event.sequence_number == 11


def test_events_that_come_while_the_keys_are_read_are_not_missed(place: World, monkeypatch: pytest.MonkeyPatch):
    ledger = place.ledger()
    log = place.log(ledger=ledger)
    log.append(DB, [command("b")])
    original = ledger.visit_keys

    def with_an_append_meanwhile(database, visit):
        head = original(database, visit)
        log.append(DB, [command("c", event_id="meanwhile")])
        log.fold(DB)
        log.append(DB, [command("c")])  # drops what is folded from the tail
        return head

    monkeypatch.setattr(ledger, "visit_keys", with_an_append_meanwhile)
    log._load_filter(DB)
    assert log.append(DB, [command("c", event_id="meanwhile")]).is_duplicate
    assert log.number(DB, "Instance|c") == 2


def test_a_log_over_the_filters_size_asks_the_ledger_and_stays_right(place: World):
    log = place.log(limits=LogLimits(max_filter_keys=10))
    log.append(DB, [command("b")])
    log.fold(DB)
    log._load_filter(DB)
    before = views(log)
    log.append(DB, [command("d")])
    assert views(log) > before
    assert log.append(DB, [command("a0", event_id="e0")]).is_duplicate


def test_appends_outlast_a_ledger_that_is_away_until_the_tail_is_full(place: World, monkeypatch: pytest.MonkeyPatch):
    ledger = place.ledger()
    log = place.log(ledger=ledger, limits=LogLimits(max_tail_events=5))
    log.append(DB, [command("b")])
    log.fold(DB)
    log._load_filter(DB)

    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "view", away)
        for _ in range(5):
            log.append(DB, [command("c")])
        with pytest.raises(LedgerUnavailable):
            log.append(DB, [command("c")])
    with pytest.raises(LogBehind):
        log.append(DB, [command("c")])
    log.fold(DB)
    log.append(DB, [command("c")])
    assert log.number(DB, "Instance|c") == log.head(DB).position - 31
