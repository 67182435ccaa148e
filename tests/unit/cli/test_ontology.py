"""`spice ontology migrate` before it reaches the platform, and the plan as a person reads it."""

import io
import json

import pytest

from spice_api.cli import main as cli
from spice_api.cli.ontology import _tell
from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS
from spice_core.services.migrate_classes import MigrationPlan, Way


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A state directory of this test; nobody sits at the terminal."""
    monkeypatch.setenv("SPICE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("[]", "must hold one JSON object")],
    ids=["missing", "broken", "list"],
)
def test_definition_that_cannot_be_read_is_bad_usage(home, capsys, content, said):
    if content is not None:
        (home / "new.json").write_text(content)
    assert cli.run(["ontology", "migrate", "City", "--db", "shop", "--definition", "new.json"]) == cli.BAD_USAGE
    assert said in capsys.readouterr().err


def test_migrating_without_a_terminal_asks_for_yes(home, capsys):
    (home / "new.json").write_text(json.dumps({"id": "City"}))
    words = ["ontology", "migrate", "City", "--db", "shop", "--definition", "new.json", "--as", "id_remap"]
    assert cli.run(words) == cli.BAD_USAGE
    assert "add --yes" in capsys.readouterr().err


def test_unknown_way_is_bad_usage(home, capsys):
    assert cli.run(["ontology", "migrate", "City", "--db", "shop", "--definition", "new.json", "--as", "guess"]) == cli.BAD_USAGE
    assert "id_remap" in capsys.readouterr().err


PLAN = MigrationPlan(
    "City",
    3,
    keys={"City": (("code",), ("name", "land")), "Town": ((), ("name", "land"))},
    objects=1458,
    moving=1400,
    links=12,
    linking_objects=7,
    edits=2,
    objects_with_edits=1,
    is_every_edit_counted=False,
    mappings=["shop:main:City"],
    ways=[
        Way(ID_REMAP, {"key_missing": 2}, [{"reason": "key_missing", "instance": "City/[SEL]", "key": ["name", "land"]}]),
        Way(RESET_EDITS),
    ],
)


def test_plan_names_keys_counts_ways_and_what_to_look_at(capsys):
    _tell(PLAN, "shop", "main", is_json=False)
    printed = capsys.readouterr().out
    assert "key of City: code -> name + land" in printed
    assert "key of Town: none (generated ids) -> name + land" in printed
    assert "1,458 instances, 1,400 of which id_remap gives another id" in printed
    assert "12 links lead to them, from 7 instances of other classes" in printed
    assert "at least 2 edited fields" in printed
    assert "not possible id_remap: key_missing: 2" in printed
    assert "reason key_missing; instance City/[SEL]; key name + land" in printed
    assert "possible reset_edits: delete" in printed
    assert "mappings to look at, whether they still fit: shop:main:City" in printed


def test_plan_of_a_change_that_moves_nothing_says_so(capsys):
    _tell(MigrationPlan("City", 3), "shop", "main", is_json=False)
    assert "the change needs no migration" in capsys.readouterr().out
