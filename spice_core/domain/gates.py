"""Gates: what was checked before and after a run, and how it came out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spice_core.domain.catalogue_records import record_id_of
from spice_core.domain.datasets import DatasetVersion

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One thing that was checked: a stable code, PASS or FAIL, and what differs."""

    code: str
    status: str
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a version may become objects by a mapping, and did: PASS stands only when every command was completed."""

    mapping_id: str
    version_id: str
    checks: Sequence[GateCheck]
    run_id: str | None = None
    shards: str = ""

    @property
    def status(self) -> str:
        """FAIL where one check failed."""
        return FAIL if any(check.status == FAIL for check in self.checks) else PASS

    def record_id(self, database: str) -> str:
        """Return the id of its record: one per mapping, version and shards (`Shards.text`; empty: all), the newest result."""
        return record_id_of(database, self.mapping_id, self.version_id, *([self.shards] if self.shards else []))


def gate_as_json(result: GateResult) -> dict[str, Any]:
    """Return `result` as a JSON object."""
    return {**asdict(result), "checks": [asdict(check) for check in result.checks], "status": result.status}


def schema_check(stated: DatasetVersion | None, version: DatasetVersion, *, schema_hash: str) -> GateCheck:
    """Compare the columns of `version` with those that a mapping was made for, by hash; `stated` is a version that has them."""
    code = "OBJECT_TYPE_SCHEMA_HASH_MISMATCH"
    if version.schema_hash == schema_hash:
        return GateCheck(code, PASS)
    differences = schema_differences(stated, version) if stated is not None else {}
    told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in differences.items() if names)
    message = f"version {version.number} has other columns than the mapping was made for{f' ({told})' if told else ''}"
    details = {"expected": schema_hash, "found": version.schema_hash, **differences}
    return GateCheck(code, FAIL, f"{message}; save the mapping again to accept them", details)


def schema_differences(before: DatasetVersion, after: DatasetVersion) -> dict[str, list[str]]:
    """Return the columns that were `added`, `removed` and `changed` (`name: type -> type`)."""
    was = {column.name: column.type for column in before.columns}
    now = {column.name: column.type for column in after.columns}
    changed = [f"{name}: {was[name]} -> {now[name]}" for name in now if name in was and was[name] != now[name]]
    found = {
        "added": [name for name in now if name not in was],
        "removed": [name for name in was if name not in now],
        "changed": changed,
    }
    return found if any(found.values()) else {"changed": ["the order of the columns"]}
