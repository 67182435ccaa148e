"""The ledger of work in memory."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from spice_core.errors import Closed, LeaseLost, NotFound
from spice_core.ports.clock import Clock
from spice_core.ports.work_ledger import Claim, DeadLetter, Lease, WorkItem, WorkLedger

_OPEN = frozenset({"waiting", "retrying"})


@dataclass(slots=True)
class _Holding:
    owner: str | None
    epoch: int
    expires_at: datetime


@dataclass(slots=True)
class _Stream:
    """All that is known of one handler in one database."""

    position: int = 0
    done: dict[str, datetime] = field(default_factory=dict)
    claimed_by: dict[str, Lease] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    dead: dict[str, DeadLetter] = field(default_factory=dict)


class MemoryWorkLedger(WorkLedger):
    """Dictionaries under one lock; `clock` decides about leases."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._leases: dict[str, _Holding] = {}
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._announced: dict[tuple[str, str, str], datetime] = {}
        self._is_closed = False

    def acquire(self, name: str, *, owner: str, seconds: float) -> Lease | None:
        with self._lock:
            self._check_open()
            now = self._clock.now()
            held = self._leases.get(name)
            if held is None:
                held = self._leases[name] = _Holding(None, 0, now)
            if held.owner not in (None, owner) and held.expires_at > now:
                return None
            if held.owner != owner:
                held.epoch += 1
            held.owner, held.expires_at = owner, now + timedelta(seconds=seconds)
            return Lease(name, owner, held.epoch)

    def renew(self, lease: Lease, *, seconds: float) -> None:
        with self._lock:
            self._fence(lease).expires_at = self._clock.now() + timedelta(seconds=seconds)

    def release(self, lease: Lease) -> None:
        with self._lock:
            self._check_open()
            if self._holds(lease):
                self._leases[lease.name].owner = None

    def holder(self, name: str) -> str | None:
        with self._lock:
            self._check_open()
            held = self._leases.get(name)
            return held.owner if held is not None and held.expires_at > self._clock.now() else None

    def holders(self, prefix: str) -> Mapping[str, str]:
        with self._lock:
            self._check_open()
            found = {name: held.owner for name, held in self._leases.items() if name.startswith(prefix)}
            return {name: owner for name, owner in found.items() if owner is not None}

    def claim(self, lease: Lease, handler: str, items: Sequence[WorkItem]) -> Mapping[str, Claim]:
        with self._lock:
            self._fence(lease)
            answers: dict[str, Claim] = {}
            for item in items:
                stream = self._stream(handler, item.database)
                answers[item.event_id] = self._answer(stream, lease, item)
                if answers[item.event_id] is Claim.CLAIMED:
                    stream.claimed_by[item.event_id] = lease
                    stream.attempts[item.event_id] = stream.attempts.get(item.event_id, 0) + 1
            return answers

    def mark_done(self, lease: Lease, handler: str, items: Sequence[WorkItem], *, database: str, position: int) -> None:
        with self._lock:
            self._fence(lease)
            stream = self._stream(handler, database)
            for item in items:
                stream.done.setdefault(item.event_id, self._clock.now())
                stream.claimed_by.pop(item.event_id, None)
                stream.attempts.pop(item.event_id, None)
                letter = stream.dead.get(item.event_id)
                if letter is not None and letter.state in _OPEN:
                    stream.dead[item.event_id] = replace(letter, state="resolved")
            stream.position = max(stream.position, position)

    def mark_failed(self, lease: Lease, handler: str, item: WorkItem, *, error: str) -> int:
        with self._lock:
            self._fence(lease)
            del error  # kept by the dead letter, once there is one
            return self._stream(handler, item.database).attempts.setdefault(item.event_id, 1)

    def bury(
        self, lease: Lease, handler: str, items: Sequence[WorkItem], *, event_types: Sequence[str], error: str, behind: str | None
    ) -> None:
        with self._lock:
            self._fence(lease)
            now = self._clock.now()
            for item, event_type in zip(items, event_types, strict=True):
                stream = self._stream(handler, item.database)
                known = stream.dead.get(item.event_id)
                if behind is not None:
                    stream.attempts.pop(item.event_id, None)
                stream.dead[item.event_id] = DeadLetter(
                    handler=handler,
                    database=item.database,
                    event_id=item.event_id,
                    position=item.position,
                    aggregate=item.aggregate,
                    event_type=event_type,
                    error=error,
                    attempts=max(stream.attempts.get(item.event_id, 0), known.attempts if known else 0),
                    first_failed_at=known.first_failed_at if known else now,
                    last_failed_at=now,
                    state="waiting",
                    parked_behind=behind or item.event_id,
                )

    def parked_aggregates(self, handler: str, database: str) -> Mapping[str, str]:
        with self._lock:
            self._check_open()
            dead = sorted(self._stream(handler, database).dead.values(), key=lambda letter: -letter.position)
            return {letter.aggregate: letter.parked_behind or letter.event_id for letter in dead if letter.state in _OPEN}

    def dead_letters(
        self,
        *,
        handler: str | None = None,
        database: str | None = None,
        state: str = "waiting",
        behind: str | None = None,
        limit: int = 100,
    ) -> list[DeadLetter]:
        with self._lock:
            self._check_open()
            found = [
                letter
                for (owner, scope), stream in self._streams.items()
                if handler in (None, owner) and database in (None, scope)
                for letter in stream.dead.values()
                if state in ("", letter.state) and behind in (None, letter.parked_behind)
            ]
        found.sort(key=lambda letter: (letter.position, letter.database, letter.handler, letter.event_id))
        return found[:limit]

    def set_dead_letter_state(self, handler: str, *, database: str, event_id: str, state: str) -> None:
        with self._lock:
            self._check_open()
            dead = self._stream(handler, database).dead
            if event_id not in dead:
                raise NotFound(f"{handler} has no dead letter {event_id} in {database}")
            for key, letter in dead.items():
                is_behind = state == "retrying" and letter.parked_behind == event_id and letter.state in _OPEN
                if key == event_id or is_behind:
                    dead[key] = replace(letter, state=state)

    def unannounced(self, *, limit: int = 100) -> list[DeadLetter]:
        with self._lock:
            self._check_open()
            letters = [letter for stream in self._streams.values() for letter in stream.dead.values()]
            fresh = [letter for letter in letters if self._announced.get(_failure(letter)) != letter.last_failed_at]
            return sorted(fresh, key=lambda letter: (letter.last_failed_at, letter.position))[:limit]

    def mark_announced(self, letters: Sequence[DeadLetter]) -> None:
        with self._lock:
            self._check_open()
            self._announced.update({_failure(letter): letter.last_failed_at for letter in letters})

    def position(self, handler: str, database: str) -> int:
        with self._lock:
            self._check_open()
            return self._stream(handler, database).position

    def positions(self) -> Mapping[tuple[str, str], int]:
        with self._lock:
            self._check_open()
            return {names: stream.position for names, stream in self._streams.items()}

    def reset(self, handler: str, database: str) -> None:
        with self._lock:
            self._check_open()
            self._streams.pop((handler, database), None)

    def purge(self, *, before: datetime) -> int:
        with self._lock:
            self._check_open()
            purged = 0
            for stream in self._streams.values():
                old = [event_id for event_id, at in stream.done.items() if at < before]
                purged += len(old)
                for event_id in old:
                    del stream.done[event_id]
            return purged

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The ledger of work is closed.")

    def _holds(self, lease: Lease) -> bool:
        held = self._leases.get(lease.name)
        return held is not None and held.owner == lease.owner and held.epoch == lease.epoch

    def _is_live(self, lease: Lease) -> bool:
        return self._holds(lease) and self._leases[lease.name].expires_at > self._clock.now()

    def _fence(self, lease: Lease) -> _Holding:
        self._check_open()
        if not self._holds(lease):
            raise LeaseLost(f"{lease.owner} no longer holds {lease.name} (epoch {lease.epoch})")
        return self._leases[lease.name]

    def _stream(self, handler: str, database: str) -> _Stream:
        return self._streams.setdefault((handler, database), _Stream())

    def _answer(self, stream: _Stream, lease: Lease, item: WorkItem) -> Claim:
        letter = stream.dead.get(item.event_id)
        if item.event_id in stream.done or (letter is not None and letter.state != "retrying"):
            return Claim.DUPLICATE_DONE
        claimer = stream.claimed_by.get(item.event_id)
        if claimer is not None and claimer.name != lease.name and self._is_live(claimer):
            return Claim.IN_PROGRESS
        if item.position <= stream.position and letter is None:
            return Claim.STALE
        return Claim.CLAIMED


def _failure(letter: DeadLetter) -> tuple[str, str, str]:
    return letter.handler, letter.database, letter.event_id
