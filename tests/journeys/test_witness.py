"""A signed head that is kept elsewhere catches what the chain alone cannot."""

import subprocess
import sys

from running import Running

KEY = "a key of these tests only"


def spice(running: Running, *words: str, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    environment = {**running.environment, "COLUMNS": "200", **({} if key is None else {"SECRET_KEY": key})}
    command = [sys.executable, "-m", "spice_api.cli.main", "log", *words]
    return subprocess.run(command, env=environment, cwd=running.state, capture_output=True, text=True, check=False)


def test_fault_07_a_kept_head_vouches_for_the_log_it_is_of(running: Running, database: str) -> None:
    token = spice(running, "head", "--db", database).stdout.strip()
    assert spice(running, "verify", "--db", database, "--witness", token).returncode == 0
    other = spice(running, "verify", "--db", database, "--witness", token, key="another key than before")
    assert other.returncode != 0
    assert "not signed with this key" in other.stderr
    assert "SECRET_KEY is not set" in spice(running, "head", "--db", database, key=None).stderr
