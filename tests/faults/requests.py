"""What clients ask for in fault tests, and the record of what they were told."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.write_path import a_class, text

OWNER = a_class("Owner", text("owner_id", required=True), text("name", required=True), text("city"))
THING = a_class(
    "Thing",
    text("thing_id", required=True),
    text("name"),
    text("note"),
    relationships=[{"predicate": "owned_by", "target": "Owner", "cardinality": "n:1"}],
)
KEYS = {"Owner": "owner_id", "Thing": "thing_id"}


class Kind(StrEnum):
    """What is asked for."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    BULK_CREATE = "bulk"
    CREATE_BRANCH = "create branch"
    DELETE_BRANCH = "delete branch"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a client, under an id of its own: repeated as often as it takes to get an answer."""

    command_id: str
    kind: Kind
    database: str
    branch: str
    class_id: str = ""
    instance_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    expected_seq: int | None = None
    rows: Sequence[Mapping[str, Any]] = ()

    @property
    def aggregate(self) -> tuple[str, str, str, str]:
        """The instance, as clients tell instances apart."""
        return self.database, self.branch, self.class_id, self.instance_id


class Fate(StrEnum):
    """What a client knows of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `number` is the aggregate's with an accepted request, `actual` the one that a conflict told."""

    fate: Fate
    number: int | None = None
    actual: int | None = None
    code: str = ""


@dataclass
class Record:
    """Every request and its last answer, kept by the clients and by nobody else. Safe for threads."""

    answers: dict[str, tuple[Request, Answer]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    attempts: int = 0
    unknown_attempts: int = 0
    conflicts: int = 0
    repetitions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Request, answer: Answer) -> None:
        """Note one answer; two definite answers that contradict each other are a problem."""
        with self._lock:
            self.attempts += 1
            self.unknown_attempts += answer.fate is Fate.UNKNOWN
            self.conflicts += answer.actual is not None
            _, before = self.answers.get(request.command_id, (request, None))
            if before is None or before.fate is Fate.UNKNOWN:
                self.answers[request.command_id] = request, answer
                return
            if answer.fate is Fate.UNKNOWN:
                return
            self.repetitions += 1
            if (before.fate, before.number) != (answer.fate, answer.number):
                self.problems.append(f"{request.kind} {request.command_id}: first {before}, then {answer}")

    def problem(self, text: str) -> None:
        """Note something that must not happen."""
        with self._lock:
            self.problems.append(text)

    def of(self, fate: Fate) -> list[tuple[Request, Answer]]:
        """Return the requests that ended so."""
        with self._lock:
            return [(request, answer) for request, answer in self.answers.values() if answer.fate is fate]
