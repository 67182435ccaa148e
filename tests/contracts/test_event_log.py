"""The promises of the event log, over memory and over local files with PostgreSQL."""

import threading
from collections.abc import Callable

import orjson
import pytest
from event_log_world import DB, World, all_events, command, domain_event, key, world
from faulty_store import NO_FAULT, FaultyStore

from spice_core.domain.events import Event
from spice_core.errors import (
    BrokenChain,
    Closed,
    ConfigurationError,
    DatabaseNotFound,
    IdempotencyMismatch,
    InvalidEvent,
    InvalidName,
    LogBehind,
    OptimisticConcurrencyConflict,
    SpiceError,
    TooLarge,
)
from spice_core.ports.ledger import EMPTY_HEAD
from spice_core.services.event_log.event_log import AppendResult, EventLog
from spice_core.services.event_log.fingerprint import index_entry
from spice_core.services.event_log.limits import LogLimits


@pytest.fixture
def log(place: World) -> EventLog:
    log = place.log()
    log.append(DB, [command("start")], create=True)
    return log


def in_threads(*calls: Callable[[], AppendResult]) -> list[AppendResult | SpiceError]:
    """Run `calls` at the same instant; return what each gave."""
    barrier = threading.Barrier(len(calls))
    results: dict[int, AppendResult | SpiceError] = {}

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = calls[number]()
        except SpiceError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(calls))]


def test_commands_are_numbered_per_aggregate_and_placed_without_gaps(log: EventLog):
    first = log.append(DB, [command("a"), command("b"), command("a")])
    second = log.append(DB, [command("a"), command("a", aggregate_type="OntologyClass")])
    placed = [(r.position, r.event.aggregate_id, r.event.sequence_number) for r in (*first.events, *second.events)]
    assert placed == [(2, "a", 1), (3, "b", 1), (4, "a", 2), (5, "a", 3), (6, "a", 1)]
    assert (log.number(DB, "Instance|a"), log.number(DB, "OntologyClass|a"), log.number(DB, "Instance|z")) == (3, 1, 0)
    assert log.head(DB).position == 6


def test_an_event_is_read_back_as_it_was_appended(place: World, log: EventLog):
    asked = command("ключ/한국어|@", note='quotes " and \n lines', nested={"n": [1, 2.5, None, True]}, big=2**53)
    appended = log.append(DB, [asked]).events[0]
    read = place.log().read(DB, after=1, limit=10)
    assert read == [appended]
    assert read[0].event.data == asked.data
    assert read[0].event.occurred_at == asked.occurred_at
    assert (read[0].event.actor, read[0].event.sequence_number, read[0].database) == ("alice", 1, DB)


def test_stored_lines_are_read_by_position_too(place: World, log: EventLog):
    for number in range(5):
        log.append(DB, [command("a", n=number), command("b", n=number)])
    reader = place.log()
    stored = [line for after in range(0, 11, 3) for line in reader.read_lines(DB, after=after, limit=3)]
    assert [orjson.loads(line)["position"] for line in stored] == list(range(1, 12))
    assert [orjson.loads(line)["event_id"] for line in stored] == [event.event_id for event in all_events(log)]


def test_a_repetition_returns_the_first_result(place: World, log: EventLog):
    asked = command("a", event_id="client chosen key")
    first = log.append(DB, [asked], expected={key(asked): 0})
    log.append(DB, [command("a")])
    for process in (log, place.log()):
        again = process.append(DB, [asked], expected={key(asked): 0})
        assert again == AppendResult(first.events, is_duplicate=True)
    assert len(all_events(log)) == 3


def test_a_repetition_with_a_newer_expected_seq_is_the_same_command(log: EventLog):
    asked = command("a")
    first = log.append(DB, [asked], expected={key(asked): 0})
    assert log.append(DB, [asked], expected={key(asked): 1}) == AppendResult(first.events, is_duplicate=True)


def test_trace_fields_and_time_do_not_make_another_command(log: EventLog):
    asked = command("a", event_id="k")
    first = log.append(DB, [asked])
    later = Event(
        "k",
        asked.event_type,
        asked.aggregate_type,
        "a",
        asked.occurred_at.replace(year=2027),
        dict(asked.data),
        {"kind": "command", "trace_id": "x"},
        "bob",
    )
    assert log.append(DB, [later]) == AppendResult(first.events, is_duplicate=True)


@pytest.mark.parametrize("other", [command("a", event_id="k", x=2), command("b", event_id="k", x=1)], ids=["data", "aggregate"])
def test_a_known_key_with_another_payload_is_refused(place: World, log: EventLog, other: Event):
    log.append(DB, [command("a", event_id="k", x=1)])
    for process in (log, place.log()):
        with pytest.raises(IdempotencyMismatch):
            process.append(DB, [other, command("c")])
    log.fold(DB)
    with pytest.raises(IdempotencyMismatch):
        place.log().append(DB, [other, command("c")])
    assert log.head(DB).position == 2


def test_a_command_id_cannot_become_a_domain_events_id(log: EventLog):
    asked = command("a", event_id="k")
    log.append(DB, [asked])
    with pytest.raises(IdempotencyMismatch):
        log.append(DB, [domain_event(asked, 1, event_id="k")])


def test_repeated_domain_events_are_a_no_op_whatever_they_carry(log: EventLog):
    asked = command("a")
    log.append(DB, [asked])
    first = log.append(DB, [domain_event(asked, 1, state="x")])
    again = log.append(DB, [domain_event(asked, 1, state="y")])
    assert again == AppendResult(first.events, is_duplicate=True)
    assert log.number(DB, key(asked)) == 1


def test_a_partly_known_request_appends_only_what_is_missing(log: EventLog):
    one, two = command("a"), command("b")
    log.append(DB, [one, two])
    first = log.append(DB, [domain_event(one, 1)])
    both = log.append(DB, [domain_event(one, 1), domain_event(two, 1)])
    assert not both.is_duplicate
    assert both.events[0] == first.events[0]
    assert [r.position for r in both.events] == [4, 5]


def test_the_same_id_twice_in_one_request_is_appended_once(log: EventLog):
    asked = command("a", event_id="k", x=1)
    result = log.append(DB, [asked, asked])
    assert [r.position for r in result.events] == [2, 2]
    with pytest.raises(IdempotencyMismatch):
        log.append(DB, [command("b", event_id="j", x=1), command("b", event_id="j", x=2)])
    assert log.head(DB).position == 2


def test_expected_seq_of_another_number_is_refused_with_the_actual_one(log: EventLog):
    log.append(DB, [command("a")], expected={"Instance|a": 0})
    for wrong in (0, 2, 99):
        with pytest.raises(OptimisticConcurrencyConflict) as caught:
            log.append(DB, [command("a")], expected={"Instance|a": wrong})
        assert (caught.value.expected_seq, caught.value.actual_seq, caught.value.aggregate_id) == (wrong, 1, "a")
    assert log.head(DB).position == 2


def test_must_hold_04_of_50_clients_with_one_expected_seq_exactly_one_is_accepted(log: EventLog):
    log.append(DB, [command("a"), command("a")])
    asked = [command("a", client=number) for number in range(50)]
    results = in_threads(*(lambda c=c: log.append(DB, [c], expected={"Instance|a": 2}) for c in asked))
    winners = [result for result in results if isinstance(result, AppendResult)]
    losers = [result for result in results if isinstance(result, OptimisticConcurrencyConflict)]
    assert (len(winners), len(losers)) == (1, 49)
    assert {loser.actual_seq for loser in losers} == {3}
    assert [event for event in all_events(log) if event.aggregate_id == "a"][-1] == winners[0].events[0].event
    assert log.head(DB).position == 4


def test_of_two_processes_with_one_expected_seq_exactly_one_is_accepted(place: World, log: EventLog):
    logs = [log, place.log()]
    for number in range(10):
        results = in_threads(
            *(lambda p=p: p.append(DB, [command("race", by=id(p))], expected={"Instance|race": number}) for p in logs)  # noqa: B023
        )
        assert sorted(type(result).__name__ for result in results) == ["AppendResult", "OptimisticConcurrencyConflict"]
    assert log.number(DB, "Instance|race") == logs[1].number(DB, "Instance|race") == 10


def test_must_hold_05_one_key_at_two_processes_at_one_instant_is_one_event(place: World, log: EventLog):
    logs = [log, place.log()]
    for _ in range(10):
        asked = command("a")
        results = in_threads(*(lambda p=p, c=asked: p.append(DB, [c]) for p in logs * 3))
        assert all(isinstance(result, AppendResult) for result in results)
        assert all(result.events == results[0].events for result in results)
        assert sum(not result.is_duplicate for result in results if isinstance(result, AppendResult)) == 1
    for _ in range(10):
        asked, other = command("a", event_id=f"two {_}", x=1), command("a", event_id=f"two {_}", x=2)
        outcomes = in_threads(lambda c=asked: logs[0].append(DB, [c]), lambda c=other: logs[1].append(DB, [c]))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AppendResult", "IdempotencyMismatch"]
    assert len(all_events(log)) == 21
    assert log.verify(DB).is_intact


def test_a_request_over_several_aggregates_is_accepted_whole_or_not_at_all(log: EventLog):
    log.append(DB, [command("a")])
    with pytest.raises(OptimisticConcurrencyConflict):
        log.append(DB, [command("a"), command("b")], expected={"Instance|a": 1, "Instance|b": 7})
    assert (log.number(DB, "Instance|a"), log.number(DB, "Instance|b"), log.head(DB).position) == (1, 0, 2)
    log.append(DB, [command("a"), command("b")], expected={"Instance|a": 1, "Instance|b": 0})
    assert (log.number(DB, "Instance|a"), log.number(DB, "Instance|b"), log.head(DB).position) == (2, 1, 4)


def test_a_stale_process_refuses_only_by_the_newest_number(place: World, log: EventLog):
    other = place.log()
    other.append(DB, [command("a")])
    log.append(DB, [command("a")])
    # `other` has seen number 1 only; the number 2 must neither be refused nor reported wrongly.
    other.append(DB, [command("a")], expected={"Instance|a": 2})
    with pytest.raises(OptimisticConcurrencyConflict) as caught:
        log.append(DB, [command("a")], expected={"Instance|a": 2})
    assert caught.value.actual_seq == 3


def test_what_another_process_appended_is_found_at_once(place: World, log: EventLog):
    other = place.log()
    assert other.find(DB, "k") is None
    appended = log.append(DB, [command("a", event_id="k")]).events[0]
    assert other.find(DB, "k") == appended
    assert other.number(DB, "Instance|a") == 1
    log.fold(DB)
    assert place.log().find(DB, "k") == appended
    assert other.find(DB, "unknown") is None


def test_an_unknown_database_is_not_found_and_create_starts_it(place: World):
    log = place.log()
    for call in (
        lambda: log.append("absent", [command()]),
        lambda: log.number("absent", "Instance|a"),
        lambda: log.find("absent", "k"),
    ):
        with pytest.raises(DatabaseNotFound):
            call()
    assert (log.databases(), log.exists("absent"), log.read("absent", after=0, limit=1)) == ([], False, [])
    log.append("zoo", [command()], create=True)
    log.append("_system", [command()], create=True)
    log.append("zoo", [command()], create=True)
    assert place.log().databases() == ["_system", "zoo"]
    assert place.log().exists("zoo")
    assert place.log().append("zoo", [command()]).events[0].position == 3


@pytest.mark.parametrize("name", ["_meta", "UPPER", "a/b", "", "..", "_databases"])
def test_a_name_outside_the_rules_is_no_log(place: World, name: str):
    with pytest.raises(InvalidName):
        place.log().append(name, [command()], create=True)


def test_events_that_are_not_well_formed_are_refused(log: EventLog):
    bad = [
        command(""),
        command("a", event_id="x" * 513),
        command("a", event_id="nul\0"),
        command("a", aggregate_type="A|B"),
        command("a", x={1, 2}),
        command("a", x=2**70),
        command("a", x="\ud800"),
    ]
    for event in bad:
        with pytest.raises(InvalidEvent):
            log.append(DB, [command("good"), event])
    with pytest.raises(InvalidEvent):
        log.append(DB, [])
    assert log.head(DB).position == 1


def test_a_request_over_the_limits_is_too_large(place: World):
    log = place.log(limits=LogLimits(max_request_events=3, max_request_bytes=2000))
    with pytest.raises(TooLarge):
        log.append(DB, [command() for _ in range(4)], create=True)
    with pytest.raises(TooLarge):
        log.append(DB, [command(x="y" * 2000)], create=True)


def test_a_ledger_too_far_behind_refuses_until_it_is_folded(place: World):
    log = place.log(limits=LogLimits(max_tail_events=5))
    for _ in range(5):
        log.append(DB, [command("a")], create=True)
    with pytest.raises(LogBehind) as caught:
        log.append(DB, [command("a")])
    assert caught.value.details["retry_after_seconds"] >= 1
    with pytest.raises(LogBehind):
        place.log(limits=LogLimits(max_tail_events=3)).append(DB, [command("a")])
    assert log.fold(DB) == 5
    assert log.append(DB, [command("a")]).events[0].event.sequence_number == 6


def test_a_process_that_was_idle_while_others_wrote_and_folded_much_goes_on_at_once(place: World):
    idle, busy = place.log(limits=LogLimits(max_tail_events=5)), place.log()
    first = idle.append(DB, [command("a")], create=True).events[0]
    later = [busy.append(DB, [command("a")]).events[0] for _ in range(40)]
    busy.fold(DB)
    assert idle.number(DB, "Instance|a") == 41
    assert idle.append(DB, [command("a")], expected={"Instance|a": 41}).events[0].position == 42
    found = [idle.find(DB, event.event.event_id) for event in (first, *later)]
    assert [event.position for event in found if event] == list(range(1, 42))


def test_many_threads_and_processes_make_one_gapless_chain(place: World, log: EventLog):
    logs = [log, place.log(started=True), place.log(started=True)]
    per_thread = 12

    def write(process: EventLog, name: str) -> AppendResult:
        for number in range(per_thread):
            result = process.append(DB, [command(name)], expected={f"Instance|{name}": number})
        return result

    results = in_threads(*(lambda p=p, n=n: write(p, f"{n}-{logs.index(p)}") for p in logs for n in range(4)))
    assert all(isinstance(result, AppendResult) for result in results), results
    assert log.head(DB).position == 1 + 12 * per_thread
    report = log.verify(DB)
    assert report.is_intact
    assert (report.events, report.commands) == (1 + 12 * per_thread, 1 + 12 * per_thread)
    log.fold(DB)
    stats = log.stats(DB)
    assert stats.folded.position <= stats.head.position
    for number in range(4):
        for process in range(3):
            assert log.number(DB, f"Instance|{number}-{process}") == per_thread


def test_a_lost_or_old_ledger_is_folded_again(place: World, log: EventLog):
    ledger = place.ledger()
    old = command("a", event_id="k")
    first = log.append(DB, [old])
    log.fold(DB)
    log.append(DB, [command("a")])
    ledger.forget(DB)  # restored empty
    assert log.append(DB, [old]) == AppendResult(first.events, is_duplicate=True)
    assert log.append(DB, [command("a")], expected={"Instance|a": 2}).events[0].event.sequence_number == 3
    assert log.fold(DB) == 4
    yesterday = ledger.view(DB, aggregates=["Instance|a"])
    log.append(DB, [command("a")])
    log.fold(DB)
    ledger.forget(DB)  # restored from yesterday: everything up to `yesterday` and nothing behind it
    reader = place.log()
    entries = [index_entry(r.event, position=r.position, segment=r.segment) for r in reader.read(DB, after=0, limit=4)]
    assert ledger.fold(DB, entries, since=EMPTY_HEAD, head=yesterday.head)
    assert log.append(DB, [command("a")], expected={"Instance|a": 4}).events[0].event.sequence_number == 5
    assert log.fold(DB) == 2
    assert ledger.view(DB, aggregates=["Instance|a"]).numbers == {"Instance|a": 5}


def test_a_ledger_ahead_of_the_log_is_a_broken_chain_until_it_is_rebuilt(place: World, log: EventLog):
    log.append(DB, [command("a")])
    log.append(DB, [command("a")])
    log.fold(DB)
    place.store().delete(f"{DB}/log/{3:020d}")
    for process in (place.log(), place.log()):
        with pytest.raises(BrokenChain, match="its end was lost"):
            process.append(DB, [command("a")])
        with pytest.raises(BrokenChain):
            process.fold(DB)
    fresh = place.log()
    assert fresh.rebuild_ledger(DB) == 2
    assert fresh.append(DB, [command("a")], expected={"Instance|a": 1}).events[0].position == 3


def test_a_ledger_of_another_history_is_a_broken_chain(place: World, log: EventLog):
    log.append(DB, [command("a")])
    log.fold(DB)
    store = place.store()
    for number in (1, 2):
        store.delete(f"{DB}/log/{number:020d}")
    elsewhere = world("memory", directory=place.directory, dsn=None)
    with elsewhere as other:
        foreign = other.log()
        for _ in range(2):
            foreign.append(DB, [command("z")], create=True)
        for number in (1, 2):
            store.put_if_absent(f"{DB}/log/{number:020d}", other.store().get(f"{DB}/log/{number:020d}"))
    with pytest.raises(BrokenChain, match="another segment"):
        place.log().append(DB, [command("a")])


def test_folding_is_idempotent_and_shared(place: World, log: EventLog):
    logs = [log, place.log(), place.log()]
    for process in logs:
        process.append(DB, [command("a")])
    counts = in_threads(*(lambda p=p: p.fold(DB) for p in logs))  # type: ignore[arg-type, return-value]
    assert sum(counts) == 4  # type: ignore[arg-type]
    assert [process.fold(DB) for process in logs] == [0, 0, 0]


def test_the_background_folds_what_was_appended_and_what_others_left(place: World):
    left_behind = place.log()
    left_behind.append(DB, [command("a")], create=True)
    log = place.log(started=True)
    log.append("other", [command("a")], create=True)
    wait_until(lambda: {name: head.position for name, head in place.ledger().heads().items()} == {DB: 1, "other": 1})


def wait_until(is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
    waiter = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if is_so():
            return
        waiter.wait(0.01)
    raise AssertionError("it never became so")


def test_wait_returns_when_this_process_appended(log: EventLog):
    log.wait(seconds=0.0)
    woken = threading.Event()

    def wait() -> None:
        log.wait(seconds=60)  # this thread has not waited before: it must see the append made before, too
        log.wait(seconds=60)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    log.append(DB, [command("a")])
    log.append(DB, [command("a")])
    for _ in range(100):
        if woken.wait(0.1):
            break
        log.append(DB, [command("a")])
    thread.join()


def test_fault_04_a_store_without_put_if_absent_is_refused_at_start(place: World):
    class Overwriting(FaultyStore):
        def put_if_absent(self, key: str, data: bytes) -> None:
            self.delete(key)
            super().put_if_absent(key, data)

    store = Overwriting(place.store(), lambda operation, key: NO_FAULT)
    log = place.log(store=store)
    with pytest.raises(ConfigurationError, match="put-if-absent"):
        log.start()
    assert store.list_keys("_probes/") == []
    store.close()


def test_every_method_of_a_closed_log_raises_and_close_repeats(log: EventLog):
    log.close()
    log.close()
    calls: list[Callable[[], object]] = [
        log.start,
        lambda: log.append(DB, [command()]),
        lambda: log.number(DB, "Instance|a"),
        lambda: log.find(DB, "k"),
        lambda: log.read(DB, after=0, limit=1),
        lambda: log.lines(DB, segment=1),
        lambda: log.head(DB),
        log.databases,
        lambda: log.exists(DB),
        lambda: log.fold(DB),
        lambda: log.rebuild_ledger(DB),
        lambda: log.verify(DB),
        lambda: log.stats(DB),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
