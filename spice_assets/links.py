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
        return self._page("datasets", "get_dataset_api_v1_pipelines_datasets__dataset_id__get")

    def instances(self) -> dg.UrlMetadataValue:
        """Return where reading the instances of a class is described."""
        return self._page("instances", "browse_instances_api_v1_databases__db_name__class__class_id__instances_get")

    def gates(self) -> dg.UrlMetadataValue:
        """Return where reading how gates came out is described."""
        return self._page("mappings", "list_gates_api_v1_objectify_gates_get")

    def objectify_runs(self) -> dg.UrlMetadataValue:
        """Return where reading the runs of mappings is described."""
        return self._page("mappings", "list_runs_api_v1_objectify_runs_get")

    def link_runs(self) -> dg.UrlMetadataValue:
        """Return where reading the runs of a link type is described."""
        return self._page("links", "list_link_runs_api_v1_link_types__name__runs_get")

    def syncs(self) -> dg.UrlMetadataValue:
        """Return where reading the syncs of a connector's source is described."""
        return self._page("connectors", "list_runs_api_v1_connectors_sources__source_id__runs_get")

    def dead_letters(self) -> dg.UrlMetadataValue:
        """Return where reading dead letters is described."""
        return self._page("dead%20letters", "list_dead_letters_api_v1_dead_letters_get")

    def _page(self, tag: str, operation: str) -> dg.UrlMetadataValue:
        return dg.MetadataValue.url(f"{self._docs}#/{tag}/{operation}")
