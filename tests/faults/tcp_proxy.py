"""A TCP proxy that misbehaves on demand: cuts, delays, throttles, refuses, and loses answers after their effect."""

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
Match = Callable[[bytes], bool]


class TcpProxy:
    """Forwards connections to a port of this machine, or to a unix socket, until it is told to do worse.

    Every switch holds for connections that are open and for those to come. `calm` ends all of them.
    """

    def __init__(self, target: int | str) -> None:
        """`target`: a port of 127.0.0.1, or the path of a unix socket."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.lost_answers = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self.calm()
        threading.Thread(target=self._accept, name=f"proxy-{self.port}", daemon=True).start()

    def calm(self) -> None:
        """Forward faithfully."""
        self._is_refusing = False
        self._delay = 0.0
        self._rate = 0.0
        self._to_lose = 0
        self._match: Match = lambda _data: True

    def cut(self) -> int:
        """Reset every open connection; return how many there were."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)
        return len(pairs)

    def refuse(self) -> None:
        """Cut, and reset every new connection at once, as if nobody listened."""
        self._is_refusing = True
        self.cut()

    def delay(self, seconds: float) -> None:
        """Keep every piece of an answer back for `seconds`."""
        self._delay = seconds

    def throttle(self, bytes_per_second: float) -> None:
        """Let answers through at this rate, per connection."""
        self._rate = bytes_per_second

    def lose_answers(self, count: int, *, to: str = "") -> None:
        """Forward the next `count` requests, swallow what the server says to them, and reset their connections.

        `to` is a regular expression that the bytes of such a request hold.
        """
        pattern = re.compile(to.encode(), re.DOTALL)
        self._match = lambda data: pattern.search(data) is not None
        self._to_lose = count

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._is_refusing:
                _reset(client)
                continue
            try:
                server = self._connect()
            except OSError:
                _reset(client)
                continue
            _Pair(self, client, server)
            if self._is_closed:
                self.cut()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, str):
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                server.close()
                raise
            return server
        server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def _takes(self, data: bytes) -> bool:
        """Whether the answer to a request that begins with `data` is to be lost."""
        with self._lock:
            if self._to_lose <= 0 or not self._match(data):
                return False
            self._to_lose -= 1
            self.lost_answers += 1
            return True

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            _reset(end)


class _Pair:
    """Both directions of one connection."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it may be gone already
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._proxy, self._client, self._server = proxy, client, server
        self._is_losing = False
        with proxy._lock:
            proxy._pairs.add((client, server))
        for target in (self._ask, self._answer):
            threading.Thread(target=target, daemon=True).start()

    def _ask(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(_CHUNK):
                if self._proxy._takes(data):
                    self._is_losing = True
                self._server.sendall(data)
            self._server.shutdown(socket.SHUT_WR)
            return
        self._proxy._end((self._client, self._server))

    def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self._is_losing:
                    break
                if self._proxy._delay:
                    time.sleep(self._proxy._delay)
                if self._proxy._rate:
                    time.sleep(len(data) / self._proxy._rate)
                self._client.sendall(data)
        self._proxy._end((self._client, self._server))


def _reset(end: socket.socket) -> None:
    """Close with a reset, and wake the threads that read from it."""
    with contextlib.suppress(OSError):
        if end.family == socket.AF_INET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RD)  # not of both ways: that would be an orderly end
    end.close()
