"""Whether mappings fit their classes as these stand: asked before what runs by itself, and nothing is put on record."""

from spice_core.domain.datasets import ClassMapping, DatasetVersion
from spice_core.errors import NotFound
from spice_core.ports.registry import Registry
from spice_core.services.check_mapping import link_problems, mapping_problems
from spice_core.services.save_key_specs import key_specs_of
from spice_core.services.settled_graph import SettledGraph


class MappingFit:
    """Compares mappings with their classes, once the commands on these that were accepted before are decided."""

    def __init__(self, *, settled: SettledGraph, registry: Registry) -> None:
        self._settled = settled
        self._registry = registry

    def refusal(self, mapping: ClassMapping, version: DatasetVersion) -> str:
        """Return why `mapping` cannot run on `version`, "" where it can. Raises `LogBehind`, `GraphUnavailable` (retryable)."""
        try:
            ontology = self._settled.ontology(mapping.database, mapping.branch, frozenset({mapping.class_id}), fresh=True)
            resolved = ontology.resolve(mapping.class_id)
        except NotFound as error:
            return error.message
        keys = key_specs_of(self._registry, mapping.database, mapping.dataset_id)
        problems = mapping_problems(mapping, version, resolved, keys=keys)
        return "; ".join(item.message for item in [*problems, *link_problems(mapping, version, resolved, ontology)])
