"""Classes of the ontology."""
