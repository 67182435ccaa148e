"""The numbers that a log keeps in memory: few of many, and true in the middle of any batch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from event_log_world import DB, World, command, world

from spice_core.errors import OptimisticConcurrencyConflict
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.tail import Tail


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def test_numbers_stay_true_where_a_batch_names_more_aggregates_than_are_kept(place: World) -> None:
    log = place.log(limits=LogLimits(max_numbers=5))
    log.append(DB, [command("old")], create=True)
    log.append(DB, [command("old")])
    names = [f"a{number}" for number in range(12)]
    for start in range(0, 12, 4):
        log.append(DB, [command(name) for name in names[start : start + 4]])
        log.fold(DB)
    for _ in range(3):
        assert log.numbers(DB, ["Instance|old", *(f"Instance|{name}" for name in names)]) == {
            "Instance|old": 2,
            **{f"Instance|{name}": 1 for name in names},
        }
    done = log.append(DB, [command("new"), command("old"), *map(command, names)], expected={"Instance|old": 2, "Instance|a0": 1})
    assert [event.event.sequence_number for event in done.events] == [1, 3, *[2] * 12]
    again = place.log(limits=LogLimits(max_numbers=5))
    again.numbers(DB, [f"Instance|{name}" for name in ("old", *names[:4])])
    done = again.append(DB, [command("newer"), command("old")])
    assert [event.event.sequence_number for event in done.events] == [1, 4]
    assert place.log().verify(DB).is_intact


def test_memory_for_numbers_is_bounded_between_batches(place: World) -> None:
    log = place.log(limits=LogLimits(max_numbers=5))
    for number in range(40):
        log.append(DB, [command(f"a{number}")], create=True)
        log.fold(DB)
    tail = log._appender(DB).log.tail
    assert tail is not None
    held = sum(tail.number(f"Instance|a{number}") is not None for number in range(40))
    assert held <= 7


def test_a_number_that_nobody_asked_the_ledger_for_is_not_taken_for_0() -> None:
    with pytest.raises(LookupError):
        Tail().number_of("Instance|a")


def test_a_repetition_is_known_where_another_process_folds_it_while_the_ledger_is_asked_for_something_else(place: World) -> None:
    other = place.log()
    other.append(DB, [command("old")], create=True)
    other.fold(DB)
    log = place.log()  # begins behind a past, so it knows of no key that it is new
    first = command("a")
    done = log.append(DB, [first])
    other.fold(DB)
    again = log.append(DB, [first, command("b")])
    assert again.events[0].position == done.events[0].position
    assert [event.event.sequence_number for event in again.events] == [1, 1]
    assert other.verify(DB).is_intact


def test_what_another_process_writes_and_folds_while_the_ledger_is_asked_for_something_else_is_known(place: World) -> None:
    log, other = place.log(), place.log()
    asked = command("old")
    log.append(DB, [asked], create=True)  # this log knows every key from the start: of a new one it need not ask
    log.fold(DB)
    first = command("old")
    done = other.append(DB, [first, command("new")], expected={"Instance|old": 1, "Instance|new": 0})
    other.fold(DB)
    again = log.append(DB, [asked, first], expected={"Instance|old": 1})
    assert again.is_duplicate
    assert again.events[1] == done.events[0]
    assert log.verify(DB).is_intact


def test_an_instance_that_another_process_makes_while_the_ledger_is_asked_for_something_else_is_not_made_again(
    place: World,
) -> None:
    log, other = place.log(), place.log()
    asked = command("old")
    log.append(DB, [asked], create=True)
    log.fold(DB)
    other.append(DB, [command("new")], expected={"Instance|new": 0})
    other.fold(DB)
    with pytest.raises(OptimisticConcurrencyConflict) as refusal:
        log.append(DB, [asked, command("new")], expected={"Instance|new": 0})
    assert refusal.value.actual_seq == 1
    assert log.number(DB, "Instance|new") == 1
