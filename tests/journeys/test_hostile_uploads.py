"""Fault 20 over HTTP: files that were made to harm are refused with a reason, and nothing of them is left."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from running import Running

from tests.corpus.hostile import workbooks as made

SAMPLES = Path(__file__).parent.parent / "contracts/data/workbooks"


@dataclass(frozen=True)
class Hostile:
    """A file under the name that it is uploaded with, and a word of the reason."""

    filename: str
    data: Callable[[], bytes]
    word: str


HOSTILE = [
    Hostile("bomb.xlsx", lambda: made.bomb(25_000_000), "unpacks to"),
    Hostile("lying.xlsx", lambda: made.lying_bomb(10_000_000), "damaged"),
    Hostile(
        "entities.xlsx",
        lambda: made.archive(made.parts(book='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + made.BOOK)),
        "document type",
    ),
    Hostile("outside.xlsx", lambda: made.archive(made.parts() | {"../../x": b""}), "outside"),
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
def target(oms: httpx2.Client) -> str:
    """One database for all files: none may leave something in it."""
    answer = oms.post("/database/create", json={"name": "hostile_uploads"}, headers={"Prefer": "wait=20"})
    assert answer.json()["data"]["status"] == "completed", answer.text
    return "hostile_uploads"


def upload(bff: httpx2.Client, database: str, filename: str, data: bytes) -> httpx2.Response:
    return bff.post(
        f"/pipelines/datasets/upload?db_name={database}",
        files={"file": (filename, data, "application/octet-stream")},
        headers={"Idempotency-Key": filename},
    )


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.filename)
def test_fault_20_a_hostile_upload_is_refused_with_its_reason(bff: httpx2.Client, target: str, hostile: Hostile) -> None:
    answer = upload(bff, target, hostile.filename, hostile.data())
    assert 400 <= answer.status_code < 500, answer.text
    assert hostile.word in answer.json()["detail"]


def test_fault_20_nothing_is_left_of_hostile_uploads_and_the_service_goes_on(
    bff: httpx2.Client, target: str, running: Running
) -> None:
    assert bff.get(f"/pipelines/datasets?db_name={target}").json()["data"]["datasets"] == []
    assert [path for path in running.state.rglob("*") if "ingest-" in path.name and path.is_dir() and any(path.iterdir())] == []
    answer = upload(bff, target, "rows.txt", made.archive(made.parts()))
    assert answer.status_code == 200, answer.text


def test_fault_20_names_of_uploads_lead_nowhere(bff: httpx2.Client, target: str, running: Running) -> None:
    for name in ("../../escaped.csv", "/tmp/escaped.csv", "..\\escaped.csv"):  # noqa: S108 - nothing is written there
        assert upload(bff, target, name, b"a,b\n1,2\n").status_code in {200, 400, 409, 422}
    assert list(running.state.parent.rglob("*escaped.csv*")) == []
