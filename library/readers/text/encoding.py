"""Bytes as text: by their mark, as UTF-8, or by a guess that is made of what the bytes are likely to say."""

import codecs

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
STRAY_SHARE = 0.05  # of control characters in a text: more is another encoding, or no text
_SAMPLE_BYTES = 64 * 1024
# Where two are as likely, the first.
_GUESSES = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "gb18030", "shift_jis"]
_GUESSES += ["euc_jp", "big5", "euc_kr", "cp874", "utf_16_le", "utf_16_be"]


def decoded(data: bytes, declared: str | None = None) -> str:
    """The text of the bytes; what can't be read becomes U+FFFD. `declared` is believed where it fits."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for candidate in ("utf-8", declared):
        if candidate and (text := _as(data, candidate)) is not None:
            return text
    return _guessed(data)


def _as(data: bytes, encoding: str) -> str | None:
    """None: it is in another encoding, or in one that Python does not know. A cut character at the end passes."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None
    # UTF-16 passes for UTF-8 where it is ASCII, with a zero in every second byte.
    return text if text.count("\x00") <= len(text) * STRAY_SHARE else None


def _guessed(data: bytes) -> str:
    # Bytes of one language's accents are few: those lines say more than a sample from the beginning.
    telling = b"\n".join(line for line in data.split(b"\n") if not line.isascii())[:_SAMPLE_BYTES]
    guesses = list(from_bytes(telling or data[:_SAMPLE_BYTES], cp_isolation=_GUESSES))
    best = min(guesses, key=lambda guess: (guess.chaos, -guess.coherence, _GUESSES.index(guess.encoding)), default=None)
    return data.decode(best.encoding if best else "cp1252", "replace")
