"""The contract of `Ledger`, sentence by sentence, on every adapter."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.domain.event_keys import event_key
from spice_core.errors import Closed, LedgerUnavailable
from spice_core.ports.ledger import EMPTY_HEAD, FoldedHead, IndexEntry, Ledger


def entry(position: int, *, aggregate: str = "Instance|a", number: int | None = None, is_command: bool = True) -> IndexEntry:
    return IndexEntry(
        event_id=str(UUID(int=position)),
        position=position,
        segment=position,
        aggregate=aggregate,
        sequence_number=position if number is None else number,
        is_command=is_command,
        fingerprint=position.to_bytes(16, "big"),
    )


def head(number: int) -> FoldedHead:
    return FoldedHead(segment=number, position=number, chain_hash=f"{number:064x}")


def test_an_unfolded_database_has_the_empty_head(ledger: Ledger):
    view = ledger.view("db", aggregates=["Instance|a"], event_ids=["x"])
    assert (view.head, dict(view.numbers), dict(view.known)) == (EMPTY_HEAD, {}, {})
    assert ledger.heads() == {}


def test_a_fold_shows_index_numbers_and_head_of_one_snapshot(ledger: Ledger):
    entries = [entry(1), entry(2, aggregate="Instance|b", number=1), entry(3, number=1, is_command=False)]
    assert ledger.fold("db", entries, since=EMPTY_HEAD, head=head(3))
    view = ledger.view("db", aggregates=["Instance|a", "Instance|b", "Other|a"], event_ids=[e.event_id for e in entries] + ["?"])
    assert view.head == head(3)
    assert dict(view.numbers) == {"Instance|a": 1, "Instance|b": 1}
    assert dict(view.known) == {e.event_id: e for e in entries}
    assert ledger.heads() == {"db": head(3)}


def test_keys_of_one_snapshot_are_visited_once_each(ledger: Ledger):
    keys: list[str] = []
    assert ledger.visit_keys("db", keys.extend) == EMPTY_HEAD
    assert keys == []
    entries = [entry(1), entry(2, aggregate="Instance|b", number=1), entry(3, aggregate="Instance|c", is_command=False)]
    ledger.fold("db", entries, since=EMPTY_HEAD, head=head(3))
    ledger.fold("other", [entry(9)], since=EMPTY_HEAD, head=head(9))
    assert ledger.visit_keys("db", keys.extend) == head(3)
    assert sorted(keys) == sorted(["Instance|a", "Instance|b", *(event_key(e.event_id) for e in entries)])


def test_only_commands_advance_an_aggregate(ledger: Ledger):
    ledger.fold("db", [entry(1, number=7), entry(2, number=9, is_command=False)], since=EMPTY_HEAD, head=head(2))
    assert ledger.view("db", aggregates=["Instance|a"]).numbers == {"Instance|a": 7}


@pytest.mark.parametrize(
    "event_id", ["not a uuid", "ünï → 한국어", "A" * 300, "C0FFEE00-0000-4000-8000-000000000000", "{" + "0" * 36 + "}"]
)
def test_any_text_is_an_event_id(ledger: Ledger, event_id: str):
    one = IndexEntry(event_id, 1, 1, "Instance|a", 1, True, b"f" * 16)
    assert ledger.fold("db", [one], since=EMPTY_HEAD, head=head(1))
    assert ledger.view("db", event_ids=[event_id, event_id.lower() + "?"]).known == {event_id: one}


def test_a_fold_that_does_not_continue_the_head_is_refused_and_changes_nothing(ledger: Ledger):
    assert ledger.fold("db", [entry(1)], since=EMPTY_HEAD, head=head(1))
    other_hash = FoldedHead(1, 1, "f" * 64)
    for since in (EMPTY_HEAD, head(2), other_hash):
        assert not ledger.fold("db", [entry(5)], since=since, head=head(5))
    assert ledger.view("db", event_ids=[entry(5).event_id]).known == {}
    assert ledger.view("db").head == head(1)
    assert ledger.fold("db", [entry(2)], since=head(1), head=head(2))


def test_of_two_folders_with_one_head_exactly_one_succeeds(ledger: Ledger):
    for step in range(10):
        answers: list[bool] = []
        barrier = threading.Barrier(4)

        def fold(step: int = step, barrier: threading.Barrier = barrier, answers: list[bool] = answers) -> None:
            barrier.wait()
            answers.append(ledger.fold("db", [entry(step + 1)], since=head(step) if step else EMPTY_HEAD, head=head(step + 1)))

        threads = [threading.Thread(target=fold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [False, False, False, True]


def test_one_holder_at_a_time_has_the_right_to_fold(ledger: Ledger):
    with ledger.folding("db") as first, ledger.folding("db") as second, ledger.folding("other") as third:
        assert (first, second, third) == (True, False, True)
    with ledger.folding("db") as again:
        assert again


def test_the_right_to_fold_ends_with_an_error(ledger: Ledger):
    def fail() -> None:
        with ledger.folding("db"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.folding("db") as again:
        assert again


def test_databases_do_not_touch_each_other(ledger: Ledger):
    ledger.fold("one", [entry(1)], since=EMPTY_HEAD, head=head(1))
    ledger.fold("two", [entry(1, number=4)], since=EMPTY_HEAD, head=head(1))
    ledger.forget("one")
    assert ledger.heads() == {"two": head(1)}
    assert ledger.view("two", aggregates=["Instance|a"], event_ids=[entry(1).event_id]).numbers == {"Instance|a": 4}


def test_a_forgotten_database_is_folded_again(ledger: Ledger):
    ledger.fold("db", [entry(1), entry(2)], since=EMPTY_HEAD, head=head(2))
    ledger.forget("db")
    view = ledger.view("db", aggregates=["Instance|a"], event_ids=[entry(1).event_id])
    assert (view.head, dict(view.numbers), dict(view.known)) == (EMPTY_HEAD, {}, {})
    assert ledger.fold("db", [entry(1)], since=EMPTY_HEAD, head=head(1))
    assert ledger.view("db", aggregates=["Instance|a"]).numbers == {"Instance|a": 1}


def test_every_method_of_a_closed_ledger_raises_and_close_repeats(ledger: Ledger):
    ledger.close()
    ledger.close()

    def enter() -> None:
        with ledger.folding("db"):
            pass

    calls: list[Callable[[], object]] = [
        lambda: ledger.view("db"),
        lambda: ledger.fold("db", [], since=EMPTY_HEAD, head=head(1)),
        enter,
        ledger.heads,
        lambda: ledger.visit_keys("db", print),
        lambda: ledger.forget("db"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


def test_a_server_that_is_away_is_ledger_unavailable(tmp_path):
    postgres = Postgres(f"postgresql:///none?host={tmp_path}", wait_seconds=0.2)
    ledger = PostgresLedger(postgres)
    calls: list[Callable[[], object]] = [
        lambda: ledger.view("db"),
        lambda: ledger.fold("db", [], since=EMPTY_HEAD, head=head(1)),
        ledger.heads,
        lambda: ledger.visit_keys("db", print),
        lambda: ledger.forget("db"),
    ]
    for call in calls:
        with pytest.raises(LedgerUnavailable):
            call()
    postgres.close()
