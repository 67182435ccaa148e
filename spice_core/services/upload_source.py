"""From the file of a sync to a version of the source's dataset, under an idempotency key of the sync's generation."""

from spice_core.domain.connectors import ConnectorSource, SyncState
from spice_core.domain.connectors_sync import emptied, upload_key, uploaded
from spice_core.errors import Conflict, IdempotencyMismatch, OptimisticConcurrencyConflict
from spice_core.services.fetch_source import Fetched
from spice_core.services.ingest_dataset import IngestDataset, UploadRequest

_MOST_DELETED = 10


class UploadSource:
    """Uploads what syncs fetched."""

    def __init__(self, ingest: IngestDataset, *, actor: str) -> None:
        self._ingest = ingest
        self._actor = actor

    def run(self, source: ConnectorSource, kind: str, state: SyncState, fetched: Fetched) -> SyncState:
        """Upload the file of `source`, of a connection of this `kind`, and return `state` with the version that it became.

        A sync may have died behind its upload, and somebody deleted what it made: then it is the next generation's turn, the
        same one however often this dies.

        Raises:
            Conflict: what ten generations in a row made was deleted.
            SpiceError: as `IngestDataset.ingest`.
        """
        for _ in range(_MOST_DELETED - 1):
            try:
                return self._uploaded(source, kind, state, fetched)
            except (OptimisticConcurrencyConflict, IdempotencyMismatch):
                raise
            except Conflict:
                state = emptied(state)
        return self._uploaded(source, kind, state, fetched)

    def _uploaded(self, source: ConnectorSource, kind: str, state: SyncState, fetched: Fetched) -> SyncState:
        request = UploadRequest(
            database=source.database,
            branch=source.branch,
            name=source.dataset,
            filename=fetched.filename,
            key=upload_key(source, state, fetched.content_hash),
            source_type=kind,
            delimiter="," if fetched.is_text else None,
            has_header=source.has_header if fetched.is_text else None,
            actor=self._actor,
        )
        version = self._ingest.run(request, fetched.chunks())
        return uploaded(state, content_hash=fetched.content_hash, version_id=version.version_id)
