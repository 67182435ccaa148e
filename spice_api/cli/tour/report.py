"""A messy workbook, and the next month of it: only the difference is worked on, and a person's edit survives."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from spice_api.cli.report import print_table
from spice_api.cli.tour.client import Api
from spice_api.cli.tour.findings import Findings
from spice_api.cli.tour.loading import ACTOR
from spice_api.cli.tour.stage import Stage
from spice_api.cli.tour.workbook import FILENAME, CarrierMonth, carrier_months, write_workbook
from spice_core.bootstrap import Platform, objectify
from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping, DatasetVersion, FieldMapping, ObjectifyRun
from spice_core.errors import SpiceError
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.wait_for_reads import ReadBarrier

DATASET = "carrier_report"
CLASS = "CarrierMonth"
EDITED = "AA"
_PATIENCE_SECONDS = 300.0
_TYPES = {
    "Carrier": "string",
    "Month": "string",
    "Flights / departed": "integer",
    "Flights / cancelled": "integer",
    "Delay / mean": "decimal",
    "Last departure": "date",
}
_FIELDS = {
    "carrier": "Carrier",
    "month": "Month",
    "departed": "Flights / departed",
    "cancelled": "Flights / cancelled",
    "mean_delay": "Delay / mean",
    "last_departure": "Last departure",
    "flown_by": "Carrier",
}
_CLASS: Mapping[str, Any] = {
    "id": CLASS,
    "label": {"en": "Carrier's month", "ko": "항공사 월간 실적"},
    "properties": [
        {"name": "carrier", "type": "string", "label": "Carrier code", "primaryKey": True, "required": True},
        {"name": "month", "type": "string", "label": "Month", "primaryKey": True, "required": True},
        {"name": "departed", "type": "integer", "label": "Departed flights"},
        {"name": "cancelled", "type": "integer", "label": "Cancelled flights"},
        {"name": "mean_delay", "type": "decimal", "label": "Mean delay, minutes"},
        {"name": "last_departure", "type": "date", "label": "Last departure"},
    ],
    "relationships": [
        {"predicate": "flown_by", "target": "Airline", "label": "Flown by", "cardinality": "n:1", "on_delete": "unlink"}
    ],
}


class NoRun(SpiceError):
    """The workbook's rows were not objectified in time, or the run failed."""

    code = "no_run"


def bring_in_report(api: Api, parts: Platform, stage: Stage, database: str, *, findings: Findings, console: Console) -> None:
    """Take in the report of January, then that of January and February, and compare both with the flights."""
    january, both = carrier_months((1,)), carrier_months((1, 2))
    first = _upload(api, parts, database, january, findings=findings, console=console)
    api.post("bff", f"/database/{database}/ontology", _CLASS, wait=True)
    mapping = _save_mapping(parts, database, first)
    runs = [_objectified(parts, stage, mapping, first)]
    edited = naming.instance_id_of_key([EDITED, "2013-01"])
    before = api.instance(database, naming.node_key(CLASS, edited))
    path = f"/instances/{database}/async/{CLASS}/{edited}/update"
    api.put("bff", path, {"data": {"mean_delay": "1.5"}}, expected_seq=before["version"], wait=True)
    second = _upload(api, parts, database, both, findings=findings, console=console)
    runs.append(_objectified(parts, stage, mapping, second))
    rows = [[run.rows, run.created, run.updated, run.deleted, run.unchanged, run.edits_kept, run.seconds] for run in runs]
    print_table(["rows", "created", "updated", "deleted", "unchanged", "edits kept", "seconds"], rows)
    findings.equal("every row of January is an object", runs[0].created, len(january))
    found = (runs[1].created, runs[1].updated, runs[1].unchanged)
    findings.equal("of the second report only the new month is worked on", found, (len(both) - len(january), 0, len(january)))
    findings.equal(
        "what a person wrote stays", api.instance(database, naming.node_key(CLASS, edited))["data"]["mean_delay"], "1.5"
    )
    count = api.get("bff", f"/instance/{database}/class/{CLASS}/count")["data"]["count"]
    findings.equal("both months are in the graph", count, len(both))


def _upload(
    api: Api, parts: Platform, database: str, rows: Sequence[CarrierMonth], *, findings: Findings, console: Console
) -> DatasetVersion:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILENAME
        write_workbook(path, rows)
        with path.open("rb") as file:
            answer = api.upload(
                "/pipelines/datasets/excel-upload",
                filename=FILENAME,
                content=file,
                key=f"demo report {len(rows)}",
                fields={"dataset_name": DATASET},
                db_name=database,
            )["data"]
    version = parts.registry.version(database, answer["version"]["version_id"])
    assert version is not None  # noqa: S101 - the upload answers when it is registered
    names = [table["dataset"]["name"] for table in answer["tables"]]
    console.print(f"  {FILENAME}: {version.row_count} rows, as {', '.join(names)}")
    findings.equal("the sheet holds two tables, below a title and above footnotes", len(names), 2)
    types = {column.name: column.type for column in version.columns}
    findings.equal("two header rows, decimal commas and three ways of writing dates are read", types, _TYPES)
    findings.equal("no row is lost and none refused", (version.row_count, version.reject_count), (len(rows), 0))
    return version


def _save_mapping(parts: Platform, database: str, version: DatasetVersion) -> ClassMapping:
    mapping = ClassMapping(
        mapping_id=mapping_id_of(database, naming.MAIN, version.dataset_id, CLASS),
        database=database,
        branch=naming.MAIN,
        dataset_id=version.dataset_id,
        class_id=CLASS,
        fields=[FieldMapping(target, (column,)) for target, column in _FIELDS.items()],
        schema_hash=version.schema_hash,
        edit_policy={"mean_delay": "edit_wins"},
    )
    RegistryCommands(commands=parts.commands, registry=parts.registry).save_mapping(mapping, actor=ACTOR)
    ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=_PATIENCE_SECONDS).wait(database, "registry")
    return mapping


def _objectified(parts: Platform, stage: Stage, mapping: ClassMapping, version: DatasetVersion) -> ObjectifyRun:
    """Return the run of a version: Dagster's, which begins by itself, or one of our own.

    Raises:
        NoRun: it failed, or did not end in time.
    """
    if not stage.has_dagster:
        return objectify(parts).run(mapping.database, mapping.mapping_id, version_id=version.version_id, actor=ACTOR)
    deadline = parts.clock.monotonic() + _PATIENCE_SECONDS
    while parts.clock.monotonic() < deadline:
        for run in parts.registry.runs(mapping.database, mapping_id=mapping.mapping_id):
            if run.version_id == version.version_id and run.state == "succeeded":
                return run
            if run.version_id == version.version_id and run.state == "failed":
                raise NoRun(f"the run of {version.version_id} failed: {dict(run.reasons)}; see {stage.urls['dagster']}")
        parts.clock.sleep(0.5)
    raise NoRun(f"after {_PATIENCE_SECONDS:.0f} s Dagster has not objectified {version.version_id}; see {stage.urls['dagster']}")
