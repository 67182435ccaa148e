"""Where an S3 store is, how it is reached, and what is refused before the first request."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from spice_core.errors import ConfigurationError

MAX_PREFIX = 100


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach one bucket.

    Attributes:
        bucket: its name.
        endpoint: the server's URL; None: AWS itself.
        region: the region that requests are signed for.
        access_key, secret_key: both or neither; neither: what AWS gives the machine (role, profile of the container).
        prefix: stands before every key, without slashes at its ends; at most 100 characters.
        addressing: whether the bucket stands in the path or in the host name.
        ca_file: a certificate authority of one's own, PEM.
        requires_tls: refuse an endpoint that begins with http://.
        timeout_seconds: of one request, its body included.
        attempts: how often a request is tried that failed for a reason that may pass.
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    prefix: str = ""
    addressing: Literal["path", "virtual"] = "path"
    ca_file: Path | None = None
    requires_tls: bool = False
    timeout_seconds: float = 10.0
    attempts: int = 5

    @property
    def place(self) -> str:
        """The store in a few words, without secrets."""
        return f"bucket {self.bucket} at {self.endpoint or f'AWS, region {self.region}'}"

    def check(self) -> None:
        """Refuse what cannot work or must not be.

        Raises:
            ConfigurationError: names the setting.
        """
        if (self.access_key is None) != (self.secret_key is None):
            raise ConfigurationError("SPICE_S3_ACCESS_KEY and SPICE_S3_SECRET_KEY go together: set both or neither")
        if not self.bucket or "/" in self.bucket:
            raise ConfigurationError(f"SPICE_S3_BUCKET={self.bucket!r} is not the name of a bucket")
        if len(self.prefix) > MAX_PREFIX or self.prefix != self.prefix.strip("/"):
            raise ConfigurationError(f"SPICE_S3_PREFIX must be at most {MAX_PREFIX} characters without a slash at its ends")
        if self.endpoint is not None:
            _check_endpoint(self.endpoint, requires_tls=self.requires_tls)

    def ca_certificates(self) -> str | None:
        """Return the PEM text of `ca_file`, or None.

        Raises:
            ConfigurationError: the file cannot be read, or holds no certificate.
        """
        if self.ca_file is None:
            return None
        try:
            text = self.ca_file.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"SPICE_S3_CA_FILE={self.ca_file} cannot be read: {error}") from error
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise ConfigurationError(f"SPICE_S3_CA_FILE={self.ca_file} holds no PEM certificate")
        return text


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine itself, so that nobody else hears what is said."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_endpoint(endpoint: str, *, requires_tls: bool) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"SPICE_S3_ENDPOINT={endpoint!r} is not a URL that begins with http:// or https://")
    if parts.scheme == "http" and requires_tls:
        raise ConfigurationError(
            f"SPICE_S3_ENDPOINT={endpoint} is not encrypted: use https://, as SPICE_S3_REQUIRE_TLS or APP_ENV=production asks"
        )
