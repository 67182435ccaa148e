"""The platform of a Dagster process: opened when it is first needed, kept while the definitions live."""

import threading
from collections.abc import Callable
from fnmatch import fnmatchcase

from spice_assets.catalogue import Catalogue, read_catalogue
from spice_core.bootstrap import Platform, bootstrap
from spice_core.settings import load_settings

PLATFORM = "platform"


class PlatformSource:
    """Gives every asset, check and sensor of a process the same platform."""

    def __init__(self, open_platform: Callable[[], Platform]) -> None:
        self._open = open_platform
        self._opened: Platform | None = None
        self._turn = threading.Lock()

    def get(self) -> Platform:
        """Return the platform; the first call opens it.

        Raises:
            Unavailable: (retryable) a part does not answer; the next call tries again.
        """
        with self._turn:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Close the platform if it was opened."""
        with self._turn:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def served_databases(platform: Platform) -> list[str]:
    """Return the databases with datasets that this code location serves (`SPICE_DAGSTER_DATABASES`), in name order."""
    patterns = platform.settings.dagster_databases
    return [
        database
        for database in platform.registry.databases()
        if not patterns or any(fnmatchcase(database, pattern) for pattern in patterns)
    ]


def catalogue_of(platform: Platform) -> Catalogue:
    """Return the catalogue of what this code location serves, as it is now."""
    shards = platform.settings.object_shards
    return read_catalogue(platform.registry, platform.graph, served_databases(platform), shards=shards)


def platform_from_environment() -> Platform:
    """Open the platform that the environment names."""
    return bootstrap(load_settings(), process="assets")
