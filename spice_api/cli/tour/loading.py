"""From files to a graph: upload, classes, mappings, and the runs that do the rest."""

import tempfile
from collections.abc import Mapping
from functools import partial

from rich.console import Console

from spice_api.cli.report import print_table
from spice_api.cli.tour.client import Api
from spice_api.cli.tour.dagster_runs import DagsterRuns
from spice_api.cli.tour.findings import Findings
from spice_api.cli.tour.load_progress import LoadProgress, load_progress
from spice_api.cli.tour.stage import Stage
from spice_api.cli.tour.tables import DemoTables
from spice_core.bootstrap import Platform, objectify
from spice_core.domain import naming
from spice_core.domain.datasets import DatasetVersion, ObjectifyRun
from spice_core.services.demo_flights import DemoTable
from spice_core.services.objectify import Progress
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.wait_for_reads import ReadBarrier

ACTOR = "demo"
_PATIENCE_SECONDS = {False: 600.0, True: 3600.0}


def load(
    api: Api, parts: Platform, stage: Stage, database: str, tables: DemoTables, *, findings: Findings, console: Console
) -> None:
    """Take every table from its file to the graph and the search index, and compare the counts with the files'."""
    api.post("bff", "/database/create", {"name": database, "description": "flights from New York"}, wait=True)
    versions = {table.name: _upload(api, parts, database, table) for table in tables.tables}
    for table in tables.tables:
        api.post("bff", f"/database/{database}/ontology", table.class_definition, wait=True)
    catalogue = RegistryCommands(commands=parts.commands, registry=parts.registry)
    for table in tables.tables:
        catalogue.save_mapping(table.mapping(database, versions[table.name]), actor=ACTOR)
    started = parts.clock.monotonic()
    rows = [(table.name, versions[table.name].row_count) for table in tables.tables]
    with load_progress(rows, clock=parts.clock, console=console) as progress:
        if stage.has_dagster:
            _materialize(parts, stage, database, tables, progress, findings=findings)
        else:
            _objectify(parts, database, tables, versions, progress)
    seconds = parts.clock.monotonic() - started
    _compare(api, parts, database, tables, versions, findings=findings, console=console)
    console.print(f"  from saved mappings to search in {seconds:.1f} s{' through Dagster' if stage.has_dagster else ''}\n")


def _upload(api: Api, parts: Platform, database: str, table: DemoTable) -> DatasetVersion:
    with tempfile.TemporaryFile() as file:
        file.writelines(table.chunks())
        file.seek(0)
        answer = api.upload(
            "/pipelines/datasets/csv-upload",
            filename=table.filename,
            content=file,
            key=f"demo {table.name}",
            fields={"dataset_name": table.name},
            db_name=database,
        )
    version = parts.registry.version(database, answer["data"]["version"]["version_id"])
    assert version is not None  # noqa: S101 - the upload answers when it is registered
    return version


def _materialize(
    parts: Platform, stage: Stage, database: str, tables: DemoTables, progress: LoadProgress, *, findings: Findings
) -> None:
    """Wait for the runs that the sensor starts."""

    def look() -> None:
        if progress.is_due:
            started, view = parts.clock.monotonic(), parts.graph.view(database, naming.MAIN)
            counts = {table.name: view.count([table.class_id]) for table in tables.tables}
            progress.looked(counts, took_seconds=parts.clock.monotonic() - started)

    keys = [(kind, database, table.name) for table in tables.tables for kind in ("raw", "dataset")]
    keys += [(kind, database, table.class_id) for table in tables.tables for kind in ("objects", "search")]
    runs = DagsterRuns(stage.urls["dagster"], clock=parts.clock)
    found = runs.wait_for(keys, seconds=_PATIENCE_SECONDS[tables.all_year], meanwhile=look)
    statuses = runs.checks(found, keys)
    wrong = {name: status for name, status in statuses.items() if status != "SUCCEEDED"}
    findings.holds(f"{len(keys)} Dagster assets are materialized", True)
    findings.holds(
        f"{len(statuses)} asset checks pass", not wrong, ", ".join(f"{name}: {status}" for name, status in wrong.items())
    )


def _objectify(
    parts: Platform, database: str, tables: DemoTables, versions: Mapping[str, DatasetVersion], progress: LoadProgress
) -> None:
    """Do what the assets do, without Dagster."""
    barrier = ReadBarrier(log=parts.log, work=parts.work, clock=parts.clock, seconds=_PATIENCE_SECONDS[True])
    barrier.wait(database, "registry")
    service = objectify(parts)
    for table in tables.tables:
        mapping_id = table.mapping(database, versions[table.name]).mapping_id
        report = partial(_report, progress, table.name)
        service.run(database, mapping_id, actor=ACTOR, progress=report)
    barrier.wait(database, "graph", "search")


def _report(progress: LoadProgress, name: str, done: Progress) -> None:
    progress.looked({name: done.rows})


def _compare(
    api: Api,
    parts: Platform,
    database: str,
    tables: DemoTables,
    versions: Mapping[str, DatasetVersion],
    *,
    findings: Findings,
    console: Console,
) -> None:
    rows = []
    results: dict[str, ObjectifyRun] = {}
    counts: dict[str, int] = {}
    for table in tables.tables:
        version = versions[table.name]
        run = parts.registry.runs(database, mapping_id=table.mapping(database, version).mapping_id, limit=1)[0]
        count = api.get("bff", f"/instance/{database}/class/{table.class_id}/count")["data"]["count"]
        results[table.name], counts[table.name] = run, count
        rate = round(run.rows / run.seconds) if run.seconds else 0
        rejects = version.reject_count + run.rejected
        rows.append([table.filename, version.row_count, rejects, table.class_id, count, run.links_dropped, run.seconds, rate])
    print_table(["file", "rows", "rejects", "class", "instances", "links dropped", "seconds", "rows/s"], rows)
    for table in tables.tables:
        claim = f"every row of {table.filename} is an instance of {table.class_id}"
        findings.equal(claim, counts[table.name], tables.count(table.name))
    _explain_drops(results["flights"], tables, findings=findings, console=console)


def _explain_drops(run: ObjectifyRun, tables: DemoTables, *, findings: Findings, console: Console) -> None:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(run.reasons.items()))
    console.print(f"  why links of flights are not there: {reasons or 'all are'}")
    planes, airports = tables.column("planes", "tailnum"), tables.column("airports", "faa")
    expected = {
        "flown_by.missing_target": tables.unknown("tailnum", planes),
        "flown_by.empty": tables.empty("tailnum"),
        "arrives_at.missing_target": tables.unknown("dest", airports),
    }
    claim = "exactly the links are left out whose target is in no file"
    findings.equal(claim, dict(run.reasons), {reason: count for reason, count in expected.items() if count})
