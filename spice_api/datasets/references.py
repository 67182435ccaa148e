"""Which columns of datasets are keys, and which name rows of other datasets: measured, and suggestions only."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from spice_api.datasets.ingesting import ReaderDep
from spice_api.dependencies import MAIN, BranchQuery, DatabaseQuery, PlatformDep
from spice_api.edge import edge_of
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_api.known_datasets import DatasetDep
from spice_api.reading import BarrierDep
from spice_core.domain.datasets import Dataset
from spice_core.domain.references import ReferenceCandidate
from spice_core.errors import InvalidInput
from spice_core.services.find_references import FindReferences

router = APIRouter(prefix="/api/v1/pipelines/datasets", tags=["datasets"], route_class=StrictJsonRoute)

_MOST_DATASETS = 200


class ReferenceCandidateBody(BaseModel):
    """Columns whose values are keys of a dataset: a candidate for a foreign key."""

    columns: list[str]
    target_dataset_id: str
    target_columns: list[str] = Field(description="In the order of `columns`.")
    given: int = Field(description="Rows that have a value in all of the columns.")
    found: int = Field(description="Those of them that the target has.")
    coverage: float = Field(ge=0, le=1)
    distinct: int
    confidence: float = Field(ge=0, le=1)
    reason: str


class KeysBody(BaseModel):
    """What is known of the keys of a dataset's newest version."""

    dataset_id: str
    version_id: str
    primary_key_candidates: list[list[str]] = Field(description="Column lists that identify every row, best first.")
    references: list[ReferenceCandidateBody] = Field(description="The surest first.")


class KeysList(BaseModel):
    """The keys of every dataset of a branch that has a version."""

    datasets: list[KeysBody]


async def finding_of(platform: PlatformDep, reading: ReaderDep) -> FindReferences:
    """Return what finds references."""
    return FindReferences(registry=platform.registry, reading=reading, tables=platform.tables)


FindingDep = Annotated[FindReferences, Depends(finding_of)]


@router.get("/references")
def list_keys(
    *,
    db_name: DatabaseQuery,
    platform: PlatformDep,
    barrier: BarrierDep,
    finding: FindingDep,
    request: Request,
    branch: BranchQuery = MAIN,
) -> Envelope[KeysList]:
    """Find the key candidates of all datasets of a branch, and which of their columns name rows of one another."""
    platform.commands.settled.view(db_name, branch)
    barrier.wait(db_name, "registry")
    known = [item for item in platform.registry.datasets(db_name, branch=branch) if item.latest is not None]
    if len(known) > _MOST_DATASETS:
        raise InvalidInput(f"{branch} has {len(known)} datasets, over {_MOST_DATASETS}: ask for one dataset at a time")
    with edge_of(request.scope).uploads.required_place():
        found = finding.of_database(db_name, branch)
    bodies = [_keys(item, found.get(item.dataset_id, ())) for item in known]
    references = sum(len(body.references) for body in bodies)
    return Envelope(message=f"{references} references between {len(bodies)} datasets", data=KeysList(datasets=bodies))


@router.get("/{dataset_id:path}/references")
def dataset_keys(dataset: DatasetDep, finding: FindingDep, request: Request) -> Envelope[KeysBody]:
    """Find the key candidates of a dataset's newest version, and which of its columns name rows of the branch's datasets.

    Types and names choose what is measured; a column counts where at least 80 % of its rows are found.
    """
    with edge_of(request.scope).uploads.required_place():
        found = finding.of_dataset(dataset.database, dataset.dataset_id)
    return Envelope(message=f"{len(found)} references", data=_keys(dataset, found))


def _keys(dataset: Dataset, found: Sequence[ReferenceCandidate]) -> KeysBody:
    latest = dataset.latest
    return KeysBody(
        dataset_id=dataset.dataset_id,
        version_id=latest.version_id if latest else "",
        primary_key_candidates=[list(names) for names in latest.primary_key_candidates] if latest else [],
        references=[
            ReferenceCandidateBody(
                columns=list(item.columns),
                target_dataset_id=item.target_dataset_id,
                target_columns=list(item.target_columns),
                given=item.given,
                found=item.found,
                coverage=round(item.coverage, 6),
                distinct=item.distinct,
                confidence=max(0.0, min(1.0, item.confidence)),
                reason=item.reason,
            )
            for item in found
        ],
    )
