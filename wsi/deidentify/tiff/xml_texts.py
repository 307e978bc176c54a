"""XML in an ImageDescription (OME, Philips), written anew from the elements, attributes and values that are listed.

Declarations are refused, since they can name files and grow without end; comments and instructions stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from wsi.deidentify.plan import NotUnderstoodError, Removed
from wsi.deidentify.tiff.texts import Cleaned

_MAX_BYTES, _MAX_ELEMENTS = 32 << 20, 200_000
_OME_HOME = re.compile(r"http://www\.openmicroscopy\.org/Schemas/OME/20\d\d-\d\d")
_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'

_WHOLE = r"\d{1,9}"
_FLOAT = r"[-+]?\d{0,9}\.?\d{0,24}(?:[eE][-+]?\d{1,3})?"
_UNIT = r"[µμ]m|um|nm|mm|cm|m|Å|in|pixel"
_BOOLEAN = r"true|false"
_OME: Mapping[str, Mapping[str, str]] = {
    "OME": {},
    "Image": {"ID": r"Image:\d{1,4}"},
    "Pixels": {
        **{"ID": r"Pixels:\d{1,4}(?::\d{1,4})?", "DimensionOrder": "XY[CZT]{3}", "Type": "uint8|uint16"},
        **dict.fromkeys(("SizeX", "SizeY", "SizeZ", "SizeC", "SizeT", "SignificantBits"), _WHOLE),
        **dict.fromkeys(("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ"), _FLOAT),
        **dict.fromkeys(("PhysicalSizeXUnit", "PhysicalSizeYUnit", "PhysicalSizeZUnit"), _UNIT),
        **dict.fromkeys(("BigEndian", "Interleaved"), _BOOLEAN),
    },
    "Channel": {"ID": r"Channel:\d{1,4}:\d{1,4}", "SamplesPerPixel": _WHOLE},
    "TiffData": dict.fromkeys(("IFD", "PlaneCount", "FirstZ", "FirstC", "FirstT"), _WHOLE),
}
_OME_NAMES = re.compile(
    "AcquisitionDate|Annotation|AnnotationRef|Arc|BinData|BinaryOnly|CommentAnnotation|CustomAttributes|"
    "Creator|Dataset|Description|Detector|Email|Experiment|Experimenter|ExperimenterRef|FileName|"
    "FirstName|Group|ImagingEnvironment|Institution|Instrument|InstrumentRef|Label|LastName|Manufacturer|"
    "Microscope|MiddleName|Model|Name|Objective|ObjectiveSettings|OriginalMetadata|Plane|Plate|Project|"
    "ROI|Rights|Screen|SerialNumber|StageLabel|StructuredAnnotations|UUID|UserName|Value|XMLAnnotation|"
    "TagAnnotation|MapAnnotation|TimestampAnnotation|LongAnnotation|UUIDRef|LotNumber"
)

_NUMBERS = r'[-+\d.eE" ]{0,200}'
_QUOTED = r'"?(?:%s)"?'
_PHILIPS: Mapping[str, str] = {
    **dict.fromkeys(("DICOM_PIXEL_SPACING", "PIIM_DP_PIXEL_DATA_REPRESENTATION_POSITION"), _NUMBERS),
    **dict.fromkeys(("DICOM_BITS_ALLOCATED", "DICOM_BITS_STORED", "DICOM_HIGH_BIT", "DICOM_SAMPLES_PER_PIXEL"), _WHOLE),
    **dict.fromkeys(("DICOM_PIXEL_REPRESENTATION", "DICOM_PLANAR_CONFIGURATION"), _WHOLE),
    "DICOM_PHOTOMETRIC_INTERPRETATION": _QUOTED % "RGB|YBR_FULL|YBR_FULL_422|MONOCHROME2",
    "DICOM_LOSSY_IMAGE_COMPRESSION": _QUOTED % "0[01]",
    "DICOM_LOSSY_IMAGE_COMPRESSION_METHOD": _QUOTED % "PHILIPS_(?:TIFF|DP)_1_0|ISO_10918_1",
    "DICOM_LOSSY_IMAGE_COMPRESSION_RATIO": _NUMBERS,
    "PIM_DP_IMAGE_TYPE": "WSI",
    **dict.fromkeys(("PIM_DP_IMAGE_ROWS", "PIM_DP_IMAGE_COLUMNS"), _WHOLE),
    **dict.fromkeys(("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", "PIIM_PIXEL_DATA_REPRESENTATION_ROWS"), _WHOLE),
    "PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS": _WHOLE,
    **dict.fromkeys(("PIM_DP_SCANNED_IMAGES", "PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE"), ""),
}
_PHILIPS_NAMES = re.compile(
    "DICOM_ACQUISITION_DATETIME|DICOM_DATE_OF_LAST_CALIBRATION|DICOM_TIME_OF_LAST_CALIBRATION|"
    "DICOM_MANUFACTURER|DICOM_MANUFACTURERS_MODEL_NAME|DICOM_DEVICE_SERIAL_NUMBER|DICOM_SOFTWARE_VERSIONS|"
    "DICOM_DERIVATION_DESCRIPTION|PIM_DP_IMAGE_DATA|PIM_DP_SOURCE_FILE|PIM_DP_UFS_BARCODE|"
    "PIM_DP_UFS_INTERFACE_VERSION|UFS_IMAGE_GENERAL_HEADERS|PIM_DP_SCANNER_RACK_NUMBER|"
    "PIM_DP_SCANNER_SLOT_NUMBER|PIM_DP_SCANNER_OPERATOR_ID|PIM_DP_SCANNER_CALIBRATION_STATUS|"
    "DICOM_PATIENT_NAME|DICOM_PATIENT_ID|DICOM_ACCESSION_NUMBER|DICOM_ICCPROFILE"
)
_PHILIPS_OBJECTS = re.compile("DPUfsImport|DPScannedImage|PixelDataRepresentation")
_PHILIPS_FORMS = {"Group": r"0x[0-9A-F]{4}", "Element": r"0x[0-9A-F]{4}"} | {
    "PMSVR": "IString|IStringArray|IUInt16|IUInt32|IDouble|IDoubleArray|IDataObjectArray"
}


@dataclass
class _Writer:
    """What is written, and what is not: (name, values) in turn."""

    parts: list[str]
    removed: list[Removed]

    def drop(self, name: str, *texts: str | None) -> None:
        values = tuple(text.strip() for text in texts if text and text.strip())
        if values:
            self.removed.append(Removed(name, values))

    def drop_whole(self, name: str, element: Any) -> None:
        """An element with all that is in it."""
        found = tuple(_texts(element))
        self.removed.append(Removed(name, found))

    def attributes(self, element: Any, listed: Mapping[str, str], named: Callable[[str], str]) -> str:
        told = ""
        for key, value in element.attrib.items():
            name = _local(key)
            if name == key and name in listed and re.fullmatch(listed[name], value, re.ASCII | re.DOTALL):
                told += f" {name}={quoteattr(value)}"
            else:
                self.drop(named(name), value)
        return told


def clean_ome(text: bytes, pages: Mapping[int, int], sizes: frozenset[tuple[int, int]]) -> Cleaned:
    """The images of `sizes`. `pages`: number of a directory -> its number in the copy."""
    root, writer = _parsed(text), _Writer([], [])
    home = root.tag[1:].partition("}")[0] if root.tag.startswith("{") else ""
    if _local(root.tag) != "OME" or not (_OME_HOME.fullmatch(home) or home == ""):
        raise NotUnderstoodError("its OME-XML is of another kind")
    _refuse_other_files(root)
    writer.attributes(root, {}, _ome_name)
    where = f' xmlns="{home}"' if home else ""
    images = [child for child in root if _local(child.tag) == "Image" and _ome_size(child) in sizes]
    for child in root:
        if child not in images:
            writer.drop_whole(_ome_name(_local(child.tag)), child)
    for image in images:
        _write_ome(writer, image, pages)
    body = "".join(writer.parts)
    return _cleaned(text, f"<OME{where}>{body}</OME>", writer)


def clean_philips(text: bytes) -> Cleaned:
    """The description of the scan and its levels; label, macro, barcode and the rest stay behind."""
    root, writer = _parsed(text), _Writer([], [])
    if root.tag != "DataObject" or root.get("ObjectType") != "DPUfsImport":
        raise NotUnderstoodError("its Philips XML is of another kind")
    _write_philips(writer, root)
    return _cleaned(text, "".join(writer.parts), writer)


def _cleaned(text: bytes, body: str, writer: _Writer) -> Cleaned:
    made = _HEAD + body.encode()
    words = text.decode("utf-8", "replace")
    writer.drop("XML comment", *re.findall(r"<!--(.*?)-->", words, re.DOTALL))
    writer.drop("XML instruction", *re.findall(r"<\?(?!xml\s)(.*?)\?>", words, re.DOTALL))
    writer.drop("XML prefix", *re.findall(r"xmlns:([^\s=]+)", words))
    if not writer.removed:
        return text, ()  # at most other spaces, another order
    return made, tuple(writer.removed)


def _parsed(text: bytes) -> Any:
    if len(text) > _MAX_BYTES:
        raise NotUnderstoodError("its XML is too large")
    plain = re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL)
    if b"<!" in plain:
        raise NotUnderstoodError("its XML declares things")
    parser: Any = ElementTree.XMLPullParser(("start",))
    root, count = None, 0
    try:
        parser.feed(text.strip(b"\0 \r\n\t\xef\xbb\xbf"))
        for _, element in parser.read_events():
            root = element if root is None else root
            count += 1
        parser.close()
    except (ElementTree.ParseError, ValueError):
        raise NotUnderstoodError("its XML is damaged") from None
    if root is None or count > _MAX_ELEMENTS:
        raise NotUnderstoodError("its XML is empty or too large")
    return root


def _refuse_other_files(root: Any) -> None:
    """Planes that lie in other files would be missing from the copy."""
    names = {element.get("FileName", "") for element in root.iter() if _local(element.tag) == "UUID"}
    if len(names) > 1 or any(_local(element.tag) == "BinaryOnly" for element in root.iter()):
        raise NotUnderstoodError("its picture lies in several files")


def _ome_size(image: Any) -> tuple[int, int]:
    for pixels in image:
        if _local(pixels.tag) == "Pixels":
            sides = [pixels.get(key, "") for key in ("SizeX", "SizeY")]
            if all(re.fullmatch(_WHOLE, side, re.ASCII) for side in sides):
                return int(sides[0]), int(sides[1])
    return 0, 0


def _write_ome(writer: _Writer, element: Any, pages: Mapping[int, int]) -> None:
    name = _local(element.tag)
    if name == "TiffData":
        at = element.get("IFD", "0")
        if not re.fullmatch(_WHOLE, at, re.ASCII) or int(at) not in pages:
            raise NotUnderstoodError("its OME-XML names planes that are none of its levels")
        if "IFD" in element.attrib:
            element.set("IFD", str(pages[int(at)]))
    told = writer.attributes(element, _OME[name], _ome_name)
    writer.drop(_ome_name(name), element.text, *(child.tail for child in element))
    writer.parts.append(f"<{name}{told}>")
    for child in element:
        if _local(child.tag) in {"Pixels", "Channel", "TiffData"}:
            _write_ome(writer, child, pages)
        else:
            writer.drop_whole(_ome_name(_local(child.tag)), child)
    writer.parts.append(f"</{name}>")


def _write_philips(writer: _Writer, element: Any) -> None:
    """An object with its attributes; of an attribute either a value or an array of objects."""
    kind = element.get("ObjectType", "")
    writer.attributes(element, {"ObjectType": _PHILIPS_OBJECTS.pattern}, _philips_name)
    writer.drop("Philips XML", element.text, *(child.tail for child in element))
    writer.parts.append(f"<DataObject ObjectType={quoteattr(kind)}>")
    for child in element:
        name = child.get("Name", "")
        if child.tag != "Attribute" or name not in _PHILIPS:
            writer.drop_whole(_philips_name(name), child)
        else:
            _write_philips_attribute(writer, child, name)
    writer.parts.append("</DataObject>")


def _write_philips_attribute(writer: _Writer, element: Any, name: str) -> None:
    told = writer.attributes(element, {"Name": re.escape(name)} | _PHILIPS_FORMS, _philips_name)
    if _PHILIPS[name]:
        value = element.text or ""
        if len(element) or not re.fullmatch(_PHILIPS[name], value, re.ASCII):
            writer.drop_whole(name, element)
            return
        writer.parts.append(f"<Attribute{told}>{escape(value)}</Attribute>")
        return
    writer.parts.append(f"<Attribute{told}><Array>")
    for array in element:
        for child in array:
            if child.tag == "DataObject" and _is_scan(child):
                _write_philips(writer, child)
            else:
                writer.drop_whole("label or macro image", child)
        writer.drop("Philips XML", array.text, *(child.tail for child in array), *array.attrib.values())
    writer.drop("Philips XML", element.text, *(child.tail for child in element))
    writer.parts.append("</Array></Attribute>")


def _is_scan(element: Any) -> bool:
    kinds = [child.text for child in element if child.get("Name") == "PIM_DP_IMAGE_TYPE"]
    return _PHILIPS_OBJECTS.fullmatch(element.get("ObjectType", "")) is not None and kinds in ([], ["WSI"])


def _texts(element: Any) -> Iterator[str]:
    for inner in element.iter():
        # Philips keeps pictures here, in base 64: the beginning is enough to know one by.
        for text in (*inner.attrib.values(), inner.text, inner.tail):
            if text and text.strip():
                yield text.strip()[:4096]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _ome_name(name: str) -> str:
    return f"OME {name}" if _OME_NAMES.fullmatch(name) or name in _OME else "OME element of another name"


def _philips_name(name: str) -> str:
    return name if _PHILIPS_NAMES.fullmatch(name) or name in _PHILIPS else "Philips attribute of another name"
