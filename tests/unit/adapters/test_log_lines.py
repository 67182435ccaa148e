"""How processes log: one way, one line a record, no secrets."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars

from spice_core.adapters.system.log_lines import start_logging
from spice_core.bootstrap import log_lines
from spice_core.settings import load_settings

ROOT = Path(__file__).parents[3]
SECRET = "s3cr3t-Value/+="  # noqa: S105 - to be looked for


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; the logging of the test run is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    yield io.StringIO()
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def start(stream: io.StringIO, *, is_json: bool = True, secrets: tuple[str, ...] = ()) -> logging.Logger:
    start_logging(level="INFO", is_json=is_json, process="test", secrets=secrets, stream=stream)
    return logging.getLogger("spice.test")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_has_time_level_logger_message_process_and_what_is_known(stream: io.StringIO) -> None:
    log = start(stream)
    with bound_contextvars(trace_id="t1", handler="graph", database="shop"):
        log.warning("%s is slow", "it", extra={"command_id": "c1"})
    line = lines(stream)[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert line == {
        "level": "warning",
        "logger": "spice.test",
        "message": "it is slow",
        "process": "test",
        "trace_id": "t1",
        "handler": "graph",
        "database": "shop",
        "command_id": "c1",
    }


def test_traceback_stays_on_the_line(stream: io.StringIO) -> None:
    log = start(stream)
    log.error("failed", exc_info=ValueError("broken\nin two"))
    assert "ValueError: broken\nin two" in str(lines(stream)[0]["exception"])


def test_console_lines_carry_the_same_fields(stream: io.StringIO) -> None:
    log = start(stream, is_json=False)
    with bound_contextvars(database="shop"):
        log.info("done", extra={"command_id": "c1"})
    assert re.search(r" INFO spice\.test done database=shop command_id=c1$", stream.getvalue().rstrip())


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "console"])
def test_no_known_secret_is_written_wherever_it_stands(stream: io.StringIO, is_json: bool) -> None:
    log = start(stream, is_json=is_json, secrets=(SECRET,))
    log.info("it is %s", SECRET, extra={"found": f"x{SECRET}x"})
    log.error("with %s", SECRET, exc_info=ValueError(SECRET))
    assert SECRET not in stream.getvalue()
    assert SECRET not in stream.getvalue().replace("\\/", "/")
    assert stream.getvalue().count("********") >= 4


@pytest.mark.parametrize(
    "text",
    ["postgresql://spice:Geheim77@db/spice", "host=db password=Geheim77 user=x", "Authorization: Bearer Geheim77.abc",
     "?token=Geheim77&x=1", "ELASTICSEARCH_API_KEY=Geheim77", "{'aws_secret_access_key': 'Geheim77'}", "ApiKey Geheim77xx"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked(stream: io.StringIO, text: str) -> None:
    log = start(stream)
    log.info("%s", text, extra={"password": "Geheim77", "note": text})
    assert "Geheim77" not in stream.getvalue()


def test_every_secret_of_the_settings_is_masked_also_inside_addresses(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    settings = load_settings(
        _env_file=None,
        log_format="json",
        postgres_url="postgresql://u:PgPass99@h/d",
        redis_url="redis://:RedisPass99@h",
        s3_secret_key="S3Pass99",  # noqa: S106
        kafka_password="KafkaPass99",  # noqa: S106
        elasticsearch_api_key="EsPass99",
        admin_token="AdminPass99",  # noqa: S106
    )
    log_lines(settings, process="test")
    for name in ("PgPass99", "RedisPass99", "S3Pass99", "KafkaPass99", "EsPass99", "AdminPass99"):
        logging.getLogger("x").info("found %s", name)
    assert "Pass99" not in stream.getvalue()
    assert len(lines(stream)) == 6


def test_what_nobody_caught_is_a_line_too(stream: io.StringIO) -> None:
    start(stream)

    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail, name="worker-1")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("in the process"), None)
    assert [line["level"] for line in lines(stream)] == ["critical", "critical"]
    assert "in a thread" in str(lines(stream)[0]["exception"])


def test_access_lines_have_fields(stream: io.StringIO) -> None:
    start(stream)
    form = '%s - "%s %s HTTP/%s" %d'
    logging.getLogger("uvicorn.access").info(form, "127.0.0.1:1", "GET", "/x?token=abcdefgh", "1.1", 200)
    line = lines(stream)[0]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert "abcdefgh" not in stream.getvalue()


def test_nothing_else_configures_logging() -> None:
    own = ROOT / "spice_core" / "adapters" / "system" / "log_lines.py"
    sources = [
        path for name in ("spice_core", "spice_api", "spice_workers", "spice_assets") for path in (ROOT / name).rglob("*.py")
    ]
    ways = re.compile(r"basicConfig|dictConfig|fileConfig|structlog\.configure|addHandler|StreamHandler")
    assert [str(path) for path in sources if path != own and ways.search(path.read_text())] == []
