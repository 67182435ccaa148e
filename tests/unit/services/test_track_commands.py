"""Command statuses: from the projection, from the log where that does not know, and over time."""

import uuid
from collections.abc import Callable

import pytest

from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.domain.read_models import CommandState
from spice_core.errors import CommandNotFound, InvalidInput, LedgerUnavailable, StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.track_commands import CommandTracker
from tests.write_path import WritePath, a_class, text

PERSON = a_class("Person", text("person_id", required=True), text("name"))
DB = "shop"


class WorkingClock(Clock):
    """A clock whose sleepers see `work` done meanwhile."""

    def __init__(self, inner: Clock, work: Callable[[], None]) -> None:
        self._inner = inner
        self._work = work

    def now(self):
        return self._inner.now()

    def monotonic(self) -> float:
        return self._inner.monotonic()

    def sleep(self, seconds: float) -> None:
        self._work()
        self._inner.sleep(seconds)


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(PERSON)


@pytest.fixture
def statuses() -> MemoryCommandStatuses:
    return MemoryCommandStatuses()


def tracker(path: WritePath, statuses, work: Callable[[], None] = lambda: None) -> CommandTracker:
    return CommandTracker(log=path.log, statuses=statuses, clock=WorkingClock(path.clock, work))


def project(path: WritePath, statuses) -> None:
    after = statuses.position(DB)
    events = path.log.read(DB, after=after, limit=10_000)
    if events:
        StatusProjector(statuses).handle(DB, events)


def person(path: WritePath, name: str = "kim") -> str:
    return path.commands.create_instance(DB, "main", "Person", {"person_id": name}).command_id


def test_unknown_to_the_projection_the_log_is_read_to_its_head(path, statuses):
    command_id = person(path)
    found = tracker(path, statuses).status(command_id)
    assert (found.state, found.database, found.command_type) == (CommandState.PENDING, DB, "CREATE_INSTANCE")
    path.settle()
    found = tracker(path, statuses).status(command_id, database=DB)
    assert (found.state, found.result["event_type"]) == (CommandState.COMPLETED, "INSTANCE_CREATED")


def test_log_and_projection_tell_the_same(path, statuses):
    done, failed = person(path), person(path)
    path.settle()
    told = [tracker(path, statuses).status(command_id) for command_id in (done, failed)]
    project(path, statuses)
    assert [tracker(path, statuses).status(command_id) for command_id in (done, failed)] == told
    assert [status.state for status in told] == [CommandState.COMPLETED, CommandState.FAILED]
    assert told[1].result["code"] == "already_exists"


def test_command_that_no_log_has_is_not_found(path, statuses):
    with pytest.raises(CommandNotFound):
        tracker(path, statuses).status(str(uuid.uuid4()))
    with pytest.raises(CommandNotFound):
        tracker(path, statuses).status(str(uuid.uuid4()), database="nowhere")


def test_id_that_is_no_uuid_is_invalid(path, statuses):
    with pytest.raises(InvalidInput):
        tracker(path, statuses).status("not-a-uuid")


def test_statuses_that_do_not_answer_are_told_by_the_log(path, statuses, monkeypatch):
    command_id = person(path)
    path.settle()

    def away(*_args):
        raise LedgerUnavailable("away")

    monkeypatch.setattr(statuses, "get", away)
    assert tracker(path, statuses).status(command_id).state is CommandState.COMPLETED
    monkeypatch.setattr(path.log, "databases", lambda: (_ for _ in ()).throw(StoreUnavailable("away")))
    with pytest.raises(StoreUnavailable):
        tracker(path, statuses).status(command_id)


def test_nothing_reports_completed_before_its_effect_is_in_the_graph(path, statuses):
    command_id = person(path)
    project(path, statuses)
    assert tracker(path, statuses).wait(command_id, seconds=0.2).state is CommandState.PENDING
    assert path.document("Person/kim") is None
    path.settle()
    project(path, statuses)
    assert tracker(path, statuses).status(command_id).state is CommandState.COMPLETED
    assert path.document("Person/kim") is not None


def test_waiting_returns_as_soon_as_the_command_is_final(path, statuses):
    command_id = person(path)

    def work() -> None:
        path.settle()
        project(path, statuses)

    before = path.clock.monotonic()
    assert tracker(path, statuses, work).wait(command_id, seconds=60).state is CommandState.COMPLETED
    assert path.clock.monotonic() - before < 1
