"""Fault 20 over HTTP: files that were made to harm are refused with a reason, within bounds, and nothing of them is left."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import httpx2
import psutil
import pytest
from running import Running, free_port

from tests.corpus.hostile import workbooks as made

MEGABYTE = 1_000_000
READER_MEGABYTES, READER_SECONDS = 250, 60
SERVER_MEGABYTES = 350
SAMPLES = Path(__file__).parent.parent / "contracts/data/workbooks"


@dataclass(frozen=True)
class Hostile:
    """A file under the name that it is uploaded with, and a word of the reason."""

    filename: str
    data: Callable[[], bytes]
    word: str


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
HOSTILE = [
    Hostile("bomb.xlsx", lambda: made.bomb(25_000_000), "unpacks to"),
    Hostile("lying.xlsx", lambda: made.lying_bomb(10_000_000), "damaged"),
    Hostile(
        "entities.xlsx",
        lambda: made.archive(made.parts(book='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + made.BOOK)),
        "document type",
    ),
    Hostile("far.xlsx", lambda: made.archive(made.parts(sheet=made.sheet_xml(FAR))), "bytes of memory"),
    Hostile("entries.xlsx", lambda: made.many_entries(10_001), "no workbook has over"),
    Hostile("outside.xlsx", lambda: made.archive(made.parts() | {"../../x": b""}), "outside"),
    Hostile("archive.csv", lambda: made.archive({"../table.csv": b"a,b\n1,2\n"}), "zip archive"),
    Hostile("link.xlsx", lambda: made.archive(made.parts(), links={"xl/x": "/etc/passwd"}), "a link"),
    Hostile("password.xlsx", (SAMPLES / "password.xlsx").read_bytes, "password"),
    Hostile("cut.xls", lambda: (SAMPLES / "base.xls").read_bytes()[:3000], "workbook"),
    Hostile("report.xlsx", lambda: b"%PDF-1.7 ...", "PDF"),
    Hostile("table.csv", lambda: b"a,b\n1,\0\n", "NUL"),
    Hostile("wide.csv", lambda: ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n", "characters"),
    Hostile("line.csv", lambda: b"a,b\n1,2\n" + b"x" * 20_000_000, "table"),
    Hostile("mixed.csv", lambda: "a\n\u00e9\u00fc\n\u00df\u00f6\n\u00e4\u00e8\n".encode() + b"caf\xe9\n", "mixes encodings"),
    Hostile("deep.json", lambda: b"[" + b'{"a":' * 100_000, "deeply"),
    Hostile("table.parquet", lambda: b"PAR1" + b"\xff" * 4000 + (4000).to_bytes(4, "little") + b"PAR1", "Parquet"),
]


@pytest.fixture(scope="module")
def guarded(running: Running) -> Iterator[Running]:
    """A BFF with small bounds for workbooks, on the state of the running platform."""
    bounds = {
        "BFF_PORT": str(free_port()),
        "SPICE_WORKBOOK_MEMORY_BYTES": str(READER_MEGABYTES * MEGABYTE),
        "SPICE_WORKBOOK_SECONDS": str(READER_SECONDS),
        "SPICE_WORKBOOK_UNPACKED_BYTES": str(100 * MEGABYTE),
    }
    found = Running(running.state / "guarded", {**running.environment, **bounds})
    found.state.mkdir()
    try:
        found.start("bff")
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def api(guarded: Running) -> Iterator[httpx2.Client]:
    """Its client. An answer takes at most what a workbook may take, and what a busy machine adds to that."""
    with httpx2.Client(base_url=f"{guarded.url('bff')}/api/v1", timeout=READER_SECONDS + 60) as client:
        yield client


@pytest.fixture(scope="module")
def target(oms: httpx2.Client) -> str:
    """One database for all files: none may leave something in it."""
    answer = oms.post("/database/create", json={"name": "hostile_uploads"}, headers={"Prefer": "wait=20"})
    assert answer.json()["data"]["status"] == "completed", answer.text
    return "hostile_uploads"


def upload(api: httpx2.Client, database: str, filename: str, data: bytes | IO[bytes]) -> httpx2.Response:
    return api.post(
        f"/pipelines/datasets/upload?db_name={database}",
        files={"file": (filename, data, "application/octet-stream")},
        headers={"Idempotency-Key": filename},
    )


@contextmanager
def bounded(guarded: Running) -> Iterator[None]:
    """Assert that the server lives through the block, and what it and its readers take while it runs."""
    (process,) = guarded.processes
    server, held = psutil.Process(process.pid), psutil.Process(process.pid).memory_info().rss
    peaks, done = [0, 0], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            peaks[0] = max(peaks[0], server.memory_info().rss - held)
            for child in server.children(recursive=True):
                try:
                    peaks[1] = max(peaks[1], child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert process.poll() is None
    assert peaks[0] < SERVER_MEGABYTES * MEGABYTE
    assert peaks[1] < (READER_MEGABYTES + 100) * MEGABYTE  # the bound is on what it takes for the workbook, beside itself
    assert server.children(recursive=True) == []


def assert_refused(api: httpx2.Client, target: str, filename: str, answer: httpx2.Response, word: str) -> None:
    """The answer says why, and so does the ingest request; the service answers what comes next."""
    assert (answer.status_code, word in answer.json()["detail"]) == (400, True), answer.text
    failed = api.get(f"/pipelines/ingest-requests?db_name={target}&state=FAILED&limit=100").json()["data"]["requests"]
    assert [item["error"]["message"] for item in failed if item["filename"] == filename] == [answer.json()["detail"]]
    assert api.get("/health").status_code == 200


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.filename)
def test_fault_20_a_hostile_upload_is_refused_with_its_reason_within_bounds(
    guarded: Running, api: httpx2.Client, target: str, hostile: Hostile
) -> None:
    data = hostile.data()
    with bounded(guarded):
        answer = upload(api, target, hostile.filename, data)
    assert_refused(api, target, hostile.filename, answer, hostile.word)


@pytest.mark.parametrize("megabytes", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_fault_20_a_file_of_one_line_is_refused_within_bounds(
    guarded: Running, api: httpx2.Client, target: str, tmp_path: Path, megabytes: int
) -> None:
    path, piece = tmp_path / "line", b"0123456789abcdef," * (MEGABYTE // 17)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(piece)
    filename = f"line of {megabytes}.csv"
    with bounded(guarded), path.open("rb") as file:
        answer = upload(api, target, filename, file)
    assert_refused(api, target, filename, answer, "Line 1 ")


def test_fault_20_nothing_is_left_of_hostile_uploads_and_the_service_goes_on(
    api: httpx2.Client, target: str, running: Running
) -> None:
    assert api.get(f"/pipelines/datasets?db_name={target}").json()["data"]["datasets"] == []
    assert [path for path in running.state.rglob("*") if "ingest-" in path.name and path.is_dir() and any(path.iterdir())] == []
    answer = upload(api, target, "rows.txt", made.archive(made.parts()))
    assert answer.status_code == 200, answer.text


def test_fault_20_names_of_uploads_lead_nowhere(api: httpx2.Client, target: str, running: Running) -> None:
    for name in ("../../escaped.csv", "/tmp/escaped.csv", "..\\escaped.csv"):  # noqa: S108 - nothing is written there
        assert upload(api, target, name, b"a,b\n1,2\n").status_code in {200, 400, 409, 422}
    assert list(running.state.parent.rglob("*escaped.csv*")) == []


def test_fault_20_formulas_of_a_workbook_are_not_computed_and_leave_it_as_text(api: httpx2.Client, target: str) -> None:
    cells = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c><c r="B1" t="inlineStr"><is><t>note</t></is></c></row>'
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="str"><f>HYPERLINK("http://x/"&amp;A2)</f><v>shown</v></c></row>'
        '<row r="3"><c r="A3"><v>2</v></c><c r="B3" t="inlineStr"><is><t>=cmd|\' /C calc\'!A0</t></is></c></row>'
    )
    answer = upload(api, target, "formulas.xlsx", made.archive(made.parts(sheet=made.sheet_xml(cells))))
    assert answer.status_code == 200, answer.text
    version = answer.json()["data"]["version"]
    rows = answer.json()["data"]["preview"]["rows"]
    assert [row["note"] for row in rows] == ["shown", "=cmd|' /C calc'!A0"]
    url = f"/pipelines/datasets/{quote(version['dataset_id'], safe='')}/versions/{version['version_id']}/download"
    assert api.get(url).text.splitlines()[1:] == ["1,shown", "2,'=cmd|' /C calc'!A0"]
