"""Text from outside in the cells of a CSV: inert for a spreadsheet, and itself again when it is read back.

Only who writes or reads a CSV calls this; JSON, logs and pages hold the text as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# A spreadsheet runs a cell that begins like this as a formula (OWASP, CSV injection); full-width forms count too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001
_GUARD = "'"


def inert(text: str) -> str:
    """`text` with an apostrophe before it where a spreadsheet would run it, or where it begins with one itself."""
    return f"{_GUARD}{text}" if _visible(text).startswith((*FORMULA_STARTS, _GUARD)) else text


def csv_line(cells: Iterable[str]) -> str:
    """One line of a CSV, with its end. A carriage return is quoted too, which Python 3.11 leaves bare."""
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def as_written(cell: str) -> str:
    """The text that `inert` was given."""
    return cell.removeprefix(_GUARD)


def _quoted(cell: str) -> str:
    if not any(letter in cell for letter in '",\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _visible(text: str) -> str:
    """Without the blanks and invisible marks at its start, which a spreadsheet may pass over."""
    for at, letter in enumerate(text):
        if letter in "\t\r" or not (letter.isspace() or unicodedata.category(letter) in ("Cf", "Cc")):
            return text[at:]
    return ""
