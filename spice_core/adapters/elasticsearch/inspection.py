"""Looking at Elasticsearch: version, health, space, clock, and whether the indices under our prefix are ours."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from spice_core.adapters.elasticsearch.connection import Elasticsearch, ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_catalogue import PREFIX_SETTING, Catalogue
from spice_core.adapters.elasticsearch.search_mapping import MAPPING, index_body
from spice_core.domain.findings import Finding, attempted, clock_finding, disk_finding
from spice_core.errors import ConfigurationError, SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_PART = "elasticsearch"
_SECONDS = 5.0
_ADVICE = "is the server of ELASTICSEARCH_URL up? `spice rebuild search DB` fills it again, whatever it lost"


def inspect_elasticsearch(options: ElasticsearchOptions, *, prefix: str, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    """Yield what is found at the server of `options`; creates one index under `prefix` and deletes it."""
    server = Elasticsearch(replace(options, timeout_seconds=min(_SECONDS, options.timeout_seconds)), clock=clock)
    try:
        reached = attempted(_PART, lambda: _reach(server), _ADVICE)
        yield reached
        if reached.state != "ok":
            return
        yield from _nodes(server, clock)
        catalogue = Catalogue(server, prefix=prefix, replicas=0)
        advice = f"choose another {PREFIX_SETTING}, or delete the index"
        owners = attempted("elasticsearch indices", lambda: _owners(server, catalogue, prefix), advice)
        yield owners
        if owners.state == "ok":
            yield from _forms(server, catalogue, prefix)
        advice = "look at the rights of the credentials, and at the disk watermarks of the cluster"
        yield attempted("elasticsearch writes", lambda: _probe(server, catalogue, prefix, ids), advice)
    except SpiceError as error:
        yield Finding(_PART, "down", error.message, _ADVICE)
    finally:
        server.close()


def _reach(server: Elasticsearch) -> str:
    version = server.check()
    status = str(server.call("GET", "/_cluster/health?timeout=1s", attempts=1).body.get("status"))
    if status == "red":
        raise ConfigurationError(f"the cluster at ELASTICSEARCH_URL={server.url} is red: shards are missing")
    return f"version {version}, {status}"


def _nodes(server: Elasticsearch, clock: Clock) -> Iterator[Finding]:
    fields = "filter_path=nodes.*.name,nodes.*.timestamp,nodes.*.fs.total.available_in_bytes"
    answer = server.call("GET", f"/_nodes/stats/fs?{fields}", attempts=1)
    nodes: dict[str, Any] = answer.body.get("nodes", {}) if answer.is_ok else {}
    for node in nodes.values():
        name = f"elasticsearch {node['name']}" if len(nodes) > 1 else _PART
        yield clock_finding(name, theirs=datetime.fromtimestamp(node["timestamp"] / 1000, tz=UTC), ours=clock.now())
        free = node.get("fs", {}).get("total", {}).get("available_in_bytes")
        if free is not None:
            yield disk_finding(f"{name} disk", free_bytes=free, where=server.url)


def _owners(server: Elasticsearch, catalogue: Catalogue, prefix: str) -> str:
    found = server.call("GET", f"/{prefix}-*/_mapping").require()
    for index in sorted(found):
        catalogue.check_owner(index, found)
    return f"{len(found)} under {prefix}-, all ours"


def _forms(server: Elasticsearch, catalogue: Catalogue, prefix: str) -> Iterator[Finding]:
    """Warn of generations made by another version of this program, which are not read."""
    found = server.call("GET", f"/{prefix}-*-v*/_mapping").require()
    forms = {index: catalogue.check_owner(index, found) for index in sorted(found)}
    for index in [index for index, form in forms.items() if form != MAPPING]:
        advice = "`spice rebuild search DB` for its database; until then its reads answer 503"
        yield Finding("elasticsearch form", "warning", f"{index} has form {forms[index]}, not {MAPPING}", advice)


def _probe(server: Elasticsearch, catalogue: Catalogue, prefix: str, ids: IdSource) -> str:
    name = f"{prefix}-doctor-{ids.new_id().lower()}"
    try:
        server.call("PUT", f"/{name}", index_body(replicas=0, owner=catalogue.owner)).require()
        server.call("PUT", f"/{name}/_doc/probe", {"key": "probe"}).require()
    finally:
        server.call("DELETE", f"/{name}?ignore_unavailable=true")
    return "an index was created, written and deleted"
