"""Appending the events of a large run: cut where one append takes less, and after a fold where the ledger trails."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.domain.events import DOMAIN, Event
from spice_core.errors import LogBehind, TooLarge
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.tell_outcomes import tell
from tests.write_path import CountedIds, SteppedClock


def a_log(**limits: Any) -> EventLog:
    """A log that nothing folds in the background."""
    log = EventLog(
        store=MemoryObjectStore(),
        ledger=MemoryLedger(),
        clock=SteppedClock(),
        ids=CountedIds(),
        writer_id="test",
        limits=LogLimits(window_seconds=0.0, **limits),
    )
    log.append("shop", [event(0)], create=True)
    return log


def event(number: int, size: int = 1) -> Event:
    return Event(
        event_id=f"e{number}",
        event_type="INSTANCE_CREATED",
        aggregate_type="Instance",
        aggregate_id=f"shop:main:City:{number}",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        data={"text": "x" * size},
        metadata={"kind": DOMAIN},
        sequence_number=1,
    )


def told(log: EventLog) -> list[str]:
    return [recorded.event.event_id for recorded in log.read("shop", after=1, limit=100_000)]


@pytest.mark.parametrize("limits", [{"max_request_events": 3}, {"max_request_bytes": 2_000}], ids=["events", "bytes"])
def test_what_one_append_does_not_take_is_appended_in_parts_in_order(limits: dict[str, int]) -> None:
    log = a_log(**limits)
    tell(log, "shop", (event(number, size=100) for number in range(1, 21)))
    assert told(log) == [f"e{number}" for number in range(1, 21)]


def test_event_that_is_too_large_alone_is_refused_after_those_before_it() -> None:
    log = a_log(max_request_bytes=2_000)
    with pytest.raises(TooLarge):
        tell(log, "shop", [event(1), event(2, size=3_000), event(3)])
    assert told(log) == ["e1"]


def test_ledger_that_trails_is_folded_and_nothing_is_given_up() -> None:
    log = a_log(max_tail_events=5, max_request_events=4)
    for number in range(100, 104):
        log.append("shop", [event(number)])
    with pytest.raises(LogBehind):
        log.append("shop", [event(104)])
    tell(log, "shop", (event(number) for number in range(1, 41)))
    assert told(log)[-40:] == [f"e{number}" for number in range(1, 41)]


def test_ledger_that_nobody_can_fold_is_waited_for_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log(max_tail_events=1)
    monkeypatch.setattr(log, "fold", lambda _database: 0)
    began = log.clock.monotonic()
    with pytest.raises(LogBehind):
        tell(log, "shop", [event(1)])
    assert log.clock.monotonic() - began >= 20


def test_events_are_made_as_they_are_appended() -> None:
    log = a_log()
    made: list[int] = []

    def events() -> Iterator[Event]:
        for number in range(1, 10_002):
            made.append(number)
            yield event(number)
            if number == 5_001:
                assert len(told(log)) == 5_000

    tell(log, "shop", events())
    assert len(told(log)) == len(made) == 10_001


def test_what_was_told_before_is_not_appended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log()
    tell(log, "shop", [event(number) for number in range(1, 5)])
    sent: list[int] = []
    append = log.append

    def counted(database: str, events: list[Event]) -> object:
        sent.append(len(events))
        return append(database, events)

    monkeypatch.setattr(log, "append", counted)
    tell(log, "shop", [event(number) for number in range(1, 9)], is_again=True)
    tell(log, "shop", [event(number) for number in range(1, 9)], is_again=True)
    assert (sent, told(log)) == ([4], [f"e{number}" for number in range(1, 9)])
