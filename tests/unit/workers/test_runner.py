"""The runner, on memory adapters and a clock of its own."""

import pytest

from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.domain.commands import CommandType
from spice_core.errors import GraphUnavailable, LedgerUnavailable
from spice_core.services.dead_letters import dead_letter_command
from spice_workers.stream import Pass
from tests.workers_world import Workers, refuse


@pytest.fixture
def workers() -> Workers:
    return Workers()


def order(workers: Workers, kind: CommandType, event_id: str) -> str:
    """Append an operator's command about a dead letter."""
    command = dead_letter_command(
        kind,
        "shop",
        handler=workers.handler.name,
        event_id=event_id,
        command_id=workers.ids.new_id(),
        at=workers.clock.now(),
        actor="kim",
    )
    workers.log.append("shop", [command.as_event()])
    return command.command_id


def exhaust(workers: Workers) -> None:
    """Let the automatic retries happen until there are no more."""
    for _ in range(workers.limits.max_attempts * 3):
        workers.clock.sleep(100)
        workers.runner.run_until_idle()


def test_events_come_once_and_in_order(workers):
    ids = [workers.append(f"n{number}") for number in range(25)]
    workers.runner.run_until_idle()
    assert workers.handler.ids() == ids
    assert workers.position() == 25
    assert max(workers.handler.batches) == 10


@pytest.mark.parametrize("seed", range(8))
def test_fault_12_duplicates_reordering_and_gaps_of_the_feed_are_mended(seed):
    workers = Workers(seed=seed)
    ids = [workers.append(f"n{number % 7}") for number in range(60)]
    workers.runner.run_until_idle()
    assert workers.handler.ids() == ids


def test_unwanted_events_advance_the_position(workers):
    workers.append("a")
    order(workers, CommandType.RETRY_DEAD_LETTER, "nothing")
    workers.runner.run_until_idle()
    assert workers.position() == 3  # the command, the order, the answer to the order
    assert len(workers.handler.seen) == 1


def test_restarted_worker_goes_on_where_it_was(workers):
    workers.append("a")
    workers.runner.run_until_idle()
    late = workers.append("b")
    workers.clock.sleep(1000)
    workers.another_runner("next").run_until_idle()
    assert workers.handler.ids()[1:] == [late]


def test_second_worker_stands_by_while_the_first_lives_and_takes_over_after(workers):
    workers.append("a")
    assert workers.runner.step("recording", "shop") is Pass.WORKED
    second = workers.another_runner("second")
    workers.append("b")
    assert second.step("recording", "shop") is Pass.STANDBY
    workers.clock.sleep(workers.limits.lease_seconds + workers.limits.heartbeat_seconds)
    assert second.step("recording", "shop") is Pass.WORKED
    assert len(workers.handler.seen) == 2


def test_worker_that_lost_its_lease_marks_nothing_and_asks_again(workers):
    workers.append("a")

    def lose_the_lease(_database, _events):
        workers.handler.trouble = lambda _database, _events: None
        workers.clock.sleep(workers.limits.lease_seconds + 1)
        assert workers.work.acquire("recording:shop", owner="thief", seconds=5) is not None

    workers.handler.trouble = lose_the_lease
    assert workers.runner.step("recording", "shop") is Pass.STANDBY
    assert workers.position() == 0
    workers.clock.sleep(60)
    workers.runner.run_until_idle()
    assert workers.position() == 1


def test_worker_that_lost_its_lease_in_a_pause_does_not_repeat_the_effect(workers):
    workers.append("a")

    def down(_database, _events):
        raise GraphUnavailable("away")

    workers.handler.trouble = down
    workers.runner.run_until_idle()
    workers.clock.sleep(workers.limits.lease_seconds + 1)
    workers.handler.trouble = lambda _database, _events: None
    workers.another_runner("second").run_until_idle()
    assert len(workers.handler.seen) == 1
    assert workers.runner.step("recording", "shop") is Pass.STANDBY
    assert len(workers.handler.seen) == 1


def test_worker_gives_way_while_a_rebuild_asks_for_it(workers):
    workers.append("a")
    workers.runner.run_until_idle()
    hold = workers.work.acquire("hold:recording:shop", owner="rebuild", seconds=20)
    workers.runner.stream("recording", "shop").renew()
    workers.append("b")
    assert workers.runner.step("recording", "shop") is Pass.STANDBY
    assert workers.work.holder("recording:shop") is None
    workers.work.release(hold)
    workers.clock.sleep(10)
    workers.runner.run_until_idle()
    assert workers.position() == 2


def test_must_hold_11_poison_event_is_isolated_and_the_others_go_on(workers):
    ids = [workers.append(f"n{number}") for number in range(10)]
    workers.handler.trouble = refuse(ids[4])
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [event_id for event_id in ids if event_id != ids[4]]
    [letter] = workers.work.dead_letters(database="shop")
    assert (letter.event_id, letter.position, letter.state) == (ids[4], 5, "waiting")
    assert "cannot take" in letter.error
    assert workers.position() == 10


def test_later_events_of_a_failed_aggregate_park_and_the_others_go_on(workers):
    first = workers.append("a")
    later = [workers.append("a"), workers.append("b"), workers.append("a")]
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    workers.append("a")
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [later[1]]
    assert [letter.parked_behind for letter in workers.work.dead_letters(database="shop")] == [first] * 4


def test_failed_event_is_retried_with_backoff_by_commands_of_the_log(workers):
    first, other = workers.append("a"), workers.append("b")
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    workers.clock.sleep(0.5)
    workers.runner.run_until_idle()
    assert "RETRY_DEAD_LETTER_REQUESTED" not in workers.types()
    workers.handler.trouble = lambda _database, _events: None
    workers.clock.sleep(1)
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [other, first]
    assert workers.types()[2:] == ["RETRY_DEAD_LETTER_REQUESTED", "DEAD_LETTER_RETRIED"]
    assert workers.work.dead_letters(database="shop") == []


def test_retries_end_and_the_dead_letter_waits_for_an_operator(workers):
    first = workers.append("a")
    parked = workers.append("a")
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    exhaust(workers)
    assert workers.types().count("RETRY_DEAD_LETTER_REQUESTED") == workers.limits.max_attempts - 1
    assert workers.work.dead_letters(database="shop")[0].attempts == workers.limits.max_attempts
    workers.handler.trouble = lambda _database, _events: None
    order(workers, CommandType.RETRY_DEAD_LETTER, first)
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [first, parked]
    assert [letter.state for letter in workers.work.dead_letters(database="shop", state="")] == ["resolved", "resolved"]
    after = workers.append("a")
    workers.runner.run_until_idle()
    assert workers.handler.ids()[-1] == after


def test_retried_events_come_at_the_position_of_the_retry(workers):
    first = workers.append("a")
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    workers.handler.trouble = lambda _database, _events: None
    order(workers, CommandType.RETRY_DEAD_LETTER, first)
    workers.runner.run_until_idle()
    assert workers.handler.seen == [("shop", 2, first)]


def test_discarded_command_fails_and_what_was_parked_behind_it_is_handled(workers):
    first = workers.append("a")
    parked = workers.append("a")
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    order(workers, CommandType.DISCARD_DEAD_LETTER, first)
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [parked]
    failed = next(
        event.event for event in workers.log.read("shop", after=0, limit=99) if event.event.event_type == "COMMAND_FAILED"
    )
    assert (failed.metadata["command_id"], failed.data["code"]) == (first, "discarded")
    assert [letter.state for letter in workers.work.dead_letters(database="shop", state="")] == ["discarded", "resolved"]


def test_parked_event_that_fails_in_its_turn_becomes_the_dead_letter(workers):
    ids = [workers.append("a") for _ in range(3)]
    workers.handler.trouble = refuse(ids[0], ids[1])
    workers.runner.run_until_idle()
    workers.handler.trouble = refuse(ids[1])
    order(workers, CommandType.RETRY_DEAD_LETTER, ids[0])
    workers.runner.run_until_idle()
    assert workers.handler.ids() == [ids[0]]
    assert {letter.parked_behind for letter in workers.work.dead_letters(database="shop")} == {ids[1]}
    workers.handler.trouble = lambda _database, _events: None
    exhaust(workers)
    assert workers.handler.ids() == ids


def test_order_about_an_unknown_dead_letter_fails(workers):
    workers.append("a")
    order(workers, CommandType.RETRY_DEAD_LETTER, "nothing")
    workers.runner.run_until_idle()
    assert workers.types()[-1] == "COMMAND_FAILED"


def test_order_that_was_answered_is_not_answered_otherwise_by_a_worker_whose_ledger_was_lost(workers):
    first = workers.append("a")
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    workers.handler.trouble = lambda _database, _events: None
    order(workers, CommandType.RETRY_DEAD_LETTER, first)
    workers.runner.run_until_idle()
    told = workers.types()
    workers.work = MemoryWorkLedger(workers.clock)
    workers.another_runner("next").run_until_idle()
    assert workers.types() == told


def test_engine_down_pauses_its_database_only_with_growing_backoff(workers):
    workers.append("a", database="left")
    workers.append("a", database="right")

    def left_is_down(database, _events):
        if database == "left":
            raise GraphUnavailable("away")

    workers.handler.trouble = left_is_down
    workers.runner.run_until_idle()
    assert (workers.position("left"), workers.position("right")) == (0, 1)
    pauses = []
    for _ in range(6):
        stream = workers.runner.stream("recording", "left")
        pauses.append(round(stream.paused_until - workers.clock.monotonic()))
        assert "away" in stream.error
        workers.clock.sleep(pauses[-1] + 0.1)
        assert workers.runner.step("recording", "left") is Pass.PAUSED
    assert pauses == [1, 2, 4, 8, 8, 8]
    workers.handler.trouble = lambda _database, _events: None
    workers.clock.sleep(10)
    workers.runner.run_until_idle()
    assert workers.position("left") == 1
    assert workers.work.dead_letters(state="") == []


def test_outage_costs_no_attempts(workers):
    first = workers.append("a")

    def down(_database, _events):
        raise GraphUnavailable("away")

    workers.handler.trouble = down
    for _ in range(10):
        workers.append("b")
        workers.runner.run_until_idle()
        workers.clock.sleep(100)
    workers.handler.trouble = refuse(first)
    workers.runner.run_until_idle()
    assert workers.work.dead_letters(database="shop")[0].attempts == 1


def test_must_hold_11_dead_letter_that_cannot_be_written_stops_the_consumer(workers):
    first, second = workers.append("a"), workers.append("b")
    workers.handler.trouble = refuse(first)
    bury = workers.work.bury

    def no_burial(*_args, **_more):
        raise LedgerUnavailable("away")

    workers.work.bury = no_burial
    workers.runner.run_until_idle()
    assert workers.position() == 0
    assert workers.runner.stream("recording", "shop").error is not None
    workers.work.bury = bury
    workers.clock.sleep(100)
    workers.runner.run_until_idle()
    assert workers.position() == 2
    assert [letter.event_id for letter in workers.work.dead_letters(database="shop")] == [first]
    assert second in workers.handler.ids()


def test_crashed_burial_is_finished_by_the_next_worker(workers):
    first, second = workers.append("a"), workers.append("a")
    workers.handler.trouble = refuse(first)
    mark_done = workers.work.mark_done

    def crash(*_args, **_more):
        raise KeyboardInterrupt

    workers.work.mark_done = crash
    with pytest.raises(KeyboardInterrupt):
        workers.runner.run_until_idle()
    workers.work.mark_done = mark_done
    workers.clock.sleep(1000)
    workers.handler.trouble = lambda _database, _events: None
    following = workers.another_runner("next")
    following.run_until_idle()
    assert workers.handler.ids() == []
    workers.clock.sleep(100)
    following.run_until_idle()
    assert workers.handler.ids() == [first, second]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_event_taken_before_the_dead_letter_of_its_aggregate_is_not_parked_behind_it(workers, is_restarted):
    first, second, third = (workers.append("a") for _ in range(3))
    workers.handler.trouble = refuse(second)
    mark_done = workers.work.mark_done

    def away(*_args, **_more):
        workers.work.mark_done = mark_done
        raise LedgerUnavailable("away")

    workers.work.mark_done = away
    workers.runner.run_until_idle()
    workers.clock.sleep(1000 if is_restarted else 0.9 * workers.limits.first_retry_seconds)
    runner = workers.another_runner("next") if is_restarted else workers.runner
    runner.step("recording", "shop")
    workers.clock.sleep(100)
    runner.run_until_idle()
    letters = {letter.event_id: letter.parked_behind for letter in workers.work.dead_letters(database="shop")}
    assert letters == {second: second, third: second}
    assert {(position, event_id) for _, position, event_id in workers.handler.seen} == {(1, first)}
    workers.handler.trouble = lambda _database, _events: None
    order(workers, CommandType.RETRY_DEAD_LETTER, second)
    runner.run_until_idle()
    assert list(dict.fromkeys(workers.handler.ids())) == [first, second, third]


def test_databases_take_turns(workers):
    for number in range(40):
        workers.append(f"n{number}", database="large")
    workers.append("a", database="small")
    for database in ("large", "small", "large"):
        workers.runner.step("recording", database)
    assert [database for database, _, _ in workers.handler.seen].index("small") == 10


def test_summary_counts_by_class(workers):
    workers.append("a")
    workers.append("b")
    workers.runner.run_until_idle()
    found = []
    workers.runner._parts.metrics.summarize(workers.clock.now(), found.append)
    assert [(summary.handler, summary.database, summary.handled) for summary in found] == [("recording", "shop", {"Thing": 2})]
