"""Fresh identifiers, so that simulation can repeat them."""

from abc import ABC, abstractmethod


class IdSource(ABC):
    """A source of identifiers that never repeat."""

    @abstractmethod
    def new_id(self) -> str:
        """Return a new identifier in the text form of a UUID."""
