"""Uploads whose worker died are ended by a schedule that starts a run only where something is stale."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from spice_assets.defs.ingest import reconciliation
from spice_assets.defs.ingest.reconciliation import ingest_reconciliation, ingest_reconciliation_schedule, run_key
from spice_assets.resources import PLATFORM, PlatformSource
from spice_core.bootstrap import ingest_dataset
from spice_core.domain.ingest_requests import IngestState, UploadRequest
from spice_core.services.ingest_dataset import IngestDataset
from spice_core.services.wait_for_reads import ReadBarrier

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


class Died(BaseException):
    """What ends a worker in the middle."""


@pytest.fixture
def stale(platform, monkeypatch):
    """A platform on which a worker died when the bytes of an upload were kept; a request is stale at once."""
    platform.commands.create_database("trips")

    def die(*_args, **_options):
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(IngestDataset, "_published", die)
        with pytest.raises(Died):
            ingest_dataset(platform).run(
                UploadRequest("trips", "main", "cities", "cities.csv", key="k"), [b"code,name\nNYC,New York\n"]
            )
    barrier = ReadBarrier(log=platform.log, work=platform.work, clock=platform.clock, seconds=30)
    assert barrier.wait("trips", "registry") == []
    monkeypatch.setattr(reconciliation, "STALE_SECONDS", 0.0)
    return platform


def tick(platform, instance, at: datetime = NOW):
    resources = {PLATFORM: PlatformSource(lambda: platform)}
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, resources=resources)
    return ingest_reconciliation_schedule(context)


def test_nothing_stale_starts_no_run(platform):
    platform.commands.create_database("trips")
    with dg.instance_for_test() as instance:
        assert isinstance(tick(platform, instance), dg.SkipReason)


def test_what_a_dead_worker_left_is_published_by_one_run(stale):
    with dg.instance_for_test() as instance:
        asked = tick(stale, instance)
        assert isinstance(asked, dg.RunRequest)
        assert asked.run_key == tick(stale, instance, NOW + timedelta(minutes=5)).run_key
        assert asked.run_key != tick(stale, instance, NOW + timedelta(minutes=15)).run_key
        result = ingest_reconciliation.execute_in_process(instance=instance, resources={PLATFORM: PlatformSource(lambda: stale)})
        assert result.success
        requests = ingest_dataset(stale).requests
        assert [request.state for request in requests.page("trips")] == [IngestState.PUBLISHED]
        assert stale.registry.dataset("trips", "trips:main:cities").latest.row_count == 1
        assert isinstance(tick(stale, instance), dg.SkipReason)


def test_a_run_key_is_of_the_requests_and_their_states(stale):
    [request] = ingest_dataset(stale).requests.page("trips")
    assert run_key([request], NOW) == run_key([request], NOW + timedelta(seconds=1))
    assert run_key([request], NOW) != run_key([], NOW)
