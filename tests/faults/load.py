"""Many clients that write under a seed, repeat what was not answered, and remember what they were told."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from tests.faults.requests import KEYS, Answer, Fate, Kind, Record, Request
from tests.faults.senders import Sender

_SIDE = ("side", "draft/one")
_PAUSE_SECONDS = 0.1


class Load:
    """Client threads on some databases. Each client's wishes follow from the seed alone; their meeting is up to the machine.

    `stop` lets no new request begin; `drain` waits until every one has got a definite answer.
    """

    def __init__(
        self,
        sender: Sender,
        databases: Sequence[str],
        *,
        seed: int,
        clients: int = 4,
        keys: int = 30,
        pause_seconds: float = 0.0,
        record: Record | None = None,
    ) -> None:
        self.record = Record() if record is None else record
        self._sender = sender
        self._databases = list(databases)
        self._keys = keys
        self._pause_seconds = pause_seconds
        self._is_stopping = threading.Event()
        self._limit: int | None = None
        self._gives_up_at: float | None = None
        self._threads = [
            threading.Thread(target=self._client, args=(random.Random(f"{seed}:{n}"), n), name=f"client-{n}", daemon=True)
            for n in range(clients)
        ]

    def start(self, *, requests: int | None = None) -> None:
        """Start the clients; each sends `requests`, or as many as it can until `stop`."""
        self._limit = requests
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the clients finish the request they are at."""
        self._is_stopping.set()

    def drain(self, *, seconds: float) -> None:
        """Wait until every client is done. Raises `AssertionError` where a request is not answered in time."""
        self._gives_up_at = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.1, self._gives_up_at + 20 - time.monotonic()))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        unknown = self.record.of(Fate.UNKNOWN)
        assert not stuck, f"clients that never ended: {stuck}"
        assert not unknown, f"requests that were never answered: {unknown[:3]}"

    def run(self, *, requests: int, seconds: float = 120.0) -> Record:
        """Let every client send `requests` and wait for the answers."""
        self.start(requests=requests)
        self.drain(seconds=seconds)
        return self.record

    def _client(self, dice: random.Random, number: int) -> None:
        known: dict[tuple[str, str, str, str], int] = {}
        sent: list[Request] = []
        count = 0
        while not self._is_stopping.is_set() and (self._limit is None or count < self._limit):
            count += 1
            if sent and dice.random() < 0.08:
                self._send(dice.choice(sent[-50:]))
                continue
            request = self._wish(dice, known, is_admin=number == 0)
            answer = self._send(request)
            if answer.fate is Fate.ACCEPTED:
                sent.append(request)
                if answer.number is not None:
                    known[request.aggregate] = answer.number
            elif answer.actual is not None:
                known[request.aggregate] = answer.actual
            if self._pause_seconds:
                self._is_stopping.wait(dice.random() * 2 * self._pause_seconds)

    def _send(self, request: Request) -> Answer:
        """Send until there is a definite answer: the very same request, under the same id."""
        while True:
            answer = self._sender.send(request)
            self.record.note(request, answer)
            if answer.fate is not Fate.UNKNOWN or (self._gives_up_at is not None and time.monotonic() > self._gives_up_at):
                return answer
            time.sleep(_PAUSE_SECONDS)

    def _wish(self, dice: random.Random, known: dict[tuple[str, str, str, str], int], *, is_admin: bool) -> Request:
        database = dice.choice(self._databases)
        branch = dice.choice(["main", "main", "main", *_SIDE])
        command_id = str(UUID(int=dice.getrandbits(128), version=4))
        if is_admin and dice.random() < 0.06:
            kind = dice.choice([Kind.CREATE_BRANCH, Kind.CREATE_BRANCH, Kind.DELETE_BRANCH])
            return Request(command_id, kind, database, dice.choice(_SIDE))
        class_id = dice.choice(["Owner", "Thing"])
        instance_id = f"{class_id[0].lower()} {dice.randrange(self._keys)}"
        wish = Request(command_id, Kind.CREATE, database, branch, class_id, instance_id)
        owner = f"Owner/o {dice.randrange(self._keys)}"
        match dice.choices(["create", "update", "delete", "bulk"], [5, 6, 1, 1])[0]:
            case "create":
                return replace(wish, data=_document(dice, class_id, instance_id, owner))
            case "update":
                seq = known.get(wish.aggregate, 1) if dice.random() < 0.95 else dice.randrange(9)
                return replace(wish, kind=Kind.UPDATE, expected_seq=seq, data=_patch(dice, class_id, owner))
            case "delete":
                return replace(wish, kind=Kind.DELETE, expected_seq=known.get(wish.aggregate, 1))
            case _:
                names = dice.sample(range(3 * self._keys), dice.randrange(2, 8))
                rows = [_document(dice, class_id, f"{class_id[0].lower()} {name}", owner) for name in names]
                return replace(wish, kind=Kind.BULK_CREATE, instance_id="", rows=rows)


def _document(dice: random.Random, class_id: str, instance_id: str, owner: str) -> dict[str, object]:
    document: dict[str, object] = {KEYS[class_id]: instance_id, "name": f"name {dice.randrange(1000)}"}
    if class_id == "Thing" and dice.random() < 0.4:
        document["owned_by"] = owner
    return document


def _patch(dice: random.Random, class_id: str, owner: str) -> dict[str, object]:
    if class_id == "Owner":
        return {"city": dice.choice([None, f"city {dice.randrange(1000)}"])}
    return dice.choice([{"note": f"note {dice.randrange(1000)}"}, {"owned_by": owner}, {"owned_by": None}])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for `condition`; fail with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.02)
