"""Fixtures of the whole suite: one server of each kind per run, one migrated database per worker."""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psycopg
import pytest
from servers import (
    NOT_RUN,
    elasticsearch_server,
    kafka_server,
    own_module_server,
    own_server,
    redis_server,
    remove_servers,
    s3_server,
)
from servers import ROOT as _ROOT
from xdist.scheduler import LoadScopeScheduling

from spice_core.adapters.postgres.embedded import NOT_DURABLE, start_embedded, stop_embedded
from spice_core.adapters.postgres.migrate import migrate

_PREFIX = "spice-pytest-"
_NUMBERS = itertools.count()
_ONE_BY_ONE = {"test_api_faults", "test_chaos", "test_worker_faults"}
_OWN_PLATFORM = {"test_demo", "test_dev", "test_engines_down", "test_seeing"}
__all__ = ["elasticsearch_server", "kafka_server", "own_module_server", "own_server", "redis_server", "s3_server"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what tests on real servers need to be told."""
    parser.addoption(
        "--require-full", action="store_true", help="tests marked `full` fail, not skip, where their server cannot start"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the rows that did not run for want of a server."""
    skipped = terminalreporter.stats.get("skipped", [])
    rows = [(report.nodeid, report.longrepr[2]) for report in skipped if NOT_RUN in str(report.longrepr)]
    if rows:
        terminalreporter.section(f"{len(rows)} rows did not run: their server did not start")
        for name, reason in rows:
            terminalreporter.write_line(f"{name}: {reason.splitlines()[0]}")


def pytest_configure(config: pytest.Config) -> None:
    """Name the directory of this run's server: by the process that outlives all workers."""
    worker_input = getattr(config, "workerinput", None)
    if worker_input is None:
        _remove_left_overs()
        config.stash[_ROOT] = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getpid()}"
    else:
        config.stash[_ROOT] = Path(worker_input["spice_root"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell an xdist worker where the server of the run is."""
    node.workerinput["spice_root"] = str(node.config.stash[_ROOT])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server when the run is over, whatever its outcome."""
    if getattr(config, "workerinput", None) is None and _ROOT in config.stash:
        _remove(config.stash[_ROOT])


class _Sharing(LoadScopeScheduling):
    """Keeps in one worker what shares: a file's tests, and those on the journeys' platform; long faults go one by one.

    By names, not by `--dist loadgroup`: with pytest 9.2 that puts no test into its group, and says nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        if path.stem in _ONE_BY_ONE:
            return nodeid
        return "journeys" if path.parent.name == "journeys" and path.stem not in _OWN_PLATFORM else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> _Sharing:
    """Give xdist the order of work."""
    return _Sharing(config, log)


def _remove_left_overs() -> None:
    """Remove what a killed run left behind."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        match = re.fullmatch(rf"{_PREFIX}(\d+)", path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove(path)


def _remove(root: Path) -> None:
    if root.exists():
        remove_servers(root)
        stop_embedded(root / "postgres")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """DSN of the run's server (database `spice`, which is migrated and a template: connect to another one)."""
    root: Path = request.config.stash[_ROOT]
    root.mkdir(mode=0o711, exist_ok=True)
    dsn = start_embedded(root / "postgres", shared_buffers="128MB", settings=NOT_DURABLE)
    migrate(dsn)
    return dsn


@pytest.fixture(scope="session")
def postgres_dsn(postgres_server: str, worker_id: str) -> Iterator[str]:
    """DSN of a migrated database of this worker, shared by its tests."""
    yield from _database(postgres_server, f"session_{worker_id}")


@pytest.fixture(scope="module")
def module_database(postgres_server: str, worker_id: str) -> Iterator[str]:
    """DSN of a migrated database of one file's tests."""
    yield from _database(postgres_server, f"module_{worker_id}_{next(_NUMBERS)}")


@pytest.fixture
def clean_database(postgres_server: str, worker_id: str) -> Iterator[str]:
    """DSN of a migrated database of this test alone (takes about 50 ms)."""
    yield from _database(postgres_server, f"test_{worker_id}_{next(_NUMBERS)}")


def _database(server: str, name: str) -> Iterator[str]:
    admin = server.replace("/spice?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # the template must have no other user meanwhile
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE spice STRATEGY file_copy')  # type: ignore[arg-type]
        connection.execute("SELECT pg_advisory_unlock(1)")
    yield server.replace("/spice?", f"/{name}?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]
