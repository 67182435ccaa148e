"""Small things that the catalogue keeps beside datasets and mappings, all in one form: a kind, an id, a JSON document."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from spice_core.domain import naming


class RecordKind(StrEnum):
    """What a record is of; also the aggregate type of its commands (`CLASS_RESET` has none: see `ClassReset`)."""

    INGEST = "Ingest"
    CORRECTION = "Correction"
    WATCH = "Watch"
    CONNECTION = "Connection"
    CONNECTOR_SOURCE = "ConnectorSource"
    CONNECTOR_SYNC = "ConnectorSync"
    KEY_SPEC = "KeySpec"
    LINK_TYPE = "LinkType"
    LINK_EDIT = "LinkEdit"
    LINK_RUN = "LinkRun"
    GATE = "Gate"
    CLASS_RESET = "ClassReset"


@dataclass(frozen=True, slots=True)
class CatalogueRecord:
    """One record as it stands after the last command on it.

    Attributes:
        record_id: see `record_id_of`.
        document: JSON object; its shape belongs to the kind.
        parent: what it is listed under (a dataset, a connection, a link type), empty for none.
        status: what it is listed by besides (a state), empty for none.
        version: the sequence number of that command: what `expected_seq` is compared with.
        position: of that command in the log.
    """

    kind: RecordKind
    record_id: str
    database: str
    branch: str
    document: Mapping[str, Any]
    parent: str = ""
    status: str = ""
    version: int = 0
    position: int = 0
    changed_at: datetime | None = None
    changed_by: str | None = None


def record_id_of(database: str, *parts: str) -> str:
    """Return the id of a record of a database from the parts that make it one of a kind."""
    return naming.aggregate_id(database, *parts)
