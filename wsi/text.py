"""Names that come from outside as text that can be printed, stored and read back. Nothing here knows a format.

A file name on Unix is any bytes but `/` and NUL; Python holds what is no UTF-8 as lone surrogates, which neither a
UTF-8 file nor a terminal takes. Line ends, ESC and marks that turn the reading direction forge lines and names.
"""

from __future__ import annotations

import re
import unicodedata

_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
# Control, surrogate, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(\\))")

_MAX_TEXT = 200


def escape(name: str) -> str:
    r"""`name` with nothing hidden in it, on one line and in UTF-8; `unescape` gives it back.

    A byte that is no UTF-8 and a control character below 128 become ``\xNN``, other hidden characters ``\uNNNN``, a
    backslash two. Every other name stays as it is.
    """
    return "".join(r"\\" if mark == "\\" else _shown(mark) for mark in name)


def unescape(text: str) -> str:
    r"""The name that `escape` made `text` of; a backslash that begins no escape stays."""
    return _ESCAPED.sub(_original, text)


def visible(text: str) -> str:
    """A sentence in which names may stand: the same escapes on one line, backslashes as they are."""
    return "".join(map(_shown, text))


def plain(text: object, max_length: int = _MAX_TEXT) -> str:
    """One line of visible text: control, bidirectional and other format characters are dropped, spaces joined.

    Longer text ends in an ellipsis at `max_length` characters.
    """
    spaced = " ".join(str(text).split())
    visible = "".join(mark for mark in spaced if unicodedata.category(mark)[0] != "C")
    return visible if len(visible) <= max_length else f"{visible[: max_length - 1]}…"


def _shown(mark: str) -> str:
    if mark.isascii() and mark.isprintable():
        return mark
    if unicodedata.category(mark) not in _HIDDEN_CATEGORIES and mark not in _DIRECTION_MARKS:
        return mark
    code = ord(mark)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for one byte
        code -= 0xDC00
        return f"\\x{code:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _original(match: re.Match[str]) -> str:
    if match[3]:
        return "\\"
    if match[2]:
        return chr(int(match[2], 16))
    byte = int(match[1], 16)
    return chr(byte if byte < 0x80 else 0xDC00 + byte)
