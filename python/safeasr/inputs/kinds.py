"""What bytes seem to be that are no audio: for messages, and not to take them for samples."""

from __future__ import annotations

import codecs
from typing import Final

__all__ = ["LOOK_AT", "seems_to_be"]

#: Bytes from the beginning that are looked at.
LOOK_AT: Final = 4096

_TAG: Final = "an MP3's tag with no MP3 behind it"
#: Where a signature lies, what it is, and whose it is. Four bytes at least: samples could be fewer.
_SIGNATURES: Final = (
    (0, b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"\x1f\x8b\x08\x00", "gzip"),
    (0, b"\x1f\x8b\x08\x08", "gzip"),
    (0, b"BZh9", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%PDF-", "a PDF"),
    (0, b"%!PS-", "PostScript"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff\xe0", "a JPEG image"),
    (0, b"\xff\xd8\xff\xe1", "a JPEG image"),
    (0, b"\xff\xd8\xff\xdb", "a JPEG image"),
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (8, b"WEBPVP8", "a WebP image"),
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (0, b"\x7fELF", "a program or library"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (0, b"SQLite format 3\x00", "a SQLite database"),
    (0, b"\x93NUMPY", "a NumPy array: load it with numpy.load"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (0, b"{\\rtf1", "an RTF document"),
    (0, b"ID3\x02", _TAG),
    (0, b"ID3\x03", _TAG),
    (0, b"ID3\x04", _TAG),
    (0, b"MThd\x00\x00\x00\x06", "MIDI, which holds notes and no sound"),
    # Looked at after all libraries gave up: what still has a mark of audio is damaged, not raw.
    (0, b"RIFF", "a damaged WAV file"),
    (0, b"RIFX", "a damaged WAV file"),
    (0, b"RF64", "a damaged WAV file"),
    (8, b"WAVE", "a damaged WAV file"),
    (12, b"fmt ", "a damaged WAV file"),
    (0, b"riff\x2e\x91\xcf\x11", "a damaged W64 file"),
    (24, b"wave\xf3\xac\xd3\x11", "a damaged W64 file"),
    (0, b"FORM", "a damaged AIFF file"),
    (8, b"AIFF", "a damaged AIFF file"),
    (8, b"AIFC", "a damaged AIFF file"),
    (0, b"caff", "a damaged CAF file"),
    (8, b"desc", "a damaged CAF file"),
    (0, b".snd", "a damaged AU file"),
    (0, b"NIST_1A", "a damaged NIST file"),
    (0, b"Creative Voice File", "a damaged VOC file"),
    (0, b"fLaC", "a damaged FLAC file"),
    (0, b"OggS", "a damaged Ogg file"),
    (4, b"ftyp", "a damaged MP4 file"),
    (0, b"\x1aE\xdf\xa3", "a damaged Matroska or WebM file"),
)
_TEXTS: Final = (
    (("<!doctype html", "<html"), "an HTML page"),
    (("<?xml", "<mpd", "<smil", "<asx", "<svg", "<playlist"), "XML"),
    (("#extm3u", "[playlist]", "ffconcat", "[reference]"), "a playlist"),
    (("webvtt",), "subtitles"),
    (("version https://git-lfs",), "a Git LFS pointer: the file itself was not fetched"),
    (("{", "["), "JSON"),
)
#: So much text is text even behind zeros, which are silence else.
_AFTER_ZEROS: Final = 16
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def seems_to_be(head: bytes) -> str | None:
    """What the beginning of a file is that is no audio, in words; None if that is not known.

    Args:
        head: the first :data:`LOOK_AT` bytes, or all.
    """
    for offset, signature, words in _SIGNATURES:
        if head.startswith(signature, offset):
            return words
    if head[:1] == b"\x80" and head[2:3] in (b"\x95", b"}", b"]", b"c") and head[1] in range(2, 6):
        return "a Python pickle"
    text = _as_text(head)
    if text is None:
        return None
    begins = text.lstrip("\ufeff \t\r\n\0").lower()
    for starts, words in _TEXTS:
        if begins.startswith(starts):
            return words
    return "text"


def _as_text(head: bytes) -> str | None:
    """The bytes as text; None if they are none."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return _decoded(head[len(mark) :], encoding)
    # Without a mark, UTF-16 is known by its zeros: of a language with Latin letters.
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) >= _AFTER_ZEROS and not zeros.strip(b"\0"):
            return _decoded(head, encoding)
    bare = head.lstrip(b"\0")
    return _decoded(bare if len(bare) >= _AFTER_ZEROS else head, "utf-8")


def _decoded(head: bytes, encoding: str) -> str | None:
    try:
        # The last character may be cut.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    printable = sum(one.isprintable() or one in "\t\r\n\f\x1b" for one in text)
    return text if text and printable >= 0.98 * len(text) else None
