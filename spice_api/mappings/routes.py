"""Saving mappings and running them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from spice_api.dependencies import BranchQuery, CallerDep, DatabaseQuery, PlatformDep, PrincipalDep
from spice_api.edge import edge_of
from spice_api.envelope import CommandResult, Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.known_datasets import DatasetDep, known_dataset
from spice_api.mappings.gate_schemas import (
    EditList,
    GateList,
    KeyCheckList,
    KeySpecBody,
    WithdrawBody,
    edit_list,
    gate_answer,
    key_check_answer,
)
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
from spice_core.bootstrap import Platform, objectify
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.key_specs import KeySpec
from spice_core.domain.naming import MAIN
from spice_core.domain.rates import WRITE
from spice_core.errors import MappingNotFound
from spice_core.services.read_edits import EditReader
from spice_core.services.save_key_specs import KeySpecs
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.withdraw_edits import ObjectEdits

router = APIRouter(prefix="/api/v1/objectify", tags=["mappings"], route_class=StrictJsonRoute)


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
    service = objectify(platform)
    actor = principal.actor
    service.preflight(
        dataset.database, body.mapping_id, version_id=body.version_id, accept_schema=body.accept_schema, actor=actor
    )

    def work(report: Report) -> dict[str, object]:
        run = service.run(
            dataset.database,
            body.mapping_id,
            version_id=body.version_id,
            full=body.full,
            accept_schema=body.accept_schema,
            progress=lambda progress: report({"rows": progress.rows, "rows_per_second": progress.rows_per_second}),
            actor=actor,
        )
        return run_result(run).model_dump(mode="json")

    board = edge_of(request.scope).tasks
    task = board.start("objectify", work)
    return RunStarted.of(settling.task(board, task.task_id, what="run"))


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


@router.get("/gates")
def list_gates(
    *,
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    mapping_id: Annotated[str | None, Query(max_length=1000)] = None,
    status: Annotated[Literal["PASS", "FAIL"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Envelope[GateList]:
    """List how the gates of runs came out, newest first: one result per mapping, version and shards."""
    barrier.wait(db_name, "registry")
    found = platform.registry.records(db_name, RecordKind.GATE, parent=mapping_id, status=status, limit=limit)
    return Envelope(message=f"{len(found)} gates", data=GateList(gates=[gate_answer(record) for record in found]))


@router.post("/key-specs", status_code=202, openapi_extra=counts_as(WRITE))
def save_key_spec(
    body: KeySpecBody, platform: PlatformDep, barrier: BarrierDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """State a key of a dataset; the result says what its newest version makes of it. Rows that break it stop runs."""
    dataset = known_dataset(body.dataset_id, platform, barrier)
    spec = KeySpec(body.dataset_id, body.kind, tuple(body.columns))
    accepted, check = _keys(platform).save(dataset.database, spec, **caller.origin(dataset.database))
    result = settling.result(accepted, command_type="SAVE_RECORD")
    told = {"check": key_check_answer(check).model_dump()} if check is not None else {}
    return result.model_copy(update={"result": {**(result.result or {}), **told}})


@router.get("/key-specs")
def list_key_specs(
    platform: PlatformDep, barrier: BarrierDep, dataset_id: Annotated[str, Query(max_length=400)]
) -> Envelope[KeyCheckList]:
    """List the keys of a dataset with what its newest version says to each."""
    dataset = known_dataset(dataset_id, platform, barrier)
    keys = _keys(platform)
    specs = keys.of_dataset(dataset.database, dataset_id)
    found = [keys.check(dataset.database, dataset.latest, spec) for spec in specs if dataset.latest is not None]
    return Envelope(message=f"{len(found)} keys", data=KeyCheckList(keys=[key_check_answer(check) for check in found]))


@router.post("/key-specs/delete", status_code=202, openapi_extra=counts_as(WRITE))
def delete_key_spec(
    body: KeySpecBody, platform: PlatformDep, barrier: BarrierDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Forget a key of a dataset."""
    dataset = known_dataset(body.dataset_id, platform, barrier)
    spec = KeySpec(body.dataset_id, body.kind, tuple(body.columns))
    accepted = _keys(platform).delete(dataset.database, spec, **caller.origin(dataset.database))
    return settling.result(accepted, command_type="DELETE_RECORD")


@router.get("/edits")
def list_edits(
    *,
    platform: PlatformDep,
    barrier: BarrierDep,
    db_name: DatabaseQuery,
    class_id: Annotated[str, Query(max_length=100)],
    instance_id: Annotated[str, Query(max_length=512)],
    branch: BranchQuery = MAIN,
) -> Envelope[EditList]:
    """List what people changed on an object against its source, with what the source last said."""
    barrier.wait(db_name, "graph", "lineage")
    found = _edits(platform).of(db_name, branch, class_id, instance_id)
    return Envelope(message=f"{len(found.fields)} edits", data=edit_list(found))


@router.post("/edits/withdraw", status_code=202, openapi_extra=counts_as(WRITE))
def withdraw_edits(
    body: WithdrawBody, platform: PlatformDep, barrier: BarrierDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Give edited fields back to their source: they take the value that it last said, and follow it from now on."""
    barrier.wait(body.db_name, "graph", "lineage")
    accepted = _edits(platform).withdraw(
        body.db_name, body.branch, body.class_id, body.instance_id, fields=body.fields, **caller.origin(body.db_name)
    )
    return settling.result(accepted, command_type="UPDATE_INSTANCE")


def _keys(platform: Platform) -> KeySpecs:
    return KeySpecs(commands=platform.commands, registry=platform.registry, datasets=platform.datasets, tables=platform.tables)


def _edits(platform: Platform) -> ObjectEdits:
    reader = EditReader(
        graph=platform.graph, lineage=platform.lineage, log=platform.log, clock=platform.clock, patience_seconds=5
    )
    return ObjectEdits(commands=platform.commands, graph=platform.graph, reader=reader)


def _commands(platform: Platform) -> RegistryCommands:
    return RegistryCommands(commands=platform.commands, registry=platform.registry)
