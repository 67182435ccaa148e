"""What the event log promises when things break: kills, lost answers, pauses, damage, full disks."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from event_log_world import DB, NOW, SeededIds, VirtualClock, World, all_events, command, key, world
from faulty_store import ANSWER_LOST, CUT, LATE, NO_FAULT, REFUSED, FaultyStore

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.domain.events import RecordedEvent
from spice_core.errors import BrokenChain, CorruptSegment, IntegrityViolation, LedgerUnavailable, LogBehind, StoreUnavailable
from spice_core.ports.ledger import LedgerView
from spice_core.services.event_log.event_log import AppendResult, EventLog
from spice_core.services.event_log.limits import LogLimits
from spice_core.services.event_log.segment import build_segment, parse_segment, segment_key
from spice_core.services.event_log.signed_head import open_head, sign_head

WRITER = Path(__file__).with_name("log_writer.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), str(Path.cwd())]))}


@pytest.fixture
def embedded(tmp_path: Path, clean_database: str) -> Iterator[World]:
    with world("embedded", directory=tmp_path, dsn=clean_database) as made:
        yield made


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[World]:
    with world("memory", directory=tmp_path, dsn=None) as made:
        yield made


def writer(place: World, name: str, *, count: int = 0, crash: tuple[str, int] | None = None) -> "subprocess.Popen[str]":
    crash_words = [crash[0], str(crash[1])] if crash else []
    command_line = [sys.executable, str(WRITER), str(place.directory / "store"), place.dsn or "", name, str(count), *crash_words]
    return subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def acknowledged(output: str) -> dict[str, int]:
    lines = [line.split() for line in output.split("\n")[:-1]]
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}


CRASH_POINTS = [
    *(f"{when} os.{call}" for call in ("open", "write", "fdatasync", "link", "fsync") for when in ("before", "after")),
    "before ledger.view",
    "after ledger.view",
    "before ledger.fold",
    "after ledger.fold",
    "after ledger._advance",
    "after log.append",
]


# Fault 1
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_fault_01_a_killed_writer_leaves_each_acknowledged_command_once_and_others_at_most_once(embedded: World, point: str):
    with writer(embedded, "w", count=6, crash=(point, 3)) as process:
        assert process.stdout is not None
        acked = acknowledged(process.stdout.read())
    assert process.returncode == -signal.SIGKILL
    log = embedded.log()
    positions = {r.event.event_id: r.position for r in log.read(DB, after=0, limit=100)}
    assert len(positions) == log.head(DB).position
    assert acked.items() <= positions.items()
    assert len(positions) - 1 - len(acked) in {0, 1}
    for step in range(6):
        asked = command("w", event_id=f"w-{step}", step=step)
        result = log.append(DB, [asked], expected={"Instance|w": step})
        assert result.is_duplicate == (asked.event_id in positions)
        assert result.events[0].position == positions.get(asked.event_id, result.events[0].position)
        assert result.events[0].event.sequence_number == step + 1
    assert log.verify(DB).is_intact
    log.fold(DB)
    assert embedded.ledger().view(DB, aggregates=["Instance|w"]).numbers == {"Instance|w": 6}


# Fault 2
@pytest.mark.parametrize("fault", [ANSWER_LOST, LATE, REFUSED])
def test_fault_02_a_writer_whose_answer_was_lost_recognises_its_own_nonce(memory: World, fault: str):
    faults = iter([fault])
    store = FaultyStore(
        memory.store(), lambda operation, key: next(faults, NO_FAULT) if "/log/" in key and operation == "put" else ""
    )
    log = memory.log(store=store, clock=VirtualClock())
    result = log.append(DB, [command("a", event_id="k")], create=True)
    store.deliver_late()
    assert not result.is_duplicate
    assert [event.event_id for event in all_events(log)] == ["k"]
    assert log.append(DB, [command("a", event_id="k")]) == AppendResult(result.events, is_duplicate=True)
    assert log.verify(DB).is_intact


@pytest.mark.parametrize("fault", [ANSWER_LOST, LATE])
def test_fault_02_an_outcome_that_stays_unknown_is_an_error_and_the_retry_finds_it(memory: World, fault: str):
    is_down = True

    def decide(operation: str, object_key: str) -> str:
        puts = sum(call == ("put", segment_key(DB, 1)) for call in store.calls)
        if not is_down or not puts:
            return NO_FAULT
        return fault if puts == 1 and operation == "put" else REFUSED

    store = FaultyStore(memory.store(), decide)
    log = memory.log(store=store, clock=VirtualClock())
    asked = command("a", event_id="k")
    with pytest.raises(StoreUnavailable):
        log.append(DB, [asked], create=True)
    is_down = False
    store.deliver_late()
    again = log.append(DB, [asked], expected={key(asked): 0})
    assert again.is_duplicate
    assert again.events[0].position == 1
    assert log.head(DB).position == 1


class LiveWriter:
    """A writer process whose output is read while it runs."""

    def __init__(self, place: World, name: str) -> None:
        self.name = name
        self.process = writer(place, name)
        self.lines: list[str] = []
        self._thread = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()))
        self._thread.start()

    def get_on(self, count: int = 3) -> None:
        """Wait until `count` more commands are acknowledged."""
        goal = len(self.lines) + count
        for _ in range(3_000):
            if len(self.lines) >= goal:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"{self.name} does not get on")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdout.close()  # type: ignore[union-attr]


# Fault 3
@pytest.mark.parametrize("pause_seconds", [1.0, pytest.param(30.0, marks=pytest.mark.long)])
def test_fault_03_a_paused_and_resumed_writer_makes_no_gap_and_no_fork(embedded: World, pause_seconds: float):
    writers = [LiveWriter(embedded, "one"), LiveWriter(embedded, "two")]
    try:
        for _ in range(2):
            for each in writers:
                each.get_on()
            paused, other = writers
            paused.process.send_signal(signal.SIGSTOP)
            threading.Event().wait(pause_seconds)
            other.get_on()
            paused.process.send_signal(signal.SIGCONT)
            paused.get_on()
            writers.reverse()
    finally:
        for each in writers:
            each.stop()
    log = embedded.log()
    positions = {r.event.event_id: r.position for r in log.read(DB, after=0, limit=100_000)}
    assert log.head(DB).position == len(positions)
    for each in writers:
        assert acknowledged("".join(each.lines)).items() <= positions.items()
    assert log.verify(DB).is_intact


# Fault 5
def test_fault_05_a_failing_store_is_tried_a_bounded_number_of_times_with_growing_jittered_pauses(memory: World):
    clock = VirtualClock()
    pauses: list[float] = []
    clock.sleep = pauses.append  # type: ignore[method-assign]
    store = FaultyStore(memory.store(), lambda operation, key: REFUSED if "/log/" in key and operation == "put" else NO_FAULT)
    log = memory.log(store=store, clock=clock, ids=SeededIds(1), limits=LogLimits(store_attempts=6))
    with pytest.raises(StoreUnavailable) as caught:
        log.append(DB, [command("a")], create=True)
    assert caught.value.retryable
    assert [call for call in store.calls if call[0] == "put" and "/log/" in call[1]] == [("put", segment_key(DB, 1))] * 6
    bounds = [0.02, 0.04, 0.08, 0.16, 0.32]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True)), pauses
    assert len({pause / bound for pause, bound in zip(pauses, bounds, strict=True)}) == 5


def test_fault_05_a_slow_store_makes_callers_wait_or_turn_away_but_no_unbounded_queue(memory: World):
    gate, entered = threading.Event(), threading.Event()

    def slow(operation: str, object_key: str) -> str:
        if operation == "put" and "/log/" in object_key:
            entered.set()
            gate.wait(30)
        return NO_FAULT

    log = memory.log(store=FaultyStore(memory.store(), slow), limits=LogLimits(max_waiting=10))
    outcomes: Counter[str] = Counter()
    turned_away = threading.Semaphore(0)

    def append(number: int) -> None:
        try:
            log.append(DB, [command(f"a{number}")], create=True)
        except LogBehind as error:
            outcomes["behind" if error.details["retry_after_seconds"] >= 1 else "wrong"] += 1
            turned_away.release()
        else:
            outcomes["appended"] += 1

    first = threading.Thread(target=append, args=(0,))
    first.start()
    assert entered.wait(30)
    threads = [threading.Thread(target=append, args=(number,)) for number in range(1, 41)]
    for thread in threads:
        thread.start()
    for _ in range(30):  # one is in its put, ten wait, thirty are turned away while the store hangs
        assert turned_away.acquire(timeout=30)
    gate.set()
    for thread in [first, *threads]:
        thread.join()
    assert outcomes == {"behind": 30, "appended": 11}
    assert log.head(DB).position == 11


def test_fault_05_a_read_that_was_cut_on_its_way_is_read_again(memory: World):
    memory.log().append(DB, [command("a")], create=True)
    faults = iter([CUT, REFUSED, CUT])
    store = FaultyStore(memory.store(), lambda operation, key: next(faults, NO_FAULT) if operation == "get" else NO_FAULT)
    log = memory.log(store=store, clock=VirtualClock())
    assert len(log.read(DB, after=0, limit=5)) == 1


# Fault 6
def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return other bytes than `data`."""
    place = dice.randrange(len(data))
    kind = dice.choice(["flip", "truncate", "zero", "insert", "swap", "append", "empty", "cut line"])
    if kind == "flip":
        result = data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]
    elif kind == "truncate":
        result = data[:place]
    elif kind == "zero":
        result = data[:place] + bytes(min(64, len(data) - place)) + data[place + 64 :]
    elif kind == "insert":
        result = data[:place] + dice.randbytes(dice.randrange(1, 40)) + data[place:]
    elif kind == "swap":
        other = dice.randrange(len(data))
        low, high = min(place, other), max(place, other)
        result = data[high:] + data[low:high] + data[:low]
    elif kind == "append":
        result = data + dice.choice([b"\n", b"{}\n", data])
    elif kind == "empty":
        result = b""
    else:
        lines = data.split(b"\n")
        del lines[dice.randrange(len(lines))]
        result = b"\n".join(lines)
    return result if result != data else data + b" "


def read_on(log: EventLog, read: list[RecordedEvent], dice: random.Random) -> None:
    """Read to the head in pages of any size, adding to `read`."""
    while page := log.read(DB, after=len(read), limit=dice.randrange(1, 20)):
        read += page


def log_of_six_segments(place: World) -> list[RecordedEvent]:
    log = place.log()
    for number in range(6):
        log.append(DB, [command(f"a{n}", text=f"segment {number}") for n in range(3)], create=True)
    return log.read(DB, after=0, limit=100)


@pytest.mark.parametrize("first", range(0, 1_200, 200))
def test_fault_06_every_damaged_segment_is_detected_named_and_stops_its_readers(memory: World, first: int):
    sound = log_of_six_segments(memory)
    originals = dict(memory.objects)
    for seed in range(first, first + 200):
        dice = random.Random(seed)
        number = dice.randrange(1, 7)
        object_key = segment_key(DB, number)
        memory.objects.clear()
        memory.objects.update(originals)
        memory.objects[object_key] = (object(), damaged(originals[object_key][1], dice))
        log = memory.log(clock=VirtualClock())
        read: list[RecordedEvent] = []
        with pytest.raises(IntegrityViolation, match=object_key) as caught:
            read_on(log, read, dice)
        assert isinstance(caught.value, CorruptSegment), f"seed {seed}"
        assert read == sound[: len(read)], f"seed {seed}: wrong data was delivered"
        assert len(read) <= 3 * (number - 1), f"seed {seed}: something at or behind the damage was delivered"
        report = memory.log(clock=VirtualClock()).verify(DB)
        assert report.problem is not None
        assert (report.problem.segment, report.problem.position) == (number, 3 * number - 2), f"seed {seed}"


def test_fault_06_a_damaged_head_stops_appends_and_folds_what_stands_before(memory: World):
    log_of_six_segments(memory)
    object_key = segment_key(DB, 6)
    memory.objects[object_key] = (object(), memory.objects[object_key][1][:-5])
    log = memory.log(clock=VirtualClock())
    with pytest.raises(CorruptSegment):
        log.append(DB, [command("a0")], expected={"Instance|a0": 6})
    for _ in range(2):
        with pytest.raises(CorruptSegment):
            log.fold(DB)
    assert memory.ledger().heads()[DB].position == 15
    with pytest.raises(CorruptSegment):
        memory.log(clock=VirtualClock()).append(DB, [command("a0")])


# Fault 7
def tampered(place: World, kind: str) -> int:
    """Tamper with segment 3 of six; return the segment in which it shows."""
    objects = place.objects
    third, fourth = segment_key(DB, 3), segment_key(DB, 4)
    if kind == "deleted":
        del objects[third]
    elif kind == "reordered":
        objects[third], objects[fourth] = objects[fourth], objects[third]
    elif kind == "replaced by an earlier one":
        objects[third] = objects[segment_key(DB, 2)]
    elif kind == "replaced by another database's":
        objects[third] = objects[segment_key("other", 3)]
    else:
        forge(place, 3)
        return 4
    return 3


def forge(place: World, number: int, *, previous: str | None = None) -> str:
    """Rewrite a segment with other data and a right hash of its own."""
    old = parse_segment(place.objects[segment_key(DB, number)][1], database=DB, number=number)
    lines = [line.replace(b'"text":"segment', b'"text":"forgery') for line in old.lines]
    data, digest = build_segment(
        database=DB,
        segment=number,
        previous=previous or old.header.previous,
        writer=old.header.writer,
        nonce=old.header.nonce,
        first=old.header.first,
        lines=lines,
    )
    place.objects[segment_key(DB, number)] = (object(), data)
    return digest


@pytest.mark.parametrize(
    "kind", ["deleted", "reordered", "replaced by an earlier one", "replaced by another database's", "forged"]
)
def test_fault_07_a_tampered_chain_fails_verification_at_its_position(memory: World, kind: str):
    log_of_six_segments(memory)
    for _ in range(6):
        memory.log().append("other", [command("x")], create=True)
    assert memory.log().verify(DB).is_intact
    shown = tampered(memory, kind)
    report = memory.log(clock=VirtualClock()).verify(DB)
    assert report.problem is not None
    assert (report.problem.segment, report.problem.position) == (shown, 3 * shown - 2)
    assert segment_key(DB, shown) in report.problem.message
    reader = memory.log(clock=VirtualClock())
    read: list[RecordedEvent] = []
    with pytest.raises((BrokenChain, CorruptSegment)):
        read_on(reader, read, random.Random(1))
    assert len(read) < 3 * shown


def test_fault_07_a_wholly_rewritten_chain_is_caught_by_the_ledger_and_by_a_signed_head(memory: World):
    log_of_six_segments(memory)
    token = sign_head(DB, memory.log().head(DB), key=b"kept elsewhere")
    previous = None
    for number in range(2, 7):
        previous = forge(memory, number, previous=previous)
    assert memory.log().verify(DB).is_intact, "nothing in the log itself can tell"
    witness = open_head(token, database=DB, key=b"kept elsewhere")
    report = memory.log().verify(DB, witness=witness)
    assert report.problem is not None
    assert (report.problem.segment, report.problem.position) == (6, 16)
    assert "signed head" in report.problem.message
    for wrong in (
        lambda: open_head(token, database=DB, key=b"other"),
        lambda: open_head(token, database="x", key=b"kept elsewhere"),
    ):
        with pytest.raises(IntegrityViolation):
            wrong()


def test_fault_07_a_cut_off_end_is_caught_by_a_signed_head_and_by_the_ledger(memory: World):
    log_of_six_segments(memory)
    head = memory.log().head(DB)
    del memory.objects[segment_key(DB, 6)]
    assert memory.log().verify(DB).is_intact
    report = memory.log().verify(DB, witness=head)
    assert report.problem is not None
    assert report.problem.segment == 6


# Fault 8
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["disk full", "I/O error"])
@pytest.mark.parametrize("call", ["write", "fdatasync", "link", "fsync"])
def test_fault_08_a_failing_disk_acknowledges_nothing_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
):
    with world("local", directory=tmp_path, dsn=None) as place:
        log = place.log(clock=VirtualClock())
        log.append(DB, [command("a", event_id="before")], create=True)
        original: Callable[..., object] = getattr(os, call)
        monkeypatch.setattr(os, call, lambda *args, **named: fail(number))
        asked = command("a", event_id="k")
        with pytest.raises(StoreUnavailable):
            log.append(DB, [asked], expected={key(asked): 1})
        monkeypatch.setattr(os, call, original)
        result = log.append(DB, [asked], expected={key(asked): 1})
        assert [event.event_id for event in all_events(log)] == ["before", "k"]
        assert result.events[0].event.sequence_number == 2
        assert list((tmp_path / "store" / "tmp").iterdir()) == []


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.errors import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
store = LocalObjectStore(Path(sys.argv[1]))
store.put_if_absent("log/1", b"x" * 90_000)
try:
    store.put_if_absent("log/2", b"y" * 150_000)
    sys.exit("acknowledged beyond the limit")
except StoreUnavailable:
    pass
assert store.list_keys("") == ["log/1"]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put_if_absent("log/2", b"y" * 150_000)
assert store.get("log/2") == b"y" * 150_000
"""


def test_fault_08_a_real_limit_of_the_file_system_is_not_acknowledged_and_recovers(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr


# Fault 13: tests of must_hold 4 in test_event_log.py run 50 clients in one process; here they are processes.
def test_fault_13_two_processes_with_one_expected_seq_win_once_per_number(embedded: World):
    embedded.log().append(DB, [command("start", event_id="start")], create=True)
    processes = [writer(embedded, "same", count=25) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    # Both ask for the same commands with the same ids: each is in the log once, and both got the same place.
    log = embedded.log()
    positions = {r.event.event_id: r.position for r in log.read(DB, after=0, limit=100)}
    assert len(positions) == log.head(DB).position == 26
    for output in outputs:
        assert acknowledged(output).items() <= positions.items()
    assert log.number(DB, "Instance|same") == 25


# Fault 14, the log's part
def test_a_ledger_that_is_away_is_said_to_be_and_appends_resume_by_themselves(memory: World):
    ledger = memory.memory_ledger
    log = memory.log(ledger=ledger)
    log.append(DB, [command("a")], create=True)
    log.fold(DB)
    log = memory.log(ledger=ledger)  # a process that just started cannot know the head without the ledger
    original = ledger.view

    def away(database: str, **asked: object) -> LedgerView:
        raise LedgerUnavailable

    ledger.view = away  # type: ignore[method-assign, assignment]
    for call in (lambda: log.append(DB, [command("a")]), lambda: log.find(DB, "unknown"), lambda: log.fold(DB)):
        with pytest.raises(LedgerUnavailable):
            call()
    assert log.read(DB, after=0, limit=10)[0].position == 1
    assert log.verify(DB).is_intact
    ledger.view = original  # type: ignore[method-assign]
    assert log.append(DB, [command("a")], expected={"Instance|a": 1}).events[0].position == 2


def test_cut_connections_cost_no_acknowledged_event(embedded: World):
    postgres = Postgres(embedded.dsn or "", max_size=4)
    log = embedded.log(ledger=PostgresLedger(postgres), started=True)
    log.append(DB, [command("a")], create=True)
    acked: list[str] = []
    for number in range(30):
        if number % 5 == 0:
            with psycopg.connect(embedded.dsn or "") as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        asked = command("b", event_id=f"e{number}")
        for _ in range(10):
            try:
                log.append(DB, [asked])
            except LedgerUnavailable:
                continue
            acked.append(asked.event_id)
            break
    assert len(acked) == 30
    log.fold(DB)
    assert [event.event_id for event in all_events(log)][1:] == acked
    log.close()
    postgres.close()


# Fault 23
def test_fault_23_lines_with_unknown_fields_are_read_and_kept(memory: World):
    log_of_six_segments(memory)
    old = parse_segment(memory.objects[segment_key(DB, 6)][1], database=DB, number=6)
    lines = [line[:-1] + b',"added_in_2031":{"x":1}}' for line in old.lines]
    data, _ = build_segment(
        database=DB, segment=6, previous=old.header.previous, writer="future", nonce="n", first=old.header.first, lines=lines
    )
    header, _, rest = data.partition(b"\n")
    memory.objects[segment_key(DB, 6)] = (object(), data)
    log = memory.log()
    assert [r.position for r in log.read(DB, after=15, limit=10)] == [16, 17, 18]
    assert [line["added_in_2031"] for line in log.lines(DB, segment=6)] == [{"x": 1}] * 3
    assert header.startswith(b'{"format":1,')
    assert rest.count(b"\n") == 3


def test_fault_23_a_log_written_by_the_first_version_is_read_for_ever():
    data = (Path(__file__).parent / "data" / "segment_format_1.jsonl").read_bytes()
    segment = parse_segment(data, database="shop", number=1)
    assert [(r.position, r.event.event_id, r.event.sequence_number) for r in segment.events()] == [(1, "k1", 1), (2, "k2", 1)]
    first = segment.events()[0].event
    assert (first.actor, first.occurred_at, first.data) == ("alice", NOW, {"payload": {"note": "한국어"}})


def test_fault_23_a_newer_format_is_refused_by_name(memory: World):
    log_of_six_segments(memory)
    newer = memory.objects[segment_key(DB, 1)][1].replace(b'{"format":1,', b'{"format":2,')
    with pytest.raises(CorruptSegment):
        parse_segment(newer, database=DB, number=1)


def test_a_segment_is_readable_by_hand(memory: World):
    memory.log().append(DB, [command("a", event_id="k", text="한국어")], create=True)
    header, line, end = memory.objects[segment_key(DB, 1)][1].split(b"\n")
    assert end == b""
    assert header.startswith(b'{"format":1,"database":"shop","segment":1,"previous":"000')
    assert line.startswith(b'{"position":1,"sequence_number":1,"event_id":"k","event_type":"UPDATE_INSTANCE_REQUESTED"')
    assert '"text":"한국어"'.encode() in line


def test_local_puts_are_durable_before_they_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file's bytes are synced before it gets its name, and the name before the put returns."""
    done: list[str] = []
    for call in ("fdatasync", "link", "fsync"):
        original = getattr(os, call)
        monkeypatch.setattr(os, call, lambda *a, c=call, o=original, **n: (done.append(c), o(*a, **n))[1])
    store = LocalObjectStore(tmp_path)
    store.put_if_absent("log/1", b"x")
    assert done[-3:] == ["fdatasync", "link", "fsync"]
    done.clear()
    store.put_if_absent("log/2", b"x")
    assert done == ["fdatasync", "link", "fsync"]
    other = LocalObjectStore(tmp_path)
    done.clear()
    other.get("log/1")
    assert done[-1:] == ["fsync"], "what another process wrote is made durable before it is believed"
    store.close()
    other.close()
