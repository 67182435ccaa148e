"""Servers as processes, with a small one: started once, found again, killed, paused, moved, told apart from strangers."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from spice_api.dev.servers import cache as caches
from spice_api.dev.servers import java, redis
from spice_api.dev.servers.account import Account
from spice_api.dev.servers.cache import Cache, check_sums
from spice_api.dev.servers.fleet import KINDS, Fleet
from spice_api.dev.servers.process import Process, spawn
from spice_api.dev.servers.redis import RedisServer
from spice_api.dev.servers.server import Server, free_port
from spice_core.errors import ConfigurationError, Unavailable

LISTENER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    client.close()
"""


class Toy(Server):
    """A server that says hello."""

    name = "toy"
    title = "Toy"
    default_ports: ClassVar[Mapping[str, int]] = {"port": 0, "inner": 0}
    start_seconds = 20.0

    def version(self) -> str:
        return "1"

    def prepare(self) -> None:
        (self.home / "program.py").write_text(self.options.get("program", LISTENER))

    def command(self) -> list[str]:
        return [sys.executable, str(self.home / "program.py"), str(self.port)]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as client:
                return client.recv(5) == b"hello"
        except OSError:
            return False

    def settings(self) -> dict[str, str]:
        return {"TOY": str(self.port)}


@pytest.fixture
def toy(tmp_path):
    server = Toy(tmp_path / "toy", cache=Cache(tmp_path / "cache"))
    yield server
    server.remove()


def test_server_that_runs_is_found_not_started_again(toy, tmp_path):
    assert toy.start()
    again = Toy(tmp_path / "toy", cache=toy.cache)
    assert not again.start()
    assert again.process() == toy.process()
    assert again.ports == toy.ports


def test_of_many_that_start_it_one_does(tmp_path, toy):
    others = [Toy(tmp_path / "toy", cache=toy.cache) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda one: one.start(), others)) == [False, False, False, True]


def test_killed_server_comes_back_on_its_port(toy):
    toy.start()
    before, port = toy.process(), toy.port
    toy.kill()
    assert not toy.is_ready()
    assert toy.process() is None
    assert not before.is_alive()
    toy.restart()
    assert (toy.is_ready(), toy.port) == (True, port)
    assert toy.process() != before


def test_paused_server_hangs_until_it_goes_on(toy):
    toy.start()
    toy.pause()
    assert not toy.is_ready()
    assert toy.process() is not None
    toy.resume()
    assert toy.is_ready()


def test_paused_server_can_be_stopped(toy):
    toy.start()
    toy.pause()
    assert toy.stop()
    assert toy.process() is None
    assert not toy.stop()


def test_log_is_kept_over_restarts(toy):
    toy.start()
    toy.restart()
    assert toy.log.read_text().count("listening") == 2


def test_number_that_came_back_as_a_strangers_is_left_alone(toy):
    toy.start()
    ours = toy.process()
    note = toy.directory / "process.json"
    kept = note.read_text()
    note.write_text(json.dumps({"pid": ours.pid, "started": ours.started - 1}))
    assert toy.process() is None
    assert not toy.stop()
    assert ours.is_alive()
    note.write_text(kept)


def test_taken_port_is_refused_and_names_its_holder(toy, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = Toy(tmp_path / "second", cache=toy.cache, ports={"port": port})
        with pytest.raises(ConfigurationError, match=rf"Port {port} is taken by python.*--port toy="):
            server.start()
    assert server.process() is None


def test_running_server_is_not_moved(toy, tmp_path):
    toy.start()
    with pytest.raises(ConfigurationError, match="stop it before"):
        Toy(tmp_path / "toy", cache=toy.cache, ports={"port": 1}).start()
    assert not Toy(tmp_path / "toy", cache=toy.cache, ports={"port": 0}).start()


def test_inner_port_moves_away_from_a_taken_one(toy):
    toy.start()
    before = toy.ports
    toy.stop()
    with socket.create_server(("127.0.0.1", before["inner"])):
        toy.start()
    assert toy.port == before["port"]
    assert toy.ports["inner"] != before["inner"]


def test_server_that_ends_while_it_starts_says_why(tmp_path):
    server = Toy(tmp_path / "toy", cache=Cache(tmp_path), options={"program": "raise SystemExit('no such memory')"})
    with pytest.raises(Unavailable, match=r"ended while it started.*server.log ends with:\nno such memory"):
        server.start()


def test_server_that_never_answers_is_given_up_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(Toy, "start_seconds", 0.3)
    server = Toy(tmp_path / "toy", cache=Cache(tmp_path), options={"program": "import time; time.sleep(60)"})
    with pytest.raises(Unavailable, match="was not ready in 0 s"):
        server.start()
    assert server.process() is None


def test_kill_ends_what_a_process_started(tmp_path):
    command = ["/bin/sh", "-c", "sleep 60 & wait"]
    parent = spawn(command, environment=os.environ, folder=tmp_path, log=tmp_path / "log", account=Account.ours())
    deadline = time.monotonic() + 10
    while len(parent.family()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    family = parent.family()
    assert len(family) == 2
    parent.kill()
    assert [process.is_alive() for process in family] == [False, False]


def test_zombie_counts_as_gone():
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = Process(child.pid, 0)
    deadline = time.monotonic() + 10
    while Process.of(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Process.of(child.pid) is None
    assert not process.is_alive()
    child.wait()


def test_free_ports_are_not_those_of_outgoing_connections():
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = {free_port() for _ in range(20)}
    assert all(port < lowest for port in ports) or lowest < 16000


def test_download_appears_whole_or_not_at_all(tmp_path):
    cache = Cache(tmp_path / "cache")

    def fails(into: Path) -> None:
        (into / "half").write_text("")
        raise Unavailable("the line broke")

    with pytest.raises(Unavailable):
        cache.folder("thing", fails)
    assert not (cache.root / "thing").exists()
    assert cache.folder("thing", lambda into: (into / "whole").touch()) == cache.root / "thing"
    assert [path.name for path in (cache.root / "thing").iterdir()] == ["whole"]
    cache.folder("thing", fails)


def test_download_with_another_checksum_is_refused(tmp_path):
    (tmp_path / "a.jar").write_bytes(b"a")
    sums = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.jar"
    check_sums(tmp_path, sums)
    for text in (sums.replace("ca97", "ca98"), sums + "\n" + sums.replace("a.jar", "b.jar"), ""):
        with pytest.raises(Unavailable, match="checksum"):
            check_sums(tmp_path, text)


def test_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setattr(caches, "process_environment", lambda: {"XDG_CACHE_HOME": str(tmp_path)})
    assert Cache.of_user().root == tmp_path / "spice-harvester"
    monkeypatch.setattr(caches, "process_environment", dict)
    assert Cache.of_user().root == Path.home() / ".cache" / "spice-harvester"


def test_java_that_is_too_old_is_refused_by_what_to_install():
    with pytest.raises(ConfigurationError, match=r"A JDK \(with javac\) 999 or newer .* JAVA_HOME"):
        java.find_java(999, with_compiler=True)


def test_maven_is_asked_for_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    with pytest.raises(ConfigurationError, match="install `mvn`"):
        java.fetch_jars(tmp_path / "pom.xml", tmp_path)


def test_download_by_maven_is_tried_again(monkeypatch, tmp_path):
    answers = [SimpleNamespace(returncode=code, stdout="connection reset", stderr="") for code in (1, 0)]
    monkeypatch.setattr(java, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(java.shutil, "which", lambda name: "mvn")
    monkeypatch.setattr(java.subprocess, "run", lambda *words, **options: answers.pop(0))
    java.fetch_jars(tmp_path / "pom.xml", tmp_path)
    assert answers == []


def test_missing_redis_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(redis.shutil, "which", lambda name: None)
    server = RedisServer(tmp_path / "redis", cache=Cache(tmp_path / "cache"))
    with pytest.raises(ConfigurationError, match="no redis-server on PATH: install redis-server"):
        server.fetch()
    assert not (tmp_path / "cache" / "redis-debian").exists()


def test_unknown_servers_and_ports_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no server 'mysql'; there are postgres, s3"):
        Fleet(tmp_path).servers(["mysql"])
    with pytest.raises(ConfigurationError, match="kafka has no port inner; it has port, controller"):
        Fleet(tmp_path, ports={"kafka": {"inner": 1}})


def test_settings_and_their_file_name_what_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "toy", Toy)  # type: ignore[arg-type]
    fleet = Fleet(tmp_path / "servers")
    heard = []
    try:
        assert fleet.up(["toy"], tell=lambda server, outcome: heard.append((server.name, outcome))) == []
        assert heard == [("toy", True)]
        assert fleet.settings() == {"SPICE_HOME": f"{tmp_path}/servers/spice", "TOY": str(fleet.servers(["toy"])[0].port)}
        assert fleet.environment_file.stat().st_mode & 0o777 == 0o600
        assert [(one.name, one.state) for one in fleet.status(["toy"])] == [("toy", "up")]
        within = Fleet.of_state(tmp_path / "servers" / "spice")
        assert within.root == fleet.root
    finally:
        fleet.down(["toy"], tell=lambda server, ran: heard.append((server.name, ran)))
    assert heard[-1] == ("toy", True)
    assert fleet.environment_file.read_text() == ""
    assert [one.state for one in fleet.status(["toy"])] == ["down"]


def test_one_that_cannot_start_does_not_stop_the_others(tmp_path, monkeypatch):
    class Broken(Toy):
        name = "broken"

        def prepare(self) -> None:
            raise Unavailable("no such jar")

    monkeypatch.setitem(KINDS, "toy", Toy)  # type: ignore[arg-type]
    monkeypatch.setitem(KINDS, "broken", Broken)  # type: ignore[arg-type]
    fleet = Fleet(tmp_path / "servers")
    try:
        errors = fleet.up(["broken", "toy"], tell=lambda server, outcome: None)
        assert [error.message for error in errors] == ["no such jar"]
        assert [one.state for one in fleet.status(["broken", "toy"])] == ["down", "up"]
    finally:
        fleet.down(["toy"], tell=lambda server, ran: None)
