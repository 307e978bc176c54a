"""DICOM: which files are one slide, and where its frames lie. Loaded when a DICOM file is met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsi.process.later import from_homes

if TYPE_CHECKING:
    from wsi.readers.dicom.series import (
        alone,
        is_volume,
        read_header,
        read_lights,
        series_of_folder,
        slide_files_of,
        slides_of_series,
    )

__all__ = [
    "alone",
    "is_volume",
    "read_header",
    "read_lights",
    "series_of_folder",
    "slide_files_of",
    "slides_of_series",
]

__getattr__ = from_homes(__name__, dict.fromkeys(__all__, "series"))
