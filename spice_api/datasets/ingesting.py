"""The services that take files in, over the running app's platform."""

from typing import Annotated

from fastapi import Depends, Header, Request

from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_core.bootstrap import correct_columns, ingest_dataset, read_datasets, reconcile_ingest, suggest_mapping
from spice_core.errors import InvalidInput
from spice_core.services.correct_columns import CorrectColumns
from spice_core.services.ingest_dataset import IngestDataset
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.reconcile_ingest import ReconcileIngest
from spice_core.services.suggest_mapping import SuggestMapping


def ingest_of(request: Request, platform: PlatformDep) -> IngestDataset:
    """Return what takes uploads in."""
    return ingest_dataset(platform, room=edge_of(request.scope).uploads)


IngestDep = Annotated[IngestDataset, Depends(ingest_of)]


async def reader_of(platform: PlatformDep) -> ReadDatasets:
    """Return what reads versions."""
    return read_datasets(platform)


ReaderDep = Annotated[ReadDatasets, Depends(reader_of)]


async def suggest_of(platform: PlatformDep) -> SuggestMapping:
    """Return what suggests classes and mappings."""
    return suggest_mapping(platform)


async def correct_of(platform: PlatformDep, ingest: IngestDep) -> CorrectColumns:
    """Return what approves schemas."""
    return correct_columns(platform, ingest)


async def reconcile_of(platform: PlatformDep, ingest: IngestDep) -> ReconcileIngest:
    """Return what ends uploads that dead workers left."""
    return reconcile_ingest(platform, ingest)


async def idempotency_key_of(
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="Required: makes a repeated upload harmless.")
    ] = None,
    x_idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> str:
    """Return the key of an upload. Raises `InvalidInput` where there is none."""
    key = idempotency_key or x_idempotency_key
    if not key:
        raise InvalidInput("an upload needs an Idempotency-Key header: any text of your choice, another one for another upload")
    return key


SuggestDep = Annotated[SuggestMapping, Depends(suggest_of)]
CorrectDep = Annotated[CorrectColumns, Depends(correct_of)]
ReconcileDep = Annotated[ReconcileIngest, Depends(reconcile_of)]
KeyDep = Annotated[str, Depends(idempotency_key_of)]
