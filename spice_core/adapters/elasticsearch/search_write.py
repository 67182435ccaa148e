"""Writing by version. What a branch still sees of a document is kept before it changes, and hidden where the branch has its own.

The order makes a write that broke off repeatable: earlier states and marks first, then the documents.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spice_core.adapters.elasticsearch.bulk import BulkOutcome, BulkWriter, Operation, put_row
from spice_core.adapters.elasticsearch.search_catalogue import Generation
from spice_core.adapters.elasticsearch.search_lock import WriteLock
from spice_core.adapters.elasticsearch.search_reading import Hit, Rows
from spice_core.adapters.elasticsearch.search_rows import Place, RowEncoder, hiding, load_place, load_row, row_id
from spice_core.adapters.elasticsearch.search_visible import all_states
from spice_core.domain.search import SearchDocument
from spice_core.domain.search_rules import encode_data
from spice_core.errors import InvalidInput

_ENCODED_AT_ONCE = 5_000
_SLICE = 1_000


class LayerWriter:
    """Writes to one branch of one generation; the caller holds the lock of the database."""

    def __init__(self, bulk: BulkWriter, rows: Rows, alias: str, *, lock: WriteLock, generation: Generation, branch: str) -> None:
        self._bulk = bulk
        self._rows = rows
        self._alias = alias
        self._lock = lock
        self._generation = generation
        self._chain = generation.chain(branch)
        self._layer = self._chain[0]
        self._last_fork = generation.last_fork(self._layer.id)
        self._encoders = {class_id: RowEncoder(entry.number, entry.definition) for class_id, entry in generation.classes.items()}

    def write(self, documents: Sequence[SearchDocument]) -> int:
        """Store the documents (one per key) that are above what the branch shows; return how many.

        Raises:
            InvalidInput: a document cannot be stored; nothing is written, unless it is the engine that does not take it.
            SearchUnavailable: the engine failed; a part may be written, and writing again is harmless.
        """
        is_plain = len(self._chain) == 1 and self._last_fork < 0
        if is_plain and len(documents) <= _ENCODED_AT_ONCE:
            return self._send([self._own(document) for document in documents]).applied
        for document in documents:
            encode_data(document)
        if is_plain:
            return self._send(self._own(document) for document in documents).applied
        applied = 0
        for start in range(0, len(documents), _SLICE):
            applied += self._write_layered(documents[start : start + _SLICE])
        return applied

    def _write_layered(self, documents: Sequence[SearchDocument]) -> int:
        if len(self._chain) > 1:
            documents = self._prepare_branch(documents)
        else:
            hits = self._rows.by_ids([self._ident(document, Place(self._layer.id, 0)) for document in documents])
            versions = {document.key: document.version for document in documents}
            kept = [hit for hit in hits if load_row(hit["_source"]).version < versions[load_row(hit["_source"]).key]]
            self._send_all(self._earlier_states(kept))
        return self._send([self._own(document) for document in documents]).applied

    def _prepare_branch(self, documents: Sequence[SearchDocument]) -> list[SearchDocument]:
        """Keep and hide what the branch shows of the keys; return the documents that are above it."""
        self._rows.refresh()
        shown: dict[str, list[Hit]] = {}
        versions: dict[str, int] = {}
        for hit in self._rows.by_keys([document.key for document in documents], all_states(self._chain)):
            found = load_row(hit["_source"])
            shown.setdefault(found.key, []).append(hit)
            versions[found.key] = max(found.version, versions.get(found.key, -1))
        fresh = [document for document in documents if versions.get(document.key, -1) < document.version]
        hits = [hit for document in fresh for hit in shown.get(document.key, ())]
        own = str(self._layer.id)
        states = self._earlier_states([hit for hit in hits if hit["_source"]["layer"] == own])
        marks = [self._mark(hit) for hit in hits if hit["_source"]["layer"] != own]
        self._send_all([*states, *marks])
        return fresh

    def _earlier_states(self, hits: Iterable[Hit]) -> list[Operation]:
        """Return the operations that keep the states (of this layer) which a branch made since then sees."""
        found = []
        for hit in hits:
            place = load_place(hit["_source"])
            if place.since <= self._last_fork:
                found.append(self._state(load_row(hit["_source"]), replace(place, until=self._layer.epoch)))
        return found

    def _mark(self, hit: Hit) -> Operation:
        place = load_place(hit["_source"])
        mark = hiding(self._layer.id, self._layer.epoch)
        return self._state(load_row(hit["_source"]), replace(place, hidden=(*place.hidden, mark)))

    def _own(self, document: SearchDocument) -> Operation:
        place = Place(self._layer.id, self._layer.epoch)
        row = self._encoders[document.class_id].row(document, place)
        return put_row(self._ident(document, place), row, version=document.version)

    def _state(self, document: SearchDocument, place: Place) -> Operation:
        row = self._encoders[document.class_id].row(document, place)
        return put_row(self._ident(document, place), row, version=document.version, is_repeatable=True)

    def _ident(self, document: SearchDocument, place: Place) -> str:
        return row_id(self._encoders[document.class_id].number, document.key, place)

    def _send(self, operations: Iterable[Operation]) -> BulkOutcome:
        return send_rows(self._bulk, self._alias, operations, lock=self._lock)

    def _send_all(self, operations: Sequence[Operation]) -> None:
        if operations:
            self._send(operations)


def send_rows(bulk: BulkWriter, alias: str, operations: Iterable[Operation], *, lock: WriteLock) -> BulkOutcome:
    """Send operations while the lock is kept.

    Raises:
        InvalidInput: the engine does not take a document; names it. The others are written.
    """
    outcome = bulk.send(alias, operations, before=lock.keep)
    if outcome.refused:
        first = outcome.refused[0]
        message = f"Elasticsearch does not take {len(outcome.refused)} documents, the first is {first.name}: {first.reason}"
        raise InvalidInput(message[:1000])
    return outcome
