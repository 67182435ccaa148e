"""Dagster's instance directory inside the state directory."""

import os
import shutil
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from spice_core.errors import ConfigurationError

_LONGEST_SOCKET = 100


def prepare_home(state_dir: Path) -> Path:
    """Create or refresh `dagster/` in the state directory from the shipped files; return it.

    Raises:
        ConfigurationError: the shipped files are missing.
    """
    home = state_dir / "dagster"
    home.mkdir(mode=0o700, exist_ok=True)
    for source in (_shipped_root() / "dagster_home" / "dagster.yaml", _shipped_root() / "workspace.yaml"):
        if not source.exists():
            raise ConfigurationError(f"{source} is missing; run from a checkout, or use --no-dagster")
        shutil.copyfile(source, home / source.name)
    return home


def code_socket_path(home: Path) -> Path:
    """Return where the code server listens: in `home`, or in a private short place where that path is too long for a socket."""
    path = home / "code.sock"
    if len(str(path)) <= _LONGEST_SOCKET:
        return path
    folder = Path(tempfile.gettempdir()) / f"spice-dagster-{os.getuid()}-{sha256(str(home).encode()).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise ConfigurationError(f"{folder} must be a directory of this user with mode 0700")
    return folder / "code.sock"


def storage_url(dsn: str) -> str:
    """Return `dsn` with the driver named, which SQLAlchemy needs."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or not scheme.startswith("postgres"):
        raise ConfigurationError("Dagster needs a PostgreSQL URL (postgresql://…)")
    return f"postgresql+psycopg2://{rest}"


def _shipped_root() -> Path:
    spec = find_spec("spice_assets")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("spice_assets is not installed; use --no-dagster")
    return Path(spec.submodule_search_locations[0]).parent
