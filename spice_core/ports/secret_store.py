"""Secrets of connections (passwords, tokens): encrypted at rest, outside the log."""

from abc import ABC, abstractmethod


class SecretStore(ABC):
    """Texts by name. What is stored can be read with the keys of the settings only.

    A name is 1 to 500 characters, a value up to 100,000; anything else raises `InvalidInput`. No error and no line of a log
    holds a value. Safe for many threads and processes. After `close`, every method but `close` raises `Closed`; a store that
    does not answer raises `LedgerUnavailable`. One that outlives the process raises `ConfigurationError` where no key is
    configured to encrypt with: nothing is ever kept in the clear.
    """

    @abstractmethod
    def put(self, name: str, value: str) -> None:
        """Store `value` under `name`, encrypted with the newest key; it replaces what was there."""

    @abstractmethod
    def get(self, name: str) -> str | None:
        """Return the value of `name`, None where there is none.

        Raises:
            IntegrityViolation: it was encrypted with a key that is not configured, for another name, or was altered.
        """

    @abstractmethod
    def take(self, name: str) -> str | None:
        """Return the value of `name` and remove it: of any number of callers one gets it. Raises as `get`."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove `name`; removing what is not there does nothing."""

    @abstractmethod
    def rotate(self) -> int:
        """Encrypt everything anew with the newest key; return how many there were.

        Raises:
            IntegrityViolation: one of them cannot be read; names it, and nothing is changed.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
