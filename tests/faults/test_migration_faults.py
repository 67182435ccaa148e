"""A worker that is killed while instances move to other ids."""

from dataclasses import replace

import pytest

from spice_core.domain.class_migrations import ID_REMAP
from spice_core.domain.commands import CommandType
from tests.faults.installation import DB, Installation
from tests.faults.oracle import assert_sound
from tests.faults.requests import OWNER
from tests.write_path import text

BY_NAME = {**OWNER, "properties": [text("owner_id"), text("name", primaryKey=True, required=True), text("city")]}
OWNERS = 5


@pytest.mark.parametrize("point", ["graph:before_effect", "graph:after_effect"])
def test_worker_killed_while_objects_move_moves_each_once_with_its_links(place: Installation, point: str):
    commands = place.platform.commands
    for number in range(OWNERS):
        commands.create_instance(DB, "main", "Owner", {"owner_id": f"o{number}", "name": f"n{number}"})
        commands.create_instance(DB, "main", "Thing", {"thing_id": f"t{number}", "owned_by": f"Owner/o{number}"})
    place.work_here()
    migration = commands.command(CommandType.MIGRATE_ONTOLOGY_CLASS, DB, "OntologyClass", DB, "main", "Owner")
    payload = {"definition": BY_NAME, "migration": ID_REMAP}
    commands.submit(DB, [replace(migration, class_id="Owner", payload=payload, expected_seq=1)])
    worker = place.start_worker(ENABLE_CHAOS_INJECTION="true", CHAOS_CRASH_POINT=point)
    assert worker.wait() == 42
    place.start_worker()
    place.wait_final([migration.command_id])
    place.wait_caught_up()
    nodes = place.platform.graph.view(DB).page(["Owner", "Thing"], limit=1000).nodes
    assert {node.key: node.document.get("owned_by") for node in nodes} == {
        **{f"Owner/n{number}": None for number in range(OWNERS)},
        **{f"Thing/t{number}": f"Owner/n{number}" for number in range(OWNERS)},
    }
    assert_sound(place.platform, DB)
