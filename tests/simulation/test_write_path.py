"""The whole write path under seeded faults: whatever happens, everything agrees with the fold of the accepted commands.

A failing seed is printed in the test's name: run it alone with `-k seed-N`.
"""

import pytest

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.domain.read_models import CommandState
from spice_core.services.project_audit import AuditProjector
from spice_core.services.project_lineage import LineageProjector
from spice_core.services.project_search import SearchProjector
from spice_core.services.project_statuses import StatusProjector
from tests.simulation.write_path_world import DB, Fold, Simulation, expected_statuses, own_events

SHORT = [pytest.param(seed, id=f"seed-{seed}") for seed in range(6)]
LONG = [pytest.param(seed, id=f"seed-{seed}", marks=pytest.mark.long) for seed in range(6, 500)]


@pytest.mark.parametrize("seed", SHORT + LONG)
def test_everything_agrees_with_the_fold_of_the_accepted_commands(seed):
    simulation = Simulation(seed)
    simulation.run(operations=150)
    events = simulation.events()
    fold = Fold()
    for recorded in events:
        fold.fold(recorded)

    assert simulation.graph_state() == fold.branches
    assert simulation.document_state() == fold.branches
    in_log = {recorded.event.event_id for recorded in events if recorded.event.is_command}
    assert set(simulation.accepted) <= in_log
    outcomes = simulation.outcomes()
    for recorded in events:
        if recorded.event.is_command and recorded.event.aggregate_type != "Bulk":
            assert len(own_events(outcomes[recorded.event.event_id], recorded.event)) == 1
    assert {name: simulation.statuses.get(name).state for name in in_log} == expected_statuses(simulation, fold)
    assert len(simulation.audit.query(database=DB, limit=1_000_000)) == len(events)
    assert simulation.work.dead_letters(state="") == []
    check_replay(simulation)


def check_replay(simulation: Simulation) -> None:
    """Replay the log into empty stores and compare."""
    search, statuses, lineage, audit = MemorySearchIndex(), MemoryCommandStatuses(), MemoryLineageStore(), MemoryAuditStore()
    events = simulation.events()
    projectors = [StatusProjector(statuses), LineageProjector(lineage), AuditProjector(audit)]
    for projector in projectors:
        projector.handle(DB, events)
    index = SearchProjector(search=search, graph=simulation.graph)
    for event in events:
        if index.wants(event):
            index.handle(DB, [event])
    assert simulation.document_state(search) == simulation.document_state()
    assert lineage.counts(DB) == simulation.lineage.counts(DB)
    assert audit.query(database=DB, limit=1_000_000) == simulation.audit.query(database=DB, limit=1_000_000)
    for recorded in events:
        if recorded.event.is_command:
            command_id = recorded.event.event_id
            assert statuses.get(command_id) == simulation.statuses.get(command_id)


def test_simulation_covers_what_it_claims():
    simulation = Simulation(1)
    simulation.run(operations=150)
    types = {recorded.event.event_type for recorded in simulation.events()}
    assert {"INSTANCE_CREATED", "INSTANCE_UPDATED", "INSTANCE_DELETED", "BRANCH_CREATED", "COMMAND_FAILED"} <= types
    states = {simulation.statuses.get(command_id).state for command_id in simulation.accepted}
    assert states == {CommandState.COMPLETED, CommandState.FAILED}
