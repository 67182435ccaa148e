"""Promises of the write path, through the runner and the graph handler: each was broken once, somewhere."""

import itertools

import pytest

from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.domain.read_models import FINAL_STATES, CommandState
from spice_core.errors import GraphUnavailable, LedgerUnavailable
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


class Fragile(GraphHandler):
    """Breaks at certain commands, in whatever batch."""

    breaks_at: frozenset[str] = frozenset()

    def handle(self, database, events):
        if any(event.event.event_id in self.breaks_at for event in events):
            raise ValueError("a bug of the handler, or of a moment")
        super().handle(database, events)


def fragile(path: WritePath, *breaks_at: str) -> Fragile:
    handler = Fragile(log=path.log, graph=path.graph)
    handler.breaks_at = frozenset(breaks_at)
    return handler


def ledger_away_once(monkeypatch: pytest.MonkeyPatch, path: WritePath, then) -> None:
    """Let the next failure not be recorded; `then` happens at that moment."""
    mark_failed = path.work.mark_failed

    def away(*_args, **_more):
        monkeypatch.setattr(path.work, "mark_failed", mark_failed)
        then()
        raise LedgerUnavailable("away")

    monkeypatch.setattr(path.work, "mark_failed", away)


def work_until_nothing_is_due(path: WritePath, runner: Runner) -> None:
    for _ in range(10):
        runner.run_until_idle()
        path.clock.sleep(100)


def own_events(path: WritePath, command_id: str) -> list[str]:
    """Return the types of the events of a command about its own aggregate."""
    command = path.log.find(DB, command_id).event
    told = path.outcomes().get(command_id, [])
    return [event.event.event_type for event in told if event.event.aggregate_id == command.aggregate_id]


def test_command_left_out_of_a_batch_is_not_told_as_done_because_a_deletion_unlinked_its_instance(path, monkeypatch):
    likes = {"predicate": "likes", "target": "Person", "cardinality": "n:m", "on_delete": "unlink"}
    path.commands.create_class(DB, "main", a_class("Fan", text("fan_id"), text("note"), relationships=[likes]))
    path.settle()
    person(path)
    path.commands.create_instance(DB, "main", "Fan", {"fan_id": "f", "likes": ["Person/kim"]})
    path.settle()
    change = path.commands.update_instance(DB, "main", "Fan", "f", {"note": "x"}, expected_seq=1).command_id
    deletion = path.commands.delete_instance(DB, "main", "Person", "kim", expected_seq=1).command_id
    handler = fragile(path, change)
    ledger_away_once(monkeypatch, path, lambda: setattr(handler, "breaks_at", frozenset()))
    work_until_nothing_is_due(path, runner_on(path, handler=handler)[0])
    assert path.document("Fan/f") == {"fan_id": "f", "note": "x"}
    assert [own_events(path, name) for name in (change, deletion)] == [["INSTANCE_UPDATED"], ["INSTANCE_DELETED"]]
    assert path.outcomes()[change][0].event.data["data"] == path.document("Fan/f")


@pytest.mark.parametrize("is_new", [False, True])
def test_retry_that_took_one_command_before_an_outage_takes_those_behind_it_in_their_turn(path, monkeypatch, is_new):
    """All commands of a retry come at its position: that one of them took effect there says nothing of the others."""
    if not is_new:
        person(path)
        path.settle()
    first = person(path) if is_new else patch(path, 1, name="Kim")
    second = patch(path, 1 if is_new else 2, city="Oslo")
    handler = fragile(path, first, second)
    runner, workers = runner_on(path, handler=handler)
    runner.run_until_idle()
    handler.breaks_at = frozenset({second})
    ledger_away_once(monkeypatch, path, lambda: setattr(handler, "breaks_at", frozenset()))
    work_until_nothing_is_due(path, runner)
    assert path.document("Person/kim") == {"person_id": "kim", "city": "Oslo"} | ({} if is_new else {"name": "Kim"})
    assert path.outcome(first) == ("INSTANCE_CREATED" if is_new else "INSTANCE_UPDATED")
    assert path.outcome(second) == "INSTANCE_UPDATED"
    assert [len(path.outcomes()[name]) for name in (first, second)] == [1, 1]
    assert {letter.state for letter in workers.work.dead_letters(state="")} == {"resolved"}


def test_commands_on_a_branch_that_waited_together_are_retried_one_by_one(path):
    """Each is an effect of its own, and a position takes one."""
    made, again = (path.commands.create_branch(DB, "side").command_id for _ in range(2))
    handler = fragile(path, made)
    runner, workers = runner_on(path, handler=handler)
    runner.run_until_idle()
    assert len(workers.work.dead_letters()) == 2
    handler.breaks_at = frozenset()
    work_until_nothing_is_due(path, runner)
    assert [path.outcome(name) for name in (made, again)] == ["BRANCH_CREATED", "COMMAND_FAILED:already_exists"]
    assert [branch.name for branch in path.graph.branches(DB)] == ["main", "side"]
    assert workers.work.dead_letters() == []


def test_change_of_a_class_behind_a_command_left_out_is_told_as_what_it_is(path):
    boss = {"predicate": "boss", "target": "Person", "cardinality": "n:1"}
    path.commands.create_class(DB, "main", a_class("Worker", text("worker_id"), relationships=[boss]))
    path.settle()
    left_out = path.commands.create_instance(DB, "main", "Worker", {"worker_id": "w", "boss": "Person/nobody"}).command_id
    wider = {**PERSON, "properties": [*PERSON["properties"], text("phone")]}
    change = path.commands.update_class(DB, "main", "Person", wider, expected_seq=1).command_id

    def crash(place: str) -> None:
        if place == "graph:after_effect":
            raise Crash

    dying = Fragile(log=path.log, graph=path.graph, crash_point=crash)
    dying.breaks_at = frozenset({left_out})
    with pytest.raises(Crash):
        runner_on(path, handler=dying)[0].run_until_idle()
    work_until_nothing_is_due(path, runner_on(path)[0])
    assert path.outcome(change) == "ONTOLOGY_CLASS_UPDATED"
    assert path.outcome(left_out) == "COMMAND_FAILED:invalid_instance"
    assert [len(path.outcomes()[name]) for name in (left_out, change)] == [1, 1]


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
