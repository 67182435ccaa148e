"""What takes files in, over the parts of a platform."""

from spice_core.adapters.localfs.inbox import LocalInbox
from spice_core.bootstrap.places import state_directory
from spice_core.bootstrap.platform import Platform
from spice_core.services.correct_columns import CorrectColumns
from spice_core.services.ingest_dataset import IngestDataset
from spice_core.services.object_inbox import PREFIX, AnyInbox, ObjectInbox
from spice_core.services.read_datasets import ReadDatasets
from spice_core.services.reconcile_ingest import ReconcileIngest
from spice_core.services.suggest_mapping import SuggestMapping
from spice_core.services.waiting_room import WaitingRoom
from spice_core.services.watch_places import WatchPlaces


def ingest_dataset(platform: Platform, *, room: WaitingRoom | None = None) -> IngestDataset:
    """Return the service that takes files in; `room` bounds how many at once."""
    return IngestDataset(
        datasets=platform.datasets,
        sources=platform.source_files,
        tables=platform.tables,
        registry=platform.registry,
        commands=platform.commands,
        log=platform.log,
        work=platform.work,
        clock=platform.clock,
        ids=platform.ids,
        scratch=state_directory(platform.settings) / "scratch",
        max_bytes=platform.settings.max_upload_bytes,
        room=room,
    )


def correct_columns(platform: Platform, ingest: IngestDataset) -> CorrectColumns:
    """Return the service by which people approve and correct schemas."""
    return CorrectColumns(ingest=ingest, registry=platform.registry, commands=platform.commands)


def read_datasets(platform: Platform) -> ReadDatasets:
    """Return what reads versions."""
    return ReadDatasets(datasets=platform.datasets, tables=platform.tables, registry=platform.registry)


def suggest_mapping(platform: Platform) -> SuggestMapping:
    """Return what suggests classes and mappings."""
    reading = read_datasets(platform)
    return SuggestMapping(registry=platform.registry, reading=reading, tables=platform.tables, commands=platform.commands)


def reconcile_ingest(platform: Platform, ingest: IngestDataset) -> ReconcileIngest:
    """Return the service that ends what dead workers left."""
    return ReconcileIngest(ingest=ingest, log=platform.log)


def watch_places(platform: Platform, ingest: IngestDataset) -> WatchPlaces:
    """Return the service that watches places below the roots that the settings allow."""
    roots = platform.settings.watch_roots
    objects = [root for root in roots if root.startswith(PREFIX)]
    folders = LocalInbox([root for root in roots if root.startswith("/")], clock=platform.clock)
    return WatchPlaces(
        ingest=ingest,
        inbox=AnyInbox(folders=folders, objects=ObjectInbox(objects, store=platform.objects)),
        registry=platform.registry,
        commands=platform.commands,
        log=platform.log,
        work=platform.work,
        ids=platform.ids,
    )
