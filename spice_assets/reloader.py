"""Reloads the code location when the catalogue changed: one reload for a burst of changes.

A process of its own beside the web server, which it asks through GraphQL: `python -m spice_assets.reloader`.
"""

import json
import logging
import signal
import threading
import urllib.request
from collections.abc import Callable

from spice_assets.catalogue import Catalogue
from spice_assets.resources import catalogue_of, platform_from_environment
from spice_core.bootstrap import log_lines
from spice_core.errors import Unavailable
from spice_core.settings import load_settings

LOCATION = "spice"
POLL_SECONDS = 1.0
QUIET_SECONDS = 3.0
PATIENCE_SECONDS = 20.0
_TIMEOUT_SECONDS = 300.0
_RELOAD = """mutation Reload($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
  ... on ReloadNotSupported { message } ... on RepositoryLocationNotFound { message } ... on UnauthorizedError { message } } }"""

_log = logging.getLogger("spice.reloader")


class Burst:
    """Decides when a changed fingerprint is worth a reload: once it is quiet, or has been restless for too long."""

    def __init__(self, loaded: str) -> None:
        self._loaded = loaded
        self._newest = loaded
        self._changed_at = 0.0
        self._restless_since = 0.0

    def is_due(self, fingerprint: str, *, at: float) -> bool:
        """Whether to reload now; `at` in seconds that never go back."""
        if fingerprint == self._loaded:
            self._newest = fingerprint
            return False
        if self._newest == self._loaded:
            self._restless_since = at
        if fingerprint != self._newest:
            self._newest, self._changed_at = fingerprint, at
        return at - self._changed_at >= QUIET_SECONDS or at - self._restless_since >= PATIENCE_SECONDS

    def done(self) -> None:
        """Note that the newest fingerprint is loaded."""
        self._loaded = self._newest


def watch(fingerprint: Callable[[], str], reload: Callable[[], None], *, stop: threading.Event, now: Callable[[], float]) -> None:
    """Reload after each burst until `stop`; nobody knows what the server loaded, so all but an empty catalogue is loaded anew."""
    burst = Burst(loaded=Catalogue().fingerprint)
    while not stop.wait(POLL_SECONDS):
        try:
            if burst.is_due(fingerprint(), at=now()):
                reload()
                burst.done()
        except (Unavailable, OSError, ValueError) as error:
            _log.warning("cannot reload now: %s", error)


def ask_web_server(url: str) -> None:
    """Reload the code location through the web server at `url`.

    Raises:
        OSError: it does not answer.
        ValueError: it refused, or the location does not load; says why.
    """
    body = json.dumps({"query": _RELOAD, "variables": {"name": LOCATION}}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"content-type": "application/json"})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - our own address
        answer = json.load(response)["data"]["reloadRepositoryLocation"]
    problem = answer.get("message") or (answer.get("locationOrLoadError") or {}).get("message")
    if problem:
        raise ValueError(problem.splitlines()[0])
    _log.info("reloaded the code location")


def main() -> None:
    """Watch the registry of the environment until SIGTERM."""
    settings = load_settings()
    log_lines(settings, process="reloader")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    platform = platform_from_environment()
    try:
        watch(
            lambda: catalogue_of(platform).fingerprint,
            lambda: ask_web_server(f"http://127.0.0.1:{settings.dagster_port}"),
            stop=stop,
            now=platform.clock.monotonic,
        )
    finally:
        platform.close()


if __name__ == "__main__":
    main()
