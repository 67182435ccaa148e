"""`python -m tests.faults.run_chaos lite|out-of-order|soak [--full]`: one chaos run; see `tests/run_production_tests.sh`."""

import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spice_api.dev.servers.cache import Cache
from spice_api.dev.servers.fleet import KINDS
from spice_api.dev.servers.server import Server
from tests.faults.chaos import Stack, narrator, run_chaos

_KINDS: Mapping[str, tuple[list[str], float]] = {
    "lite": (["processes", "servers"], 60.0),
    "out-of-order": (["processes"], 60.0),
    "soak": (["processes", "servers", "connections"], 600.0),
}
_NAMED = {
    "postgres": ("SPICE_POSTGRES_URL", ()),
    "s3": ("SPICE_S3_ENDPOINT", (("SPICE_OBJECT_STORE", "s3"),)),
    "kafka": ("KAFKA_BOOTSTRAP_SERVERS", (("SPICE_EVENT_FEED", "kafka"),)),
    "elasticsearch": ("ELASTICSEARCH_URL", (("SPICE_SEARCH_INDEX", "elasticsearch"),)),
    "redis": ("REDIS_URL", ()),
}
"""The variable that names a server of the user's own, and what else says that it is to be used."""


def main() -> int:
    """Run, and return 0 if nothing is lost, doubled or wrong."""
    mode = sys.argv[1]
    kinds, seconds = _KINDS[mode]
    seconds = float(os.environ.get("SOAK_SECONDS", seconds))
    seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
    tell = narrator()
    names = list(KINDS) if "--full" in sys.argv else ["postgres"]
    worker = "tests.faults.unreliable_worker" if mode == "out-of-order" else "spice_workers"
    tell(f"seed {seed} (SOAK_SEED={seed} runs it again), {mode}, {seconds:.0f} s, on {', '.join(names)}")
    with _directory() as root, _servers(root, names) as (servers, settings):
        stack = Stack.of(servers, more=settings)
        found, scene = run_chaos(root / "home", stack, seed=seed, seconds=seconds, kinds=kinds, worker=worker, tell=tell)
        tell(scene.summary())
        if not found.is_good:
            sys.stdout.write(found.details() + "\n")
            kept = Path(tempfile.gettempdir()) / f"spice-chaos-failed-{seed}.log"
            shutil.copy(root / "home" / "processes.log", kept)
            tell(f"what the processes wrote: {kept}")
    sys.stdout.write(f"seed {seed}: {found}\n")
    return 0 if found.is_good else 1


@contextmanager
def _directory() -> Iterator[Path]:
    """A short directory of this run that servers of other users can pass through; gone afterwards."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = Path(tempfile.mkdtemp(prefix="spice-chaos-"))
    root.chmod(0o711)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _servers(root: Path, names: list[str]) -> Iterator[tuple[list[Server], dict[str, str]]]:
    """Start the servers that the settings do not name; those that they name are used, and left alone."""
    mine: list[Server] = []
    settings: dict[str, str] = {}
    try:
        for name in names:
            variable, rest = _NAMED[name]
            if os.environ.get(variable):
                settings |= {key: os.environ[key] for key in os.environ if key.startswith(_prefixes(variable))} | dict(rest)
                continue
            server = KINDS[name](root / name, cache=Cache.of_user(), ports={"port": 0})
            mine.append(server)
            server.start()
        yield mine, settings
    finally:
        for server in mine:
            server.remove()


def _prefixes(variable: str) -> tuple[str, ...]:
    """Return how the variables begin that belong to the same server: address, credentials, names."""
    stem = variable.rsplit("_", 1)[0]
    return (stem, "AWS_") if "S3" in variable else (stem.removesuffix("_BOOTSTRAP"),)


if __name__ == "__main__":
    sys.exit(main())
