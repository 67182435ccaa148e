"""Addresses of our own pages, for the catalogue."""

from urllib.parse import quote, urlencode

import dagster as dg

from spice_core.settings import Settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - replaced, not bound


class Links:
    """Where a reader of the asset catalogue finds the thing itself."""

    def __init__(self, settings: Settings) -> None:
        host = _ANYWHERE.get(settings.listen_host, settings.listen_host)
        self._bff = f"http://{host}:{settings.bff_port}/api/v1"

    def dataset(self, dataset_id: str) -> dg.UrlMetadataValue:
        """Return the page of a dataset."""
        return dg.MetadataValue.url(f"{self._bff}/pipelines/datasets/{quote(dataset_id, safe='')}")

    def instances(self, database: str, branch: str, class_id: str) -> dg.UrlMetadataValue:
        """Return the page of a class's instances."""
        path = f"databases/{quote(database)}/class/{quote(class_id, safe='')}/instances"
        return dg.MetadataValue.url(f"{self._bff}/{path}?{urlencode({'branch': branch})}")
