"""Contract tests must be able to fail: each deliberately broken store makes the test red that names its promise."""

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_event_feed as feed_contract
import test_event_log as log_contract
import test_ledger as ledger_contract
import test_object_store as store_contract
from event_log_world import World, world

from spice_core.adapters.memory.event_feed import MemoryEventFeed
from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.domain.events import RecordedEvent
from spice_core.ports.ledger import FoldedHead, IndexEntry, LedgerView


class OverwritingStore(MemoryObjectStore):
    """Lets a second put through."""

    def put_if_absent(self, key: str, data: bytes) -> None:
        self.delete(key)
        super().put_if_absent(key, data)


class DroppingStore(MemoryObjectStore):
    """Has the last write only when the next one comes."""

    _last: tuple[str, bytes] | None = None

    def put_if_absent(self, key: str, data: bytes) -> None:
        if self._last is not None:
            super().put_if_absent(*self._last)
        self._last = (key, data)


class ShufflingStore(MemoryObjectStore):
    """Lists in the order of writing."""

    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        return [key for key in self._objects if key.startswith(prefix) and key > after][:limit]


class AliasingStore(MemoryObjectStore):
    """Keeps the caller's memory."""

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._objects[key] = (object(), data)


class ForgettingLedger(MemoryLedger):
    """Forgets which events are known."""

    def view(self, database: str, *, aggregates: Collection[str] = (), event_ids: Collection[str] = ()) -> LedgerView:
        return replace(super().view(database, aggregates=aggregates, event_ids=event_ids), known={})


class NumberlessLedger(MemoryLedger):
    """Forgets how far each aggregate is."""

    def view(self, database: str, *, aggregates: Collection[str] = (), event_ids: Collection[str] = ()) -> LedgerView:
        return replace(super().view(database, aggregates=aggregates, event_ids=event_ids), numbers={})


class CarelessLedger(MemoryLedger):
    """Folds on whatever head: ignores the expected version."""

    def fold(self, database: str, entries: Sequence[IndexEntry], *, since: FoldedHead, head: FoldedHead) -> bool:
        return super().fold(database, entries, since=self.view(database).head, head=head)


class DroppingLedger(MemoryLedger):
    """Loses the last event of every fold, but not the head."""

    def fold(self, database: str, entries: Sequence[IndexEntry], *, since: FoldedHead, head: FoldedHead) -> bool:
        return super().fold(database, entries[:-1], since=since, head=head)


class DroppingFeed(MemoryEventFeed):
    """Never delivers the last event."""

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        return [event for event in super().poll(consumer, database, after=after, limit=limit) if event.position < 9]


class MovingFeed(MemoryEventFeed):
    """Gives events another consumer already had to nobody else: the offsets of all are one."""

    def poll(self, consumer: str, database: str, *, after: int, limit: int = 1000) -> Sequence[RecordedEvent]:
        return super().poll(consumer, database, after=max(after, max(self._offsets.values(), default=0)), limit=limit)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def goes_red(test: Callable[..., None], **parts: Any) -> bool:
    """Whether `test` fails when it runs on `parts`."""
    wanted = {name: parts[name] for name in inspect.signature(test).parameters}
    try:
        test(**wanted)
    except (AssertionError, pytest.fail.Exception):
        return True
    except Exception:  # noqa: BLE001 - a broken store may also crash the test, which is red too
        return True
    return False


STORES = [
    (OverwritingStore, store_contract.test_a_taken_key_never_changes_its_bytes),
    (OverwritingStore, store_contract.test_an_empty_object_takes_its_key),
    (OverwritingStore, store_contract.test_of_many_writers_one_wins),
    (DroppingStore, store_contract.test_put_object_is_read_back_by_another_client),
    (DroppingStore, store_contract.test_a_deleted_key_is_free_again),
    (ShufflingStore, store_contract.test_listing_is_in_key_order_and_pages),
    (AliasingStore, store_contract.test_stored_bytes_do_not_alias_the_callers_memory),
]


@pytest.mark.parametrize(("broken", "test"), STORES, ids=lambda value: value.__name__)
def test_must_hold_33_a_broken_object_store_makes_its_contract_red(broken: type[MemoryObjectStore], test: Callable[..., None]):
    def parts(kind: type[MemoryObjectStore]) -> dict[str, Any]:
        objects: dict[str, tuple[object, bytes]] = {}
        return {"store": kind(objects), "open_store": lambda: kind(objects), "data": b"some bytes"}

    assert not goes_red(test, **parts(MemoryObjectStore))
    assert goes_red(test, **parts(broken))


LEDGERS = [
    (ForgettingLedger, ledger_contract.test_a_fold_shows_index_numbers_and_head_of_one_snapshot),
    (NumberlessLedger, ledger_contract.test_only_commands_advance_an_aggregate),
    (CarelessLedger, ledger_contract.test_a_fold_that_does_not_continue_the_head_is_refused_and_changes_nothing),
    (CarelessLedger, ledger_contract.test_of_two_folders_with_one_head_exactly_one_succeeds),
    (DroppingLedger, ledger_contract.test_a_fold_shows_index_numbers_and_head_of_one_snapshot),
]


@pytest.mark.parametrize(("broken", "test"), LEDGERS, ids=lambda value: value.__name__)
def test_must_hold_33_a_broken_ledger_makes_its_contract_red(broken: type[MemoryLedger], test: Callable[..., None]):
    assert not goes_red(test, ledger=MemoryLedger())
    assert goes_red(test, ledger=broken())


FEEDS = [
    (DroppingFeed, feed_contract.test_a_consumer_gets_every_event_in_the_logs_order),
    (DroppingFeed, feed_contract.test_must_hold_06_what_was_appended_while_a_consumer_was_away_is_delivered),
    (MovingFeed, feed_contract.test_consumers_and_databases_do_not_touch_each_other),
]


@pytest.mark.parametrize(("broken", "test"), FEEDS, ids=lambda value: value.__name__)
def test_must_hold_33_a_broken_feed_makes_its_contract_red(
    place: World, broken: type[MemoryEventFeed], test: Callable[..., None]
):
    assert goes_red(test, delivery=feed_contract.Delivery(broken(), place.log()))


def folded_and_restarted(place: World) -> None:
    """Let the log depend on the ledger: everything is folded, and another process comes."""
    log = place.log()
    asked = log_contract.command("a", event_id="k")
    first = log.append(log_contract.DB, [asked], expected={"Instance|a": 0}, create=True)
    log.fold(log_contract.DB)
    assert place.log().append(log_contract.DB, [asked]).events == first.events
    assert place.log().number(log_contract.DB, "Instance|a") == 1
    assert place.log().verify(log_contract.DB).is_intact


@pytest.mark.parametrize("broken", [ForgettingLedger, NumberlessLedger, DroppingLedger])
def test_must_hold_33_a_log_over_a_broken_ledger_is_found_out(tmp_path: Path, broken: type[MemoryLedger]):
    for kind, is_red in ((MemoryLedger, False), (broken, True)):
        with world("memory", directory=tmp_path, dsn=None) as place:
            place.memory_ledger = kind()
            assert goes_red(folded_and_restarted, place=place) is is_red


LOGS = [
    log_contract.test_what_another_process_appended_is_found_at_once,
    log_contract.test_an_event_is_read_back_as_it_was_appended,
    log_contract.test_of_two_processes_with_one_expected_seq_exactly_one_is_accepted,
]


@pytest.mark.parametrize("test", LOGS, ids=lambda value: value.__name__)
def test_must_hold_33_a_log_over_a_store_that_drops_writes_makes_its_contract_red(place: World, test: Callable[..., None]):
    place.store = lambda: DroppingStore(place.objects)  # type: ignore[method-assign]
    log = place.log()
    log.append(log_contract.DB, [log_contract.command("start")], create=True)
    assert goes_red(test, place=place, log=log)
