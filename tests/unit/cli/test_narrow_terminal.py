"""What people read on a terminal of 80 columns: nothing is cut, names can be copied, and questions need a terminal."""

import io

import pytest
from rich.tree import Tree

from spice_api.cli import main as cli
from spice_api.cli.config import variable
from spice_api.cli.doctor import _show
from spice_api.cli.log import _print_stats
from spice_api.cli.report import folding_console
from spice_core.domain.findings import Finding
from spice_core.settings import Settings


@pytest.fixture(autouse=True)
def narrow(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("SPICE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_error_box_is_folded(capsys):
    assert cli.run(["no-such-command"]) == cli.BAD_USAGE
    printed = capsys.readouterr().err
    assert "worker, db, dataset, connector, query" in " ".join(printed.replace("│", " ").split())
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_long_text_of_a_tree_is_folded(capsys):
    tree = Tree("top")
    tree.add("word " * 40 + "end")
    folding_console().print(tree)
    printed = capsys.readouterr().out
    assert printed.count("word") == 40
    assert "end" in printed


def test_config_show_leaves_every_variable_whole(capsys):
    assert cli.run(["config", "show"]) == cli.OK
    words = set(capsys.readouterr().out.split())
    assert {variable(name) for name in Settings.model_fields} <= words


def test_empty_database_name_says_what_to_do(capsys):
    assert cli.run(["log", "tail", "--db", ""]) == cli.BAD_USAGE
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "--db is empty: name a database (`spice db list`)" in printed


def test_delete_without_a_terminal_asks_for_yes(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.run(["db", "delete", "shop"]) == cli.BAD_USAGE
    assert "add --yes" in capsys.readouterr().err


def test_log_stats_prints_one_handler_per_row(capsys):
    name = "a_database_with_a_long_name"
    _print_stats([{"database": name, "segments": 3, "events": 1234, "graph": 0, "statuses": 17}], ["graph", "statuses"])
    first, graph, statuses = capsys.readouterr().out.splitlines()
    assert first == f"{name}: 3 segments, 1,234 events"
    assert graph.split() == ["graph", "0", "behind"]
    assert statuses.split() == ["statuses", "17", "behind"]


def test_log_stats_of_an_empty_installation_says_how_to_begin(capsys):
    _print_stats([], ["graph"])
    assert "no databases yet: `spice db create NAME`" in capsys.readouterr().out


def test_doctor_columns_stand_under_each_other(capsys):
    width = len("a part of a long name")
    for part, state in (("log", "ok"), ("a part of a long name", "warning"), ("graph", "down")):
        _show(Finding(part, state, "FOUND", "do this"), width)
    lines = capsys.readouterr().out.splitlines()
    assert len({line.index("FOUND") for line in lines[::2]}) == 1
    assert len({line.index("->") for line in lines[1::2]}) == 1
