"""A platform in this process, for assets, checks and sensors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.bootstrap import Platform, bootstrap
from spice_core.settings import load_settings
from spice_workers.__main__ import handlers_of, runner_of
from spice_workers.metrics import WorkerMetrics


@pytest.fixture
def platform(clean_database: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform with running workers."""
    opened = bootstrap(load_settings(state_dir=tmp_path / "state", postgres_url=clean_database), process="test")
    metrics = WorkerMetrics(since=opened.clock.now())
    runner = runner_of(opened, handlers_of(["all"], opened), metrics=metrics, on_summary=lambda _: None)
    runner.start()
    yield opened
    runner.stop()
    opened.close()
