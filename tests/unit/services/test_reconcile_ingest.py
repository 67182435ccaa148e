"""What reconciliation makes of uploads whose attempts have nothing but their key in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.domain.ingest_requests import UploadRequest
from spice_core.errors import InvalidInput
from spice_core.services.reconcile_ingest import ReconcileIngest, Reconciliation
from spice_core.services.submit_commands import CommandService
from tests.data_world import DataWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def test_must_hold_28_bytes_of_a_failed_attempt_are_never_published_as_those_of_the_next(world: DataWorld):
    wrong = UploadRequest("shop", "main", "people", "people.csv", "k", sheet="Nope")
    with pytest.raises(InvalidInput):
        world.ingest.run(wrong, [b"id,name\n1,Old\n2,Old\n"])
    world.work()
    right, people = UploadRequest("shop", "main", "people", "people.csv", "k"), b"id,name\n1,Ann\n2,Bob\n3,Cy\n"
    assert world.dies(CommandService, "submit", lambda: world.ingest.run(right, [people]))  # on record, no bytes kept
    world.clock.seconds += 4000
    assert ReconcileIngest(ingest=world.ingest, log=world.path.log).run() == Reconciliation(aborted=1)
    world.work()
    version = world.ingest.run(right, [people])
    assert world.rows(version) == [(1, "Ann"), (2, "Bob"), (3, "Cy")]
