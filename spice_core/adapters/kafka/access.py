"""How to reach the cluster, and what its errors mean for whoever set it up."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from spice_core.errors import ConfigurationError, FeedUnavailable, SpiceError

_LOGGER = logging.getLogger(__name__)
_CREDENTIALS = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001 - how the client names its codes
_RIGHTS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_ENCRYPTION = KafkaError._SSL  # noqa: SLF001 - how the client names its codes


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Address and credentials of a cluster, as the settings name them."""

    bootstrap_servers: str
    security: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def check(self) -> None:
        """Raise `ConfigurationError` where the settings contradict each other."""
        if self.security.startswith("SASL") and not (self.username and self.password):
            raise ConfigurationError(f"KAFKA_SECURITY_PROTOCOL={self.security} needs KAFKA_USERNAME and KAFKA_PASSWORD")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ConfigurationError(f"KAFKA_CA_FILE={self.ca_file} is no file")

    def config(self, trouble: "Trouble", **more: Any) -> dict[str, Any]:
        """Return the configuration of a client that reports its errors to `trouble`; `more` has `_` for `.`."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security,
            "error_cb": trouble.note,
            "logger": _LOGGER,
            "log_level": 2,  # the client's own words, many a second while a broker is away, come through `trouble` too
            "reconnect.backoff.max.ms": 2_000,
            "socket.keepalive.enable": True,
        }
        if self.security.startswith("SASL"):
            config |= {"sasl.mechanism": self.mechanism, "sasl.username": self.username, "sasl.password": self.password}
        if self.ca_file is not None:
            config["ssl.ca.location"] = str(self.ca_file)
        return config | {name.replace("_", "."): value for name, value in more.items()}

    def unreachable(self, what: str) -> FeedUnavailable:
        """Return the error of a cluster that does not answer."""
        return FeedUnavailable(f"{what}: Kafka does not answer at KAFKA_BOOTSTRAP_SERVERS={self.bootstrap_servers}")

    def error(self, error: KafkaError | KafkaException, what: str) -> SpiceError:
        """Return the error of the platform that `error` means, with the settings to look at."""
        found: Any = error.args[0] if isinstance(error, KafkaException) else error
        code = found.code() if isinstance(found, KafkaError) else None
        if code in _CREDENTIALS:
            names = "KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD"
            return ConfigurationError(f"{what}: Kafka refuses the credentials; look at {names} ({_text(found)})")
        if isinstance(found, KafkaError) and _is_of_encryption(found):
            names = "KAFKA_SECURITY_PROTOCOL and KAFKA_CA_FILE"
            return ConfigurationError(f"{what}: no encrypted connection to Kafka; look at {names} ({_text(found)})")
        if code in _RIGHTS:
            return ConfigurationError(f"{what}: KAFKA_USERNAME={self.username} lacks a right ({_text(found)})")
        return FeedUnavailable(f"{what}: Kafka at KAFKA_BOOTSTRAP_SERVERS={self.bootstrap_servers}: {_text(found)}")


class Trouble:
    """The errors a client reports by the way: why it cannot connect. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """Remember `error`; refused credentials outlive the time-outs that follow from them."""
        with self._lock:
            if self._last is None or not _is_telling(self._last):
                self._last = error
        _LOGGER.debug("kafka: %s", error)

    def take(self) -> KafkaError | None:
        """Return the error that explains a failure, and forget it."""
        with self._lock:
            error, self._last = self._last, None
            return error


def _is_of_encryption(error: KafkaError) -> bool:
    return error.code() == _ENCRYPTION or "SSL handshake failed" in error.str()


def _is_telling(error: KafkaError) -> bool:
    return error.code() in _CREDENTIALS or _is_of_encryption(error)


def _text(error: object) -> str:
    return error.str() if isinstance(error, KafkaError) else str(error)
