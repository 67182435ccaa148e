"""The read-model worker: command statuses, lineage and audit."""

from spice_core.bootstrap import Platform
from spice_core.services.handling import Handler
from spice_core.services.project_audit import AuditProjector
from spice_core.services.project_lineage import LineageProjector
from spice_core.services.project_statuses import StatusProjector


def build(platform: Platform) -> list[Handler]:
    """Return the three handlers that follow every event."""
    return [StatusProjector(platform.statuses), LineageProjector(platform.lineage), AuditProjector(platform.audit)]
