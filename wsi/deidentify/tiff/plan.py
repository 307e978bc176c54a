"""The plan of a TIFF's copy. Every byte that is kept stays at its place, so that no offset changes: levels' streams are
taken over whole, directories are written anew with the fields that are listed, all else is left zero."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from wsi.deidentify import icc, streams
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
from wsi.deidentify.source import Source, slices_of, words_in
from wsi.deidentify.tiff import roles, tags, texts, xml_texts
from wsi.deidentify.tiff.fields import Directory, Field, Tiff, chain, read_directory, read_tiff
from wsi.deidentify.tiff.roles import Kind, Page

_JPEG, _JPEG2000 = 7, frozenset((33003, 33004, 33005, 34712))
# Uncompressed, LZW, Deflate, PackBits: pixels and nothing else.
_PIXELS_ALONE = frozenset((1, 5, 8, 32946, 32773))
_PLACES = ((tags.TILE_OFFSETS, tags.TILE_BYTES), (tags.STRIP_OFFSETS, tags.STRIP_BYTES))
_4_GB = 1 << 32
_MAX_TEXT_BYTES = 64 << 20


_ENDINGS = (".ome.tiff", ".ome.tif", ".svs", ".ndpi", ".tiff", ".tif")


def plan_tiff(path: Path, source: Source, naming: Naming) -> SlidePlan:
    """The copy of the TIFF open as `source`. Raises NotUnderstoodError."""
    # A name's ending can be anything; a known one tells only the format.
    ending = next((ending for ending in _ENDINGS if path.name.lower().endswith(ending)), ".tif")
    return _Planner(path, read_tiff(source)).plan(naming.stem + ending)


class _Planner:
    """What was decided so far about one file."""

    def __init__(self, path: Path, tiff: Tiff) -> None:
        self.path, self.tiff, self.source = path, tiff, tiff.source
        self.pages = [Page.of(tiff, directory) for directory in chain(tiff)]
        self.kind: Kind = roles.kind_of(tiff, self.pages)
        self.roles = roles.roles_of(self.kind, self.pages)
        self.end = self.source.size
        self.kept: list[Kept] = []
        self.blanks: list[Span] = []
        self.written: list[tuple[int, bytes]] = []
        self.removed: list[Removed] = []
        self.texts: list[str] = []
        self.known: list[Span] = [(0, 16 if tiff.big else tiff.link + struct.calcsize(tiff.pointer))]
        self.directories: list[Span] = []
        self.lost: list[Span] = []
        self.lost_px: list[tuple[int, int]] = []

    def plan(self, name: str) -> SlidePlan:
        levels = [page for page, role in zip(self.pages, self.roles, strict=True) if role == "level"]
        for page, role in zip(self.pages, self.roles, strict=True):
            if role == "level":
                self._keep_level(page, levels)
            else:
                self._drop_page(page, role)
        self._link([page.directory for page in levels])
        self._check_places()
        self._look_between()
        file = FilePlan(name, self.path, self.end, tuple(self.kept), tuple(self.blanks), tuple(self.written))
        return SlidePlan(self.kind, (file,), tuple(self.removed), name, tuple(self.texts), tuple(self.lost_px))

    # --- levels

    def _keep_level(self, page: Page, levels: Sequence[Page]) -> None:
        self._keep_directory(page.directory, page, levels)
        if tags.SUB_DIRECTORIES in page.directory.fields:
            for place in self.tiff.values(page.directory.fields[tags.SUB_DIRECTORIES], 64):
                directory, following = read_directory(self.tiff, int(place))
                sub = Page.of(self.tiff, directory)
                roles.check_sub_level(page, sub)
                if following or tags.SUB_DIRECTORIES in directory.fields:
                    raise NotUnderstoodError("directories hang below a level's own")
                self._keep_directory(directory, sub, levels)

    def _keep_directory(self, directory: Directory, page: Page, levels: Sequence[Page]) -> None:
        entries, high = [], []
        for number, field in enumerate(directory.fields.values()):
            if (entry := self._kept_entry(directory, field, levels)) is not None:
                entries.append(entry)
                high.append(number)
            if field.span[1] - field.span[0] > (8 if self.tiff.big else 4):
                self.known.append(field.span)
        self.directories.append(directory.span)
        self._write_directory(directory, entries, high)
        self._keep_streams(directory, page.compression)

    def _kept_entry(self, directory: Directory, field: Field, levels: Sequence[Page]) -> bytes | None:
        """The field as the directory of the copy has it; None where it stays behind."""
        if tags.is_kept(field, self.kind == "hamamatsu") and self._is_plausible(directory, field):
            if field.tag == tags.JPEG_TABLES and field.count > 8:
                self._blank(streams.foreign_in_jpeg(self.source, field.span))
            return self._as_it_is(field)
        if field.tag == tags.ICC_PROFILE:
            return self._profile(field)
        text = self.tiff.text(directory, field.tag, _MAX_TEXT_BYTES) if field.text_like else b""
        if field.tag == tags.DESCRIPTION and field.kind == 2 and self.kind != "hamamatsu":
            made, removed = self._described(text, levels)
            self.removed += removed
            return self._text(field, text, made)
        if field.kind == 2 and tags.is_known_word(field.tag, text):
            self.texts.append(text.decode("latin-1"))
            return self._text(field, text, text)
        self._drop_field(field)
        return None

    def _is_plausible(self, directory: Directory, field: Field) -> bool:
        """Whether restart places go forward within the pictures, as places do; words would not. Readers find the
        places in the pictures too, where the directory tells none."""
        if field.tag not in (tags.RESTARTS, tags.RESTARTS_HIGH):
            return True
        low, high = (directory.fields.get(tag) for tag in (tags.RESTARTS, tags.RESTARTS_HIGH))
        if low is None or (high is not None and high.count != low.count):
            return False
        places = np.array(self.tiff.values(low, tags.MANY), np.uint64)
        if high is not None:
            places += np.array(self.tiff.values(high, tags.MANY), np.uint64) << np.uint64(32)
        size = sum(self._wide(directory.fields[tags.STRIP_BYTES])) if tags.STRIP_BYTES in directory.fields else 0
        return bool((places[1:] >= places[:-1]).all() and places[-1] <= size)

    def _as_it_is(self, field: Field) -> bytes:
        if field.span[1] - field.span[0] > (8 if self.tiff.big else 4):
            self.kept.append(Kept(field.span, field.span[0]))
        return field.entry

    def _profile(self, field: Field) -> bytes:
        profile = self.source.take(field.span)
        made = icc.without_words(profile)
        if made != profile:
            self.removed.append(Removed("ICC profile: texts and time", icc.words_lost(profile, made)))
        self.written.append((field.span[0], made))
        return field.entry

    def _described(self, text: bytes, levels: Sequence[Page]) -> texts.Cleaned:
        if self.kind == "aperio":
            return texts.clean_aperio(text)
        if self.kind == "imagej":
            return texts.clean_imagej(text)
        is_first = text == self.tiff.text(self.pages[0].directory, tags.DESCRIPTION, _MAX_TEXT_BYTES)
        if self.kind == "philips" and is_first:
            return xml_texts.clean_philips(text)
        if self.kind == "ome" and is_first:
            numbers = {self.pages.index(page): number for number, page in enumerate(levels)}
            return xml_texts.clean_ome(text, numbers, frozenset(page.size_px for page in levels))
        return texts.clean_plain(text) if self.kind == "generic" else texts.clean_nothing(text)

    def _text(self, field: Field, before: bytes, made: bytes) -> bytes | None:
        """The entry of a text; where it does not fit into its old place it goes to the end of the file."""
        if not made:
            self.lost += [field.span] if field.count > 8 else []
            return None
        self.texts.append(made.decode("utf-8", "replace"))
        data, form = made + b"\0", self.tiff.order + ("HHQ" if self.tiff.big else "HHI")
        head, room = struct.pack(form, field.tag, 2, len(data)), 8 if self.tiff.big else 4
        if len(data) <= room:
            return head + data.ljust(room, b"\0")
        place = field.span[0]
        if len(data) > field.span[1] - field.span[0] or field.count <= room:
            place = self.end = self.end + self.end % 2
            self.end += len(data)
            if not self.tiff.big and self.end > _4_GB:
                raise NotUnderstoodError("it has no room for its cleaned description")
            self.lost += [field.span] if field.count > room else []
        elif len(data) < field.count:
            self.lost.append((place + len(data), field.span[1]))
        self.written.append((place, data))
        if self.tiff.ndpi:
            place &= _4_GB - 1
        return head + struct.pack(self.tiff.order + ("Q" if self.tiff.big else "I"), place)

    def _write_directory(self, directory: Directory, entries: Sequence[bytes], fields: Sequence[int]) -> None:
        count = struct.pack(self.tiff.order + ("Q" if self.tiff.big else "H"), len(entries))
        self.written.append((directory.span[0], count + b"".join(entries)))
        # Behind each directory of a large NDPI lie the high halves of its values.
        if self.tiff.ndpi and self.source.size > _4_GB:
            start = directory.span[1]
            high = self.source.take((start, start + 4 * len(directory.fields)))
            end = directory.span[0] + len(count) + 12 * len(entries) + 8
            self.written.append((end, b"".join(high[4 * at : 4 * at + 4] for at in fields)))
            self.known.append((start, start + len(high)))

    def _link(self, levels: Sequence[Directory]) -> None:
        """The pointers from each kept directory to the next one."""
        self.kept.append(Kept((0, self.tiff.link), 0))
        own = dict(self.written)
        links = [self.tiff.link, *(d.span[0] + len(own[d.span[0]]) for d in levels)]
        for link, place in zip(links, [*(d.span[0] for d in levels), 0], strict=True):
            self.written.append((link, struct.pack(self.tiff.order + self.tiff.pointer, place)))

    # --- pictures

    def _keep_streams(self, directory: Directory, compression: int) -> None:
        found = self._stream_spans(directory)
        if compression == _JPEG:
            for span in found:
                self._blank(streams.foreign_in_jpeg(self.source, span))
        elif compression in _JPEG2000:
            for span in found:
                self._blank(streams.foreign_in_jpeg2000(self.source, span))
        elif compression not in _PIXELS_ALONE:
            raise NotUnderstoodError("its pixels are compressed in a way that is not known here")
        self.kept += (Kept(span, span[0], pixels=True) for span in merged(found))

    def _stream_spans(self, directory: Directory) -> list[Span]:
        """Of its tiles or strips; those that were never written are left out."""
        found: list[Span] = []
        for offsets, lengths in _PLACES:
            if offsets not in directory.fields:
                continue
            if lengths not in directory.fields:
                raise NotUnderstoodError("a picture in it is of unknown length")
            starts, sizes = (self._wide(directory.fields[tag]) for tag in (offsets, lengths))
            if len(starts) != len(sizes):
                raise NotUnderstoodError("a picture in it is damaged")
            for start, size in zip(starts, sizes, strict=True):
                if size:
                    place = int(start) if start >= _4_GB else self.tiff.fixed(int(start), directory.span[0])
                    found.append((place, place + int(size)))
        if found and not 0 <= min(found)[0] <= max(end for _, end in found) <= self.source.size:
            raise NotUnderstoodError("it is cut short")
        return found

    def _wide(self, field: Field) -> tuple[float, ...]:
        values = self.tiff.values(field)
        return (values[0] + (field.high << 32),) if field.count == 1 else values

    def _blank(self, foreign: Iterator[streams.Foreign]) -> None:
        for what, span in foreign:
            self.removed.append(Removed(what, words_in(self.source.take((span[0], min(span[1], span[0] + (1 << 16)))))))
            self.blanks.append(span)

    # --- what stays behind

    def _drop_field(self, field: Field) -> None:
        data = self.source.take((field.span[0], min(field.span[1], field.span[0] + (1 << 20))))
        if field.span[1] - field.span[0] > (8 if self.tiff.big else 4):
            self.lost.append(field.span)
        values = words_in(data)
        if field.text_like:
            values += tuple(part.strip() for line in data.split(b"\0") for part in line.splitlines() if part.strip())
            values += tuple(part.partition(b"=")[2] for line in data.split(b"\0") for part in line.splitlines())
        if field.tag in tags.OTHER_DIRECTORIES and field.count == 1:
            values += self._words_below(field)
        if data.strip(b"\0 "):
            self.removed.append(Removed(tags.name_of(field.tag), values))

    def _words_below(self, field: Field) -> tuple[bytes | str, ...]:
        try:
            directory, _ = read_directory(self.tiff, int(self.tiff.values(field)[0]))
        except NotUnderstoodError:
            return ()
        self.known.append(directory.span)
        found: tuple[bytes | str, ...] = ()
        for inner in directory.fields.values():
            self.known.append(inner.span)
            found += words_in(self.source.take((inner.span[0], min(inner.span[1], inner.span[0] + (1 << 16)))))
        return found

    def _drop_page(self, page: Page, role: str) -> None:
        spans = self._stream_spans(page.directory)
        self.lost += spans
        self.removed.append(Removed(f"{role} image", slices_of(self.source, sorted(spans))))
        self.directories.append(page.directory.span)
        self.lost_px.append(page.size_px)
        for field in page.directory.fields.values():
            if field.text_like and not self._tells_nothing(page.directory, field):
                self._drop_field(field)
            self.known.append(field.span)

    def _tells_nothing(self, directory: Directory, field: Field) -> bool:
        """A level may keep such a text, and share its place: all directories of an NDPI have one for their maker."""
        if field.tag in (tags.JPEG_TABLES, tags.ICC_PROFILE):
            return True
        return field.kind == 2 and tags.is_known_word(field.tag, self.tiff.text(directory, field.tag))

    def _check_places(self) -> None:
        """What is kept must not lie over what stays behind: a made-up tile could carry a label into the copy."""
        kept = [kept.span for kept in self.kept] + [(place, place + len(data)) for place, data in self.written]
        if overlap(kept, self.lost) or overlap((kept.span for kept in self.kept if kept.span[0]), self.directories):
            raise NotUnderstoodError("a level shares bytes with what must stay behind")

    def _look_between(self) -> None:
        """Bytes that belong to no field: none should be there, and none are taken over."""
        everything = [*self.known, *self.directories, *self.lost, *(kept.span for kept in self.kept)]
        between = [span for span in gaps(merged(everything), self.source.size) if not self.source.is_empty(span)]
        words: tuple[str | bytes, ...] = ()
        for start, end in between:
            words += words_in(self.source.take((start, min(end, start + (1 << 16)))))
        if between:
            self.removed.append(Removed("bytes outside of every field", words))
