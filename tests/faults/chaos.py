"""A platform under load and under random faults: processes and servers killed, hung, cut off, and brought back."""

import random
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from spice_api.dev.servers.server import Server, free_port
from spice_core.errors import SpiceError
from tests.faults.installation import Installation, installation
from tests.faults.load import Load
from tests.faults.model import Judgement
from tests.faults.nursery import Child, Nursery
from tests.faults.requests import Fate, Record
from tests.faults.senders import HttpSender
from tests.faults.tcp_proxy import TcpProxy

DATABASES = ("alpha", "beta", "gamma")
_PROXIED = {"postgres", "s3", "elasticsearch", "redis"}  # a Kafka broker tells its clients its own address
_SETTLE_SECONDS = 600.0
Fault = Callable[[], None]


@dataclass
class Stack:
    """The settings that name the engines, those servers that are ours to kill, and proxies before them."""

    settings: Mapping[str, str]
    servers: Mapping[str, Server] = field(default_factory=dict)
    proxies: dict[str, TcpProxy] = field(default_factory=dict)

    @classmethod
    def of(cls, servers: Sequence[Server], *, more: Mapping[str, str]) -> "Stack":
        """Return the stack of running servers; where a proxy can stand before one, clients go through it."""
        settings, proxies = dict(more), {}
        for server in servers:
            told = dict(server.settings())
            if server.name in _PROXIED:
                proxies[server.name] = TcpProxy(server.port)
                told = {name: re.sub(rf":{server.port}\b", f":{proxies[server.name].port}", text) for name, text in told.items()}
            settings |= told
        return cls(settings, {server.name: server for server in servers}, proxies)

    def calm(self) -> None:
        """End every trouble: all servers run and every proxy forwards."""
        for proxy in self.proxies.values():
            proxy.calm()
        for server in self.servers.values():
            server.resume()
            start_again(server)

    def close(self) -> None:
        """Close the proxies."""
        for proxy in self.proxies.values():
            proxy.close()


def start_again(server: Server, *, tries: int = 5) -> None:
    """Start a server that was killed; on a busy machine one may need longer than it is given."""
    for left in reversed(range(tries)):
        try:
            server.start()
        except SpiceError:
            if not left:
                raise
            time.sleep(2.0)
        else:
            return


class Scene:
    """One run: APIs and workers on a stack, clients that write, faults one after the other, and the judgement."""

    def __init__(self, place: Installation, stack: Stack, *, seed: int, worker: str = "spice_workers", apis: int = 2) -> None:
        self.place = place
        self.faults_done: list[str] = []
        self._stack = stack
        self._dice = random.Random(f"faults {seed}")
        self._worker = worker
        self._workers = [self._start_worker() for _ in range(2)]
        self._ports = [free_port() for _ in range(apis)]
        self._apis = [place.start_oms(port=port)[0] for port in self._ports]
        urls = [f"http://127.0.0.1:{port}" for port in self._ports]
        place.wait_ready(*urls)
        record = Record()
        self._sender = HttpSender(urls, record)
        self._load = Load(self._sender, DATABASES, seed=seed, clients=6, keys=60, pause_seconds=0.03, record=record)

    @property
    def record(self) -> Record:
        """What the clients were told."""
        return self._load.record

    def run(self, *, seconds: float, kinds: Sequence[str], tell: Callable[[str], None]) -> Judgement:
        """Write for `seconds` while faults of `kinds` happen, bring everything back, wait for the work's end, and judge."""
        faults = self._faults(kinds)
        until = time.monotonic() + seconds
        self._load.start()
        while time.monotonic() < until:
            time.sleep(self._dice.uniform(0.3, 4.0))
            self._revive()
            if faults:
                name, fault = self._dice.choice(faults)
                tell(f"{name}; {len(self.record.of(Fate.ACCEPTED)):,} accepted so far")
                fault()
                self.faults_done.append(name)
        return self._end(tell)

    def _end(self, tell: Callable[[str], None]) -> Judgement:
        tell("ending the faults, waiting for every answer")
        self._stack.calm()
        self._revive()
        self._load.stop()
        self._load.drain(seconds=_SETTLE_SECONDS)
        self._sender.close()
        tell(f"{self.summary()}; waiting for the workers")
        self.place.wait_caught_up(*DATABASES, seconds=_SETTLE_SECONDS)
        tell("replaying the log into empty stores, and comparing")
        return self.place.judge(self.record, *DATABASES)

    def summary(self) -> str:
        """Return what was written, in numbers."""
        record = self.record
        return (
            f"{len(record.of(Fate.ACCEPTED)):,} accepted, "
            f"{len(record.of(Fate.REFUSED)):,} refused ({record.conflicts:,} conflicts), "
            f"{record.unknown_attempts:,} attempts without an answer, {record.repetitions:,} repetitions, "
            f"{len(self.faults_done)} faults"
        )

    def _faults(self, kinds: Sequence[str]) -> list[tuple[str, Fault]]:
        faults: list[tuple[str, Fault]] = []
        if "processes" in kinds:
            faults += [
                ("kill -9 of a worker", lambda: self._replace_worker(Child.kill)),
                ("SIGTERM to a worker", lambda: self._replace_worker(lambda child: child.send_signal(15))),
                ("a worker hangs", lambda: self._hang(self._dice.choice(self._workers), 4.0)),
                ("kill -9 of an API", self._replace_api),
                ("an API hangs", lambda: self._hang(self._dice.choice(self._apis), 2.0)),
            ]
        if "servers" in kinds:
            for server in self._stack.servers.values():
                faults += [
                    (f"kill -9 of {server.name}", lambda server=server: self._kill_server(server)),
                    (f"{server.name} hangs", lambda server=server: self._hang_server(server)),
                ]
        if "connections" in kinds:
            for name, proxy in self._stack.proxies.items():
                faults += [
                    (f"connections to {name} are cut", lambda proxy=proxy: self._cut(proxy)),
                    (f"{name} refuses connections", lambda proxy=proxy: self._for_a_while(proxy, proxy.refuse)),
                    (f"{name} is slow", lambda proxy=proxy: self._for_a_while(proxy, lambda: proxy.delay(0.05))),
                    (f"answers of {name} are lost", lambda proxy=proxy: proxy.lose_answers(5)),
                ]
        return faults

    def _start_worker(self) -> Child:
        batch, seed = self._dice.choice(["10", "50", "500"]), str(self._dice.randrange(1 << 30))
        return self.place.start_worker(program=self._worker, SPICE_WORKER_BATCH=batch, FAULT_SEED=seed)

    def _replace_worker(self, end: Callable[[Child], object]) -> None:
        end(self._workers.pop(self._dice.randrange(len(self._workers))))
        time.sleep(self._dice.uniform(0.0, 1.0))
        self._workers.append(self._start_worker())

    def _replace_api(self) -> None:
        number = self._dice.randrange(len(self._apis))
        self._apis[number].kill()
        time.sleep(self._dice.uniform(0.0, 0.5))
        self._apis[number] = self.place.start_oms(port=self._ports[number])[0]

    def _hang(self, child: Child, longest: float) -> None:
        child.pause()
        time.sleep(self._dice.uniform(0.3, longest))
        child.resume()

    def _kill_server(self, server: Server) -> None:
        server.kill()
        time.sleep(self._dice.uniform(0.0, 1.5))
        start_again(server)

    def _hang_server(self, server: Server) -> None:
        server.pause()
        time.sleep(self._dice.uniform(0.3, 4.0))
        server.resume()

    def _cut(self, proxy: TcpProxy) -> None:
        for _ in range(self._dice.randrange(1, 5)):
            proxy.cut()
            time.sleep(self._dice.uniform(0.0, 0.2))

    def _for_a_while(self, proxy: TcpProxy, begin: Fault) -> None:
        begin()
        time.sleep(self._dice.uniform(0.5, 2.5))
        proxy.calm()

    def _revive(self) -> None:
        """Do a supervisor's part: start what ended by itself, as a process may whose engine is down when it starts."""
        for number, child in enumerate(self._apis):
            if child.poll() is not None:
                self._apis[number] = self.place.start_oms(port=self._ports[number])[0]
        for number, child in enumerate(self._workers):
            if child.poll() is not None:
                self._workers[number] = self._start_worker()


def run_chaos(
    home: Path, stack: Stack, *, seed: int, seconds: float, kinds: Sequence[str], worker: str, tell: Callable[[str], None]
) -> tuple[Judgement, Scene]:
    """Make an installation in `home`, run one scene on it, and return the judgement."""
    with ExitStack() as closing:
        nursery = Nursery()
        closing.callback(nursery.close)
        closing.callback(stack.close)
        place = closing.enter_context(installation(home, nursery, stack.settings))
        place.set_up(*DATABASES)
        scene = Scene(place, stack, seed=seed, worker=worker)
        return scene.run(seconds=seconds, kinds=kinds, tell=tell), scene


def narrator() -> Callable[[str], None]:
    """Return a function that prints lines with the seconds since now."""
    began, lock = time.monotonic(), threading.Lock()

    def tell(text: str) -> None:
        with lock:
            sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
            sys.stdout.flush()

    return tell
