"""The files of a media upload as one: an archive of ours, which is the upload's raw bytes.

It is a tar file of plain members in order, named by their numbers and names, without times and owners: the same files in the same
order are the same bytes.
"""

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from spice_core.errors import CorruptObject, InvalidInput, UnreadableFile

MOST_FILES = 1000
_LONGEST_NAME = 255
_CHUNK = 1 << 20


def packed(files: Sequence[tuple[str, BinaryIO]]) -> Iterator[bytes]:
    """Yield the archive of named files. Memory does not grow with them.

    Raises:
        InvalidInput: there is none, there are over a thousand, or a name cannot be.
        UnreadableFile: a file is empty.
    """
    if not 0 < len(files) <= MOST_FILES:
        raise InvalidInput(f"a media upload has 1 to {MOST_FILES} files, not {len(files)}")
    for number, (name, file) in enumerate(files, start=1):
        plain = plain_name(name)
        size = file.seek(0, 2)
        file.seek(0)
        if size == 0:
            raise UnreadableFile(f"{plain} is empty: leave it out, or send it whole.")
        member = tarfile.TarInfo(f"{number:06d}/{plain}")
        member.size = size
        yield member.tobuf(tarfile.PAX_FORMAT)
        while chunk := file.read(_CHUNK):
            yield chunk
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def plain_name(name: str) -> str:
    """Return a file's own name, without folders. Raises `InvalidInput` where there is none, or it cannot be shown."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    if not 0 < len(plain) <= _LONGEST_NAME or not plain.isprintable() or plain in {".", ".."}:
        raise InvalidInput(f"a file's name has 1 to {_LONGEST_NAME} printable characters")
    return plain


@contextmanager
def members(archive: Path) -> Iterator[Iterator[tuple[int, str, int, IO[bytes]]]]:
    """Lend (number, name, size in bytes, content) of each file of an archive, in order. Raises `CorruptObject`."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            yield _members(tar)
    except tarfile.TarError as error:
        raise CorruptObject("the files of a media upload cannot be read back") from error


def content(archive: Path, number: int) -> Iterator[bytes]:
    """Yield the bytes of one file of an archive. Raises `CorruptObject` where there is no such file."""
    with members(archive) as found:
        for place, _, _, file in found:
            if place == number:
                while chunk := file.read(_CHUNK):
                    yield chunk
                return
    raise CorruptObject(f"a media upload has no file {number}")


def _members(tar: tarfile.TarFile) -> Iterator[tuple[int, str, int, IO[bytes]]]:
    for number, member in enumerate(tar, start=1):
        file = tar.extractfile(member) if member.isreg() else None
        if file is None:
            raise CorruptObject("the archive of a media upload holds something else than files")
        yield number, member.name.partition("/")[2], member.size, file
