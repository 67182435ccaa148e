"""Gates of a run on record: other columns stop it before it begins, broken keys before it writes; PASS comes last."""

from collections.abc import Sequence
from contextlib import suppress

from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.datasets import ClassMapping, DatasetVersion, ObjectifyRun
from spice_core.domain.gates import FAIL, PASS, WARN, GateCheck, GateResult, gate_as_json, schema_check
from spice_core.domain.key_specs import KeyCheck
from spice_core.domain.shards import shards_of_text
from spice_core.errors import ObjectTypeMismatch, RecordNotFound
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.services.objectify_batches import Tally
from spice_core.services.save_key_specs import KeySpecs, codes_of
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_records import RecordCommands

_VERSIONS = 1000


class Gates:
    """Checks what a run rests on, and keeps the newest result per mapping and version."""

    def __init__(self, *, commands: CommandService, registry: Registry, datasets: DatasetStore, tables: TableEngine) -> None:
        self._records = RecordCommands(commands=commands, registry=registry)
        self._keys = KeySpecs(commands=commands, registry=registry, datasets=datasets, tables=tables)
        self._registry = registry

    def schema(self, mapping: ClassMapping, version: DatasetVersion) -> GateCheck:
        """Compare a version's columns with those that the mapping was made for: FAIL says what differs."""
        if version.schema_hash == mapping.schema_hash:
            return schema_check(None, version, schema_hash=mapping.schema_hash)
        versions = self._registry.versions(mapping.database, mapping.dataset_id, limit=_VERSIONS)
        stated = next((item for item in versions if item.schema_hash == mapping.schema_hash), None)
        return schema_check(stated, version, schema_hash=mapping.schema_hash)

    def require_schema(self, mapping: ClassMapping, version: DatasetVersion, *, actor: str | None) -> None:
        """Refuse, on record, a version with other columns than the mapping was made for. Raises `ObjectTypeMismatch`."""
        check = self.schema(mapping, version)
        if check.status == FAIL:
            self._save(mapping, GateResult(mapping.mapping_id, version.version_id, [check]), actor=actor)
            errors = [{"code": check.code, "message": check.message}]
            raise ObjectTypeMismatch(check.message, details={"errors": errors, **check.details})

    def keys(self, mapping: ClassMapping, version: DatasetVersion) -> list[KeyCheck]:
        """Compare a version with the keys that are stated of its dataset."""
        found = self._keys.of_dataset(mapping.database, mapping.dataset_id)
        return [self._keys.check(mapping.database, version, spec) for spec in found]

    def record(
        self,
        mapping: ClassMapping,
        version: DatasetVersion,
        run: ObjectifyRun,
        keys: Sequence[KeyCheck],
        *,
        was_in_shards: bool,
        actor: str | None,
    ) -> None:
        """Put on record how the gates of a run came out, when all its commands are decided.

        Where runs `was_in_shards`, the results of this version that it covers are gone, since it stands for their rows now; so is
        a refusal of the version, which was let in.
        """
        schema = self.schema(mapping, version)
        if schema.status == FAIL:
            schema = GateCheck(schema.code, WARN, f"{schema.message} (this run was told to accept them)", schema.details)
        done = GateCheck("COMMANDS_COMPLETED", PASS if run.state == "succeeded" else FAIL, details={"reasons": dict(run.reasons)})
        checks = [schema, *map(_key_check, keys), done]
        self._save(mapping, GateResult(mapping.mapping_id, version.version_id, checks, run.run_id, run.shards), actor=actor)
        if was_in_shards or run.shards:
            self._drop_covered(mapping, version, run, actor=actor)

    def _drop_covered(self, mapping: ClassMapping, version: DatasetVersion, run: ObjectifyRun, *, actor: str | None) -> None:
        own = shards_of_text(run.shards)
        for record in self._registry.records(mapping.database, RecordKind.GATE, parent=mapping.mapping_id):
            of, shards = record.document["version_id"], str(record.document.get("shards", ""))
            is_over = record.document["run_id"] is None or own.covers(shards_of_text(shards))
            if of == version.version_id and shards != run.shards and is_over:
                with suppress(RecordNotFound):  # a run of other shards that ends now drops it, too
                    self._records.delete(mapping.database, RecordKind.GATE, record.record_id, actor=actor)

    def _save(self, mapping: ClassMapping, result: GateResult, *, actor: str | None) -> None:
        self._records.save(
            mapping.database,
            RecordKind.GATE,
            result.record_id(mapping.database),
            gate_as_json(result),
            branch=mapping.branch,
            parent=mapping.mapping_id,
            status=result.status,
            actor=actor,
        )


def _key_check(check: KeyCheck) -> GateCheck:
    code = f"{check.spec.kind.upper()}_KEY"
    details = {
        "columns": list(check.spec.columns),
        "missing": check.missing,
        "repeated": check.repeated,
        "rows": list(check.rows),
    }
    told = ", ".join(f"{count} rows: {reason}" for reason, count in codes_of(check))
    return GateCheck(code, PASS if check.holds else FAIL, told, details)


def note_broken(keys: Sequence[KeyCheck], tally: Tally) -> bool:
    """Whether rows break a stated key; count and name them."""
    for check in keys:
        if not check.holds:
            columns = " + ".join(check.spec.columns)
            tally.reasons.update({f"{columns}.{code}": count for code, count in codes_of(check)})
            tally.samples.extend({"reason": "stated_key_broken", "columns": columns, "row": row} for row in check.rows)
    return any(not check.holds for check in keys)
