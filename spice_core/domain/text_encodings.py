"""Which encoding a text file has: byte order marks, strict UTF-8, then the likeliest of the legacy encodings."""

import codecs
from collections.abc import Iterable, Iterator

from spice_core.errors import UnreadableFile

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY_STARTS = (
    (b"PK\x03\x04", "a zip archive or an Excel file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file"),
    (b"%PDF", "a PDF file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    *((b"BZh%d1AY&SY" % level, "a bzip2 file") for level in range(1, 10)),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"$FL2", "an SPSS file"),
    (b"SQLite format 3\0", "a SQLite file"),
    (b"\x7fELF", "a program"),
)
_PACKED = frozenset({"a gzip file", "a 7z archive", "a RAR archive", "a bzip2 file", "an xz file", "a Zstandard file"})
_DISTINCT = frozenset(
    {"cp949", "johab", "cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "big5hkscs"}
    | {"cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp874"}
)
"""Encodings whose texts a detector tells apart well; Western European ones it confuses with each other."""
_WIDER = {"euc_kr": "cp949", "shift_jis": "cp932", "gbk": "gb18030", "gb2312": "gb18030"}
_FALLBACKS = ("cp1252", "latin-1")


def refuse_binary(head: bytes) -> None:
    """Raise `UnreadableFile` where `head`, the start of a file, is empty or is of no text file."""
    if not head:
        raise UnreadableFile("The file is empty: upload a table with a header line and rows.")
    for start, what in _BINARY_STARTS:
        if head.startswith(start):
            todo = "unpack it and upload what is in it" if what in _PACKED else "export it as CSV and upload that"
            raise UnreadableFile(f"The file is {what}, not a text table: {todo}.")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()[:300].lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UnreadableFile("The file is a page or an XML document, not a text table: export it as CSV and upload that.")
    if text.startswith((b'{"', b"[{", b'["', b"{\n")):
        raise UnreadableFile("The file is JSON, not a text table: export it as CSV and upload that.")


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark, or the NULs of unmarked UTF-16, tell; None where there are none."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    pairs = len(head) // 2
    if pairs >= 2:
        even, odd = head[: pairs * 2 : 2].count(0), head[1 : pairs * 2 : 2].count(0)
        if odd > pairs * 0.4 and even < pairs * 0.05:
            return "utf-16-le"
        if even > pairs * 0.4 and odd < pairs * 0.05:
            return "utf-16-be"
    return None


def plausible_encodings(guess: str | None) -> list[str]:
    """Return the encodings to try on text that is not UTF-8, likeliest first, where a detector says `guess`."""
    try:
        name = codecs.lookup(guess or "").name
    except LookupError:
        return list(_FALLBACKS)
    name = _WIDER.get(name, name)
    return [name, *_FALLBACKS] if name in _DISTINCT else list(_FALLBACKS)


def decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Decode `chunks` strictly.

    Raises:
        UnreadableFile: bytes that are not of `encoding`, or a NUL character; says at which line.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    for chunk, is_last in _with_last(chunks):
        try:
            text = decoder.decode(chunk, is_last)
        except UnicodeDecodeError as error:
            at = line + error.object[: error.start].count(b"\n")
            raise UnreadableFile(f"Line {at} is not text in {encoding}: save the file as UTF-8.", details={"line": at}) from error
        nul = text.find("\0")
        if nul >= 0:
            at = line + text.count("\n", 0, nul)
            raise UnreadableFile(f"Line {at} holds a NUL character: the file is binary or damaged.", details={"line": at})
        line += text.count("\n")
        yield text


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True
