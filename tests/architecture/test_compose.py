"""The compose file keeps its promises as far as that can be seen without an engine: ports, pins, health, loopback."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spice_api.dev.servers import elasticsearch, kafka, postgres

ROOT = Path(__file__).parents[2]
PORTS = {
    "oms": {8000}, "bff": {8002}, "funnel": {8003}, "dagster": {3000}, "terminusdb": {6363}, "postgres": {5433}, "redis": {6379},
    "kafka": {39092}, "elasticsearch": {9200}, "minio": {9000, 9001}, "lakefs": {48080}, "jaeger": {16686},
    "otel-collector": {4317, 4318},
}  # fmt: skip
OURS = {"oms", "bff", "funnel", "relay", "workers", "dagster-code", "dagster", "dagster-daemon", "dagster-reloader"}
WITHOUT_TOOLS = {"otel-collector"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_ports_are_those_of_the_contract(services):
    published = {name: _published(service) for name, service in services.items() if "ports" in service}
    assert published == PORTS


def test_engines_are_published_on_loopback_only(services):
    for name in set(services) - {"oms", "bff", "funnel"}:
        assert all(port.startswith("127.0.0.1:") for port in services[name].get("ports", [])), name


def test_foreign_images_are_pinned_and_ours_are_built(services):
    for name, service in services.items():
        if name in OURS:
            assert service["build"] == "."
            continue
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+|RELEASE\.\d{4}", tag), service["image"]


def test_versions_are_those_that_the_tests_run(services):
    tags = {name: services[name]["image"].rpartition(":")[2] for name in ("postgres", "kafka", "elasticsearch")}
    assert tags["postgres"].startswith(postgres.VERSION)
    assert (tags["kafka"], tags["elasticsearch"]) == (kafka.VERSION, elasticsearch.VERSION)


def test_every_service_has_a_health_check(services):
    for name, service in services.items():
        check = service["healthcheck"]
        assert check == {"disable": True} if name in WITHOUT_TOOLS else check["test"][0] in {"CMD", "CMD-SHELL"}


def test_who_is_waited_for_can_be_healthy(services):
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}
            assert name not in WITHOUT_TOOLS


def test_volumes_and_mounted_files_exist(services):
    declared = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"])
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith("./")} == declared
    assert [name for name in used if name.startswith("./") and not (ROOT / name).is_file()] == []


def test_ours_run_without_rights(services):
    for name in OURS:
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    last_stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER spice$", last_stage, flags=re.MULTILINE)


def test_full_file_includes_the_one_file():
    assert yaml.safe_load((ROOT / "docker-compose.full.yml").read_text()) == {"include": ["docker-compose.yml"]}


def test_image_takes_only_files_that_exist():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [path for path in allowed if not (ROOT / path).exists()] == []
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert {word for line in copied for word in line.split()} == set(allowed)


def test_compose_itself_accepts_both_files(tmp_path):
    if shutil.which("docker") is None or _docker("compose", "version").returncode != 0:
        pytest.skip("docker compose is not installed")
    values = set(re.findall(r"\$\{([A-Z0-9_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    (tmp_path / ".env").write_text("".join(f"{name}=aaaaaaaa\n" for name in values))
    for source in ("docker-compose.yml", "docker-compose.full.yml"):
        shutil.copy(ROOT / source, tmp_path)
        done = _docker("compose", "-f", str(tmp_path / source), "config", "--quiet")
        assert done.returncode == 0, done.stderr


def _docker(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)


def _published(service: dict[str, Any]) -> set[int]:
    """Return the host ports of a service, with the defaults of the variables in them."""
    plain = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port) for port in service["ports"]]
    return {int(port.split(":")[1]) for port in plain}
