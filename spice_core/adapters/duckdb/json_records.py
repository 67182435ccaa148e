"""The objects of a JSON file, one by one: a line each, or the elements of one array. Numbers keep their digits as written."""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from spice_core.errors import UnreadableFile

LONGEST_RECORD = 16_000_000
_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SHOWN = 300


class NumberText(str):
    """A number as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BadRecord:
    """What is no object: why, and its text (shortened)."""

    reason: str
    text: str


Texts = dict[str, str | None]
"""An object with its values as the texts of cells."""
Found = tuple[int, Texts | BadRecord]
"""The line that a record starts at, from 1, and the record."""


def json_records(path: Path) -> Iterator[Found]:
    """Yield the objects of a file of JSON lines or of one JSON array; memory does not grow with the file.

    Raises:
        UnreadableFile: an array that goes on as no JSON; says at which line.
    """
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
        head = head.removeprefix(codecs.BOM_UTF8).lstrip()
        if head.startswith(b"[") and not _is_whole_line(head):
            yield from _Array(file).records()
        else:
            yield from _lines(file)


def json_text(value: Any) -> str | None:
    """Return a value as the text of a cell: text as it is, numbers as written, what is nested as JSON, None for null."""
    if value is None or isinstance(value, str):
        return value
    return _document(value)


def _document(value: Any) -> str:
    if isinstance(value, NumberText):
        return value
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_document(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_document, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_int=NumberText, parse_float=NumberText, parse_constant=NumberText)


def _is_whole_line(head: bytes) -> bool:
    """Whether the first line is an array that ends there, with more lines behind it: no array of records."""
    line, end, rest = head.partition(b"\n")
    return bool(end and rest.strip()) and line.rstrip().endswith(b"]") and rest.lstrip()[:1] == b"["


def _lines(file: BinaryIO) -> Iterator[Found]:
    decoder = _decoder()
    number = 0
    while line := file.readline(LONGEST_RECORD):
        number += 1
        if len(line) == LONGEST_RECORD and not line.endswith(b"\n"):
            while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
            yield number, BadRecord("a line that is too long", line[:_SHOWN].decode(errors="replace"))
        elif text := line.strip():
            yield number, _of_line(decoder, text)


def _of_line(decoder: json.JSONDecoder, line: bytes) -> Texts | BadRecord:
    try:
        text = line.decode()
        return _texts(decoder.decode(text), text)
    except UnicodeDecodeError:
        reason = "bytes that are no text in UTF-8"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError:
        reason = "no JSON"
    return BadRecord(reason, line[:_SHOWN].decode(errors="replace"))


def _texts(value: Any, text: str) -> Texts | BadRecord:
    """Only objects are records; what text columns cannot hold is refused."""
    if not isinstance(value, dict):
        return BadRecord("no JSON object", text[:_SHOWN])
    if "\\u" in text:
        if _NUL.search(text):
            return BadRecord("a NUL character", text[:_SHOWN])
        try:
            _document(value).encode()
        except UnicodeEncodeError:
            return BadRecord("half of a character (an unpaired surrogate)", text[:_SHOWN])
    return {key: json_text(item) for key, item in value.items()}


class _Array:
    """The elements of one array, read piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")("strict")
        self._text = ""
        self._at = 0
        self._line = 1
        self._is_read = False

    def records(self) -> Iterator[Found]:
        decoder = _decoder()
        self._skip("[")
        while self._next() != "]":
            line = self._line
            yield line, self._element(decoder)
            if self._next() != "]":
                self._skip(",")
        self._go_to(self._at + 1)
        if self._next():
            raise self._broken("the array has ended, and more follows")

    def _element(self, decoder: json.JSONDecoder) -> Texts | BadRecord:
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or self._is_read:
                    found = _texts(value, self._text[self._at : end])
                    self._go_to(end)
                    return found
            except RecursionError as error:
                raise self._broken("it is nested too deeply") from error
            except ValueError as error:
                if self._is_read or len(self._text) - self._at > LONGEST_RECORD:
                    raise self._broken(str(error).partition(":")[0]) from error
            self._fill()

    def _next(self) -> str:
        """The next character that is no space, empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._go_to(found.end() if found else self._at)
            if self._at < len(self._text) or self._is_read:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _skip(self, character: str) -> None:
        if self._next() != character:
            raise self._broken(f"a {character!r} is missing")
        self._go_to(self._at + 1)

    def _go_to(self, place: int) -> None:
        self._line += self._text.count("\n", self._at, place)
        self._at = place

    def _fill(self) -> None:
        piece = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :], 0
        self._is_read = not piece
        try:
            self._text += self._decode.decode(piece, self._is_read)
        except UnicodeDecodeError as error:
            raise self._broken("its bytes are no text in UTF-8") from error

    def _broken(self, why: str) -> UnreadableFile:
        return UnreadableFile(
            f"The JSON array cannot be read from line {self._line} on: {why}. Write one object per line, or repair it.",
            details={"line": self._line},
        )
