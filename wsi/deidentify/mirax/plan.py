"""The plan of a MIRAX slide's copy: settings and index written anew, pictures of the levels left at their places in the
data files, all else in them zero."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from wsi.deidentify import streams
from wsi.deidentify.mirax import settings as texts
from wsi.deidentify.mirax.index import VERSION, Index, Record
from wsi.deidentify.mirax.index import written as written_index
from wsi.deidentify.mirax.settings import Settings, read_settings
from wsi.deidentify.pictures import PNG_START, is_png_alone
from wsi.deidentify.plan import (
    FilePlan,
    Kept,
    Naming,
    NotUnderstoodError,
    Removed,
    SlidePlan,
    Span,
    gaps,
    merged,
    overlap,
)
from wsi.deidentify.source import Source, opened_source, slices_of, words_in

SUFFIX, SETTINGS = ".mrxs", "Slidedat.ini"
# What stands for the slide in a folder: one white pixel as BMP, in the place of a preview that shows the label.
_PICTURE = (
    struct.pack("<2sIIIIiiHHIIiiII", b"BM", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 2835, 2835, 0, 0) + b"\xff\xff\xff\0"
)
_PICTURES = {"ScanDataLayer_SlideThumbnail": "macro image", "ScanDataLayer_SlideBarcode": "label image"} | {
    "ScanDataLayer_SlidePreview": "thumbnail image"
}
_MAX_OTHER_FILES = 1000


def is_mirax(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX and (path.with_suffix("") / SETTINGS).is_file()


def plan_mirax(path: Path, source: Source, naming: Naming) -> SlidePlan:
    """The copy of the slide at `path` with its folder. Raises NotUnderstoodError, OSError, NotAFileError."""
    return _Planner(path, naming).plan(source)


class _Planner:
    def __init__(self, path: Path, naming: Naming) -> None:
        self.path, self.naming, self.folder = path, naming, path.with_suffix("")
        with opened_source(self.folder / SETTINGS) as source:
            if source.size > 1 << 20:
                raise NotUnderstoodError("its settings are too large")
            self.settings: Settings = read_settings(source.take((0, source.size)))
        self.removed: list[Removed] = texts.lost(self.settings)

    def plan(self, preview: Source) -> SlidePlan:
        slide_id = self._slide_id()
        if preview.size != len(_PICTURE) or preview.take((0, preview.size)) != _PICTURE:
            self.removed.append(Removed("preview image", slices_of(preview, [(0, preview.size)])))
        with opened_source(self.folder / self.settings.index) as source:
            index = Index(source, self.settings.slide_id.encode())
            levels = [index.level(number) for number in range(len(self.settings.levels))]
            positions = self._positions(index)
            others = self._others(index)
        kept = [record for level in levels for record in level]
        files = [self._small(f"{self.naming.stem}{SUFFIX}", self.path, _PICTURE)]
        files.append(
            self._small(
                f"{self.naming.stem}/{SETTINGS}", self.folder / SETTINGS, texts.written(self.settings, slide_id)
            )
        )
        data = written_index(slide_id, levels, positions)
        files.append(self._small(f"{self.naming.stem}/Index.dat", self.folder / self.settings.index, data))
        for number in range(len(self.settings.files)):
            files.append(self._data_file(number, kept, positions, others, slide_id))
        self._other_files()
        return SlidePlan(
            "mirax",
            tuple(files),
            tuple(self.removed),
            files[0].name,
            (texts.written(self.settings, slide_id).decode(),),
        )

    def _slide_id(self) -> str:
        digest = hmac.new(self.naming.secret, b"mirax\0" + self.settings.slide_id.encode(), hashlib.sha256).hexdigest()
        return f"ps{digest[:30]}"

    def _small(self, name: str, source: Path, data: bytes) -> FilePlan:
        return FilePlan(name, source, len(data), (), (), ((0, data),))

    def _positions(self, index: Index) -> Record | None:
        if self.settings.positions is None:
            return None
        record = index.other(self.settings.positions[1])
        if record is None:
            raise NotUnderstoodError("its index does not say where its pictures lie")
        return record

    def _others(self, index: Index) -> list[tuple[str, Record]]:
        """Records that stay behind, with what they hold."""
        found, number, own = [], 0, self.settings.positions
        for _, values in self.settings.layers:
            for value in values:
                record = index.other(number)
                if record is not None and (own is None or number != own[1]):
                    found.append((_PICTURES.get(value, "layer beside the levels"), record))
                number += 1
        return found

    def _data_file(
        self,
        number: int,
        kept: Sequence[Record],
        positions: Record | None,
        others: Sequence[tuple[str, Record]],
        slide_id: str,
    ) -> FilePlan:
        path = self.folder / self.settings.files[number]
        blanks: list[Span] = []
        with opened_source(path) as source:
            pictures = sorted({_span(source, record) for record in kept if record.file == number})
            places = [_span(source, positions)] if positions is not None and positions.file == number else []
            lost = [(what, _span(source, record)) for what, record in others if record.file == number]
            for span in pictures:
                for what, part in _foreign(source, span):
                    self.removed.append(
                        Removed(what, words_in(source.take((part[0], min(part[1], part[0] + (1 << 16))))))
                    )
                    blanks.append(part)
            self.removed += (
                Removed(what, slices_of(source, [span]) + self._words(source, span)) for what, span in lost
            )
            head = self._head(source, slide_id, [*pictures, *places])
            self._check(source, [*pictures, *places], [span for _, span in lost])
            spans = [Kept(span, span[0], pixels=True) for span in merged(pictures)] + [
                Kept(span, span[0]) for span in places
            ]
            return FilePlan(
                f"{self.naming.stem}/{texts.data_file(number)}", path, source.size, tuple(spans), tuple(blanks), head
            )

    def _words(self, source: Source, span: Span) -> tuple[str | bytes, ...]:
        return words_in(source.take((span[0], min(span[1], span[0] + (1 << 16)))))

    def _head(self, source: Source, slide_id: str, kept: Sequence[Span]) -> tuple[tuple[int, bytes], ...]:
        """A data file begins with the slide's identifier, too."""
        before, after = (VERSION + one.encode() for one in (self.settings.slide_id, slide_id))
        if source.take((0, min(len(before), source.size))) != before:
            return ()
        if overlap(kept, [(0, max(len(before), len(after)))]):
            raise NotUnderstoodError("a picture lies where its identifier does")
        return ((0, after),)

    def _check(self, source: Source, kept: Sequence[Span], lost: Sequence[Span]) -> None:
        if overlap(kept, lost):
            raise NotUnderstoodError("a level shares bytes with what must stay behind")
        head = (0, len(VERSION) + len(self.settings.slide_id))
        between = [span for span in gaps(merged([head, *kept, *lost]), source.size) if not source.is_empty(span)]
        if between:
            words = tuple(word for span in between[:1000] for word in self._words(source, span))
            self.removed.append(Removed("bytes outside of every record", words))

    def _other_files(self) -> None:
        """Annotations and the like beside the slide's own files."""
        own = {SETTINGS, self.settings.index, *self.settings.files}
        others = [entry for entry in sorted(self.folder.iterdir()) if entry.name not in own]
        with ExitStack() as stack:
            for entry in others[:_MAX_OTHER_FILES]:
                words: tuple[str | bytes, ...] = ()
                if entry.is_file():
                    source = stack.enter_context(opened_source(entry))
                    words = self._words(source, (0, min(source.size, 1 << 16)))
                    stack.pop_all().close()
                self.removed.append(Removed("another file in its folder", words))


def _foreign(source: Source, span: Span) -> Iterator[streams.Foreign]:
    """Raises NotUnderstoodError for a PNG or BMP that holds more than its pixels."""
    head = source.take((span[0], min(span[1], span[0] + 54)))
    if head.startswith(PNG_START):
        if not is_png_alone(source, span):
            raise NotUnderstoodError("a picture in it holds more than pixels")
    elif head.startswith(b"BM"):
        size, _, start = struct.unpack_from("<III", head, 2)
        if start != 54 or size > span[1] - span[0]:
            raise NotUnderstoodError("a picture in it is damaged")
        if not source.is_empty((span[0] + size, span[1])):
            raise NotUnderstoodError("a picture in it holds more than pixels")
    else:
        yield from streams.foreign_in_jpeg(source, span)


def _span(source: Source, record: Record) -> Span:
    span = (record.offset, record.offset + record.length)
    if not 0 <= span[0] <= span[1] <= source.size:
        raise NotUnderstoodError("it is cut short")
    return span
