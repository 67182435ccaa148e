"""The dataset that a path or a body names."""

from typing import Annotated

from fastapi import Depends, Path

from spice_api.dependencies import PlatformDep
from spice_api.reading import BarrierDep
from spice_core.domain import naming
from spice_core.domain.datasets import Dataset
from spice_core.errors import DatasetNotFound

DatasetId = Annotated[str, Path(max_length=400, description="The dataset's id.", examples=["demo:main:products"])]


def known_dataset(dataset_id: DatasetId, platform: PlatformDep, barrier: BarrierDep) -> Dataset:
    """Return a dataset, after a bounded wait for what was accepted before. Raises `DatasetNotFound`."""
    database = naming.split_aggregate_id(dataset_id)[0]
    if database and platform.log.exists(database):
        barrier.wait(database, "registry")
        found = platform.registry.dataset(database, dataset_id)
        if found is not None:
            return found
    raise DatasetNotFound(f"there is no dataset {dataset_id[:200]!r}")


DatasetDep = Annotated[Dataset, Depends(known_dataset)]
