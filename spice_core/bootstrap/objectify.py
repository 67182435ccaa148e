"""What turns rows into instances and links, over the parts of a platform."""

from spice_core.bootstrap.platform import Platform
from spice_core.services.link_instances import LinkInstances
from spice_core.services.objectify import Objectify
from spice_core.services.run_parts import RunParts


def objectify(platform: Platform) -> Objectify:
    """Return the service that runs mappings."""
    return Objectify(_parts(platform))


def link_instances(platform: Platform) -> LinkInstances:
    """Return the service that indexes link types."""
    return LinkInstances(_parts(platform))


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
