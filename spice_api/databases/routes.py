"""Creating, listing and deleting databases: the same routes on OMS and BFF."""

from fastapi import APIRouter

from spice_api.databases.schemas import CreateDatabase, DatabaseBody, DatabaseList, Existence
from spice_api.dependencies import MAIN, CallerDep, DatabasePath, ExpectedSeq, PlatformDep
from spice_api.envelope import Envelope, Started
from spice_api.json_route import StrictJsonRoute
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import Platform
from spice_core.domain.rates import WRITE
from spice_core.errors import DatabaseNotFound

router = APIRouter(prefix="/api/v1/database", tags=["databases"], route_class=StrictJsonRoute)


@router.get("/list")
def list_databases(platform: PlatformDep) -> Envelope[DatabaseList]:
    """List all databases."""
    found = []
    for name in platform.graph.databases():
        try:
            found.append(_database(platform, name))
        except DatabaseNotFound:
            continue  # dropped while we looked
    return Envelope(message=f"{len(found)} databases", data=DatabaseList(databases=found))


@router.post("/create", status_code=202, openapi_extra=counts_as(WRITE))
def create_database(body: CreateDatabase, platform: PlatformDep, caller: CallerDep, settling: SettlingDep) -> Envelope[Started]:
    """Create a database with its branch `main`. Accepted at once; what is sent next may already use it."""
    accepted = platform.commands.create_database(body.name, description=body.description, **caller.origin(body.name))
    return settling.envelope(accepted, f"database {body.name} is being created", database_name=body.name)


@router.get("/exists/{db_name}")
def database_exists(db_name: DatabasePath, platform: PlatformDep) -> Envelope[Existence]:
    """Say whether a database exists; one whose creation was accepted a moment ago does."""
    try:
        platform.commands.settled.view(db_name, MAIN)
    except DatabaseNotFound:
        exists = False
    else:
        exists = True
    return Envelope(message="it exists" if exists else "there is none", data=Existence(name=db_name, exists=exists))


@router.get("/{db_name}")
def get_database(db_name: DatabasePath, platform: PlatformDep) -> Envelope[DatabaseBody]:
    """Return one database, with the number that deleting it expects."""
    platform.commands.settled.view(db_name, MAIN)
    return Envelope(message=db_name, data=_database(platform, db_name))


@router.delete("/{db_name}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_database(
    db_name: DatabasePath, expected_seq: ExpectedSeq, platform: PlatformDep, caller: CallerDep, settling: SettlingDep
) -> Envelope[Started]:
    """Delete a database with everything in it; its log stays."""
    accepted = platform.commands.delete_database(db_name, expected_seq=expected_seq, **caller.origin(db_name))
    return settling.envelope(accepted, f"database {db_name} is being deleted", database_name=db_name)


def _database(platform: Platform, name: str) -> DatabaseBody:
    branches = platform.graph.branches(name)
    return DatabaseBody(
        name=name,
        sequence_number=platform.log.number(name, f"Database|{name}"),
        created_at=branches[0].created_at,
        branches=len(branches),
    )
