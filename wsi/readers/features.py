"""Features of intact files that nothing here reads, in words of ours, and how to convert: not damage.

OpenSlide's own messages may hold a path or text from the file; only what is listed here is taken from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError

CONVERT_TIFF = "export it as a tiled pyramidal TIFF with 8-bit RGB in JPEG, e.g. by QuPath, Bio-Formats or vips"
EXPORT = "export it by the scanner's software, or by Bio-Formats, as DICOM or tiled TIFF"
WITH_EXTRA = "install the extra `formats`: pip install -e '.[formats]'"
_CONVERT_DICOM = "transcode it to JPEG or JPEG 2000, e.g. by dcmtk's dcmdjpeg and dcmcjpeg, or export it as TIFF"
_ONE_PLANE = "export one focal plane"
ONE_LIGHT = "export its brightfield path alone"
_ONE_PICTURE = "export one of them to a folder of its own"

_CZI_DIMENSIONS = {"Z": "focal planes", "T": "points of time", "R": "turns", "I": "lights", "H": "phases", "V": "views"}
_CZI_EXPORT = "export its one plane by ZEN, as CZI without that dimension or as OME-TIFF"

# Compression numbers of TIFF: registered, and private ones that are met.
COMPRESSIONS = {
    5: "LZW",
    6: "old-style JPEG",
    8: "Deflate",
    9: "JBIG",
    10: "JBIG",
    22610: "JPEG XR",
    32809: "ThunderScan",
    32908: "PixarFilm",
    32909: "PixarLog",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG of a private kind",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of a private kind",
    34925: "LZMA",
    34926: "Zstandard of an early kind",
    34927: "WebP of an early kind",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
SAMPLE_FORMATS = {2: "signed whole numbers", 3: "float samples", 5: "complex numbers", 6: "complex numbers"}
_TRANSFER_SYNTAXES = {
    "1.2.840.10008.1.2": "uncompressed pixels in implicit little endian",
    "1.2.840.10008.1.2.1": "uncompressed pixels",
    "1.2.840.10008.1.2.1.99": "deflated data",
    "1.2.840.10008.1.2.2": "uncompressed pixels in big endian",
    "1.2.840.10008.1.2.5": "RLE compression",
    "1.2.840.10008.1.2.4.51": "12-bit JPEG",
    "1.2.840.10008.1.2.4.57": "lossless JPEG",
    "1.2.840.10008.1.2.4.70": "lossless JPEG",
    "1.2.840.10008.1.2.4.80": "JPEG-LS compression",
    "1.2.840.10008.1.2.4.81": "JPEG-LS compression",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 compression",
    "1.2.840.10008.1.2.4.91": "JPEG 2000 compression",
    "1.2.840.10008.1.2.4.110": "JPEG XL compression",
    "1.2.840.10008.1.2.4.111": "JPEG XL compression",
    "1.2.840.10008.1.2.4.112": "JPEG XL compression",
    "1.2.840.10008.1.2.4.201": "HTJ2K compression",
    "1.2.840.10008.1.2.4.202": "HTJ2K compression",
    "1.2.840.10008.1.2.4.203": "HTJ2K compression",
}
_ATTRIBUTES = {
    "BitsAllocated": "samples of {0} bits",
    "BitsStored": "samples of {0} bits",
    "HighBit": "samples of {0} bits",
    "NumberOfOpticalPaths": "{0} optical paths (fluorescence?)",
    "PixelRepresentation": "signed samples",
    "PlanarConfiguration": "colours that are stored apart",
    "SamplesPerPixel": "{0} samples a pixel",
    "TotalPixelMatrixFocalPlanes": "{0} focal planes",
}


def compression(number: int) -> str:
    """Name of a TIFF compression."""
    return COMPRESSIONS.get(number, f"TIFF compression {number}")


def unsupported(name: str, what: str, hint: str = CONVERT_TIFF) -> UnsupportedSlideError:
    return UnsupportedSlideError(f"{name} is whole, but has what is not read here: {what}", hint=hint)


def explained(name: str, error: Exception) -> SlideError:
    """What OpenSlide's `error` on the file called `name` means: a feature that it does not read, a part that is
    missing, or damage."""
    if re.search(r"SOP instances?\b.* in concatenation", str(error)):
        return CorruptSlideError(
            f"{name} is incomplete: an instance of its concatenation is missing", hint="copy all files of the series"
        )
    if "No pyramid levels found" in str(error):
        return UnsupportedSlideError(
            f"{name} is a label, overview or thumbnail without the slide that it belongs to",
            hint="copy all files of the series",
        )
    for pattern, told, hint in _TELLING:
        found = re.search(pattern, str(error))
        if found:
            return unsupported(name, told(found), hint)
    return CorruptSlideError(f"{name} is damaged: OpenSlide cannot read it", hint="copy or scan it again")


def _attribute(found: re.Match[str]) -> str:
    return _ATTRIBUTES.get(found[1], "a DICOM attribute of a value that it does not know").format(found[2])


_TELLING: tuple[tuple[str, Callable[[re.Match[str]], str], str], ...] = (
    (r"Unsupported TIFF compression: (\d{1,6})", lambda found: compression(int(found[1])), CONVERT_TIFF),
    (r"Attribute (TotalPixelMatrixFocalPlanes) value (\d{1,9}) != ", _attribute, _ONE_PLANE),
    (r"Attribute (NumberOfOpticalPaths) value (\d{1,9}) != ", _attribute, ONE_LIGHT),
    (r"Attribute (\w{1,64}) value (\d{1,9}) != ", _attribute, _CONVERT_DICOM),
    (
        r"Unsupported transfer syntax ([\d.]{1,64})",
        lambda found: _TRANSFER_SYNTAXES.get(found[1], "a DICOM transfer syntax that it does not know"),
        _CONVERT_DICOM,
    ),
    (r"Unsupported photometric interpretation", lambda _: "a colour model that it does not know", _CONVERT_DICOM),
    (r"Slide contains unexpected image", lambda _: "two pictures of one size in a series", _ONE_PICTURE),
    (r'Bad direction attribute "LEFT"', lambda _: "tiles joined in the direction LEFT", CONVERT_TIFF),
    (r"Bad direction attribute", lambda _: "tiles joined in a direction that it does not know", CONVERT_TIFF),
    (r"Slides with dissimilar main images", lambda _: "main images of different kinds", CONVERT_TIFF),
    (
        r'Unrecognized subblock dimension "([A-Z])"',
        lambda found: f"a CZI that counts {_CZI_DIMENSIONS.get(found[1], 'what a slide has not')}",
        _CZI_EXPORT,
    ),
    (r"Compression \d+ is not supported", lambda _: "a CZI compression that it does not know", CONVERT_TIFF),
    (r"Pixel type \S+ is not supported", lambda _: "pixels other than 8-bit colour", CONVERT_TIFF),
    (r"can not handle images? with (\d{1,3})-bit samples", lambda found: f"samples of {found[1]} bits", CONVERT_TIFF),
    (r"Unsupported bits/sample: (\d{1,3})", lambda found: f"samples of {found[1]} bits", CONVERT_TIFF),
    (r"Unsupported JPEG data precision (\d{1,3})", lambda found: f"JPEG of {found[1]} bits", CONVERT_TIFF),
    (r"Unsupported JPEG process", lambda _: "a JPEG process other than baseline or progressive", CONVERT_TIFF),
    (r"[Ss]orry, can not handle", lambda _: "a colour layout that it does not know", CONVERT_TIFF),
)
