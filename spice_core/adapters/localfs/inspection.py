"""Looking at the directory that holds the log: can it be written, can it refuse a second writer, how full is it."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from spice_core.domain.findings import Finding, clock_finding, disk_finding
from spice_core.ports.clock import Clock

_PROBE = ".doctor-probe"


def inspect_directory(path: Path, *, clock: Clock) -> Iterator[Finding]:
    """Yield what is found at `path`, which exists."""
    probe, second = path / f"{_PROBE}-{os.getpid()}", path / f"{_PROBE}-{os.getpid()}-second"
    try:
        with probe.open("wb") as file:
            file.write(b"probe")
            file.flush()
            os.fsync(file.fileno())
        yield Finding("state", "ok", f"{path} is writable, mode {path.stat().st_mode & 0o777:o}")
        yield _put_if_absent(probe, second)
        modified = datetime.fromtimestamp(probe.stat().st_mtime, tz=UTC)
        yield clock_finding("state", theirs=modified, ours=clock.now())
    except OSError as error:
        yield Finding(
            "state", "down", f"{path} is not writable: {error.strerror}", f"make {path} writable for this user, or set SPICE_HOME"
        )
    finally:
        for left in (probe, second):
            _remove(left)
    yield disk_finding("disk", free_bytes=shutil.disk_usage(path).free, where=str(path))


def _put_if_absent(probe: Path, second: Path) -> Finding:
    advice = "put SPICE_HOME on a file system with hard links, or the log on S3 (SPICE_OBJECT_STORE=s3)"
    try:
        second.hardlink_to(probe)
    except OSError as error:
        return Finding("state links", "down", f"the file system has no hard links ({error.strerror})", advice)
    try:
        second.hardlink_to(probe)
    except FileExistsError:
        return Finding("state links", "ok", "of two writers of one name one wins")
    return Finding("state links", "down", "the file system lets a second writer win", advice)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
