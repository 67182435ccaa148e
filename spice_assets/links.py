"""Addresses of our own pages, for the catalogue: only such as a browser may open, which sends no token."""

import dagster as dg

from spice_core.settings import Settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - replaced, not bound


class Links:
    """Where a reader of the asset catalogue finds out how to get the thing itself: the API's description of the request."""

    def __init__(self, settings: Settings) -> None:
        host = _ANYWHERE.get(settings.listen_host, settings.listen_host)
        self._docs = f"http://{host}:{settings.bff_port}/docs"

    def dataset(self) -> dg.UrlMetadataValue:
        """Return where reading a dataset is described."""
        return dg.MetadataValue.url(f"{self._docs}#/datasets/get_dataset_api_v1_pipelines_datasets__dataset_id__get")

    def instances(self) -> dg.UrlMetadataValue:
        """Return where reading the instances of a class is described."""
        operation = "browse_instances_api_v1_databases__db_name__class__class_id__instances_get"
        return dg.MetadataValue.url(f"{self._docs}#/instances/{operation}")
