"""The plan of a DICOM slide's copy: every volume of its series with a new header before the same pixels.

Label, overview and thumbnail are instances of their own and stay behind whole.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi.deidentify import streams
from wsi.deidentify.plan import FilePlan, Kept, Naming, NotUnderstoodError, Removed, SlidePlan, Span
from wsi.deidentify.source import Source, opened_source, slices_of, words_in
from wsi.readers.dicom.series import series_files

MARK_AT, MARK = 128, b"DICM"
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_PIXELS, _ITEM, _END = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF
_BESIDE = {"LABEL": "label image", "OVERVIEW": "overview image", "THUMBNAIL": "thumbnail image"}
_OF_THE_FILE = frozenset(
    (
        *("FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID"),
        *("MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID"),
    )
)
_OURS = "pulmoscope"


@dataclass(frozen=True)
class _Instance:
    path: Path
    data: Any
    pixels: Span
    """The whole element, its head included."""
    frames: tuple[Span, ...]
    syntax: str

    @property
    def flavour(self) -> str:
        kinds = [str(kind).upper() for kind in self.data.get("ImageType") or ()]
        return kinds[2] if len(kinds) > 2 else ""


def is_dicom(source: Source) -> bool:
    return source.size > MARK_AT + 4 and source.take((MARK_AT, MARK_AT + 4)) == MARK


def plan_dicom(path: Path, source: Source, naming: Naming) -> SlidePlan:
    """The copy of the series that the instance at `path` belongs to, in a folder of its own. Raises NotUnderstoodError,
    OSError, SlideError."""
    from wsi.deidentify.dicom.attributes import Cleaner

    cleaner = Cleaner(naming)
    files: list[FilePlan] = []
    texts: list[str] = []
    main, lost = "", []
    for part in series_files(path):
        with opened_source(part) as source:
            instance = _read(part, source)
            if instance.flavour in _BESIDE:
                _drop_instance(cleaner, source, instance)
                lost.append((int(instance.data.TotalPixelMatrixColumns), int(instance.data.TotalPixelMatrixRows)))
                continue
            name = f"{naming.stem}/{len(files) + 1:06}.dcm"
            file, said = _plan_instance(cleaner, source, instance, name)
        files.append(file)
        texts += said
        main = name if part == path else main
    if not main:
        raise NotUnderstoodError("it is no level of a slide")
    return SlidePlan(
        "dicom", tuple(files), tuple(cleaner.removed), main, tuple(dict.fromkeys(texts)), tuple(lost), cleaner.shifted
    )


def _read(path: Path, source: Source) -> _Instance:
    import pydicom
    import pydicom.config

    pydicom.config.logger.disabled = True  # neither its log nor its warnings may quote what the file says
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(file, stop_before_pixels=True)
            for _ in data.iterall():  # read to the end: nothing may fail later
                pass
            place, syntax = file.tell(), str(data.file_meta.TransferSyntaxUID)
    except OSError:
        raise
    except Exception:  # pydicom raises nearly anything on a damaged file
        raise NotUnderstoodError("its DICOM header is damaged") from None
    if str(data.get("SOPClassUID", "")) != "1.2.840.10008.5.1.4.1.1.77.1.6":
        raise NotUnderstoodError("it is no whole-slide image")
    pixels, frames = _pixels(source, place, syntax)
    return _Instance(path, data, pixels, frames, syntax)


def _pixels(source: Source, place: int, syntax: str) -> tuple[Span, tuple[Span, ...]]:
    """The element of the pixels at `place`, and its compressed frames; none where they are not compressed."""
    if syntax not in (_IMPLICIT, _EXPLICIT, *_JPEG, *_JPEG2000):
        raise NotUnderstoodError("its transfer syntax is not known here")
    head = source.take((place, min(place + 12, source.size)))
    if head[:4] != _PIXELS:
        raise NotUnderstoodError("it has no pixels")
    start = place + (8 if syntax == _IMPLICIT else 12)
    length = int.from_bytes(head[4:8] if syntax == _IMPLICIT else head[8:12], "little")
    if syntax in (_IMPLICIT, _EXPLICIT):
        if length == _UNDEFINED or start + length > source.size:
            raise NotUnderstoodError("it is cut short")
        return (place, start + length), ()
    if length != _UNDEFINED:
        raise NotUnderstoodError("its pixels are compressed, and not in frames")
    frames, end = _frames(source, start)
    return (place, end), frames


def _frames(source: Source, place: int) -> tuple[tuple[Span, ...], int]:
    """The fragments behind the table of offsets, and where the pixels' element ends."""
    found: list[Span] = []
    while True:
        head = source.take((place, min(place + 8, source.size)))
        length = int.from_bytes(head[4:8], "little")
        if head[:4] == _END:
            return tuple(found[1:]), place + 8
        if head[:4] != _ITEM or place + 8 + length > source.size:
            raise NotUnderstoodError("its frames are damaged")
        found.append((place + 8, place + 8 + length))
        place += 8 + length


def _plan_instance(cleaner: Any, source: Source, instance: _Instance, name: str) -> tuple[FilePlan, tuple[str, ...]]:
    from wsi.deidentify.dicom.attributes import texts_of

    _check_pixels(instance)
    made = cleaner.cleaned(instance.data)
    _check_meta(cleaner, source, instance)
    header = _written(made, instance.syntax)
    start = instance.pixels[0]
    blanks = []
    for what, span in _foreign(source, instance):
        cleaner.removed.append(Removed(what, words_in(source.take((span[0], min(span[1], span[0] + (1 << 16)))))))
        blanks.append((span[0] - start + len(header), span[1] - start + len(header)))
    if not source.is_empty((instance.pixels[1], source.size)):
        behind = source.take((instance.pixels[1], min(source.size, instance.pixels[1] + (1 << 20))))
        cleaner.removed.append(Removed("attributes behind the pixels", words_in(behind)))
    size = len(header) + instance.pixels[1] - start
    kept = (Kept(instance.pixels, len(header), pixels=True),)
    return FilePlan(name, instance.path, size, kept, tuple(blanks), ((0, header),)), texts_of(made)


def _check_pixels(instance: _Instance) -> None:
    if instance.flavour != "VOLUME":
        raise NotUnderstoodError("an instance is neither a level nor a label, overview or thumbnail")
    for keyword, what in (("SpecimenLabelInImage", "the label"), ("BurnedInAnnotation", "burned-in text")):
        if str(instance.data.get(keyword, "")).upper() == "YES":
            raise NotUnderstoodError(f"{what} is in the pixels of a level, as {keyword} says")
    frames = int(instance.data.get("NumberOfFrames") or 1)
    if instance.frames and len(instance.frames) != frames:
        raise NotUnderstoodError("its frames are stored in pieces")


def _foreign(source: Source, instance: _Instance) -> Iterator[streams.Foreign]:
    for span in instance.frames:
        if instance.syntax in _JPEG2000:
            yield from streams.foreign_in_jpeg2000(source, span)
        else:
            yield from streams.foreign_in_jpeg(source, span)


def _check_meta(cleaner: Any, source: Source, instance: _Instance) -> None:
    """What stands before the dataset."""
    if not source.is_empty((0, MARK_AT)):
        cleaner.removed.append(Removed("preamble", words_in(source.take((0, MARK_AT)))))
    for element in instance.data.file_meta:
        if element.keyword == "ImplementationVersionName" and str(element.value) in (_OURS, ""):
            continue
        if element.keyword not in _OF_THE_FILE:
            cleaner.drop(element.keyword or "unknown attribute of the file", element)


def _written(made: Any, syntax: str) -> bytes:
    """The file up to the pixels."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = UID(syntax), PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = _OURS
    file = io.BytesIO()
    data = FileDataset(file, made, file_meta=meta, preamble=bytes(MARK_AT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def _drop_instance(cleaner: Any, source: Source, instance: _Instance) -> None:
    pieces = slices_of(source, list(instance.frames) or [instance.pixels])
    cleaner.removed.append(Removed(_BESIDE[instance.flavour], pieces))
    cleaner.cleaned(instance.data)
