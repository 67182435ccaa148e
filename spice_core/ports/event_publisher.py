"""Where the relay passes the log on to: an engine that delivers, but is never the truth."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from spice_core.domain.events import RecordedEvent
from spice_core.ports.work_ledger import DeadLetter


@dataclass(frozen=True, slots=True)
class BuriedEvent:
    """A dead letter as it is announced. `line` is the event as the log holds it, None where the log does not show it."""

    letter: DeadLetter
    line: bytes | None


class EventPublisher(ABC):
    """Passes events and dead letters on, at least once.

    Commands of one database arrive in the order they were published in, and so do domain events of one aggregate; a
    repetition may follow what it repeats. Everything raises `FeedUnavailable` (retryable) while the engine does not answer
    or does not take what it is given: whoever publishes repeats, so that nothing is skipped. After `close`, every method
    but `close` raises `Closed`.
    """

    @abstractmethod
    def check(self) -> None:
        """Look at the engine and at what is declared in it; in development, declare what is missing.

        Raises:
            ConfigurationError: something is declared otherwise than the settings say, or the credentials are refused; names
                the setting.
            FeedUnavailable: (retryable) the engine does not answer.
        """

    @abstractmethod
    def publish(self, events: Sequence[RecordedEvent], *, lines: Sequence[bytes], log: str) -> None:
        """Pass on `events` of one database, in log order; on return the engine has stored all of them.

        `lines` are the same events as the log holds them, and arrive byte for byte (one that is too large for the engine
        arrives without its line: a consumer reads the log). `log` says which log it is, so that a consumer tells it from
        another one of the same name.

        Raises:
            FeedUnavailable: (retryable) nothing is known about what has arrived.
        """

    @abstractmethod
    def announce(self, letters: Sequence[BuriedEvent]) -> None:
        """Pass on dead letters; on return the engine has stored all of them. Raises as `publish`."""

    @abstractmethod
    def incarnation(self) -> str:
        """Return what changes when the engine has lost what was published; as the last `check` saw it, "" before one."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing was ever published to what is declared now. Raises `FeedUnavailable`."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
