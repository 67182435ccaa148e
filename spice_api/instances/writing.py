"""Writing instances: every request is accepted into the log and answered with a command id."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from spice_api.dependencies import MAIN, BranchQuery, CallerDep, ClassPath, DatabasePath, ExpectedSeq, PlatformDep
from spice_api.envelope import CommandResult
from spice_api.instances.schemas import BulkCreate, BulkDelete, BulkUpdate, CreateInstance, UpdateInstance
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.domain.rates import WRITE
from spice_core.services.submit_rows import BulkRow

router = APIRouter(prefix="/api/v1/instances/{db_name}/async/{class_id}", tags=["instances"], route_class=StrictJsonRoute)

InstancePath = Annotated[str, Path(max_length=512, description="The instance's id; it may hold slashes.", examples=["prod_001"])]


@router.post("/create", status_code=202, openapi_extra=counts_as(WRITE))
def create_instance(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    body: CreateInstance,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Create an instance. What does not fit the class is refused at once; an id that is taken fails."""
    accepted = platform.commands.create_instance(
        db_name, branch, class_id, body.data, source=_source(body.metadata), **caller.origin(db_name)
    )
    return settling.result(accepted, command_type="CREATE_INSTANCE")


@router.put("/{instance_id:path}/update", status_code=202, openapi_extra=counts_as(WRITE))
def update_instance(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    instance_id: InstancePath,
    expected_seq: ExpectedSeq,
    body: UpdateInstance,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Change some fields of an instance. Another `expected_seq` than its number is a 409, and nothing is written."""
    accepted = platform.commands.update_instance(
        db_name,
        branch,
        class_id,
        instance_id,
        body.data,
        expected_seq=expected_seq,
        source=_source(body.metadata),
        **caller.origin(db_name),
    )
    return settling.result(accepted, command_type="UPDATE_INSTANCE")


@router.delete("/{instance_id:path}/delete", status_code=202, openapi_extra=counts_as(WRITE))
def delete_instance(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    instance_id: InstancePath,
    expected_seq: ExpectedSeq,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Delete an instance. One that others link to is refused, unless the relationship unlinks."""
    accepted = platform.commands.delete_instance(
        db_name, branch, class_id, instance_id, expected_seq=expected_seq, **caller.origin(db_name)
    )
    return settling.result(accepted, command_type="DELETE_INSTANCE")


@router.post("/bulk-create", status_code=202, openapi_extra=counts_as(WRITE))
@router.post("/bulk-create-tracked", status_code=202, openapi_extra=counts_as(WRITE))
def bulk_create(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    body: BulkCreate,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Create many instances as one unit: refused whole, with every bad row named, or accepted whole. The status counts."""
    rows = [BulkRow(data, source=_source(body.metadata)) for data in body.instances]
    accepted = platform.commands.bulk(db_name, branch, class_id, "create", rows, **caller.origin(db_name))
    return settling.bulk_result(accepted, command_type="BULK_CREATE_INSTANCES")


@router.post("/bulk-update", status_code=202, openapi_extra=counts_as(WRITE))
def bulk_update(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    body: BulkUpdate,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Change many instances as one unit; each row carries the number that its sender saw."""
    source = _source(body.metadata)
    rows = [BulkRow(row.data, row.instance_id, row.expected_seq, source) for row in body.instances]
    accepted = platform.commands.bulk(db_name, branch, class_id, "update", rows, **caller.origin(db_name))
    return settling.bulk_result(accepted, command_type="BULK_UPDATE_INSTANCES")


@router.post("/bulk-delete", status_code=202, openapi_extra=counts_as(WRITE))
def bulk_delete(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    body: BulkDelete,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> CommandResult:
    """Delete many instances as one unit; each row carries the number that its sender saw."""
    rows = [BulkRow({}, row.instance_id, row.expected_seq, _source(body.metadata)) for row in body.instances]
    accepted = platform.commands.bulk(db_name, branch, class_id, "delete", rows, **caller.origin(db_name))
    return settling.bulk_result(accepted, command_type="BULK_DELETE_INSTANCES")


def _source(metadata: dict[str, Any]) -> dict[str, Any] | None:
    return {"client": metadata} if metadata else None
