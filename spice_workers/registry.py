"""The registry worker: datasets, mappings and runs."""

from spice_core.bootstrap import Platform
from spice_core.services.apply_registry import RegistryHandler
from spice_core.services.handling import Handler


def build(platform: Platform) -> list[Handler]:
    """Return the handler of the registry's commands."""
    return [RegistryHandler(log=platform.log, registry=platform.registry)]
