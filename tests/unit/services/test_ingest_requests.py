"""What becomes of an upload whose worker dies after every one of its steps, and of uploads that nobody ends."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from spice_core.domain.ingest_requests import IngestRequest, IngestState, UploadRequest
from spice_core.errors import Conflict, IdempotencyMismatch, LedgerUnavailable, LogBehind, StoreUnavailable, UnreadableFile
from spice_core.services.reconcile_ingest import ReconcileIngest, Reconciliation
from tests.data_world import DataWorld
from tests.write_path import Crash

PEOPLE = b"id,name\n1,Ann\n2,Bob\n3,Cy\n"
STEPS = ["received", "bytes stored", "bytes committed", "kept", "tables built", "files stored", "files committed", "published"]
BEFORE_KEPT = STEPS[:2]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def request(key: str = "k", **options: Any) -> UploadRequest:
    return UploadRequest("shop", "main", "people", "people.csv", key, **options)


class DyingAfter:
    """Ends the process after a step: the n-th call of a store's method, or the n-th append."""

    def __init__(self, world: DataWorld, step: str, patched: pytest.MonkeyPatch) -> None:
        calls = {"received": 1, "kept": 2, "published": 3}
        if step in calls:
            self._after(patched, world.path.commands, "submit", calls[step])
        elif step == "tables built":
            self._after(patched, world.ingest._build, "build", 1)
        else:
            name = "commit" if "committed" in step else "store"
            self._after(patched, world.datasets, name, 1 if "bytes" in step else 2)

    def _after(self, patched: pytest.MonkeyPatch, thing: object, name: str, call: int) -> None:
        method, counted = getattr(thing, name), [0]

        def dying(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            counted[0] += 1
            if counted[0] == call:
                raise Crash
            return answer

        patched.setattr(thing, name, dying)


def die(world: DataWorld, step: str, data: bytes = PEOPLE, *, key: str = "k") -> None:
    """Upload, and end like a process that is killed after `step`: nothing is released."""
    with pytest.MonkeyPatch.context() as patched:
        DyingAfter(world, step, patched)
        patched.setattr(world.path.work, "release", lambda _lease: None)
        with pytest.raises(Crash):
            world.ingest.run(request(key), [data])
    world.work()


def states(world: DataWorld) -> list[str]:
    return [found.state.value for found in world.ingest.requests.page("shop")]


def versions(world: DataWorld) -> int:
    world.work()
    return sum(len(world.registry.versions("shop", dataset.dataset_id)) for dataset in world.registry.datasets("shop"))


def reconciled(world: DataWorld) -> Reconciliation:
    world.clock.seconds += 4000
    found = ReconcileIngest(ingest=world.ingest, log=world.path.log).run()
    world.work()
    return found


@pytest.mark.parametrize("step", STEPS)
def test_must_hold_28_an_upload_whose_worker_died_goes_on_with_its_key_and_makes_one_version(world: DataWorld, step: str):
    die(world, step)
    with pytest.raises((IdempotencyMismatch, LedgerUnavailable)):
        world.new_ingest(patience_seconds=0.0).run(request(), [PEOPLE + b"4,Di\n"])
    world.clock.seconds += 60
    with pytest.raises(IdempotencyMismatch):
        world.ingest.run(request(), [PEOPLE + b"4,Di\n"])
    version = world.ingest.run(request(), [PEOPLE])
    assert (version.row_count, versions(world), states(world)) == (3, 1, ["PUBLISHED"])
    assert world.ingest.run(request(), [PEOPLE]) == version
    assert list((world.folder / "ingest").iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
def test_must_hold_28_an_upload_that_nobody_comes_back_for_is_ended_once(world: DataWorld, step: str):
    die(world, step)
    assert ReconcileIngest(ingest=world.ingest, log=world.path.log).run() == Reconciliation()
    found = reconciled(world)
    if step in BEFORE_KEPT:
        assert (found, states(world), versions(world)) == (Reconciliation(aborted=1), ["FAILED"], 0)
        [failed] = world.ingest.requests.page("shop")
        assert failed.error is not None
        assert "send the file again" in failed.error["advice"].lower()
    elif step == "published":
        assert (found, states(world), versions(world)) == (Reconciliation(), ["PUBLISHED"], 1)
    else:
        committed = int(step == "bytes committed")
        assert (found, states(world), versions(world)) == (
            Reconciliation(published=1, committed_tx=committed),
            ["PUBLISHED"],
            1,
        )
    assert reconciled(world) == Reconciliation()
    assert world.ingest.run(request(), [PEOPLE]).number == 1
    assert (states(world), versions(world)) == (["PUBLISHED"], 1)


def test_a_pass_ends_no_more_than_its_limit(world: DataWorld):
    die(world, "kept")
    world.clock.seconds += 4000
    run = ReconcileIngest(ingest=world.ingest, log=world.path.log).run
    assert run(limit=0) == Reconciliation()
    assert run(limit=1) == Reconciliation(published=1)


def test_a_look_shows_what_a_pass_would_end_and_no_more_than_its_limit_over_all_states(world: DataWorld):
    die(world, "kept")
    die(world, "received", key="other")
    world.clock.seconds += 4000
    service = ReconcileIngest(ingest=world.ingest, log=world.path.log)
    assert [found.state for found in service.stale()] == [IngestState.RECEIVED, IngestState.RAW_COMMITTED]
    assert [len(service.stale(limit=limit)) for limit in (-1, 0, 1, 2, 200)] == [0, 0, 1, 2, 2]
    assert service.run(limit=-1) == Reconciliation()
    requests = world.ingest.requests
    assert [len(requests.stale("shop", IngestState.RECEIVED, seconds=0, limit=most)) for most in (-1, 0, 1)] == [0, 0, 1]
    assert states(world) == ["RECEIVED", "RAW_COMMITTED"]


def test_kept_bytes_that_hold_no_table_fail_when_they_are_reconciled(world: DataWorld):
    die(world, "kept", b"a,b\n1,\x00\n")
    assert (reconciled(world), states(world), versions(world)) == (Reconciliation(aborted=1), ["FAILED"], 0)


def test_a_request_that_breaks_every_worker_is_given_up(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    die(world, "kept")
    with monkeypatch.context() as patched:
        patched.setattr(world.ingest._build, "build", _crash)
        for _ in range(5):
            world.clock.seconds += 4000
            with pytest.raises(Crash):
                ReconcileIngest(ingest=world.ingest, log=world.path.log).run()
            world.work()
    assert reconciled(world) == Reconciliation(aborted=1)
    [found] = world.ingest.requests.page("shop")
    assert found.error is not None
    assert found.error["code"] == "gave_up"


def test_a_store_that_is_down_leaves_the_request_for_later(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(world.datasets, "commit", _unavailable)
        with pytest.raises(StoreUnavailable):
            world.ingest.run(request(), [PEOPLE])
        world.work()
        assert states(world) == ["RECEIVED"]
    die_kept = world.datasets.commit
    with monkeypatch.context() as patched:
        calls: list[int] = []

        def second_fails(*arguments: Any, **options: Any) -> Any:
            calls.append(1)
            return die_kept(*arguments, **options) if len(calls) == 1 else _unavailable()

        patched.setattr(world.datasets, "commit", second_fails)
        with pytest.raises(StoreUnavailable):
            world.ingest.run(request(), [PEOPLE])
        world.work()
        assert states(world) == ["RAW_COMMITTED"]
        world.clock.seconds += 4000
        assert ReconcileIngest(ingest=world.ingest, log=world.path.log).run() == Reconciliation(skipped=1)
    assert reconciled(world) == Reconciliation(published=1)


def test_bytes_are_read_while_they_are_kept(world: DataWorld, monkeypatch: pytest.MonkeyPatch):
    is_read = Event()
    build, store = world.ingest._build.build, world.datasets.store

    def built(*arguments: Any, **options: Any) -> Any:
        found = build(*arguments, **options)
        is_read.set()
        return found

    def stored(*arguments: Any, **options: Any) -> Any:
        assert is_read.wait(30)
        return store(*arguments, **options)

    monkeypatch.setattr(world.ingest._build, "build", built)
    monkeypatch.setattr(world.datasets, "store", stored)
    with suppress(LogBehind):
        world.ingest.run(request(), [PEOPLE])
    assert versions(world) == 1


def test_while_one_works_on_a_request_another_is_told_to_come_again(world: DataWorld):
    others = world.new_ingest(patience_seconds=0.0)

    def in_between(*_arguments: Any, **_options: Any) -> Any:
        with pytest.raises(LedgerUnavailable, match="ask again") as refused:
            others.run(request(), [PEOPLE])
        assert refused.value.details["retry_after"] == 5
        with pytest.raises(IdempotencyMismatch):
            others.run(request(), [PEOPLE + b"4,Di\n"])
        world.clock.seconds += 4000
        return build(*_arguments, **_options)

    build = world.ingest._build.build
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.ingest._build, "build", in_between)
        assert world.ingest.run(request(), [PEOPLE]).number == 1
    assert versions(world) == 1


def test_of_two_workers_who_both_believe_in_their_turn_one_publishes_and_both_get_its_version(world: DataWorld):
    answers = []
    build, keep = world.ingest._build.build, world.ingest._kept
    late, is_kept = world.new_ingest(), Event()

    def keeping(*arguments: Any) -> Any:
        kept = keep(*arguments)
        is_kept.set()
        return kept

    def overtaken(*arguments: Any, **options: Any) -> Any:
        assert is_kept.wait(60)
        world.clock.seconds += 4000  # the turn is over; nobody renewed it
        world.work()
        answers.append(late.run(request(), [PEOPLE]))
        return build(*arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.ingest._build, "build", overtaken)
        patched.setattr(world.ingest, "_kept", keeping)
        answers.append(world.ingest.run(request(), [PEOPLE]))
    assert answers[0] == answers[1]
    assert (versions(world), states(world)) == (1, ["PUBLISHED"])


def test_a_worker_that_is_overtaken_while_it_keeps_the_bytes_gives_the_others_version(world: DataWorld):
    keep, late, answers = world.ingest._kept, world.new_ingest(), []

    def overtaken(*arguments: Any) -> Any:
        world.clock.seconds += 4000
        world.work()
        answers.append(late.run(request(), [PEOPLE]))
        return keep(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.ingest, "_kept", overtaken)
        answers.append(world.ingest.run(request(), [PEOPLE]))
    assert answers[0] == answers[1]
    assert (versions(world), states(world)) == (1, ["PUBLISHED"])


def test_a_key_from_before_requests_were_on_record_still_stands_for_its_version(world: DataWorld):
    version = world.ingest.run(request(), [PEOPLE])
    number = world.path.log.number
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.path.log, "number", lambda name, key: 0 if key.startswith("Ingest|") else number(name, key))
        assert world.ingest.run(request(), [PEOPLE]) == version
        with pytest.raises(IdempotencyMismatch):
            world.ingest.run(request(), [PEOPLE + b"4,Di\n"])


def test_requests_are_listed_by_state_and_dataset_newest_first(world: DataWorld):
    for key, name in (("a", "one"), ("b", "two"), ("c", "one")):
        world.upload(name, PEOPLE, key=key)
    with pytest.raises(UnreadableFile):
        world.upload("one", b"\x00\x01", key="d")
    world.work()
    found = world.ingest.requests.page("shop", dataset_id="shop:main:one")
    assert [(entry.request.key, entry.state.value) for entry in found] == [
        ("d", "FAILED"),
        ("c", "PUBLISHED"),
        ("a", "PUBLISHED"),
    ]
    assert [entry.request.key for entry in world.ingest.requests.page("shop", state=IngestState.PUBLISHED, offset=1)] == [
        "b",
        "a",
    ]


def test_a_key_that_went_with_its_database_says_so(world: DataWorld):
    with pytest.raises(UnreadableFile):
        world.upload("people", b"\x00\x01", key="k")
    number = world.path.log.number("shop", "Database|shop")
    world.path.commands.delete_database("shop", expected_seq=number)
    world.work()
    world.path.with_classes()
    world.work()
    with pytest.raises(Conflict, match="another key"):
        world.upload("people", PEOPLE, key="k")


class Uploads(RuleBasedStateMachine):
    """Uploads with keys, contents and deaths at any step, retries and reconciliation, against a plain model of keys."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(_FOLDERS[-1]) / f"machine-{len(_WORLDS)}"
        self.world = DataWorld(self.folder).with_classes()
        _WORLDS.append(self.world)
        self.bound: dict[str, bytes] = {}
        self.published: dict[str, str] = {}

    @rule(key=st.sampled_from("ab"), rows=st.integers(1, 3), step=st.sampled_from([None, *STEPS]))
    def upload(self, key: str, rows: int, step: str | None) -> None:
        data = b"id\n" + b"".join(b"%d\n" % number for number in range(rows))
        with pytest.MonkeyPatch.context() as patched:
            if step is not None and key not in self.bound:
                DyingAfter(self.world, step, patched)
            try:
                version = self.world.ingest.run(request(key), [data])
            except Crash:
                self.bound[key] = data
            except IdempotencyMismatch:
                assert self.bound[key] != data
            else:
                assert self.bound.setdefault(key, data) == data
                assert self.published.setdefault(key, version.version_id) == version.version_id
        self.world.clock.seconds += 60
        self.world.work()

    @rule()
    def reconcile(self) -> None:
        reconciled(self.world)
        for found in self.world.ingest.requests.page("shop"):
            if found.state is IngestState.FAILED:
                self.bound.pop(found.request.key, None)
            else:
                self.published[found.request.key] = found.request_id

    @invariant()
    def every_key_has_one_version_at_most_and_published_ones_have_theirs(self) -> None:
        found: list[IngestRequest] = self.world.ingest.requests.page("shop")
        done = [entry for entry in found if entry.state is IngestState.PUBLISHED]
        assert versions(self.world) == len(done)
        for key, version_id in self.published.items():
            assert self.world.registry.version("shop", version_id) is not None, key


_FOLDERS: list[str] = []
_WORLDS: list[DataWorld] = []


def test_uploads_deaths_and_reconciliation_agree_with_a_plain_model_of_keys(tmp_path: Path):
    _FOLDERS.append(str(tmp_path))
    try:
        Uploads.TestCase.settings = settings(
            max_examples=6, stateful_step_count=7, deadline=None, suppress_health_check=list(HealthCheck)
        )
        Uploads.TestCase().runTest()
    finally:
        for found in _WORLDS:
            with suppress(OSError):
                found.close()
        _WORLDS.clear()


def _crash(*_arguments: Any, **_options: Any) -> Any:
    raise Crash


def _unavailable(*_arguments: Any, **_options: Any) -> Any:
    raise StoreUnavailable
