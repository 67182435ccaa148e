"""The proxy does what the fault tests believe it does."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.tcp_proxy import TcpProxy


class Echo:
    """A server that remembers what it was asked and answers with it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1000):
                    self.asked.append(data)
                    connection.sendall(data)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[TcpProxy]:
    made = TcpProxy(echo.port)
    yield made
    made.close()


def ask(proxy: TcpProxy, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(data)
        return client.recv(1000)


def test_forwards_until_told_otherwise(proxy: TcpProxy):
    assert ask(proxy, b"hello") == b"hello"


def test_cut_resets_open_connections_and_lets_new_ones_in(proxy: TcpProxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        assert proxy.cut() == 1
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    assert ask(proxy, b"two") == b"two"


def test_refuse_holds_until_calm(proxy: TcpProxy):
    proxy.refuse()
    with pytest.raises(OSError, match=r"reset|refused|Broken"):
        assert ask(proxy, b"x") == b"x" or ask(proxy, b"x") == b"x"
    proxy.calm()
    assert ask(proxy, b"y") == b"y"


def test_a_lost_answer_had_its_effect(proxy: TcpProxy, echo: Echo):
    proxy.lose_answers(1, to="^PUT ")
    assert ask(proxy, b"GET it") == b"GET it"
    with pytest.raises(ConnectionResetError):
        ask(proxy, b"PUT it")
    assert echo.asked == [b"GET it", b"PUT it"]
    assert proxy.lost_answers == 1
    assert ask(proxy, b"PUT it") == b"PUT it"


def test_delays_and_throttles_answers(proxy: TcpProxy):
    for slow in (lambda: proxy.delay(0.2), lambda: proxy.throttle(500.0)):
        proxy.calm()
        slow()
        began = time.monotonic()
        assert ask(proxy, b"x" * 100) == b"x" * 100
        assert time.monotonic() - began >= 0.19
