"""Saving mappings and running them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from spice_api.dependencies import CallerDep, PlatformDep, PrincipalDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.known_datasets import DatasetDep, known_dataset
from spice_api.mappings.schemas import (
    MappingBody,
    MappingList,
    RunBody,
    RunList,
    RunStarted,
    mapping_answer,
    mapping_of,
    run_result,
)
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.task_board import Report
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import Platform
from spice_core.domain.rates import WRITE
from spice_core.errors import MappingNotFound
from spice_core.services.objectify import Objectify
from spice_core.services.submit_registry import RegistryCommands, invalid_mapping, mapping_id_of

router = APIRouter(prefix="/api/v1/objectify", tags=["mappings"], route_class=StrictJsonRoute)

DatabaseQuery = Annotated[str, Query(max_length=100, examples=["demo"])]


@router.post("/mapping-specs", status_code=202, openapi_extra=counts_as(WRITE))
def save_mapping(
    body: MappingBody, platform: PlatformDep, barrier: BarrierDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Add or replace the mapping of a dataset to a class. One that does not fit is refused with every reason."""
    dataset = known_dataset(body.dataset_id, platform, barrier)
    mapping_id = mapping_id_of(dataset.database, dataset.branch, dataset.dataset_id, body.target_class_id)
    mapping = mapping_of(
        body,
        mapping_id=mapping_id,
        database=dataset.database,
        branch=dataset.branch,
        schema_hash=dataset.latest.schema_hash if dataset.latest else "",
    )
    accepted = _commands(platform).save_mapping(mapping, **caller.origin(dataset.database))
    result = settling.result(accepted, command_type="SAVE_MAPPING")
    return result.model_copy(update={"result": {**(result.result or {}), "mapping_id": mapping_id}})


@router.get("/mapping-specs")
def list_mappings(
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    dataset_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Envelope[MappingList]:
    """List the mappings of a database."""
    barrier.wait(db_name, "registry")
    found = [mapping_answer(item) for item in platform.registry.mappings(db_name, dataset_id=dataset_id)]
    return Envelope(message=f"{len(found)} mappings", data=MappingList(mappings=found))


@router.delete("/mapping-specs/{mapping_id:path}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_mapping(
    *,
    mapping_id: Annotated[str, Path(max_length=1000)],
    platform: PlatformDep,
    barrier: BarrierDep,
    caller: CallerDep,
    settling: SettlingDep,
    db_name: DatabaseQuery,
) -> CommandResult:
    """Remove a mapping; what it made stays."""
    barrier.wait(db_name, "registry")
    accepted = _commands(platform).delete_mapping(db_name, mapping_id, **caller.origin(db_name))
    return settling.result(accepted, command_type="DELETE_MAPPING")


@router.post("/datasets/{dataset_id:path}/run", status_code=202)
def run_mapping(
    *,
    dataset: DatasetDep,
    body: RunBody,
    request: Request,
    response: Response,
    platform: PlatformDep,
    principal: PrincipalDep,
    settling: SettlingDep,
) -> RunStarted:
    """Make the instances of a class what the rows of a dataset version say: only what changed is written.

    The run goes on in the background; follow its task, or wait for it with `Prefer: wait=N`.
    """
    if body.mapping_id not in {
        item.mapping_id for item in platform.registry.mappings(dataset.database, dataset_id=dataset.dataset_id)
    }:
        raise MappingNotFound(f"{dataset.dataset_id} has no mapping {body.mapping_id[:200]!r}")
    objectify = _objectify(platform)
    problems = objectify.preflight(dataset.database, body.mapping_id, version_id=body.version_id)
    if problems:
        raise invalid_mapping(problems)
    actor = principal.actor

    def work(report: Report) -> dict[str, object]:
        run = objectify.run(
            dataset.database,
            body.mapping_id,
            version_id=body.version_id,
            full=body.full,
            progress=lambda progress: report({"rows": progress.rows, "rows_per_second": progress.rows_per_second}),
            actor=actor,
        )
        return run_result(run).model_dump(mode="json")

    board = edge_of(request.scope).tasks
    task = board.start("objectify", work)
    with settling.room.place() as has_place:
        ended = board.wait(task.task_id, seconds=settling.seconds) if settling.seconds and has_place else None
    is_over = ended is not None and ended.state != "running"
    response.status_code = 200 if is_over else 202
    return RunStarted(
        task_id=task.task_id,
        status=ended.state if ended is not None and ended.state != "running" else "accepted",
        message=(ended.error if ended and ended.error else "the run is under way" if not is_over else "the run ended"),
        status_url=f"/api/v1/tasks/{task.task_id}",
        run=dict(ended.result) if ended is not None and ended.result is not None else None,
    )


@router.get("/runs")
def list_runs(
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    mapping_id: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[RunList]:
    """List runs, newest first."""
    barrier.wait(db_name, "registry")
    found = [run_result(item) for item in platform.registry.runs(db_name, mapping_id=mapping_id, limit=limit)]
    return Envelope(message=f"{len(found)} runs", data=RunList(runs=found))


def _commands(platform: Platform) -> RegistryCommands:
    return RegistryCommands(commands=platform.commands, registry=platform.registry)


def _objectify(platform: Platform) -> Objectify:
    return Objectify(
        registry=platform.registry,
        datasets=platform.datasets,
        tables=platform.tables,
        graph=platform.graph,
        lineage=platform.lineage,
        commands=platform.commands,
        statuses=platform.statuses,
        work=platform.work,
        log=platform.log,
        clock=platform.clock,
        ids=platform.ids,
    )
