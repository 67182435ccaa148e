"""Reads damaged workbooks, each in a forked child of one prepared process, and tells what became of each.

`python -m tests.faults.fuzzed_workbooks FIRST LAST FOLDER FILE…`: seed n damages file n modulo their number. Prints outcome to
count as JSON.
"""

import io
import json
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from spice_core.adapters.calamine import read_workbook
from spice_core.adapters.calamine.containers import check_container
from spice_core.errors import UnreadableFile

_LIMITS = {"memory_bytes": 100_000_000, "cpu_seconds": 10, "unpacked_bytes": 50_000_000}


def damaged(data: bytes, seed: int) -> bytes:
    """Bits turned, pieces lost, doubled or overwritten, or the end cut off."""
    generator = random.Random(seed)
    found = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 8, 40)) if found else 0):
        at = generator.randrange(max(1, len(found)))
        kind = generator.random()
        if kind < 0.5:
            found[at : at + 1] = bytes(byte ^ 1 << generator.randrange(8) for byte in found[at : at + 1])
        elif kind < 0.7:
            found[at : at + 4] = generator.randbytes(4)
        elif kind < 0.8:
            del found[at : at + generator.randrange(1, 200)]
        elif kind < 0.9:
            found[at:at] = found[at : at + generator.randrange(1, 200)]
        else:
            del found[max(at, len(found) // 2) :]
    return bytes(found)


def outcome(path: Path, folder: Path) -> str:
    """What becomes of a file: refused before it is read, refused by its reader, read, or what ended the reader."""
    try:
        ending = check_container(path, unpacked_bytes=_LIMITS["unpacked_bytes"])
    except UnreadableFile:
        return "refused early"
    request = {"path": str(path), "ending": ending, "folder": tempfile.mkdtemp(dir=folder), **_LIMITS}
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        sys.stderr = sys.stdout = os.fdopen(writing, "w")
        sys.stdin = io.StringIO(json.dumps(request))
        os.close(2)
        code = read_workbook.main()
        sys.stdout.flush()
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        return f"ended with {code}"
    return "refused" if "refused" in json.loads(text) else "read"


def main() -> None:
    first, last, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    files = [Path(name).read_bytes() for name in sys.argv[4:]]
    path = folder / "damaged"
    found: Counter[str] = Counter()
    for seed in range(first, last):
        path.write_bytes(damaged(files[seed % len(files)], seed))
        found[outcome(path, folder)] += 1
    print(json.dumps(found))


if __name__ == "__main__":
    main()
