"""The command line: every command explains itself, and its exit codes mean what they say."""

import json
import subprocess
import sys

import pytest

from spice_api.cli import main as cli
from spice_core.errors import ConfigurationError, DatabaseNotFound, InvalidQuery, LedgerUnavailable

GROUPS = {
    "db": ["list", "create", "delete"],
    "dataset": ["upload", "list", "preview"],
    "connector": [
        "kinds",
        "connect",
        "connections",
        "check",
        "discover",
        "add",
        "sources",
        "sync",
        "runs",
        "retry",
        "discard",
        "remove",
        "disconnect",
        "authorize",
        "rotate-secrets",
    ],
    "ontology": ["list", "show", "migrate"],
    "log": ["verify", "tail", "show", "stats"],
    "rebuild": ["search", "ledger", "graph", "read-models"],
    "dead-letters": ["list", "show", "retry", "discard"],
    "config": ["check", "show"],
}
SINGLE = ["dev", "demo", "api", "worker", "query", "why", "doctor"]
COMMANDS = [[name] for name in SINGLE] + [[group, name] for group, names in GROUPS.items() for name in names]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A state directory of this test, and no settings from elsewhere."""
    monkeypatch.setenv("SPICE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    assert cli.run([*words, "--help"]) == cli.OK
    printed = capsys.readouterr().out
    assert printed.startswith("Usage: spice " + " ".join(words))
    assert len(printed.splitlines()[2]) > 10


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert cli.run(["--help"]) == cli.OK
    printed = capsys.readouterr().out
    for name in [*SINGLE, *GROUPS]:
        assert f" {name} " in printed
    assert "Exit codes" in printed


def test_help_imports_no_engine():
    code = "import sys; from spice_api.cli.main import run; run(['--help']); print({'psycopg', 'duckdb'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("set()\n")


@pytest.mark.parametrize("words", [["no-such-command"], ["log", "tail"], ["api", "nobody"], ["query"]], ids=" ".join)
def test_bad_usage_is_exit_code_2(words, capsys):
    assert cli.run(words) == cli.BAD_USAGE
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no"), cli.BAD_USAGE),
        (InvalidQuery("no"), cli.BAD_USAGE),
        (LedgerUnavailable("no"), cli.UNAVAILABLE),
        (DatabaseNotFound("no"), cli.FAILED),
    ],
)
def test_errors_have_their_exit_codes(error, code):
    assert cli.exit_code(error) == code


def test_error_is_one_line_on_standard_error_with_its_code(home, monkeypatch, capsys):
    monkeypatch.setenv("OMS_PORT", "nonsense [x]")
    assert cli.run(["config", "check"]) == cli.BAD_USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "OMS_PORT" in printed.err
    assert "configuration_error" in printed.err


def test_config_show_masks_secrets_and_names_the_origin(home, monkeypatch, capsys):
    monkeypatch.setenv("ADMIN_TOKEN", "very secret")
    monkeypatch.setenv("OMS_PORT", "9000")
    (home / ".env").write_text("BFF_PORT=9002\n")
    assert cli.run(["config", "show", "--json"]) == cli.OK
    printed = capsys.readouterr().out
    assert "very secret" not in printed
    rows = {row["variable"]: row for row in json.loads(printed)}
    assert rows["OMS_PORT"] == {"variable": "OMS_PORT", "value": "9000", "from": "environment OMS_PORT"}
    assert rows["BFF_PORT"]["from"] == ".env"
    assert rows["FUNNEL_PORT"]["from"] == "default"
    assert rows["ADMIN_TOKEN"]["value"] == "********"


def test_config_check_refuses_an_insecure_production(home, monkeypatch, capsys):
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("OMS_REQUIRE_AUTH", "false")
    monkeypatch.setenv("ALLOW_INSECURE_OMS_AUTH_DISABLE", "true")
    assert cli.run(["config", "check"]) == cli.BAD_USAGE
    assert "OMS_REQUIRE_AUTH" in capsys.readouterr().err


def test_config_check_warns_of_one_port_for_two_parts(home, monkeypatch, capsys):
    monkeypatch.setenv("BFF_PORT", "8000")
    assert cli.run(["config", "check", "--json"]) == cli.OK
    assert json.loads(capsys.readouterr().out)["warnings"]
