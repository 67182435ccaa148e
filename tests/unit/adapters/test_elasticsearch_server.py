"""What the search index says of a server that is not as it must be."""

import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from spice_core.adapters.elasticsearch.connection import ElasticsearchOptions
from spice_core.adapters.elasticsearch.search_index import ElasticsearchSearchIndex
from spice_core.adapters.system.id_source import RandomIds
from spice_core.domain.search import SearchQuery
from spice_core.errors import ConfigurationError, SearchUnavailable
from tests.scripted_server import scripted_server
from tests.write_path import SteppedClock

QUERY = SearchQuery(["Flight"])


def index_at(url: str, **options: Any) -> ElasticsearchSearchIndex:
    return ElasticsearchSearchIndex(
        ElasticsearchOptions(url, timeout_seconds=2, **options), clock=SteppedClock(), ids=RandomIds()
    )


def version(number: str) -> dict[str, Any]:
    return {"version": {"number": number}}


@pytest.mark.parametrize("number", ["8.19.1", "10.0.0", "2.11.0"])
def test_another_major_version_is_refused_and_the_setting_named(number):
    with (
        scripted_server(lambda *_: (200, version(number))) as script,
        pytest.raises(ConfigurationError, match=f"{number}.*ELASTICSEARCH_URL"),
    ):
        index_at(script.url).check()


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_refused_at_the_start_and_the_settings_named(status):
    refusal = {"error": {"type": "security_exception", "reason": "missing"}}
    with scripted_server(lambda *_: (status, refusal)) as script:
        with pytest.raises(ConfigurationError, match="ELASTICSEARCH_API_KEY"):
            index_at(script.url).check()
        with pytest.raises(ConfigurationError, match="ELASTICSEARCH_API_KEY"):
            index_at(script.url).search("db", "main", QUERY)


def test_credentials_that_are_withdrawn_later_make_the_engine_unavailable_and_bury_nothing():
    def answer(method: str, path: str, _body: bytes) -> tuple[int, Any]:
        if path == "/":
            return 200, version("9.5.3")
        if "_mapping" in path:
            return 200, {"spice-catalogue": {"mappings": {"_meta": {"made_by": "spice-harvester", "mapping": 1}}}}
        if "identity" in path:
            found = {"_source": {"state": {"identity": 7}}, "_seq_no": 1, "_primary_term": 1}
            return (200, found) if method == "GET" else (409, {})
        return 403, {"error": {"type": "security_exception", "reason": "missing"}}

    with scripted_server(answer) as script:
        index = index_at(script.url)
        assert index.identity() == 7
        with pytest.raises(SearchUnavailable, match="ELASTICSEARCH_API_KEY"):
            index.search("db", "main", QUERY)


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"api_key": "k"}, "ApiKey k"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"api_key": "k", "username": "u", "password": "p"}, "ApiKey k"),
    ],
)
def test_every_request_carries_the_credentials(options, header):
    with scripted_server(lambda *_: (200, version("8.0.0"))) as script:
        with pytest.raises(ConfigurationError):
            index_at(script.url, **options).check()
        assert {name.lower(): value for name, value in script.asked[0].headers.items()}["authorization"] == header


def test_a_server_that_is_no_elasticsearch_is_refused():
    with (
        scripted_server(lambda *_: (200, {"hello": "world"})) as script,
        pytest.raises(ConfigurationError, match="ELASTICSEARCH_URL"),
    ):
        index_at(script.url).check()


def test_a_catalogue_of_someone_else_is_refused_and_the_setting_named():
    def answer(_method: str, path: str, _body: bytes) -> tuple[int, Any]:
        if path == "/":
            return 200, version("9.5.3")
        return 200, {"spice-catalogue": {"mappings": {"_meta": {"made_by": "someone"}}}}

    with scripted_server(answer) as script, pytest.raises(ConfigurationError, match="SPICE_ELASTICSEARCH_INDEX_PREFIX"):
        index_at(script.url).check()


def test_a_server_that_is_down_is_unavailable():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(SearchUnavailable, match=url):
        index_at(url).search("db", "main", QUERY)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(status):
    answers = iter([(status, {}), (status, {}), (200, version("9.5.3"))])

    def answer(_method: str, path: str, _body: bytes) -> tuple[int, Any]:
        return next(answers) if path == "/" else (500, {"error": "later"})

    with scripted_server(answer) as script:
        index = index_at(script.url)
        for _ in range(2):
            with pytest.raises(SearchUnavailable):
                index.check()
        with pytest.raises(SearchUnavailable, match="500"):
            index.check()


def test_a_certificate_that_is_not_trusted_is_refused_and_the_setting_named(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with scripted_server(lambda *_: (200, version("7.0.0")), tls=context) as script:
        with pytest.raises(ConfigurationError, match="ELASTICSEARCH_CA_FILE"):
            index_at(script.url).check()
        with pytest.raises(ConfigurationError, match=r"7\.0\.0"):
            index_at(script.url, ca_file=certificate).check()


def make_certificate(certificate: Path, key: Path) -> None:
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
