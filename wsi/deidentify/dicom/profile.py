"""Which attributes of a whole-slide instance a copy keeps, maps, empties or fills; all others are removed.

PS3.15 Annex E lists what must go (X), be emptied (Z), replaced (D) or mapped (U); here what may stay is listed, so that
private and unknown attributes go without being known. Keywords are PS3.6's.
"""

from __future__ import annotations

import re

# Numbers and words of the picture: attribute -> pattern of each of its values.
_WHOLE, _NUMBER = r"\d{1,10}", r"[-+]?\d{0,10}\.?\d{0,24}(?:[eE][-+]?\d{1,3})?"
_YES_NO = "YES|NO"
KEPT: dict[str, str] = {
    **{"Modality": "SM", "SOPClassUID": r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.77\.1\.6"},
    "ImageType": "ORIGINAL|DERIVED|PRIMARY|SECONDARY|VOLUME|LOCALIZER|THUMBNAIL|OVERVIEW|LABEL|NONE|RESAMPLED|MIXED",
    "FrameType": "ORIGINAL|DERIVED|PRIMARY|SECONDARY|VOLUME|LOCALIZER|THUMBNAIL|OVERVIEW|LABEL|NONE|RESAMPLED|MIXED",
    **dict.fromkeys(
        ("SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated", "BitsStored"), _WHOLE
    ),
    **dict.fromkeys(("HighBit", "PixelRepresentation", "NumberOfFrames", "InstanceNumber", "SeriesNumber"), _WHOLE),
    **dict.fromkeys(("TotalPixelMatrixColumns", "TotalPixelMatrixRows", "TotalPixelMatrixFocalPlanes"), _WHOLE),
    **dict.fromkeys(("InConcatenationNumber", "InConcatenationTotalNumber", "ConcatenationFrameOffsetNumber"), _WHOLE),
    **dict.fromkeys(("NumberOfOpticalPaths", "DimensionIndexValues", "StackID", "InStackPositionNumber"), _WHOLE),
    **dict.fromkeys(("RepresentativeFrameNumber", "ReferencedFrameNumber", "NumberOfFocalPlanes"), _WHOLE),
    **dict.fromkeys(("ColumnPositionInTotalImagePixelMatrix", "RowPositionInTotalImagePixelMatrix"), r"-?\d{1,10}"),
    **dict.fromkeys(("XOffsetInSlideCoordinateSystem", "YOffsetInSlideCoordinateSystem"), _NUMBER),
    **dict.fromkeys(
        ("ZOffsetInSlideCoordinateSystem", "DistanceBetweenFocalPlanes", "LossyImageCompressionRatio"), _NUMBER
    ),
    **dict.fromkeys(("ImagedVolumeWidth", "ImagedVolumeHeight", "ImagedVolumeDepth", "PixelSpacing"), _NUMBER),
    **dict.fromkeys(
        ("SliceThickness", "SpacingBetweenSlices", "ObjectiveLensPower", "ObjectiveLensNumericalAperture"), _NUMBER
    ),
    **dict.fromkeys(("ImageOrientationSlide", "RecommendedAbsentPixelCIELabValue", "IlluminationWaveLength"), _NUMBER),
    "PhotometricInterpretation": "RGB|YBR_FULL|YBR_FULL_422|YBR_ICT|YBR_RCT|MONOCHROME2",
    "LossyImageCompression": "0[01]",
    "LossyImageCompressionMethod": r"ISO_10918_1|ISO_14495_1|ISO_15444_1|ISO_15444_2",
    "DimensionOrganizationType": "TILED_FULL|TILED_SPARSE|3D",
    **dict.fromkeys(("SpecimenLabelInImage", "BurnedInAnnotation", "ExtendedDepthOfField"), _YES_NO),
    "RecognizableVisualFeatures": _YES_NO,
    "FocusMethod": "AUTO|MANUAL",
    "VolumetricProperties": "VOLUME|SAMPLED|DISTORTED|MIXED",
    "PositionReferenceIndicator": "SLIDE_CORNER|UNKNOWN|",
    "PresentationLUTShape": "IDENTITY|INVERSE",
    **dict.fromkeys(("RescaleIntercept", "RescaleSlope"), _NUMBER),
    "OpticalPathIdentifier": r"\d{1,4}",
    "ColorSpace": "SRGB|ADOBERGB|ROMMRGB|DISPLAYP3",
    **dict.fromkeys(("PatientIdentityRemoved",), "YES"),
    "LongitudinalTemporalInformationModified": "REMOVED|MODIFIED",
    # Pointers of a dimension, tags of this very list.
    **dict.fromkeys(("DimensionIndexPointer", "FunctionalGroupPointer"), r".{0,40}"),
    "DimensionDescriptionLabel": r"(?:Row|Column|Z|X|Y)? ?(?:Position|Offset)?|Optical Path|Focal Plane",
}
SEQUENCES = frozenset(
    (
        *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelMeasuresSequence"),
        *("WholeSlideMicroscopyImageFrameTypeSequence", "PlanePositionSlideSequence", "OpticalPathSequence"),
        *("OpticalPathIdentificationSequence", "TotalPixelMatrixOriginSequence", "DimensionOrganizationSequence"),
        *("DimensionIndexSequence", "FrameContentSequence", "IlluminationTypeCodeSequence", "PaletteColorLookupTable"),
        *("IlluminationColorCodeSequence", "DeidentificationMethodCodeSequence", "ObjectiveLensSequence"),
    )
)
# In OpenSlide's and other readers' way otherwise; numbers of frames' places, kept as they are.
RAW = frozenset(("ExtendedOffsetTable", "ExtendedOffsetTableLengths"))
MAPPED = frozenset(
    (
        *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "DimensionOrganizationUID"),
        *("PyramidUID", "ConcatenationUID", "SOPInstanceUIDOfConcatenationSource", "SpecimenUID", "AcquisitionUID"),
    )
)
MAPPED_UID = re.compile(r"2\.25\.[1-9]\d{0,38}")
"""How a mapped identifier looks: an UUID by X.667, made of the key and of what was there."""

# (scheme, value) -> meaning: the only codes that stay, with words of ours.
CODES = {
    ("DCM", "111744"): "Brightfield illumination",
    ("DCM", "111741"): "Transmission illumination",
    ("DCM", "111742"): "Reflection illumination",
    ("DCM", "111743"): "Epifluorescence illumination",
    ("DCM", "111745"): "Dark field illumination",
    ("DCM", "111746"): "Oblique illumination",
    ("DCM", "111747"): "Phase contrast illumination",
    ("SCT", "414298005"): "Full Spectrum",
    ("SRT", "R-102C0"): "Full Spectrum",
    ("SCT", "433466003"): "Microscope slide",
    ("SCT", "371246006"): "Green",
    ("DCM", "113100"): "Basic Application Confidentiality Profile",
    ("DCM", "113105"): "Clean Descriptors Option",
    ("DCM", "113101"): "Clean Pixel Data Option",
    ("DCM", "113107"): "Retain Longitudinal Temporal Information Modified Dates Option",
}
CODE_ATTRIBUTES = frozenset(("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
METHODS = ("113100",)
"""What was done, by CID 7050: the profile without options; it is stricter in that what is not listed goes."""

# Type 2: must be there, may be empty.
EMPTY = (
    *(
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyID",
    ),
)
# Type 1: must be there with something.
FILLED = {
    **{"Manufacturer": "unknown", "ManufacturerModelName": "unknown", "DeviceSerialNumber": "unknown"},
    **{"SoftwareVersions": "unknown", "ContentDate": "19000101", "ContentTime": "000000"},
    "AcquisitionDateTime": "19000101000000",
    "DeidentificationMethod": "pulmoscope: allow-list, stricter than PS3.15 E.1",
}
_BLANK = re.compile(r"[\s^\\0]*")


def is_filler(keyword: str, value: str, stem_like: bool) -> bool:
    """Whether an attribute that is emptied or filled already says what a copy would."""
    if _BLANK.fullmatch(value) or FILLED.get(keyword) == value:
        return True
    return stem_like and keyword in NAMED


NAMED = frozenset(("PatientName", "PatientID", "ContainerIdentifier", "SpecimenIdentifier"))
"""They get the pseudonym."""
