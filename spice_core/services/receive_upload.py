"""The bytes of an upload in a local file, checked as far as they can be before anything is on record."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spice_core.domain import naming
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.errors import InvalidInput, TooLarge, Unavailable, UnreadableFile
from spice_core.services.draft_commands import command_id_of_key
from spice_core.services.waiting_room import WaitingRoom

_DELIMITERS = frozenset(",;\t|:^~ ")
_LONGEST_SHEET_NAME = 200
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class RawUpload:
    """The bytes of an upload in a local file that its receiver removes: nothing is stored of them yet."""

    request: UploadRequest
    spool: Path
    content_sha256: str
    size_bytes: int

    @property
    def request_id(self) -> str:
        """The id that the idempotency key stands for."""
        return command_id_of_key(self.request.database, self.request.key)

    @property
    def fingerprint(self) -> str:
        """A sha256 over all that makes two uploads with one key the same."""
        return self.request.fingerprint(self.content_sha256)


class Workshop:
    """A local directory for the files of one ingest each, and how many may be worked on at once."""

    def __init__(self, scratch: Path, *, max_bytes: int, room: WaitingRoom | None = None) -> None:
        """Make `scratch` if it is not there; `max_bytes` bounds an upload, `room` (None: nothing) how many are worked on."""
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.scratch = scratch
        self._max_bytes = max_bytes
        self._room = room

    @contextmanager
    def receive(self, request: UploadRequest, chunks: Iterable[bytes]) -> Iterator[RawUpload]:
        """Lend the bytes as a local file; memory does not grow with them. Raises `TooLarge`, `UnreadableFile` (empty)."""
        with self.folder() as folder:
            yield self._spooled(request, chunks, folder / "raw")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder of its own, which goes away afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="ingest-") as folder:
            yield Path(folder)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places. Raises `Unavailable` (retryable) where all are taken."""
        if self._room is None:
            yield
            return
        with self._room.place() as has_place:
            if not has_place:
                raise Unavailable("Too many files are being read; come again.", details={"retry_after": _RETRY_SECONDS})
            yield

    def _spooled(self, request: UploadRequest, chunks: Iterable[bytes], spool: Path) -> RawUpload:
        size, digest = 0, hashlib.sha256()
        with spool.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    raise TooLarge(f"The file is over {self._max_bytes} bytes.", details={"max_bytes": self._max_bytes})
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise UnreadableFile("The file is empty: upload a table with a header line and rows.")
        return RawUpload(request, spool, digest.hexdigest(), size)


def check_request(request: UploadRequest) -> None:
    """Raise `InvalidInput` or `InvalidName` where a request cannot be, whatever its bytes are."""
    naming.database_name(request.database)
    naming.branch_name(request.branch)
    naming.dataset_name(request.name)
    if not 0 < len(request.key) <= 200 or not request.key.isprintable():
        raise InvalidInput("An upload needs an Idempotency-Key of 1 to 200 printable characters.")
    if request.delimiter is not None and request.delimiter not in _DELIMITERS:
        raise InvalidInput("The delimiter must be one of: comma, semicolon, tab, |, :, ^, ~, space.")
    if not 0 < len(request.filename) <= 255 or not request.filename.isprintable():
        raise InvalidInput("The file name must have 1 to 255 printable characters.")
    if request.sheet is not None and not 0 < len(request.sheet) <= _LONGEST_SHEET_NAME:
        raise InvalidInput(f"A sheet's name has 1 to {_LONGEST_SHEET_NAME} characters.")
    if request.table is not None and request.table < 1:
        raise InvalidInput("Tables count from 1.")
