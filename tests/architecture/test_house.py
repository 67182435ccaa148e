"""The tree, the lock and the example settings stay what the documents say."""

import re
import subprocess
from pathlib import Path

from pydantic import AliasChoices

from spice_core.settings import Settings

ROOT = Path(__file__).parents[2]


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_nothing_else_stands_at_the_top():
    known = {
        ".ci", ".dockerignore", ".env.example", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE",
        "Makefile", "README.md", "benchmarks", "dagster_home", "deploy", "docker-compose.full.yml", "docker-compose.yml",
        "docs", "pyproject.toml", "requirements.lock",
        "spice_api", "spice_assets", "spice_core", "spice_workers", "tests", "workspace.yaml",
    }  # fmt: skip
    assert {path.split("/")[0] for path in _tracked()} <= known


def test_the_lock_names_no_index_and_hashes_everything():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    packages = re.findall(r"^\S+==\S+.*\\$", text, flags=re.MULTILINE)
    assert len(packages) > 50
    assert all("\n    --hash=sha256:" in block for block in re.findall(r"^\S+==.*\n.*", text, flags=re.MULTILINE))


def test_example_settings_name_every_variable_with_its_default():
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", text, flags=re.MULTILINE))
    wanted = set(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "docker-compose.yml").read_text()))
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        wanted.add(str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias))
    assert named == wanted


def test_example_settings_are_the_defaults(monkeypatch):
    for line in (ROOT / ".env.example").read_text().splitlines():
        if re.match(r"[A-Z0-9_]+=", line):
            monkeypatch.delenv(line.split("=")[0], raising=False)
    assert Settings(_env_file=ROOT / ".env.example") == Settings(_env_file=None)


def test_no_file_names_a_note_to_self_or_history():
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    sources = [path for path in _tracked() if path.endswith(".py") and path.startswith("spice_")]
    assert [path for path in sources if words.search((ROOT / path).read_text())] == []
