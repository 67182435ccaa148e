"""Tables, pairs and notes in a sheet of cells."""

from spice_core.domain.structure.corrections import MOST_COLUMNS, TableCorrection, corrected
from spice_core.domain.structure.finding import find_structure, signature_of

__all__ = ["MOST_COLUMNS", "TableCorrection", "corrected", "find_structure", "signature_of"]
