"""OMS: the internal API of ontologies, instances and versions."""
