"""Reading versions: the same routes on OMS and BFF. A ref is a branch, a commit id, `HEAD`, each with `~n` behind it."""

from typing import Annotated

from fastapi import APIRouter, Query

from spice_api.dependencies import MAIN, BranchQuery, PlatformDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.versions.schemas import Ancestor, Diff, Head, History, change_body, commit_body

router = APIRouter(prefix="/api/v1/version/{db_name}", tags=["versions"], route_class=StrictJsonRoute)

Ref = Annotated[str, Query(min_length=1, max_length=200, examples=["main", "HEAD~1"])]


@router.get("/head")
def head(db_name: str, platform: PlatformDep, branch: BranchQuery = MAIN) -> Envelope[Head]:
    """Return the newest commit of a branch."""
    commit = platform.graph.view(db_name, branch).commit
    return Envelope(message=f"{branch} is at {commit.id[:8]}", data=Head(branch=branch, commit=commit_body(commit)))


@router.get("/history")
def history(
    db_name: str,
    platform: PlatformDep,
    branch: BranchQuery = MAIN,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> Envelope[History]:
    """Return the commits of a branch, newest first. Every change of data is a commit."""
    commits = platform.graph.history(db_name, branch, limit=limit)
    body = History(branch=branch, commits=[commit_body(commit) for commit in commits])
    return Envelope(message=f"{len(commits)} commits", data=body)


@router.get("/diff")
def diff(
    *,
    db_name: str,
    platform: PlatformDep,
    from_ref: Ref,
    to_ref: Ref,
    after: Annotated[str, Query(max_length=1000)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Envelope[Diff]:
    """Return the nodes that differ between two refs, field by field."""
    found = platform.graph.diff(db_name, from_ref, to_ref, after=after, limit=limit)
    body = Diff(
        from_ref=from_ref,
        to_ref=to_ref,
        changes=[change_body(item) for item in found],
        next_after=found[-1].key if len(found) == limit else None,
    )
    return Envelope(message=f"{len(found)} nodes differ", data=body)


@router.get("/common-ancestor")
def common_ancestor(db_name: str, platform: PlatformDep, left: Ref, right: Ref) -> Envelope[Ancestor]:
    """Return the newest commit that two refs have in common."""
    commit = platform.graph.common_ancestor(db_name, left, right)
    body = Ancestor(left=left, right=right, commit=commit_body(commit) if commit else None)
    return Envelope(message="found" if commit else "the refs have no common commit", data=body)
