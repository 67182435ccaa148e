"""Random identifiers."""

from uuid import uuid4

from spice_core.ports.id_source import IdSource


class RandomIds(IdSource):
    """UUIDs of version 4."""

    def new_id(self) -> str:
        return str(uuid4())
