"""What a media file is by its first bytes; its name is not asked."""

import re
from dataclasses import dataclass

HEAD_BYTES = 4096
"""How much of a file is looked at."""

_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"MThd", "audio/midi"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"%PDF-", "application/pdf"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = (
    (re.compile(rb"avi[fs]"), "image/avif"),
    (re.compile(rb"hei[cmsx]|hev[cmsx]|mif1|msf1"), "image/heif"),
    (re.compile(rb"M4A |M4B "), "audio/mp4"),
    (re.compile(rb"qt  "), "video/quicktime"),
)
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->).)*+-->\s*+)*+(?:<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]", re.DOTALL
)
_MPEG_AUDIO = frozenset({0xFA, 0xFB, 0xF2, 0xF3})


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file of a media upload: `number` from 1, `sha256` in hex."""

    number: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str

    @property
    def reference(self) -> str:
        """Where its bytes are read, below its version's address."""
        return f"media/{self.number}"


def media_type_of(head: bytes) -> str | None:
    """Return the media type of a file that begins with `head`, None where it is no image, video, audio or PDF."""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return next((kind for brand, kind in _BRANDS if brand.match(head[8:12])), "video/mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return next((kind for mark, kind in _MARKS if head.startswith(mark)), None) or _by_form(head)


def _by_form(head: bytes) -> str | None:
    """What is told by more than its first bytes, which texts may begin with, too."""
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp"
    if len(head) > 2 and head[0] == 0xFF and head[1] in _MPEG_AUDIO:
        return "audio/mpeg"
    return "image/svg+xml" if _SVG.match(head[:HEAD_BYTES]) else None
