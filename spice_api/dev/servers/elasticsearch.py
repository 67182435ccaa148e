"""Elasticsearch: one node from the zip at Maven Central, with a plugin for what that zip leaves out."""

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from spice_api.dev.child import answers
from spice_api.dev.servers.cache import check_sums, fingerprint
from spice_api.dev.servers.java import fetch_jars, find_java
from spice_api.dev.servers.server import HOST, PACKAGES, Server
from spice_core.errors import Unavailable

VERSION = "9.5.3"
JAVA_VERSION = 21
_POM = PACKAGES / "elasticsearch.pom.xml"
_SUMS = PACKAGES / "elasticsearch.sha256"
_PLUGIN = PACKAGES / "SpiceModules.java"
_DESCRIPTOR = {
    "name": "spice-modules",
    "description": "what the core distribution leaves out and SPICE Harvester uses",
    "version": "1",
    "elasticsearch.version": VERSION,
    "java.version": str(JAVA_VERSION),
    "classname": "spice.servers.SpiceModules",
}
_JVM = "-Xms512m -Xmx1g -XX:TieredStopAtLevel=1 -XX:-HeapDumpOnOutOfMemoryError"


class ElasticsearchServer(Server):
    """A single node without security, on loopback; as root it runs as `nobody`, since it refuses root."""

    name = "elasticsearch"
    title = "Elasticsearch"
    default_ports: ClassVar[Mapping[str, int]] = {"port": 9200, "transport": 0}
    refuses_root = True
    start_seconds = 240.0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    def version(self) -> str:
        """Return the version that is asked for."""
        return VERSION

    def fetch(self) -> None:
        """Download the distribution and build the plugin."""
        self._distribution()

    def prepare(self) -> None:
        """Fetch and build the distribution, and write the configuration."""
        distribution = self._distribution()
        self.account.let_reach(distribution / "bin" / "elasticsearch")
        for name in ("data", "logs", "tmp", "config"):
            (self.home / name).mkdir(exist_ok=True)
            self.account.own(self.home / name)
        for source in (distribution / "config").iterdir():
            if source.is_file():
                self._write(source.name, source.read_text())
        self._write("elasticsearch.yml", "".join(f"{name}: {value}\n" for name, value in self._configuration().items()))

    def command(self) -> list[str]:
        """Return the launcher; the server proper is its child."""
        return [str(self._distribution() / "bin" / "elasticsearch")]

    def environment(self) -> Mapping[str, str]:
        """Return the variables that the launcher reads."""
        return {
            **super().environment(),
            "ES_JAVA_HOME": str(find_java(JAVA_VERSION, with_compiler=True)),
            "ES_JAVA_OPTS": _JVM,
            "ES_PATH_CONF": str(self.home / "config"),
            "ES_TMPDIR": str(self.home / "tmp"),
        }

    def is_ready(self) -> bool:
        """Whether it answers, and its indexes can be read and written."""
        return answers(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s", seconds=3.0)

    def settings(self) -> Mapping[str, str]:
        """Return the variables of the search index; reads wait longer, since one small node shares the machine with us."""
        return {"SPICE_SEARCH_INDEX": "elasticsearch", "ELASTICSEARCH_URL": self.url, "SPICE_READ_WAIT_SECONDS": "15"}

    def _configuration(self) -> Mapping[str, object]:
        return {
            "cluster.name": "spice",
            "node.name": "spice-1",
            "path.data": self.home / "data",
            "path.logs": self.home / "logs",
            "network.host": HOST,
            "http.port": self.port,
            "transport.port": self.ports["transport"],
            "discovery.type": "single-node",
            "xpack.security.enabled": "false",
            # A full disk of the machine would otherwise make every index read-only at 95 %.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            **self.options,
        }

    def _write(self, name: str, text: str) -> None:
        path = self.home / "config" / name
        path.write_text(text)
        self.account.own(path)

    def _distribution(self) -> Path:
        name = f"elasticsearch-{VERSION}-{fingerprint(_POM.read_text(), _SUMS.read_text(), _PLUGIN.read_text())}"
        return self.cache.folder(name, _fetch) / f"elasticsearch-{VERSION}"


def _fetch(into: Path) -> None:
    downloads = into / "downloads"
    downloads.mkdir()
    fetch_jars(_POM, downloads)
    check_sums(downloads, _SUMS.read_text())
    with zipfile.ZipFile(next(downloads.iterdir())) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, into))
            path.chmod((entry.external_attr >> 16) & 0o777 | (0o755 if path.is_dir() else 0o644))
    shutil.rmtree(downloads)
    _add_plugin(into / f"elasticsearch-{VERSION}", scratch=into / "classes")


def _add_plugin(home: Path, *, scratch: Path) -> None:
    """Compile the plugin against the jars of the distribution in `home`, and install it."""
    compiler = find_java(JAVA_VERSION, with_compiler=True) / "bin" / "javac"
    words = ["--release", str(JAVA_VERSION), "-nowarn", "-cp", f"{home}/lib/*", "-d", str(scratch), str(_PLUGIN)]
    done = subprocess.run([str(compiler), *words], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Unavailable(f"The plugin for Elasticsearch {VERSION} does not compile: {done.stderr[-1000:]}")
    folder = home / "plugins" / _DESCRIPTOR["name"]
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / f"{_DESCRIPTOR['name']}.jar", "w") as jar:
        for path in sorted(scratch.rglob("*.class")):
            jar.write(path, path.relative_to(scratch))
    (folder / "plugin-descriptor.properties").write_text("".join(f"{key}={value}\n" for key, value in _DESCRIPTOR.items()))
    shutil.rmtree(scratch)
