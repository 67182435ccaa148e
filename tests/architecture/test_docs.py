"""The documents name only what exists: files, recipes, commands, routes."""

import re
from pathlib import Path

import pytest

from spice_api.bff.main import app as bff
from spice_api.cli.main import run
from spice_api.funnel.main import app as funnel
from spice_api.oms.main import app as oms
from spice_core.settings import load_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_every_recipe_is_in_the_makefile():
    recipes = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE)}
    assert named
    assert named <= recipes


def test_every_command_is_known_to_the_command_line(capsys: pytest.CaptureFixture[str]):
    named = r"(?:`|bin/)spice ([a-z-]+(?: [a-z-]+)?)"
    commands = {tuple(found.split()) for page in PAGES for found in re.findall(named, page.read_text())}
    assert commands
    for command in sorted(commands):
        assert run([command[0], "--help"]) == 0, command
        lines = capsys.readouterr().out.splitlines()
        if "COMMAND" in lines[0] and len(command) > 1:
            assert any(re.match(rf"│ {command[1]}\b", line) for line in lines), command


def test_every_whole_route_of_the_map_exists():
    apps = (make(settings=load_settings(_env_file=None)) for make in (oms, bff, funnel))
    known = {re.sub(r"\{[^}]*\}", "{}", path) for app in apps for path in app.openapi()["paths"]}
    text = (ROOT / "docs" / "API.md").read_text()
    named = set(re.findall(r"`(?:(?:GET|POST|PUT|DELETE) )((?:/api/v1/)?[a-z][a-z/{}-]*)[`?]", text))
    whole = {re.sub(r"\{[^}]*\}", "{}", "/api/v1/" + path.removeprefix("/api/v1/")) for path in named}
    assert len(whole) > 20
    assert whole <= known


def test_every_route_of_the_apps_is_in_the_list_of_routes():
    apps = (make(settings=load_settings(_env_file=None)) for make in (oms, bff, funnel))
    known = {f"{method.upper()} {path}" for app in apps for path, methods in app.openapi()["paths"].items() for method in methods}
    listed = (ROOT / "docs" / "API.md").read_text().partition("\n## Routes\n")[2]
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", listed, flags=re.MULTILINE)) == known
