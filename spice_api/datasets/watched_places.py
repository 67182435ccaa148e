"""Places that are watched for files."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from spice_api.datasets.ingesting import IngestDep
from spice_api.dependencies import MAIN, CallerDep, DatabaseQuery, PlatformDep
from spice_api.envelope import CommandResult, Envelope, Strict
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import BarrierDep
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import watch_places
from spice_core.domain.rates import WRITE
from spice_core.domain.watched_places import WatchedPlace
from spice_core.services.watch_places import WatchPlaces

router = APIRouter(prefix="/api/v1/pipelines/watched-places", tags=["datasets"], route_class=StrictJsonRoute)

PlaceId = Annotated[str, Path(max_length=100, description="What the place is called.", examples=["inbox"])]


class PlaceBody(Strict):
    """A place to watch, and what its files become."""

    place_id: str = Field(min_length=1, max_length=100, examples=["inbox"])
    place: str = Field(
        min_length=1, max_length=1000, description="A folder of the server, or `objects:<prefix>`.", examples=["objects:inbox"]
    )
    branch: str = Field(default=MAIN, min_length=1, max_length=200)
    pattern: str = Field(default="*", min_length=1, max_length=200, description="Which files, by their path below the place.")
    dataset: str | None = Field(default=None, max_length=200, description="The dataset of all files; left out: one per name.")
    stable_seconds: float = Field(default=10.0, ge=0, le=86_400, description="Take a file when it has not changed for so long.")


class PlaceList(BaseModel):
    """Watched places by id."""

    places: list[PlaceBody]


class WatchedFileBody(BaseModel):
    """What became of a file."""

    path: str
    status: str = Field(examples=["PUBLISHED", "FAILED"])
    ingest_request_id: str | None
    error: dict[str, Any] | None = Field(description="Why it failed; it is tried again when it changes.")
    changed_at: datetime | None


class WatchedFileList(BaseModel):
    """Files of a place, those that changed last first."""

    files: list[WatchedFileBody]


async def watching_of(platform: PlatformDep, ingest: IngestDep) -> WatchPlaces:
    """Return what watches places."""
    return watch_places(platform, ingest)


WatchingDep = Annotated[WatchPlaces, Depends(watching_of)]


@router.post("", status_code=202, openapi_extra=counts_as(WRITE))
def add_place(
    db_name: DatabaseQuery, body: PlaceBody, watching: WatchingDep, caller: CallerDep, settling: SettlingDep
) -> CommandResult:
    """Watch a place from now on, or change how. It must lie below a root that the operator allowed (SPICE_WATCH_ROOTS)."""
    place = WatchedPlace(body.place_id, db_name, body.branch, body.place, body.pattern, body.dataset, body.stable_seconds)
    return settling.result(watching.add(place, **caller.origin(db_name)), command_type="SAVE_RECORD")


@router.get("")
def list_places(db_name: DatabaseQuery, platform: PlatformDep, watching: WatchingDep, barrier: BarrierDep) -> Envelope[PlaceList]:
    """List the watched places of a database."""
    platform.commands.settled.view(db_name, MAIN)
    barrier.wait(db_name, "registry")
    found = [_place_body(place) for place in watching.places(db_name)]
    return Envelope(message=f"{len(found)} places", data=PlaceList(places=found))


@router.get("/{place_id}/files")
def list_files(
    db_name: DatabaseQuery, place_id: PlaceId, platform: PlatformDep, watching: WatchingDep, barrier: BarrierDep
) -> Envelope[WatchedFileList]:
    """List what became of the files of a place, those that failed with the reason."""
    platform.commands.settled.view(db_name, MAIN)
    barrier.wait(db_name, "registry")
    files = [
        WatchedFileBody(
            path=record.document["path"],
            status=record.status,
            ingest_request_id=record.document["made"]["request_id"] if record.status == "PUBLISHED" else None,
            error=record.document.get("error"),
            changed_at=record.changed_at,
        )
        for record in watching.files(db_name, place_id)
    ]
    return Envelope(message=f"{len(files)} files", data=WatchedFileList(files=files))


@router.delete("/{place_id}", status_code=202, openapi_extra=counts_as(WRITE))
def remove_place(
    *,
    db_name: DatabaseQuery,
    place_id: PlaceId,
    platform: PlatformDep,
    watching: WatchingDep,
    caller: CallerDep,
    settling: SettlingDep,
) -> CommandResult:
    """Watch a place no longer; what came from it stays."""
    platform.commands.settled.view(db_name, MAIN)
    return settling.result(watching.remove(db_name, place_id, **caller.origin(db_name)), command_type="DELETE_RECORD")


def _place_body(place: WatchedPlace) -> PlaceBody:
    return PlaceBody.model_validate({name: getattr(place, name) for name in PlaceBody.model_fields})
