"""Tables, pairs and notes in a sheet of cells."""

from spice_core.domain.structure.finding import find_structure, signature_of

__all__ = ["find_structure", "signature_of"]
