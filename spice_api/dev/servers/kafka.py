"""Kafka: one broker that is its own controller (KRaft), from the jars of Maven Central."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from spice_api.dev.servers.cache import check_sums, fingerprint
from spice_api.dev.servers.java import fetch_jars, find_java
from spice_api.dev.servers.process import run
from spice_api.dev.servers.server import HOST, PACKAGES, Server
from spice_core.errors import Unavailable

VERSION = "4.3.1"
JAVA_VERSION = 17
CLUSTER_ID = "c3BpY2UtaGFydmVzdGVyLQ"
_POM = PACKAGES / "kafka.pom.xml"
_SUMS = PACKAGES / "kafka.sha256"
_LOGGING = PACKAGES / "kafka.log4j2.properties"
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


class KafkaServer(Server):
    """A broker that keeps everything on one node and makes no topic by itself."""

    name = "kafka"
    title = "Kafka"
    default_ports: ClassVar[Mapping[str, int]] = {"port": 39092, "controller": 0}
    start_seconds = 120.0

    @property
    def bootstrap(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    def version(self) -> str:
        """Return the version that is asked for."""
        return VERSION

    def fetch(self) -> None:
        """Download the jars."""
        self._jars()

    def prepare(self) -> None:
        """Fetch the jars, write the configuration, and format the data directory of a new broker."""
        config = self.home / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._configuration().items()))
        if not (self.home / "data" / "meta.properties").exists():
            words = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
            done = run(self._java(*words), account=self.account, environment=self.environment(), folder=self.home)
            if done.returncode != 0:
                raise Unavailable(f"Kafka could not format {self.home / 'data'}: {done.stdout[-1000:]}")

    def command(self) -> list[str]:
        """Return the broker with its configuration."""
        return self._java("kafka.Kafka", str(self.home / "server.properties"))

    def is_ready(self) -> bool:
        """Whether it listens: it opens its port when the controller has let it in."""
        try:
            socket.create_connection((HOST, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def settings(self) -> Mapping[str, str]:
        """Return the variables of the delivery."""
        return {"SPICE_EVENT_FEED": "kafka", "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap}

    def _configuration(self) -> Mapping[str, object]:
        controller = f"{HOST}:{self.ports['controller']}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.home / "data",
            "auto.create.topics.enable": "false",
            "num.partitions": 3,
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 5,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 5,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # After kill -9 the broker is let in again only when its former session has ended.
            "broker.heartbeat.interval.ms": 500,
            "broker.session.timeout.ms": 2000,
            **self.options,
        }

    def _java(self, *words: str) -> list[str]:
        home = find_java(JAVA_VERSION)
        logging = f"-Dlog4j2.configurationFile={_LOGGING}"
        return [str(home / "bin" / "java"), *_JVM, "-Djava.awt.headless=true", logging, "-cp", f"{self._jars()}/*", *words]

    def _jars(self) -> Path:
        return self.cache.folder(f"kafka-{VERSION}-{fingerprint(_POM.read_text(), _SUMS.read_text())}", _fetch)


def _fetch(into: Path) -> None:
    fetch_jars(_POM, into)
    check_sums(into, _SUMS.read_text())
