"""What became of a file that was sent in: a request with a key, its states, and the versions it made."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from spice_core.domain import naming

MOST_RESUMED = 5


class IngestState(StrEnum):
    """RECEIVED: on record, no bytes kept. RAW_COMMITTED: a crash loses nothing from here on. The others are final."""

    RECEIVED = "RECEIVED"
    RAW_COMMITTED = "RAW_COMMITTED"
    PUBLISHED = "PUBLISHED"
    FAILED = "FAILED"


class SchemaStatus(StrEnum):
    """Whether a person has agreed to the columns and types that were found."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a client says of an upload.

    Attributes:
        name: of the dataset; where a file holds several tables, of the largest, and what the others' names begin with.
        key: the idempotency key. The same key with the same request gives the same version.
        source_type: `csv`, `excel` and `file` are uploads, and the file's content says what it is; `media` is an archive of
            media files, a row each; others (a connector's) are kept as they are.
        delimiter, has_header: override what a text's own look tells; None leaves it to that.
        sheet, table: take in this sheet, this table (from 1, of the sheet or else of the file) only; None: all.
        origin: where it came from, for people: `kind` (`upload`, `watch`, a connector's name) and what else is known.
    """

    database: str
    branch: str
    name: str
    filename: str
    key: str
    source_type: str = "csv"
    delimiter: str | None = None
    has_header: bool | None = None
    actor: str | None = None
    sheet: str | None = None
    table: int | None = None
    origin: Mapping[str, Any] = field(default_factory=lambda: {"kind": "upload"})

    @property
    def dataset_id(self) -> str:
        """The dataset that the only or largest table becomes a version of."""
        return naming.aggregate_id(self.database, self.branch, self.name)

    def fingerprint(self, content_sha256: str) -> str:
        """Return a sha256 over all that makes two uploads with one key the same."""
        said: dict[str, Any] = {
            "database": self.database,
            "branch": self.branch,
            "name": self.name,
            "source_type": self.source_type,
            "filename": self.filename,
            "delimiter": self.delimiter,
            "has_header": self.has_header,
            "content_sha256": content_sha256,
        }
        chosen = {"sheet": self.sheet, "table": self.table}
        said |= {name: value for name, value in chosen.items() if value is not None}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MadeVersion:
    """A version that a request made, and the dataset it belongs to."""

    dataset_id: str
    version_id: str


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """An upload on record.

    Attributes:
        request_id: also the id of the command that registers the first of its versions.
        fingerprint: see `UploadRequest.fingerprint`.
        attempts: how often it was sent and work on it began; `resumed`: how often somebody went on with the kept bytes.
        raw_commit: the commit of the dataset store that keeps its bytes under `raw_path`; None before RAW_COMMITTED.
        versions: what it published, the largest table's first.
        retyped: versions made of the same bytes when a person corrected columns, in that order.
        error: of a FAILED one: `code`, `message`, `advice`.
        sequence: the number of the command that last changed it, 0 for one that is not on record yet.
    """

    request_id: str
    request: UploadRequest
    state: IngestState
    fingerprint: str
    content_sha256: str
    size_bytes: int
    received_at: datetime
    attempts: int = 1
    resumed: int = 0
    schema_status: SchemaStatus = SchemaStatus.PENDING
    raw_commit: str | None = None
    versions: Sequence[MadeVersion] = ()
    retyped: Sequence[MadeVersion] = ()
    error: Mapping[str, str] | None = None
    finished_at: datetime | None = None
    sequence: int = 0

    @property
    def raw_path(self) -> str:
        """Where its bytes lie in the dataset store until a version names them."""
        return f"_ingest/{self.request_id}/raw"


def request_as_json(request: IngestRequest) -> dict[str, Any]:
    """Return a request as a JSON object; times are ISO 8601, the sequence is not in it."""
    return {
        "request_id": request.request_id,
        "request": {**asdict(request.request), "origin": dict(request.request.origin)},
        "state": request.state.value,
        "fingerprint": request.fingerprint,
        "content_sha256": request.content_sha256,
        "size_bytes": request.size_bytes,
        "received_at": request.received_at.isoformat(),
        "attempts": request.attempts,
        "resumed": request.resumed,
        "schema_status": request.schema_status.value,
        "raw_commit": request.raw_commit,
        "versions": [asdict(made) for made in request.versions],
        "retyped": [asdict(made) for made in request.retyped],
        "error": None if request.error is None else dict(request.error),
        "finished_at": request.finished_at.isoformat() if request.finished_at else None,
    }


def request_of_json(record: Mapping[str, Any], *, sequence: int) -> IngestRequest:
    """Read `request_as_json` back; unknown fields are left out."""
    finished = record.get("finished_at")
    known = {name: record["request"][name] for name in UploadRequest.__dataclass_fields__ if name in record["request"]}
    return IngestRequest(
        request_id=record["request_id"],
        request=UploadRequest(**known),
        state=IngestState(record["state"]),
        fingerprint=record["fingerprint"],
        content_sha256=record["content_sha256"],
        size_bytes=record["size_bytes"],
        received_at=datetime.fromisoformat(record["received_at"]),
        attempts=record.get("attempts", 1),
        resumed=record.get("resumed", 0),
        schema_status=SchemaStatus(record.get("schema_status", "PENDING")),
        raw_commit=record.get("raw_commit"),
        versions=_made(record, "versions"),
        retyped=_made(record, "retyped"),
        error=record.get("error"),
        finished_at=datetime.fromisoformat(finished) if finished else None,
        sequence=sequence,
    )


def failed(request: IngestRequest, *, code: str, message: str, at: datetime) -> IngestRequest:
    """Return `request` as failed: why, and what its sender can do."""
    error = {"code": code, "message": message[:2000], "advice": _ADVICE.get(code, _RETRY)}
    return replace(request, state=IngestState.FAILED, error=error, finished_at=at)


_RETRY = "Send the file again with the same idempotency key; the key is free."
_ADVICE: Mapping[str, str] = {
    "unreadable_file": "Correct the file and send it again; the idempotency key is free.",
    "too_large": "Split the file, or ask an operator to raise SPICE_MAX_UPLOAD_BYTES.",
    "gave_up": "The file broke its reader several times: look at the logs of the platform, then send it again.",
}


def _made(record: Mapping[str, Any], name: str) -> tuple[MadeVersion, ...]:
    return tuple(MadeVersion(made["dataset_id"], made["version_id"]) for made in record.get(name, ()))
