"""The whole-slide image that DICOM objects of a result refer to: the source where it is DICOM, else one made up.

A made-up study is derived from the digest of the slide alone: all objects of one slide share it, in every run, and its
identifiers (2.25 and a UUID) say nothing of a person. Level 0 then begins at (0, 0, 0) of the slide's coordinates, rows
run along x, columns along y.
"""

from __future__ import annotations

import io
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregate.result import SlideResult
from wsi.errors import SlideError
from wsi.identity import open_slide_file

MAKER = "pulmoscope"
SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_NAMESPACE = uuid.UUID("8f0f5c1e-8d5b-5d0e-9a57-5b4de5a3b4a1")
_HEAD_BYTES = 1 << 20
_LAST_TAG = 0x00480102  # orientation; profiles and tables of frames come after it


@dataclass(frozen=True)
class Place:
    """Identifiers of the source, and where its pixel (0, 0) lies: `origin_mm` (x, y), `orientation` (six cosines)."""

    study: str
    series: str
    instance: str
    frame_of_reference: str
    origin_mm: tuple[float, float] = (0.0, 0.0)
    orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def uid(*parts: str) -> str:
    """An identifier made of these words: the same for the same words."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(parts)).int}"


def made_of(result: SlideResult) -> tuple[str, ...]:
    """The words that tell one result from every other."""
    provenance = result.provenance
    return result.slide_id, result.slide.sha256, provenance.model.sha256, provenance.config_sha256


def made_up(result: SlideResult) -> Place:
    """The study of a slide that is no DICOM."""
    digest = result.slide.sha256
    return Place(
        uid("study", digest), uid("series", digest), uid("instance", digest), uid("frame-of-reference", digest)
    )


def place_of(result: SlideResult, path: Path | None) -> Place:
    """That of the file at `path` where it is a level of a DICOM slide of the result's size, else a made-up one."""
    if path is None or result.slide.metadata.get("vendor") != "dicom":
        return made_up(result)
    try:
        with open_slide_file(path) as file:
            head = file.read(_HEAD_BYTES)
        return _place(head, result) or made_up(result)
    except (OSError, SlideError):
        return made_up(result)


def _place(head: bytes, result: SlideResult) -> Place | None:
    from pydicom.filereader import read_partial

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data: Any = read_partial(io.BytesIO(head), stop_when=lambda tag, _vr, _length: tag > _LAST_TAG)
            size = (int(data.TotalPixelMatrixColumns), int(data.TotalPixelMatrixRows))
            origin = data.get("TotalPixelMatrixOriginSequence") or [None]
            corner = (0.0, 0.0)
            if origin[0] is not None:
                x, y = (origin[0][f"{axis}OffsetInSlideCoordinateSystem"].value for axis in "XY")
                corner = (float(x), float(y))
            cosines = tuple(map(float, data.get("ImageOrientationSlide") or (1, 0, 0, 0, 1, 0)))
            study, series, instance, frame = (
                str(data[f"{name}UID"].value)
                for name in ("StudyInstance", "SeriesInstance", "SOPInstance", "FrameOfReference")
            )
    except Exception:  # pydicom raises nearly anything on a damaged file
        return None
    if size != result.slide.size_px or data.get("SOPClassUID") != SLIDE_IMAGE or len(cosines) != 6:
        return None
    return Place(study, series, instance, frame, corner, cosines)


def source_image(result: SlideResult, place: Place) -> Any:
    """The dataset of level 0 that the objects are made beside, without pixels."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID, made.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, UID(SLIDE_IMAGE)
    made.SOPClassUID, made.SOPInstanceUID = SLIDE_IMAGE, place.instance
    made.StudyInstanceUID, made.SeriesInstanceUID = place.study, place.series
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = place.frame_of_reference, "SLIDE_CORNER"
    made.PatientID = made.PatientName = made.PatientBirthDate = made.PatientSex = made.StudyID = (
        made.AccessionNumber
    ) = ""
    made.StudyDate = made.StudyTime = made.ReferringPhysicianName = ""
    made.Modality, made.ImageType = "SM", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    width, height = result.slide.size_px
    made.Rows, made.Columns, made.NumberOfFrames = min(height, 256), min(width, 256), 1
    made.TotalPixelMatrixColumns, made.TotalPixelMatrixRows, made.TotalPixelMatrixFocalPlanes = width, height, 1
    made.DimensionOrganizationType, made.ImageOrientationSlide = "TILED_FULL", list(place.orientation)
    made.SamplesPerPixel, made.BitsAllocated, made.PhotometricInterpretation = 3, 8, "RGB"
    _name_specimen(made, place)
    spacing, shared, origin = Dataset(), Dataset(), Dataset()
    spacing.PixelSpacing, spacing.SliceThickness = [result.slide.mpp / 1000] * 2, 0.001
    shared.PixelMeasuresSequence = [spacing]
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = place.origin_mm
    made.SharedFunctionalGroupsSequence, made.TotalPixelMatrixOriginSequence = [shared], [origin]
    return made


def _name_specimen(made: Any, place: Place) -> None:
    """Glass and specimen, which the standard demands to be named: by the identifier of the image, which says no more
    than that it is this one."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    name = uid("glass", place.series)
    kind, specimen = Dataset(), Dataset()
    slide = codes.SCT.MicroscopeSlide
    kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning = slide.value, slide.scheme_designator, slide.meaning
    specimen.SpecimenIdentifier, specimen.SpecimenUID = name, uid("specimen", place.series)
    specimen.IssuerOfTheSpecimenIdentifierSequence = specimen.SpecimenPreparationSequence = []
    made.ContainerIdentifier, made.IssuerOfTheContainerIdentifierSequence = name, []
    made.ContainerTypeCodeSequence, made.SpecimenDescriptionSequence = [kind], [specimen]
