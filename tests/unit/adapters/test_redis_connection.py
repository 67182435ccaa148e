"""What a Redis server that is wrong, gone or silent does to its callers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from spice_core.adapters.redis.connection import RedisServer
from spice_core.errors import CacheUnavailable, Closed, ConfigurationError


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """Yield the port of a server that answers everything with the same bytes, or never."""
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(0.05)
            while not done.is_set():
                try:
                    if not connection.recv(4096):
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return
                if answer is not None:
                    connection.sendall(answer)

    def accept() -> None:
        while not done.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,)).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join()


def asked(server: RedisServer) -> tuple[bool, float]:
    """Ask once; return whether there was an answer, and after how many seconds."""
    began = time.monotonic()
    try:
        server.call(server.client.ping)
    except CacheUnavailable:
        return False, time.monotonic() - began
    return True, time.monotonic() - began


def wait_until(found: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 10
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:6379", "127.0.0.1:6379", "", "redis://127.0.0.1:port", "redis://h/0?nonsense=1"]
)
def test_address_that_is_none_names_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        RedisServer(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        b"-ERR DB index is out of range\r\n",
    ],
)
def test_server_that_will_never_work_is_refused_at_the_start(answer: bytes) -> None:
    with (
        listening(answer) as port,
        closing(RedisServer(f"redis://127.0.0.1:{port}", timeout_seconds=2.0)) as server,
        pytest.raises(ConfigurationError, match="REDIS_URL"),
    ):
        server.check()


def test_server_without_tls_behind_rediss_is_refused_at_the_start() -> None:
    with (
        listening(b"-ERR unknown command\r\n") as port,
        closing(RedisServer(f"rediss://127.0.0.1:{port}", timeout_seconds=2.0)) as server,
        pytest.raises(ConfigurationError, match=r"REDIS_URL.*TLS"),
    ):
        server.check()


def test_server_that_is_down_at_the_start_is_only_noted() -> None:
    with listening(None) as port:
        pass
    with closing(RedisServer(f"redis://127.0.0.1:{port}")) as server:
        server.check()
        assert not server.is_answering
        assert not asked(server)[0]


def test_silent_server_costs_one_timeout_and_later_calls_nothing() -> None:
    with listening(None) as port, closing(RedisServer(f"redis://127.0.0.1:{port}", timeout_seconds=0.2)) as server:
        answered, seconds = asked(server)
        assert not answered
        assert 0.15 < seconds < 2
        later = [asked(server) for _ in range(200)]
        assert not any(answered for answered, _ in later)
        assert sum(seconds for _, seconds in later) < 0.5, "200 calls cost less than three timeouts"


def test_server_that_loads_its_data_is_waited_for() -> None:
    with listening(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        server = RedisServer(f"redis://127.0.0.1:{port}")
        server.check()
        assert not server.is_answering
        server.close()


def test_closed_connection_refuses_and_closes_again() -> None:
    server = RedisServer("redis://127.0.0.1:1")
    server.close()
    server.close()
    with pytest.raises(Closed):
        server.call(server.client.ping)


@pytest.mark.full
def test_server_that_comes_back_is_found_without_a_call(own_server: Any) -> None:
    redis: Any = own_server("redis")
    with closing(RedisServer(redis.url)) as server:
        server.check()
        assert asked(server)[0]
        redis.kill()
        assert not asked(server)[0]
        redis.restart()
        wait_until(lambda: server.is_answering, "the probe does not find it")
        assert asked(server)[0]
        redis.pause()
        assert not asked(server)[0]
        redis.resume()
        wait_until(lambda: server.is_answering, "the probe does not find it")
        assert asked(server)[0]


@pytest.mark.full
def test_wrong_password_is_refused_and_the_right_one_works(own_server: Any) -> None:
    redis: Any = own_server("redis", options={"user": "spice on >right ~* &* +@all"})
    address = redis.url.removeprefix("redis://")
    for credentials in ("spice:wrong@", "nobody:right@"):
        server = RedisServer(f"redis://{credentials}{address}", timeout_seconds=2.0)
        with closing(server), pytest.raises(ConfigurationError, match="REDIS_URL"):
            server.check()
    with closing(RedisServer(f"redis://spice:right@{address}", timeout_seconds=2.0)) as server:
        server.check()
        assert asked(server)[0]
