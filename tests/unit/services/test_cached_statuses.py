"""Statuses with a cache in front: quicker, and never another answer than the store's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.status_cache import MemoryStatusCache
from spice_core.domain.read_models import CommandState, CommandStatus, StatusChange
from spice_core.errors import CacheUnavailable, CommandNotFound, LedgerUnavailable, StoreUnavailable
from spice_core.services.cached_statuses import CachedStatusReader, CachingCommandStatuses
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.submit_rows import BulkRow
from spice_core.services.track_commands import CommandTracker
from tests.write_path import WritePath, a_class, text

DB = "shop"
_START = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = a_class("Person", text("person_id", required=True), text("name"))


class Shaky:
    """Stands for a part; raises what it is told to, whatever it is asked."""

    def __init__(self, part: Any) -> None:
        self.part = part
        self.error: type[Exception] | None = None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            return getattr(self.part, name)(*args, **more)

        return call


class World:
    """A store and a cache that may fail, as a projector and a reader see them."""

    def __init__(self) -> None:
        self.origin = "log-1"
        self.stored: Any = Shaky(MemoryCommandStatuses())
        self.cache: Any = Shaky(MemoryStatusCache())
        self.statuses = CachingCommandStatuses(self.stored, cache=self.cache, origin_of=lambda _: self.origin)
        self.reader = CachedStatusReader(self.stored, cache=self.cache, origin_of=lambda _: self.origin)

    def apply(self, *changes: tuple[str, CommandState], **more: Any) -> None:
        after = self.stored.part.position(DB)
        found = [
            StatusChange(command_id=name, state=state, at=_START + timedelta(seconds=n), position=n, **more)
            for n, (name, state) in enumerate(changes, start=after + 1)
        ]
        self.statuses.apply(DB, found, position=after + len(found))

    def state(self, command_id: str) -> CommandState | None:
        found = self.reader.get(command_id)
        return found.state if found else None


@pytest.fixture
def world() -> World:
    return World()


def test_final_status_is_answered_without_the_store(world: World) -> None:
    world.apply(("c", CommandState.PENDING))
    world.apply(("c", CommandState.COMPLETED))
    stored = world.stored.part.get("c")
    world.stored.error = LedgerUnavailable
    assert world.reader.get("c") == stored
    assert stored.history[0][0] is CommandState.PENDING, "steps of an earlier batch are there"


def test_status_that_can_change_comes_from_the_store(world: World) -> None:
    world.apply(("c", CommandState.PENDING))
    assert world.state("c") is CommandState.PENDING
    world.statuses.note_attempt(["c"], error="later", at=_START)
    assert world.state("c") is CommandState.RETRYING
    world.stored.error = LedgerUnavailable
    with pytest.raises(LedgerUnavailable):
        world.reader.get("c")


def test_cache_that_was_away_while_a_command_ended_tells_nothing_old(world: World) -> None:
    world.apply(("c", CommandState.PENDING))
    world.cache.error = CacheUnavailable
    world.apply(("c", CommandState.FAILED))
    assert world.state("c") is CommandState.FAILED, "the store answers while the cache does not"
    world.cache.error = None
    assert world.state("c") is CommandState.FAILED


def test_both_away_is_unavailable(world: World) -> None:
    world.apply(("c", CommandState.COMPLETED))
    world.cache.error, world.stored.error = CacheUnavailable, LedgerUnavailable
    with pytest.raises(LedgerUnavailable):
        world.reader.get("c")


def test_entry_of_another_log_is_no_answer(world: World) -> None:
    """The state directory was wiped and the same keys give the same command ids; Redis still has the statuses from before."""
    world.apply(("c", CommandState.COMPLETED))
    world.stored.part = MemoryCommandStatuses()
    world.origin = "log-2"
    assert world.state("c") is None
    world.apply(("c", CommandState.PENDING))
    assert world.state("c") is CommandState.PENDING


def test_log_that_cannot_be_read_makes_the_cache_no_answer(world: World) -> None:
    world.apply(("c", CommandState.COMPLETED))

    def away(_: str) -> str:
        raise StoreUnavailable

    reader = CachedStatusReader(world.stored, cache=world.cache, origin_of=away)
    found = reader.get("c")
    assert found is not None
    assert world.stored.asked[-1] == "get"


def test_reset_forgets_in_the_cache_too(world: World) -> None:
    """After a log was put back to an earlier state, a rebuild must not leave the later statuses in the cache."""
    world.apply(("c", CommandState.COMPLETED))
    world.statuses.reset(DB)
    assert world.state("c") is None


def test_reset_is_refused_while_the_cache_is_away_and_nothing_is_forgotten(world: World) -> None:
    world.apply(("c", CommandState.COMPLETED))
    world.cache.error = CacheUnavailable
    with pytest.raises(CacheUnavailable):
        world.statuses.reset(DB)
    assert world.stored.part.get("c").state is CommandState.COMPLETED


def test_writer_reads_the_store_alone(world: World) -> None:
    """What a rebuild compares is the store, not a copy of it."""
    world.apply(("c", CommandState.COMPLETED))
    broken = replace(world.stored.part.get("c"), error="altered")
    world.stored.part._statuses["c", DB] = broken
    assert world.statuses.get("c") == broken


def test_bulk_request_is_cached_when_it_is_full_and_its_members_are_not() -> None:
    path, world = WritePath().with_classes(PERSON), World()
    projector = StatusProjector(world.statuses)
    accepted = path.commands.bulk(DB, "main", "Person", "create", [BulkRow({"person_id": name}) for name in ("kim", "lee")])
    path.settle()
    projector.handle(DB, path.log.read(DB, after=0, limit=1000))
    entry = world.cache.part.get(accepted.bulk_id)
    assert (entry.status.state, entry.status.done) == (CommandState.COMPLETED, 2)
    assert [world.cache.part.get(member.command_id) for member in accepted.members] == [None, None]
    tracker = CommandTracker(log=path.log, statuses=world.reader, clock=path.clock)
    assert tracker.status(accepted.members[0].command_id).state is CommandState.COMPLETED
    with pytest.raises(CommandNotFound):
        tracker.status("00000000-0000-4000-8000-000000000000")


def test_every_status_the_reader_tells_is_the_stores() -> None:
    path, world = WritePath().with_classes(PERSON), World()
    projector = StatusProjector(world.statuses)
    ids = [path.commands.create_instance(DB, "main", "Person", {"person_id": name}).command_id for name in "aabbc"]
    path.settle()
    events = path.log.read(DB, after=0, limit=1000)
    for number in range(0, len(events), 3):
        projector.handle(DB, events[number : number + 3])
        assert [world.reader.get(name) for name in ids] == [world.stored.part.get(name) for name in ids]
    told: list[CommandStatus] = [world.cache.part.get(name).status for name in ids]
    assert sorted(status.state for status in told) == ["COMPLETED"] * 3 + ["FAILED"] * 2
