"""Ports, locks and process groups: what the supervisor stands on."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from spice_api.dev.dagster_home import code_socket_path, storage_url
from spice_api.dev.instance_lock import RunningInstance, running_instance, sole_instance
from spice_api.dev.ports import Listener, free_port, is_free, process_on, require_free
from spice_api.dev.undertaker import _groups_at_end, end_groups, is_group_alive
from spice_core.errors import ConfigurationError


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_busy_port_is_named_with_its_setting_and_its_process(taken_port):
    assert not is_free("127.0.0.1", taken_port)
    with pytest.raises(ConfigurationError) as caught:
        require_free("127.0.0.1", [Listener(taken_port, "OMS_PORT")])
    assert f"Port {taken_port}" in caught.value.message
    assert "OMS_PORT=" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message


def test_port_asked_for_twice_is_refused():
    port = free_port()
    with pytest.raises(ConfigurationError, match="OMS_PORT and BFF_PORT"):
        require_free("127.0.0.1", [Listener(port, "OMS_PORT"), Listener(port, "BFF_PORT")])


def test_free_port_is_free_and_nobody_is_on_it():
    port = free_port()
    assert is_free("127.0.0.1", port)
    assert process_on(port) is None


def test_second_instance_is_refused_and_the_first_named(tmp_path):
    with sole_instance(tmp_path) as lock:
        lock.note(RunningInstance(pid=os.getpid(), is_ready=True, urls={"oms": "http://x"}, processes={"oms": 7}))
        with pytest.raises(ConfigurationError, match=rf"process {os.getpid()}"), sole_instance(tmp_path):
            pass
        found = running_instance(tmp_path)
        assert found is not None
        assert (found.pid, found.urls, found.is_ready) == (os.getpid(), {"oms": "http://x"}, True)
    assert running_instance(tmp_path) is None
    with sole_instance(tmp_path):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from spice_api.dev.instance_lock import sole_instance\n"
        "with sole_instance(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert running_instance(tmp_path) is not None
        holder.kill()
        holder.wait()
    assert running_instance(tmp_path) is None
    with sole_instance(tmp_path):
        pass


def test_undertaker_does_nothing_after_a_clean_end():
    assert _groups_at_end(["+12\n", "done\n"]) is None
    assert _groups_at_end(["+12\n", "+13\n", "-12\n"]) == {13}


def test_group_is_ended_whole_even_if_it_ignores_sigterm():
    code = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert is_group_alive(child.pid)
        started = time.monotonic()
        end_groups([child.pid], grace_seconds=0.3)
        assert child.wait(timeout=10) == -signal.SIGKILL
        assert not is_group_alive(child.pid)
        assert time.monotonic() - started < 5


def test_code_server_socket_fits_however_deep_the_state_directory_is(tmp_path):
    assert code_socket_path(tmp_path / "a").parent == tmp_path / "a"
    deep = tmp_path / ("d" * 120)
    path = code_socket_path(deep)
    assert len(str(path)) < 108
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.rmdir()


def test_dagster_gets_a_driver_in_its_url():
    assert (
        storage_url("postgresql://postgres@/dagster?host=%2Ftmp%2Fx") == "postgresql+psycopg2://postgres@/dagster?host=%2Ftmp%2Fx"
    )
    with pytest.raises(ConfigurationError):
        storage_url("mysql://x")
