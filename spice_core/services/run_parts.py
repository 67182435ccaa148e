"""What the runs work with that turn data into commands: mappings and link types."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from spice_core.domain.shards import WHOLE, Shards
from spice_core.ports.clock import Clock
from spice_core.ports.dataset_store import DatasetStore
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.read_models import CommandStatuses, LineageStore
from spice_core.ports.registry import Registry
from spice_core.ports.table_engine import TableEngine
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.objectify_batches import CommandBatches, Place, Tally
from spice_core.services.objectify_turn import Turn, turn_of
from spice_core.services.read_edits import EditReader
from spice_core.services.submit_commands import CommandService

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """Ports and bounds.

    At most `max_ahead` rows are undecided at a time; a run ends where workers stand still for `stall_seconds`.
    """

    registry: Registry
    datasets: DatasetStore
    tables: TableEngine
    graph: GraphStore
    lineage: LineageStore
    commands: CommandService
    statuses: CommandStatuses
    work: WorkLedger
    log: EventLog
    clock: Clock
    ids: IdSource
    max_ahead: int = 5000
    stall_seconds: float = 120.0

    def batches(self, place: Place, run_id: str, tally: Tally, turn: Turn) -> CommandBatches:
        """Return where a run's commands go.

        Its batches are of this run alone: one that an earlier run made may have been undone since.
        """
        return CommandBatches(
            place=place,
            scope=run_id,
            turn=turn,
            tally=tally,
            commands=self.commands,
            statuses=self.statuses,
            work=self.work,
            log=self.log,
            clock=self.clock,
            max_ahead=self.max_ahead,
            stall_seconds=self.stall_seconds,
        )

    def turn(self, database: str, definition_id: str, run_id: str, *, shards: Shards = WHOLE) -> AbstractContextManager[Turn]:
        """Lend the turn of a mapping, or of shards of it, or of a link type to a run (see `turn_of`)."""
        return turn_of(
            database,
            definition_id,
            run_id=run_id,
            work=self.work,
            clock=self.clock,
            patience=self.stall_seconds,
            shards=shards,
        )

    def edits(self) -> EditReader:
        """Return what reads the edits of people."""
        return EditReader(
            graph=self.graph, lineage=self.lineage, log=self.log, clock=self.clock, patience_seconds=self.stall_seconds
        )

    def is_registered(self, database: str, position: int, *, seconds: float) -> bool:
        """Wait, for a bounded time, until the registry shows what is at `position` of the log; return whether it does."""
        deadline = self.clock.monotonic() + seconds
        while self.registry.position(database) < position:
            if self.clock.monotonic() >= deadline:
                return False
            self.clock.sleep(_POLL_SECONDS)
        return True
