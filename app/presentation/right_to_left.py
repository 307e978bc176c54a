"""Arabic and Hebrew for a writer that sets letters from left to right: joined, in the order in which they are seen.

A part of Unicode's bidirectional algorithm (UAX 9): a line that runs from left to right with words of the other
direction in it, as names and sentences of a report do. A name that is broken over two lines starts on the second.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping

_RIGHT_TO_LEFT = ("R", "AL")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_LAM, _TATWEEL = "\u0644", "\u0640"


def as_seen(text: str) -> str:
    """`text` with each stretch of right-to-left letters joined and turned round; its numbers stay as they are."""
    if not any(unicodedata.bidirectional(mark) in _RIGHT_TO_LEFT for mark in text):
        return text
    parts, start = [], 0
    for begin, end in _stretches(text):
        parts += [text[start:begin], _turned(_joined(text[begin:end]))]
        start = end
    return "".join([*parts, text[start:]])


def _stretches(text: str) -> list[tuple[int, int]]:
    """Where right-to-left letters stand, with the numbers and signs among and the numbers after them."""
    found: list[tuple[int, int]] = []
    begin = end = -1
    for place, mark in enumerate(text):
        kind = unicodedata.bidirectional(mark)
        if kind in _RIGHT_TO_LEFT or (begin >= 0 and kind in ("EN", "AN", "NSM")):
            begin, end = begin if begin >= 0 else place, place + 1
        elif (
            begin >= 0
            and place == end
            and text[begin:end].count(_CLOSING.get(mark, "\0")) > text.count(mark, begin, end)
        ):
            end += 1
        elif kind == "L" and begin >= 0:
            found.append((begin, end))
            begin = -1
    return [*found, (begin, end)] if begin >= 0 else found


def _turned(text: str) -> str:
    backwards = text.translate(_MIRRORED)[::-1]
    return _NUMBER.sub(lambda number: number[0][::-1], backwards)


def _joined(text: str) -> str:
    """Each Arabic letter in the form that its neighbours give it; lam and alef become one."""
    table = _forms()
    letters = [mark for mark in text if unicodedata.category(mark) != "Mn"]
    shaped = []
    for place, mark in enumerate(letters):
        before = letters[place - 1] if place else ""
        after = letters[place + 1] if place + 1 < len(letters) else ""
        if before == _LAM and _LAM + mark in table:
            continue  # drawn with the lam
        ligature = mark + after if mark == _LAM and mark + after in table else mark
        from_before = _joins_on(before, table) and _takes(mark, table)
        to_after = ligature == mark and _joins_on(mark, table) and _takes(after, table)
        form = {(0, 0): "isolated", (0, 1): "initial", (1, 0): "final", (1, 1): "medial"}[from_before, to_after]
        shaped.append(table.get(ligature, {}).get(form, mark))
    return "".join(shaped)


def _joins_on(mark: str, table: Mapping[str, Mapping[str, str]]) -> bool:
    return mark == _TATWEEL or "initial" in table.get(mark, {})


def _takes(mark: str, table: Mapping[str, Mapping[str, str]]) -> bool:
    return mark == _TATWEEL or "final" in table.get(mark, {})


@functools.cache
def _forms() -> Mapping[str, Mapping[str, str]]:
    """Letter, or lam with alef -> name of the form -> the character that shows it, from Unicode's own tables."""
    found: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        kind, *letters = unicodedata.decomposition(chr(code)).split() or ("",)
        if letters and (len(letters) == 1 or 0xFEF5 <= code <= 0xFEFC):
            base = "".join(chr(int(letter, 16)) for letter in letters)
            found.setdefault(base, {}).setdefault(kind.strip("<>"), chr(code))
    return found
