"""Which files OpenSlide reads for a slide. Headers and short texts are read, no pixel; OpenSlide is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from wsi.identity import check_regular
from wsi.readers import dicom_series, hamamatsu_index


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files that are read for the slide at `path`, sorted, `path` among them.

    MIRAX: the folder of the same name. Hamamatsu VMS and VMU: the files that the index names, in its folder only.
    DICOM: the files of the folder with the same SeriesInstanceUID; of several lights, bright field. Everything else is
    one file.
    Raises OSError, NotAFileError, UnreadableFileError.
    """
    suffix = path.suffix.lower()
    others: Iterable[Path] = ()
    if suffix == ".mrxs":
        others = _mirax_files(path)
    elif suffix in hamamatsu_index.SUFFIXES:
        others = hamamatsu_index.index_files(path)
    elif dicom_series.is_dicom(path):
        others = dicom_series.slide_files_of(path)
    return tuple(sorted({path, *others}))


def _mirax_files(path: Path) -> Iterator[Path]:
    for part in path.with_suffix("").rglob("*"):
        if part.exists() and not part.is_dir():
            check_regular(part)
            yield part
