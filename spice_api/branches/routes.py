"""Branches: the same routes on OMS and BFF. Creating and deleting answer when it is done."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spice_api.branches.schemas import BranchBody, BranchCreation, BranchDeletion, BranchList, CreateBranch, CreatedBranch
from spice_api.dependencies import MAIN, CallerDep, DatabasePath, PlatformDep
from spice_api.envelope import Envelope, status_url
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.waiting import OutcomesDep, TrackerDep, require_completed
from spice_core.bootstrap import Platform
from spice_core.domain.graph import Branch
from spice_core.domain.rates import WRITE
from spice_core.errors import BranchNotFound, Forbidden

router = APIRouter(prefix="/api/v1/branch/{db_name}", tags=["branches"], route_class=StrictJsonRoute)

BranchPath = Annotated[str, Path(max_length=200, description="The branch; its name may hold slashes.")]


@router.get("/list")
def list_branches(db_name: DatabasePath, platform: PlatformDep) -> Envelope[BranchList]:
    """List the branches of a database, main first."""
    platform.commands.settled.view(db_name, MAIN)
    found = [_body(platform, branch) for branch in platform.graph.branches(db_name)]
    return Envelope(message=f"{len(found)} branches", data=BranchList(branches=found))


@router.post(
    "/create",
    responses={202: {"model": BranchCreation, "description": "Accepted, and still under way."}},
    openapi_extra=counts_as(WRITE),
)
def create_branch(
    *,
    db_name: DatabasePath,
    body: CreateBranch,
    platform: PlatformDep,
    caller: CallerDep,
    tracker: TrackerDep,
    room: OutcomesDep,
    response: Response,
) -> BranchCreation:
    """Create a branch; it costs the same for ten objects and ten million. A name that is taken is a 409."""
    accepted = platform.commands.create_branch(
        db_name, body.branch_name, source=body.from_branch, description=body.description, **caller.origin(db_name)
    )
    is_done = require_completed(tracker, room, accepted.command_id) is not None
    response.status_code = 200 if is_done else 202
    data = CreatedBranch(
        branch=body.branch_name,
        from_branch=body.from_branch,
        command_id=accepted.command_id,
        status_url=status_url(accepted.command_id),
    )
    verb = "was created" if is_done else "is being created"
    return BranchCreation(status="created" if is_done else "accepted", message=f"branch {body.branch_name} {verb}", data=data)


@router.get("/branch/{branch_name:path}/info")
def branch_info(db_name: DatabasePath, branch_name: BranchPath, platform: PlatformDep) -> Envelope[BranchBody]:
    """Return one branch."""
    platform.commands.settled.view(db_name, branch_name)
    return Envelope(message=branch_name, data=_body(platform, _branch(platform, db_name, branch_name)))


@router.delete(
    "/branch/{branch_name:path}",
    responses={202: {"model": BranchDeletion, "description": "Accepted, and still under way."}},
    openapi_extra=counts_as(WRITE),
)
def delete_branch(
    *,
    db_name: DatabasePath,
    branch_name: BranchPath,
    platform: PlatformDep,
    caller: CallerDep,
    tracker: TrackerDep,
    room: OutcomesDep,
    response: Response,
    force: Annotated[bool, Query(description="Also a protected branch; never main.")] = False,
) -> BranchDeletion:
    """Delete a branch. Protected branches need `force=true`; main stays."""
    if branch_name in platform.settings.protected_branches and not force:
        raise Forbidden(f"branch {branch_name!r} is protected", details={"branch": branch_name})
    accepted = platform.commands.delete_branch(db_name, branch_name, **caller.origin(db_name))
    is_done = require_completed(tracker, room, accepted.command_id) is not None
    response.status_code = 200 if is_done else 202
    return BranchDeletion(
        status="success" if is_done else "accepted",
        message=f"branch {branch_name} {'was deleted' if is_done else 'is being deleted'}",
        data={"branch": branch_name, "command_id": accepted.command_id, "status_url": status_url(accepted.command_id)},
    )


def _branch(platform: Platform, database: str, name: str) -> Branch:
    for branch in platform.graph.branches(database):
        if branch.name == name:
            return branch
    raise BranchNotFound(f"there is no branch {name!r}", details={"branch": name})


def _body(platform: Platform, branch: Branch) -> BranchBody:
    return BranchBody(
        name=branch.name,
        head=branch.head,
        created_from=branch.created_from,
        created_at=branch.created_at,
        is_protected=branch.name in platform.settings.protected_branches,
    )
