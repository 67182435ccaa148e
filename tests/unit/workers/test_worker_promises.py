"""Promises of the write path, through the runner and the graph handler: each was broken once, somewhere."""

import itertools

import pytest

from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.domain.read_models import FINAL_STATES, CommandState
from spice_core.errors import GraphUnavailable
from spice_core.services.apply_commands import GraphHandler
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.project_statuses import StatusProjector
from spice_core.services.submit_rows import BulkRow
from spice_workers.runner import Runner
from spice_workers.shared_feed import SharedFeed
from tests.workers_world import UnreliableFeed, Workers
from tests.write_path import Crash, WritePath, a_class, text

PERSON = a_class("Person", text("person_id", required=True), text("name"), text("city"))
DB = "shop"


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(PERSON)


def runner_on(path: WritePath, *, seed: int | None = None, handler: GraphHandler | None = None) -> tuple[Runner, Workers]:
    """Return a worker over `path`: the graph and the statuses."""
    workers = Workers()
    workers.clock, workers.log, workers.work = path.clock, path.log, path.work
    feed = LogEventFeed(path.log)
    workers.feed = feed if seed is None else UnreliableFeed(feed, seed)
    workers.statuses = MemoryCommandStatuses()
    path.clock.sleep(1000)
    return workers.another_runner("worker", handler or path.handler, StatusProjector(workers.statuses)), workers


def person(path: WritePath, name: str = "kim") -> str:
    return path.commands.create_instance(DB, "main", "Person", {"person_id": name}).command_id


def patch(path: WritePath, expected: int, **fields: str) -> str:
    return path.commands.update_instance(DB, "main", "Person", "kim", fields, expected_seq=expected).command_id


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4, 5])
def test_two_accepted_patches_to_different_fields_both_survive_any_delivery(path, seed):
    ids = [person(path), patch(path, 1, name="Kim"), patch(path, 2, city="Oslo")]
    runner, workers = runner_on(path, seed=seed)
    runner.run_until_idle()
    assert path.document("Person/kim") == {"person_id": "kim", "name": "Kim", "city": "Oslo"}
    assert {workers.statuses.get(command_id).state for command_id in ids} == {CommandState.COMPLETED}


@pytest.mark.parametrize("point", ["after_claim", "before_effect", "after_effect", "before_done"])
def test_two_accepted_patches_survive_a_crash_between_them(path, point):
    person(path)
    patch(path, 1, name="Kim")
    path.settle()
    patch(path, 2, city="Oslo")
    crashes = itertools.count()

    def crash(place: str) -> None:
        if place == f"graph:{point}" and next(crashes) == 0:
            raise Crash

    dying, _ = runner_on(path, handler=GraphHandler(log=path.log, graph=path.graph, crash_point=crash))
    with pytest.raises(Crash):
        dying.run_until_idle()
    runner, _ = runner_on(path)
    runner.run_until_idle()
    assert path.document("Person/kim") == {"person_id": "kim", "name": "Kim", "city": "Oslo"}
    outcomes = path.outcomes()
    assert all(len(events) == 1 for events in outcomes.values())


def test_accepted_command_is_not_failed_because_another_was_delivered_first(path):
    first, second = person(path, "kim"), person(path, "lee")
    third = patch(path, 1, name="Kim")
    runner, workers = runner_on(path, seed=11)
    runner.run_until_idle()
    states = [workers.statuses.get(command_id).state for command_id in (first, second, third)]
    assert states == [CommandState.COMPLETED] * 3


def test_nothing_completes_while_the_graph_is_down_and_everything_does_afterwards(path, monkeypatch):
    command_id = person(path)
    runner, workers = runner_on(path)
    apply = path.graph.apply
    asked = []

    def down(*_args):
        asked.append(1)
        raise GraphUnavailable("away")

    monkeypatch.setattr(path.graph, "apply", down)
    for _ in range(5):
        runner.run_until_idle()
        path.clock.sleep(100)
    assert asked
    assert workers.statuses.get(command_id).state not in FINAL_STATES
    assert path.document("Person/kim") is None
    assert workers.work.dead_letters(state="") == []
    monkeypatch.setattr(path.graph, "apply", apply)
    path.clock.sleep(100)
    runner.run_until_idle()
    assert workers.statuses.get(command_id).state is CommandState.COMPLETED
    assert path.document("Person/kim") is not None


@pytest.mark.parametrize("others", [["lee"], ["lee", "max", "eve"], ["kim's", "lee", "max", "eve", "ada"]])
def test_command_that_broke_its_handler_before_a_crash_is_neither_lost_nor_told_as_done(path, monkeypatch, others):
    poison, *fit = [person(path, name) for name in ("kim", *others)]
    apply, bury = path.graph.apply, path.work.bury

    def refuse(database, batch):
        if any(change.key == "Person/kim" for change in batch.changes):
            raise ValueError("cannot take kim")
        return apply(database, batch)

    def die(*_args, **_more):
        raise Crash

    monkeypatch.setattr(path.graph, "apply", refuse)
    monkeypatch.setattr(path.work, "bury", die)
    with pytest.raises(Crash):
        runner_on(path)[0].run_until_idle()
    monkeypatch.setattr(path.work, "bury", bury)
    path.restart()
    runner, workers = runner_on(path)
    runner.run_until_idle()
    assert poison not in path.outcomes()
    assert [letter.event_id for letter in workers.work.dead_letters()] == [poison]
    assert [path.outcome(command_id) for command_id in fit] == ["INSTANCE_CREATED"] * len(fit)
    monkeypatch.setattr(path.graph, "apply", apply)
    path.clock.sleep(1000)
    runner.run_until_idle()
    assert path.outcome(poison) == "INSTANCE_CREATED"
    assert path.document("Person/kim") is not None
    assert all(len(events) == 1 for command_id, events in path.outcomes().items() if command_id in {poison, *fit})


def test_lost_answer_of_the_graph_is_one_effect(path, monkeypatch):
    person(path)
    runner, _ = runner_on(path)
    apply = path.graph.apply

    def lose_the_answer(*args):
        apply(*args)
        monkeypatch.setattr(path.graph, "apply", apply)
        raise GraphUnavailable("answer lost")

    monkeypatch.setattr(path.graph, "apply", lose_the_answer)
    before = len(path.graph.history(DB))
    runner.run_until_idle()
    path.clock.sleep(100)
    runner.run_until_idle()
    assert len(path.graph.history(DB)) == before + 1
    assert all(len(events) == 1 for events in path.outcomes().values())


def test_progress_of_a_bulk_request_is_real_and_ends_once(path):
    accepted = path.commands.bulk(DB, "main", "Person", "create", [BulkRow({"person_id": f"p{n}"}) for n in range(25)])
    runner, workers = runner_on(path)
    seen = []
    for _ in range(40):
        for name in ("graph", "statuses"):
            runner.step(name, DB)
        status = workers.statuses.get(accepted.bulk_id)
        if status:
            seen.append((status.state, status.done))
    assert seen[-1] == (CommandState.COMPLETED, 25)
    assert [done for _, done in seen] == sorted(done for _, done in seen)
    assert len({done for _, done in seen}) > 2
    final = next(number for number, (state, _) in enumerate(seen) if state in FINAL_STATES)
    assert {state for state, _ in seen[final:]} == {CommandState.COMPLETED}


def test_shared_feed_delivers_what_the_log_has(path):
    for number in range(30):
        person(path, f"p{number}")
    plain, shared = LogEventFeed(path.log), SharedFeed(LogEventFeed(path.log))
    for limit, after in itertools.product((1, 4, 50), (0, 3, 10, 11, 2, 29, 1_000)):
        wanted = list(plain.poll("a", DB, after=after, limit=limit))
        found = list(shared.poll("b", DB, after=after, limit=limit))
        assert found == wanted[: len(found)]
        assert bool(found) == bool(wanted)
