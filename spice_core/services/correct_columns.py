"""What people say of the schema of an upload: they agree, or they correct columns, which is remembered."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, uuid5

from spice_core.domain import naming
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.commands import Command
from spice_core.domain.corrections import MOST_CORRECTIONS, ColumnCorrection, check_correction
from spice_core.domain.datasets import DatasetVersion
from spice_core.domain.ingest_requests import IngestRequest, IngestState, MadeVersion, SchemaStatus
from spice_core.errors import Conflict, InvalidInput
from spice_core.ports.registry import Registry
from spice_core.services.ingest_dataset import IngestDataset, Retyping
from spice_core.services.known_tables import KnownTables, correction_id
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_records import RecordCommands


@dataclass(frozen=True, slots=True)
class Approval:
    """A request whose schema a person agreed to, and the version that corrections made, None without any."""

    request: IngestRequest
    version: DatasetVersion | None


class CorrectColumns:
    """Approves schemas. Corrections make another version of the same bytes, and hold for the versions that follow."""

    def __init__(self, *, ingest: IngestDataset, registry: Registry, commands: CommandService) -> None:
        self._ingest = ingest
        self._registry = registry
        self._known = KnownTables(registry=registry)
        self._records = RecordCommands(commands=commands, registry=registry)

    def approve(
        self,
        database: str,
        request_id: str,
        *,
        corrections: Sequence[ColumnCorrection] = (),
        dataset_id: str | None = None,
        actor: str | None = None,
    ) -> Approval:
        """Mark the schema of a published upload as approved; with corrections, register a version that obeys them.

        `dataset_id` says which of several tables the corrections are for. The same approval again gives the same answer.

        Raises:
            RecordNotFound: there is no such request.
            Conflict: the request is not published.
            InvalidInput: corrections of unknown columns, that exclude each other, or of no one table.
            OptimisticConcurrencyConflict: somebody else approved at the same instant; nothing changed.
        """
        found = self._ingest.requests.get(database, request_id)
        if found.state is not IngestState.PUBLISHED:
            raise Conflict(f"The ingest request is {found.state}: only the schema of a published one can be approved.")
        if not corrections:
            return Approval(self._approved(found), None)
        return self._corrected(found, _made_version(found, dataset_id), corrections, actor)

    def _approved(self, found: IngestRequest) -> IngestRequest:
        if found.schema_status is SchemaStatus.APPROVED:
            return found
        return self._ingest.requests.save(replace(found, schema_status=SchemaStatus.APPROVED))

    def _corrected(
        self, found: IngestRequest, made: MadeVersion, corrections: Sequence[ColumnCorrection], actor: str | None
    ) -> Approval:
        database = found.request.database
        version = self._ingest.registered(database, made.version_id)
        self._check_is_newest(found, made)
        signature = str(version.region.get("signature", ""))
        merged = _merged(version, self._known.corrections(database, made.dataset_id, signature), corrections)
        before = [entry for entry in found.retyped if entry.dataset_id == made.dataset_id]
        if before and before[-1].version_id == _id_of_retyping(made, merged, len(before) - 1):
            return Approval(found, self._ingest.registered(database, before[-1].version_id))
        version_id = _id_of_retyping(made, merged, len(before))
        retyped = (*found.retyped, MadeVersion(made.dataset_id, version_id))
        changed = replace(found, schema_status=SchemaStatus.APPROVED, retyped=retyped)

        def moved(_versions: Sequence[MadeVersion]) -> list[Command]:
            return [self._memory(found, made, signature, merged, actor), self._ingest.requests.draft(changed)]

        dataset = naming.split_aggregate_id(made.dataset_id)[-1]
        return Approval(changed, self._ingest.retype(found, Retyping(dataset, merged, version_id, actor, moved)))

    def _memory(
        self, found: IngestRequest, made: MadeVersion, signature: str, merged: Sequence[ColumnCorrection], actor: str | None
    ) -> Command:
        return self._records.draft(
            found.request.database,
            RecordKind.CORRECTION,
            correction_id(found.request.database, made.dataset_id, signature),
            {"corrections": [entry.as_json() for entry in merged], "signature": signature},
            branch=found.request.branch,
            parent=made.dataset_id,
            actor=actor,
        )

    def _check_is_newest(self, found: IngestRequest, made: MadeVersion) -> None:
        """Refuse to make old rows the newest version."""
        dataset = self._registry.dataset(found.request.database, made.dataset_id)
        latest = dataset.latest if dataset else None
        if latest is not None and latest.version_id != made.version_id and latest.request_id != found.request_id:
            raise Conflict(
                "A newer version of the dataset stands: correct the columns of the ingest request that made it.",
                details={"dataset_id": made.dataset_id, "ingest_request_id": latest.request_id or latest.version_id},
            )


def _made_version(found: IngestRequest, dataset_id: str | None) -> MadeVersion:
    made = [entry for entry in found.versions if dataset_id in (None, entry.dataset_id)]
    if len(made) != 1:
        known = ", ".join(entry.dataset_id for entry in found.versions)
        raise InvalidInput(f"say by dataset_id which table the corrections are for: {known}")
    return made[0]


def _merged(
    version: DatasetVersion, before: Sequence[ColumnCorrection], said: Sequence[ColumnCorrection]
) -> list[ColumnCorrection]:
    """What was said before, but for columns of which something is said now. A renamed column answers to both its names."""
    originals = {entry.name: entry.column for entry in before if entry.name}
    said = [replace(entry, column=originals.get(entry.column, entry.column)) for entry in said]
    known = {column.name for column in version.columns} | {entry.column for entry in before}
    unknown = [entry.column for entry in said if entry.column not in known]
    if unknown:
        raise InvalidInput(f"the table has no column {unknown[0][:80]!r}", details={"columns": unknown[:20]})
    for entry in said:
        check_correction(entry)
    columns = {entry.column for entry in said}
    merged = [*(entry for entry in before if entry.column not in columns), *said]
    if len(merged) > MOST_CORRECTIONS:
        raise InvalidInput(f"at most {MOST_CORRECTIONS} columns can be corrected")
    return merged


def _id_of_retyping(made: MadeVersion, corrections: Sequence[ColumnCorrection], place: int) -> str:
    """Return the id of the version that an approval makes: the same for the same approval again, at its place among them."""
    said = json.dumps([entry.as_json() for entry in corrections], sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()
    return str(uuid5(NAMESPACE_URL, f"spice:{made.version_id}:schema:{place}:{digest}"))
