"""Saving link types, indexing them, and editing single links."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from spice_api.dependencies import BranchQuery, CallerDep, DatabaseQuery, PlatformDep, PrincipalDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.links.schemas import (
    LinkEditBody,
    LinkEditList,
    LinkRunList,
    LinkTypeAnswer,
    LinkTypeBody,
    LinkTypeList,
    ReindexBody,
    link_edit_answer,
    link_run_answer,
    link_type_answer,
    link_type_of,
)
from spice_api.mappings.schemas import RunStarted
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.task_board import Report, Task
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import Platform, link_instances
from spice_core.domain.catalogue_records import record_id_of
from spice_core.domain.naming import MAIN
from spice_core.domain.rates import WRITE
from spice_core.services.edit_links import LinkEdits
from spice_core.services.link_history import link_runs
from spice_core.services.save_link_types import LinkTypes

router = APIRouter(prefix="/api/v1/link-types", tags=["links"], route_class=StrictJsonRoute)

NamePath = Annotated[str, Path(max_length=100, description="The link type's id.", examples=["made_by"])]


@router.post("", status_code=202, openapi_extra=counts_as(WRITE))
def save_link_type(
    *,
    body: LinkTypeBody,
    request: Request,
    platform: PlatformDep,
    barrier: BarrierDep,
    caller: CallerDep,
    principal: PrincipalDep,
    settling: SettlingDep,
) -> CommandResult:
    """Add or replace a link type; its relationship is put on the class. With `trigger_index` a run starts in the background."""
    barrier.wait(body.db_name, "registry", "graph")
    wanted = link_type_of(body)
    accepted = _types(platform).save(wanted, **caller.origin(wanted.database))
    result = settling.result(accepted, command_type="SAVE_RECORD")
    told: dict[str, object] = {"link_type_id": wanted.link_type_id}
    if wanted.trigger_index:
        barrier.wait(body.db_name, "registry")
        task = _start(platform, request, body.db_name, wanted.link_type_id, full=False, actor=principal.actor)
        told |= {"task_id": task.task_id, "index_status_url": f"/api/v1/tasks/{task.task_id}"}
    return result.model_copy(update={"result": {**(result.result or {}), **told}})


@router.get("")
def list_link_types(
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    dataset_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Envelope[LinkTypeList]:
    """List the link types of a database, or those that are made from one dataset."""
    barrier.wait(db_name, "registry")
    found = [link_type_answer(item) for item in _types(platform).all(db_name, dataset_id=dataset_id)]
    return Envelope(message=f"{len(found)} link types", data=LinkTypeList(link_types=found))


@router.get("/{name}")
def get_link_type(
    name: NamePath, platform: PlatformDep, barrier: BarrierDep, db_name: DatabaseQuery, branch: BranchQuery = MAIN
) -> Envelope[LinkTypeAnswer]:
    """Return a link type."""
    barrier.wait(db_name, "registry")
    found = _types(platform).require(db_name, record_id_of(db_name, branch, name))
    return Envelope(message=f"link type {name}", data=link_type_answer(found))


@router.delete("/{name}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_link_type(
    *,
    name: NamePath,
    platform: PlatformDep,
    barrier: BarrierDep,
    caller: CallerDep,
    settling: SettlingDep,
    db_name: DatabaseQuery,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Forget a link type; its links and the relationship stay."""
    barrier.wait(db_name, "registry")
    accepted = _types(platform).delete(db_name, record_id_of(db_name, branch, name), **caller.origin(db_name))
    return settling.result(accepted, command_type="DELETE_RECORD")


@router.post("/{name}/reindex", status_code=202)
def reindex(
    *,
    name: NamePath,
    body: ReindexBody,
    request: Request,
    platform: PlatformDep,
    barrier: BarrierDep,
    principal: PrincipalDep,
    settling: SettlingDep,
    db_name: DatabaseQuery,
    branch: BranchQuery = MAIN,
) -> RunStarted:
    """Make the links of a type what its data and its link edits say: only what changed is written.

    The run goes on in the background; follow its task, or wait for it with `Prefer: wait=N`.
    """
    barrier.wait(db_name, "registry")
    found = _types(platform).require(db_name, record_id_of(db_name, branch, name))
    task = _start(platform, request, db_name, found.link_type_id, full=body.full, actor=principal.actor)
    return RunStarted.of(settling.task(edge_of(request.scope).tasks, task.task_id, what="run"))


@router.get("/{name}/runs")
def list_link_runs(
    *,
    name: NamePath,
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    branch: BranchQuery = MAIN,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[LinkRunList]:
    """List the runs of a link type, newest first."""
    barrier.wait(db_name, "registry")
    found = link_runs(platform.registry, db_name, record_id_of(db_name, branch, name), limit=limit)
    return Envelope(message=f"{len(found)} runs", data=LinkRunList(runs=[link_run_answer(run) for run in found]))


@router.post("/{name}/edits", status_code=202, openapi_extra=counts_as(WRITE))
def edit_link(
    *,
    name: NamePath,
    body: LinkEditBody,
    request: Request,
    platform: PlatformDep,
    barrier: BarrierDep,
    caller: CallerDep,
    principal: PrincipalDep,
    settling: SettlingDep,
    db_name: DatabaseQuery,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Add or remove a link beside the data, or leave it to the data again; the edit stands against the next versions.

    With `trigger_index` the type is indexed in the background, which puts the edit into the graph; else `reindex` does.
    """
    barrier.wait(db_name, "registry", "graph")
    link_type = _types(platform).require(db_name, record_id_of(db_name, branch, name))
    edits = LinkEdits(commands=platform.commands, registry=platform.registry, graph=platform.graph)
    ends = {"source": body.source_instance_id, "target": body.target_instance_id}
    if body.edit_type == "WITHDRAW":
        accepted = edits.withdraw(db_name, link_type.link_type_id, **ends, **caller.origin(db_name))
    else:
        kind = body.edit_type
        accepted = edits.save(db_name, link_type.link_type_id, **ends, edit_type=kind, **caller.origin(db_name))
    result = settling.result(accepted, command_type="SAVE_RECORD")
    if not link_type.trigger_index:
        return result
    task = _start(platform, request, db_name, link_type.link_type_id, full=False, actor=principal.actor)
    told = {"task_id": task.task_id, "index_status_url": f"/api/v1/tasks/{task.task_id}"}
    return result.model_copy(update={"result": {**(result.result or {}), **told}})


@router.get("/{name}/edits")
def list_link_edits(
    name: NamePath, platform: PlatformDep, barrier: BarrierDep, db_name: DatabaseQuery, branch: BranchQuery = MAIN
) -> Envelope[LinkEditList]:
    """List the link edits that stand, newest first (up to 1,000)."""
    barrier.wait(db_name, "registry")
    edits = LinkEdits(commands=platform.commands, registry=platform.registry, graph=platform.graph)
    found = edits.all(db_name, record_id_of(db_name, branch, name))
    return Envelope(message=f"{len(found)} edits", data=LinkEditList(edits=[link_edit_answer(edit) for edit in found]))


def _types(platform: Platform) -> LinkTypes:
    return LinkTypes(commands=platform.commands, registry=platform.registry)


def _start(platform: Platform, request: Request, database: str, link_type_id: str, *, full: bool, actor: str | None) -> Task:
    """Start a run on the task board."""
    service = link_instances(platform)

    def work(report: Report) -> dict[str, object]:
        run = service.run(
            database,
            link_type_id,
            full=full,
            progress=lambda progress: report({"sources": progress.sources, "step": progress.step}),
            actor=actor,
        )
        return link_run_answer(run).model_dump(mode="json")

    return edge_of(request.scope).tasks.start("index links", work)
