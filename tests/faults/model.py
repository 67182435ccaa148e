"""The independent judgement: what the requests that clients were told are accepted must have led to, one after the other.

It shares no code with the platform: requests come from the clients' own record, and from the log only their order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from spice_core.domain.events import RecordedEvent
from tests.faults.requests import KEYS, Answer, Fate, Kind, Record, Request

Documents = dict[str, dict[str, Any]]


@dataclass
class Judgement:
    """What is lost, doubled, or wrong; each with the first cases named."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        return f"{len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.wrong)} wrong"

    def details(self) -> str:
        """Return the first cases of each kind."""
        lines = [("lost", self.lost), ("doubled", self.doubled), ("wrong", self.wrong)]
        return "\n".join(f"{kind}: {text}" for kind, texts in lines for text in texts[:8])


@dataclass
class Model:
    """One database as plain dictionaries: documents by key by branch, and whether each command succeeded.

    `counted` is how many commands of a key on a branch the log has, over all lives of the branch; `numbers` those that clients
    read: what a branch began with, and its commands since. `lives` has what each life of a branch began with.
    """

    branches: dict[str, Documents] = field(default_factory=lambda: {"main": {}})
    succeeded: dict[str, bool] = field(default_factory=dict)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    numbers: dict[str, dict[str, int]] = field(default_factory=lambda: {"main": {}})
    lives: dict[str, list[dict[str, int]]] = field(default_factory=dict)

    def told(self, request: Request, logged: int) -> set[int]:
        """Return the numbers that a client may have been told of its command, which the log numbers `logged`."""
        key = f"{request.class_id}/{request.instance_id}"
        return {logged + begun.get(key, 0) for begun in [{}, *self.lives.get(request.branch, [])]}

    def take(self, request: Request) -> None:
        """Apply one accepted request."""
        if request.kind is Kind.BULK_CREATE:
            members = [self._member(request, number) for number in range(len(request.rows))]
            self.succeeded[request.command_id] = all(members)
        else:
            self.succeeded[request.command_id] = self._apply(request)

    def _member(self, request: Request, number: int) -> bool:
        row = request.rows[number]
        done = self._put(request.branch, request.class_id, str(row[KEYS[request.class_id]]), row, is_new=True)
        self.succeeded[member_id(request, number)] = done
        return done

    def _apply(self, request: Request) -> bool:
        branch = request.branch
        match request.kind:
            case Kind.CREATE_BRANCH:
                if branch in self.branches:
                    return False
                self.branches[branch] = {key: dict(document) for key, document in self.branches["main"].items()}
                self.numbers[branch] = dict(self.numbers["main"])
                self.lives.setdefault(branch, []).append(dict(self.numbers["main"]))
                return True
            case Kind.DELETE_BRANCH:
                return self.branches.pop(branch, None) is not None
            case Kind.DELETE:
                return self._delete(branch, f"{request.class_id}/{request.instance_id}", request.expected_seq)
            case _:
                is_new = request.kind is Kind.CREATE
                class_id, seq = request.class_id, request.expected_seq
                return self._put(branch, class_id, request.instance_id, request.data, is_new=is_new, expected_seq=seq)

    def _number(self, branch: str, key: str, expected_seq: int | None) -> int | None:
        """Count a command; return its number, None where its branch began anew since it was accepted and has another one."""
        self.counted[branch, key] += 1
        if branch not in self.branches:
            return None
        number = self.counted[branch, key] + (self.lives[branch][-1].get(key, 0) if branch != "main" else 0)
        return number if branch == "main" or expected_seq in {None, number - 1} else None

    def _put(
        self,
        branch: str,
        class_id: str,
        instance_id: str,
        data: Mapping[str, Any],
        *,
        is_new: bool,
        expected_seq: int | None = None,
    ) -> bool:
        key = f"{class_id}/{instance_id}"
        number, documents = self._number(branch, key, expected_seq), self.branches.get(branch)
        if documents is None or number is None or (key in documents) == is_new:
            return False
        document = {name: value for name, value in {**documents.get(key, {}), **data}.items() if value is not None}
        if "owned_by" in document and document["owned_by"] not in documents:
            return False
        documents[key] = document
        self.numbers[branch][key] = number
        return True

    def _delete(self, branch: str, key: str, expected_seq: int | None) -> bool:
        number, documents = self._number(branch, key, expected_seq), self.branches.get(branch)
        if documents is None or number is None or key not in documents:
            return False
        if any(document.get("owned_by") == key for document in documents.values()):
            return False
        del documents[key]
        del self.numbers[branch][key]
        return True


def member_id(request: Request, number: int) -> str:
    """Return the command id of one row of a bulk request: a published rule, so that clients can follow single rows."""
    return str(uuid5(UUID(request.command_id), str(number)))


def judge_log(record: Record, events: Iterable[RecordedEvent], database: str, *, known: set[str]) -> tuple[Judgement, Model]:
    """Compare what clients were told with what stands in the log; return also what the log's order leads to.

    `known` are commands that others sent, to set things up.
    """
    found, model = Judgement(), Model()
    answers = {name: told for name, told in record.answers.items() if told[0].database == database}
    seen: Counter[str] = Counter()
    told: Counter[str] = Counter()
    logged: dict[str, int] = {}
    members = {member_id(asked, n) for asked, _ in answers.values() for n in range(len(asked.rows))}
    for recorded in events:
        event = recorded.event
        seen[event.event_id] += 1
        if not event.is_command:
            told[event.command_id] += _is_own(recorded, answers)
        elif event.event_id in answers:
            logged[event.event_id] = event.sequence_number or 0
            _take(found, model, recorded, *answers[event.event_id])
        elif event.event_id not in members | known:
            found.wrong.append(f"{database}: nobody sent {event.event_type} {event.event_id} at {recorded.position}")
    for name, (request, answer) in answers.items():
        if answer.fate is Fate.ACCEPTED:
            parts = [name, *(member_id(request, number) for number in range(len(request.rows)))]
            found.lost += [f"{database}: {request.kind} {part} is not in the log" for part in parts if not seen[part]]
            found.lost += [f"{database}: {request.kind} {part} has no outcome" for part in parts if seen[part] and not told[part]]
            found.doubled += [f"{database}: {request.kind} {part} has {told[part]} outcomes" for part in parts if told[part] > 1]
        if request.instance_id and answer.number is not None and answer.number not in model.told(request, logged.get(name, 0)):
            found.wrong.append(
                f"{database}: {name} has number {logged.get(name)} in the log; its client was told {answer.number}"
            )
    found.doubled += [f"{database}: {name} stands {count} times in the log" for name, count in seen.items() if count > 1]
    return found, model


def judge_states(model: Model, documents: Mapping[str, Documents], states: Mapping[str, str], *, where: str) -> Judgement:
    """Compare the model's documents with those of a store, and its outcomes with the statuses that clients read."""
    found = Judgement()
    for branch in sorted(model.branches.keys() | documents.keys()):
        expected, there = model.branches.get(branch), documents.get(branch)
        if expected is None or there is None:
            found.wrong.append(f"{where}: branch {branch} is {'missing' if there is None else 'too many'}")
            continue
        for key in sorted(expected.keys() | there.keys()):
            if expected.get(key) != there.get(key):
                found.wrong.append(f"{where}: {branch} {key} is {there.get(key)}, should be {expected.get(key)}")
    for name, state in states.items():
        expected_state = "COMPLETED" if model.succeeded[name] else "FAILED"
        if state != expected_state:
            found.wrong.append(f"{where}: {name} is {state}, should be {expected_state}")
    return found


def _take(found: Judgement, model: Model, recorded: RecordedEvent, request: Request, answer: Answer) -> None:
    payload = recorded.event.data.get("payload")
    if answer.fate is Fate.REFUSED:
        found.wrong.append(f"{request.kind} {request.command_id} was refused ({answer.code}) and is at {recorded.position}")
    if request.kind in {Kind.CREATE, Kind.UPDATE} and payload != request.data:
        found.wrong.append(f"{request.command_id} says {payload}; its client sent {request.data}")
    model.take(request)


def _is_own(recorded: RecordedEvent, answers: Mapping[str, tuple[Request, Answer]]) -> bool:
    """Whether a domain event says what became of its own command, not of an instance that it touched on the way."""
    event = recorded.event
    asked = answers.get(event.command_id)
    if asked is None or event.event_type == "COMMAND_FAILED" or asked[0].kind is not Kind.DELETE:
        return True
    return event.event_type == "INSTANCE_DELETED"
