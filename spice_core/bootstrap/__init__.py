"""The one place that chooses adapters: settings in, a wired platform out."""

from spice_core.bootstrap.connectors import authorize_connections, connection_commands, sync_connectors
from spice_core.bootstrap.engines import event_publisher
from spice_core.bootstrap.ingest import (
    correct_columns,
    ingest_dataset,
    read_datasets,
    reconcile_ingest,
    suggest_mapping,
    watch_places,
)
from spice_core.bootstrap.inspections import inspect_parts
from spice_core.bootstrap.objectify import class_changes, link_instances, objectify
from spice_core.bootstrap.places import (
    companion_dsn,
    postgres_directory,
    start_infrastructure,
    state_directory,
    stop_infrastructure,
)
from spice_core.bootstrap.platform import Platform, bootstrap, log_lines
from spice_core.bootstrap.stores import adopt_store, copy_store, empty_stores, live_stores, open_store

__all__ = [
    "Platform",
    "adopt_store",
    "authorize_connections",
    "bootstrap",
    "class_changes",
    "companion_dsn",
    "connection_commands",
    "copy_store",
    "correct_columns",
    "empty_stores",
    "event_publisher",
    "ingest_dataset",
    "inspect_parts",
    "link_instances",
    "live_stores",
    "log_lines",
    "objectify",
    "open_store",
    "postgres_directory",
    "read_datasets",
    "reconcile_ingest",
    "start_infrastructure",
    "state_directory",
    "stop_infrastructure",
    "suggest_mapping",
    "sync_connectors",
    "watch_places",
]
