"""Java and Maven on this machine: which Java is new enough, and how jars are fetched."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from spice_core.errors import ConfigurationError, Unavailable
from spice_core.settings import process_environment

_INSTALLED = Path("/usr/lib/jvm")
_ATTEMPTS = 4
_PAUSE_SECONDS = 5.0
_FETCH_SECONDS = 600.0


def find_java(version: int, *, with_compiler: bool = False) -> Path:
    """Return the home of a Java of at least `version`: JAVA_HOME, else the newest in /usr/lib/jvm, else that of `java` on PATH.

    Raises:
        ConfigurationError: there is none; says what to install.
    """
    for home in _homes():
        if (home / "bin" / ("javac" if with_compiler else "java")).exists() and java_version(home) >= version:
            return home
    what = f"A JDK (with javac) {version}" if with_compiler else f"Java {version}"
    raise ConfigurationError(f"{what} or newer is needed, and there is none: install one, and let JAVA_HOME name it")


@cache
def java_version(home: Path) -> int:
    """Return the major version of the Java in `home`; 0 where it does not run."""
    try:
        told = subprocess.run([str(home / "bin" / "java"), "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return 0
    match = re.search(r'version "(\d+)', told.stderr)
    return int(match[1]) if match else 0


def fetch_jars(pom: Path, into: Path) -> None:
    """Copy what `pom` depends on into the folder `into`, from the repository that Maven is set up for.

    Raises:
        ConfigurationError: there is no `mvn`.
        Unavailable: several attempts failed; ends with what Maven said.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError("Maven is needed for the download of this server: install `mvn` (Debian: apt-get install maven)")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}"]
    said = ""
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS * attempt)
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                [maven, "-B", "-q", "-f", str(pom), *goal], capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
            )
        except subprocess.TimeoutExpired:
            said = f"mvn did not end in {_FETCH_SECONDS:.0f} s"
            continue
        if done.returncode == 0:
            return
        said = (done.stdout + done.stderr).strip()[-1500:]
    raise Unavailable(f"The download by Maven failed {_ATTEMPTS} times: {said}")


def _homes() -> Iterator[Path]:
    named = process_environment().get("JAVA_HOME")
    if named:
        yield Path(named)
    installed = [path for path in _INSTALLED.iterdir() if path.is_dir()] if _INSTALLED.is_dir() else []
    yield from sorted(installed, key=lambda path: (-java_version(path), str(path)))
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parents[1]
