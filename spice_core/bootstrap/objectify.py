"""What turns rows into instances and links, and moves them when their classes change, over the parts of a platform."""

from spice_core.bootstrap.platform import Platform
from spice_core.services.link_instances import LinkInstances
from spice_core.services.migrate_classes import ClassChanges
from spice_core.services.objectify import Objectify
from spice_core.services.read_edits import EditReader
from spice_core.services.run_parts import RunParts

_LINEAGE_WAIT_SECONDS = 5.0


def objectify(platform: Platform) -> Objectify:
    """Return the service that runs mappings."""
    return Objectify(_parts(platform))


def link_instances(platform: Platform) -> LinkInstances:
    """Return the service that indexes link types."""
    return LinkInstances(_parts(platform))


def class_changes(platform: Platform) -> ClassChanges:
    """Return the service that changes classes which have instances."""
    reader = EditReader(
        graph=platform.graph,
        lineage=platform.lineage,
        log=platform.log,
        clock=platform.clock,
        patience_seconds=_LINEAGE_WAIT_SECONDS,
    )
    limit = platform.settings.max_property_count
    return ClassChanges(commands=platform.commands, registry=platform.registry, edits=reader, max_properties=limit)


def _parts(platform: Platform) -> RunParts:
    return RunParts(
        registry=platform.registry,
        datasets=platform.datasets,
        tables=platform.tables,
        graph=platform.graph,
        lineage=platform.lineage,
        commands=platform.commands,
        statuses=platform.statuses,
        work=platform.work,
        log=platform.log,
        clock=platform.clock,
        ids=platform.ids,
    )
