"""Unpacks the RTF inside of a message ([MS-OXRTFCP], Microsoft): references into a ring of 4 KiB. Pure."""

import struct

from library.readers.reading import ReadingFailed

_RING_BYTES = 4096
_PACKED = 0x75465A4C  # "LZFu"
_PLAIN = 0x414C454D  # "MELA"
_HEAD_BYTES = 16
# What every ring begins with, so that also short texts shrink.
_BEGINNING = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0"
    b"\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpacked(data: bytes, limit_bytes: int) -> bytes:
    """The RTF. Raises ReadingFailed past the limit and for what is no packed RTF."""
    if len(data) < _HEAD_BYTES:
        raise ReadingFailed("damaged", "The message's text is cut off: save it again.")
    _, size, kind, _ = struct.unpack_from("<IIII", data)
    if kind == _PLAIN:
        return data[_HEAD_BYTES : _HEAD_BYTES + size]
    if kind != _PACKED:
        raise ReadingFailed("damaged", "The message's text is packed in an unknown manner: save it again.")
    if size > limit_bytes:
        raise ReadingFailed("too-large", f"The message unpacks to more than {limit_bytes // 1024**2:,} MiB.")
    return _unpacked(data[_HEAD_BYTES:], size)


def _unpacked(data: bytes, size: int) -> bytes:
    ring = bytearray(_BEGINNING.ljust(_RING_BYTES, b" "))
    place = len(_BEGINNING)
    found = bytearray()
    index = 0
    while index < len(data) and len(found) < size:
        control, index = data[index], index + 1
        for bit in range(8):
            if index >= len(data):
                break
            if not control >> bit & 1:
                piece, index = data[index : index + 1], index + 1
            else:
                reference, index = int.from_bytes(data[index : index + 2], "big"), index + 2
                if reference >> 4 == place:
                    return bytes(found)
                piece = _copied(ring, place, reference >> 4, (reference & 15) + 2)
            for byte in piece:
                ring[place] = byte
                place = (place + 1) % _RING_BYTES
            found += piece
    return bytes(found[:size])


def _copied(ring: bytearray, place: int, start: int, length: int) -> bytes:
    """From the ring; a piece may go on into what it writes itself."""
    distance = (place - start) % _RING_BYTES or _RING_BYTES
    known = bytes(ring[(start + step) % _RING_BYTES] for step in range(min(length, distance)))
    return (known * (length // len(known) + 1))[:length]
