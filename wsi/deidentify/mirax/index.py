"""Index.dat: which stretch of which data file holds which picture. Read with bounds, and written anew."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from wsi.deidentify.plan import NotUnderstoodError
from wsi.deidentify.source import Source

VERSION = b"01.02"
_MAX_PAGES, _MAX_RECORDS = 1 << 20, 1 << 22


@dataclass(frozen=True)
class Record:
    """`number` is the picture's place in its level; the rest says where its bytes lie."""

    number: int
    offset: int
    length: int
    file: int


class Index:
    """An open Index.dat. All of it raises NotUnderstoodError."""

    def __init__(self, source: Source, slide_id: bytes) -> None:
        self._source, self._root = source, len(VERSION) + len(slide_id)
        if source.take((0, min(self._root, source.size))) != VERSION + slide_id:
            raise NotUnderstoodError("its index is that of another slide, or of another version")

    def level(self, number: int) -> list[Record]:
        """The pictures of a zoom level."""
        [table] = self._integers(self._root)
        [first] = self._integers(table + 4 * number)
        zero, page = self._integers(first, 2)
        found: list[Record] = []
        seen: set[int] = set()
        while page:
            if page in seen or len(seen) > _MAX_PAGES or zero:
                raise NotUnderstoodError("its index is damaged")
            seen.add(page)
            count, following = self._integers(page, 2)
            if not 0 <= count <= _MAX_RECORDS - len(found):
                raise NotUnderstoodError("its index is damaged")
            values = self._integers(page + 8, 4 * count)
            found += (Record(*values[at : at + 4]) for at in range(0, len(values), 4))
            page = following
        return found

    def other(self, number: int) -> Record | None:
        """A record of what is no level; None where there is none, or one of another form."""
        try:
            [table] = self._integers(self._root + 4)
            [first] = self._integers(table + 4 * number)
            zero, page = self._integers(first, 2)
            count, _, second, third, offset, length, file = self._integers(page, 7)
        except NotUnderstoodError:
            return None
        if not first or not page or zero or count != 1 or second or third:
            return None
        return Record(0, offset, length, file)

    def _integers(self, place: int, count: int = 1) -> tuple[int, ...]:
        return struct.unpack(f"<{count}i", self._source.take((place, place + 4 * count)))


def written(slide_id: str, levels: Sequence[Sequence[Record]], positions: Record | None) -> bytes:
    """The index of a copy: a page a level, and the one record of the positions."""
    head = VERSION + slide_id.encode()
    table = len(head) + 8
    others = table + 4 * len(levels)
    body, pointers, place = b"", [], others + 4
    for records in levels:
        pointers.append(place)
        page = struct.pack("<4i", 0, place + 8, len(records), 0)
        page += b"".join(struct.pack("<4i", one.number, one.offset, one.length, one.file) for one in records)
        body, place = body + page, place + len(page)
    pointers.append(place if positions else 0)
    if positions:
        body += struct.pack("<9i", 0, place + 8, 1, 0, 0, 0, positions.offset, positions.length, positions.file)
    return head + struct.pack(f"<{2 + len(pointers)}i", table, others, *pointers) + body
