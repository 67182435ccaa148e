"""The demo holds what it claims: its exit code is 0 only if every comparison held."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="spice-demo-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("words", [["--no-dagster"], []], ids=["without Dagster", "with Dagster"])
def test_every_comparison_of_the_demo_holds(home, words):
    done = subprocess.run(
        [sys.executable, "-m", "spice_api.cli.main", "demo", *words],
        env={**os.environ, "SPICE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILS" not in done.stdout
    assert "comparisons held" in done.stdout
