"""Slides with a made-up patient in every field that may hold one, for tests of what a copy still tells.

Every canary holds the word `CANARY`; no other byte of these files does, in no encoding.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tiffs import jpeg_tiles, noise

CANARY = "Kanarienvogel"
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 11: 4, 13: 4, 16: 8}
_CODES = {1: "B", 3: "H", 4: "I", 5: "I", 9: "i", 11: "f", 13: "I", 16: "Q"}
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")


def canary(name: str) -> str:
    return f"{CANARY} {name}"


def found_in(data: bytes) -> list[str]:
    """The encodings in which a canary is there."""
    return [encoding for encoding in ENCODINGS if CANARY.encode(encoding) in data]


@dataclass
class Page:
    """`tags`: number -> (type, values or bytes); the places of `streams` and of `subs` are filled in."""

    tags: dict[int, tuple[int, Sequence[float] | bytes]]
    streams: Sequence[bytes] = ()
    subs: Sequence[Page] = field(default_factory=list)
    exif: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)


def write_pages(path: Path, pages: Sequence[Page], *, order="<", big=False, ndpi=False, before=b"", start_at=0) -> Path:
    """A TIFF, BigTIFF or NDPI of these directories, each behind its values; `before` lies in front, in no field."""
    return _Writer(path, order, big, ndpi).write(pages, before, start_at)


class _Writer:
    def __init__(self, path, order, big, ndpi):
        self.path, self.order, self.big, self.ndpi = path, order, big, ndpi
        self.file, self.wide = None, []

    def write(self, pages, before, start_at):
        wide = self.big or self.ndpi
        with self.path.open("wb") as self.file:
            mark = {"<": b"II", ">": b"MM"}[self.order]
            version = struct.pack(self.order + ("HHH" if self.big else "H"), *((43, 8, 0) if self.big else (42,)))
            self.file.write(mark + version + bytes(8 if wide else 4) + before)
            self.file.seek(max(start_at, self.file.tell()))
            link = 8 if self.big else 4
            for page in pages:
                start, following = self._page(page)
                self._patch(link, struct.pack(self.order + ("Q" if wide else "I"), start))
                link = following
        return self.path

    def _patch(self, place, data):
        here = self.file.tell()
        self.file.seek(place)
        self.file.write(data)
        self.file.seek(here)

    def _page(self, page):
        """(place of the directory, place of its pointer to the next)."""
        tags = dict(page.tags)
        if page.streams:
            offsets, lengths = (324, 325) if 322 in tags else (273, 279)
            self.wide = places = []
            for stream in page.streams:
                places.append(self.file.tell())
                self.file.write(stream)
            kind = 16 if self.big else 4
            low = [place & 0xFFFFFFFF for place in places] if self.ndpi else places
            tags[offsets], tags[lengths] = (kind, low), (kind, [len(stream) for stream in page.streams])
        if page.subs:
            tags[330] = (16 if self.big else 4, [self._page(sub)[0] for sub in page.subs])
        if page.exif:
            tags[34665] = (4, [self._page(Page(dict(page.exif)))[0]])
        return self._directory(tags)

    def _directory(self, tags):
        room = 8 if self.big else 4
        entries, high = b"", []
        for tag in sorted(tags):
            kind, values = tags[tag]
            data = (
                values
                if isinstance(values, bytes)
                else struct.pack(f"{self.order}{len(values)}{_CODES[kind]}", *values)
            )
            count = len(data) // _SIZES[kind]
            # The upper half of a place, or of a value that is one.
            place = self.wide[0] if tag in (273, 324) and self.wide else 0
            if len(data) > room:
                self.file.seek(self.file.tell() + self.file.tell() % 2)
                place = self.file.tell()
                self.file.write(data)
                data = struct.pack(
                    self.order + ("Q" if self.big else "I"), place & (2**64 - 1 if self.big else 2**32 - 1)
                )
            entries += struct.pack(self.order + ("HHQ" if self.big else "HHI"), tag, kind, count) + data.ljust(
                room, b"\0"
            )
            high.append(place >> 32)
        self.file.seek(self.file.tell() + self.file.tell() % 2)
        start = self.file.tell()
        self.file.write(struct.pack(self.order + ("Q" if self.big else "H"), len(tags)) + entries)
        link = self.file.tell()
        self.file.write(bytes(8 if self.big or self.ndpi else 4))
        if self.ndpi:
            self.file.write(struct.pack(f"<{len(high)}I", *high))
        return start, link


def text(words: str) -> tuple[int, bytes]:
    return 2, words.encode() + b"\0"


def words_everywhere(where: str) -> dict[int, tuple[int, bytes]]:
    """Every baseline and private field that holds words, each with a canary."""
    found = {tag: text(canary(f"{where} tag {tag}")) for tag in (269, 272, 285, 306, 315, 316, 33432, 65000)}
    found[700] = (1, canary(f"{where} XMP").encode())
    found[33723] = (7, canary(f"{where} IPTC").encode())
    found[37510] = (7, canary(f"{where} UTF-16").encode("utf-16-le"))
    found[34675] = (7, profile(canary(f"{where} ICC")))
    return found


def profile(words: str) -> bytes:
    """An sRGB profile whose description and copyright are `words`."""
    from PIL import ImageCms

    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = b"text\0\0\0\0" + words.encode() + b"\0"
    said += bytes(-len(said) % 4)
    count = int.from_bytes(plain[128:132], "big")
    rows = []
    for at in range(132, 132 + 12 * count, 12):
        name, start, size = plain[at : at + 4], *struct.unpack(">II", plain[at + 4 : at + 12])
        if name in (b"desc", b"cprt"):
            start, size = len(plain), len(said)
        rows.append(name + struct.pack(">II", start, size))
    made = bytearray(plain[:132] + b"".join(rows) + plain[132 + 12 * count :] + said)
    made[:4] = len(made).to_bytes(4, "big")
    return bytes(made)


def level(pixels, tile=128, *, description="", subfile=0, comment="", **more) -> Page:
    """A tiled JPEG level; `comment` stands in each of its streams."""
    streams = jpeg_tiles(pixels, tile)
    if comment:
        streams = [with_comment(stream, comment) for stream in streams]
    tags = _picture_tags(pixels, subfile, description)
    tags |= {322: (3, [tile]), 323: (3, [tile])}
    return Page(tags | more.pop("tags", {}), streams, **more)


def strip(pixels, *, description="", subfile=0, tags=(), **more) -> Page:
    """A picture in one JPEG strip, as labels and macros are."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85, comment=canary("label's JPEG").encode())
    made = _picture_tags(pixels, subfile, description) | {278: (4, [pixels.shape[0]])}
    return Page(made | dict(tags), [data.getvalue()], **more)


def _picture_tags(pixels, subfile, description):
    height, width = pixels.shape[:2]
    tags = {
        254: (4, [subfile]),
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8, 8, 8]),
        259: (3, [7]),
        262: (3, [6]),
        277: (3, [3]),
        284: (3, [1]),
        530: (3, [2, 2]),
    }
    return tags | ({270: text(description)} if description else {})


def with_comment(stream: bytes, words: str) -> bytes:
    said = words.encode()
    exif = b"Exif\0\0" + said
    parts = b"".join(
        mark + (len(what) + 2).to_bytes(2, "big") + what for mark, what in ((b"\xff\xfe", said), (b"\xff\xe1", exif))
    )
    return stream[:2] + parts + stream[2:]


def section(width=512, height=384, seed=0):
    return noise(width, height, seed)


APERIO = (
    "Aperio Image Library v11.2.1\r\n{w}x{h} [0,0 {w}x{h}] (128x128) JPEG/RGB Q=85|AppMag = 20|ScanScope ID = "
    + canary("id")
) + "|Filename = {0}|Date = 12/29/09|User = {0}|{0} = 7|MPP = 0.4990|Title = {0}".format(canary("Aperio"))


def aperio_pages(**more) -> list[Page]:
    """Two levels, thumbnail, label and macro as Aperio orders them."""
    whole = section()
    small = np.ascontiguousarray(whole[::4, ::4])
    words = words_everywhere("first")
    first = APERIO.format(w=512, h=384)
    return [
        level(whole, description=first, tags=words, exif={37500: (7, canary("EXIF").encode())}, **more),
        strip(small, description=f"Aperio Image Library\r\n512x384 -> 128x96 - |User = {canary('thumbnail')}"),
        level(
            small, description=f"Aperio Image Library\r\n512x384 (128x128) -> 128x96 JPEG/RGB Q=85|User = {canary('l')}"
        ),
        strip(section(96, 90, 5), description=f"Aperio Image Library\r\nlabel 96x90|{canary('x')}", subfile=1),
        strip(
            section(160, 64, 6),
            description="Aperio Image Library\r\nmacro 160x64",
            subfile=9,
            tags=words_everywhere("macro"),
        ),
    ]


def ndpi_pages() -> list[Page]:
    """Two levels, macro and map; Reference and serial numbers stand in every directory, as Hamamatsu writes them."""
    whole = section()
    pages = []
    for number, (pixels, lens) in enumerate(
        ((whole, 20.0), (whole[::4, ::4], 5.0), (section(160, 64, 6), -1.0), (whole[::9, ::7], -2.0))
    ):
        page = strip(np.ascontiguousarray(pixels))
        if lens > 0:
            page.streams = [restarting(np.ascontiguousarray(pixels))]
        page.tags |= {
            **{
                tag: text(canary(f"{name} {number}"))
                for tag, name in ((272, "model"), (306, "date"), (65427, "Reference"), (65442, "serial"))
            },
            65449: (7, f"Created=2009/12/29\r\nNDP.S/N={canary('serial')}\r\n".encode()),
            **{
                271: text("Hamamatsu"),
                65420: (4, [1]),
                65421: (11, [lens]),
                65422: (9, [-5_000_000]),
                65423: (9, [7_000_000]),
            },
            **{65424: (9, [0]), 282: (5, [22727, 1]), 283: (5, [22727, 1]), 296: (3, [3])},
        }
        pages.append(page)
    return pages


def restarting(pixels) -> bytes:
    """A JPEG with restart markers, one a row of blocks, as NDPI needs them."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85, subsampling="4:4:4", restart_marker_rows=1)
    return data.getvalue()


OME = """<?xml version="1.0" encoding="UTF-8"?><!-- {c} comment -->
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" Creator="{c} creator" UUID="urn:uuid:{c}">
<Experimenter ID="Experimenter:0" FirstName="{c}" LastName="{c}"/>
<Image ID="Image:0" Name="{c} image"><AcquisitionDate>1949-03-02T00:00:00</AcquisitionDate>
<Description>{c} description</Description>
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="512" SizeY="384" SizeZ="1" SizeC="3" SizeT="1"
 PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="0.5" PhysicalSizeYUnit="µm">
<Channel ID="Channel:0:0" SamplesPerPixel="3" Name="{c} channel"/>
<TiffData IFD="0" PlaneCount="1"><UUID FileName="{c}.ome.tiff">urn:uuid:{c}</UUID></TiffData></Pixels></Image>
<Image ID="Image:1" Name="label"><Pixels ID="Pixels:1" DimensionOrder="XYCZT" Type="uint8" SizeX="96" SizeY="90"
 SizeZ="1" SizeC="3" SizeT="1"><TiffData IFD="1" PlaneCount="1"/></Pixels></Image>
<StructuredAnnotations><XMLAnnotation ID="Annotation:0"><Value><Patient>{c} annotation</Patient></Value>
</XMLAnnotation></StructuredAnnotations></OME>""".replace("{c}", CANARY)


def ome_pages() -> list[Page]:
    """One level with another in its SubIFDs, and a label."""
    whole = section()
    sub = level(np.ascontiguousarray(whole[::2, ::2]), subfile=1, tags=words_everywhere("sub"))
    return [level(whole, description=OME, subs=[sub], tags=words_everywhere("ome")), strip(section(96, 90, 5))]


def philips_xml(widths=((512, 384), (256, 192))) -> str:
    def attribute(name, value, kind="IString"):
        return f'<Attribute Name="{name}" Group="0x0028" Element="0x0030" PMSVR="{kind}">{value}</Attribute>'

    def level_of(number, size):
        spacing = 0.0005 * 2**number
        return (
            '<DataObject ObjectType="PixelDataRepresentation">'
            + attribute("DICOM_PIXEL_SPACING", f"&quot;{spacing}&quot; &quot;{spacing}&quot;", "IDoubleArray")
            + attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", number, "IUInt16")
            + attribute("PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS", size[0], "IUInt32")
            + attribute("PIIM_PIXEL_DATA_REPRESENTATION_ROWS", size[1], "IUInt32")
            + "</DataObject>"
        )

    levels = "".join(level_of(number, size) for number, size in enumerate(widths))
    picture = attribute("PIM_DP_IMAGE_TYPE", "LABELIMAGE") + attribute("PIM_DP_IMAGE_DATA", canary("in base 64"))
    scan = (
        attribute("PIM_DP_IMAGE_TYPE", "WSI")
        + attribute("DICOM_PIXEL_SPACING", "&quot;0.0005&quot; &quot;0.0005&quot;", "IDoubleArray")
        + attribute("DICOM_DERIVATION_DESCRIPTION", canary("derivation"))
        + '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" PMSVR="IDataObjectArray">'
        + f"<Array>{levels}</Array></Attribute>"
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?><!-- {CANARY} --><DataObject ObjectType="DPUfsImport">'
        + attribute("DICOM_ACQUISITION_DATETIME", canary("date"))
        + attribute("DICOM_DEVICE_SERIAL_NUMBER", canary("serial"))
        + attribute("PIM_DP_UFS_BARCODE", canary("barcode"))
        + attribute(canary("a name"), canary("of no known name"))
        + '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" PMSVR="IDataObjectArray"><Array>'
        + f'<DataObject ObjectType="DPScannedImage">{scan}</DataObject>'
        + f'<DataObject ObjectType="DPScannedImage">{picture}</DataObject>'
        + "</Array></Attribute></DataObject>"
    )


def philips_pages() -> list[Page]:
    whole = section()
    words = words_everywhere("philips") | {305: text("Philips DP v1.0"), 271: text("PHILIPS")}
    return [
        level(whole, description=philips_xml(), tags=words),
        level(np.ascontiguousarray(whole[::2, ::2]), subfile=1),
        strip(section(96, 90, 5), description="Label", subfile=1),
        strip(section(160, 64, 6), description="Macro", subfile=1),
    ]


def generic_pages() -> list[Page]:
    whole = section()
    words = words_everywhere("generic") | {282: (5, [20000, 1]), 283: (5, [20000, 1]), 296: (3, [3])}
    return [
        level(whole, description=canary("ImageDescription"), tags=words),
        level(np.ascontiguousarray(whole[::2, ::2]), subfile=1, description=canary("of a level")),
        strip(section(96, 90, 5), description=canary("label")),
    ]


def dicom_attributes() -> dict:
    """Attributes of an instance by keyword, each with a canary: words, nested and private ones, a profile."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    def item(**values):
        made = Dataset()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    inner = item(PersonName=canary("nested twice"), ContentSequence=Items([item(TextValue=canary("nested thrice"))]))
    step = item(SpecimenPreparationStepContentItemSequence=Items([inner]))
    specimen = item(
        SpecimenIdentifier=canary("specimen")[:60],
        SpecimenUID="1.2.826.0.1.3680043.8.498.777",
        SpecimenShortDescription=canary("short"),
        SpecimenPreparationSequence=Items([step]),
    )
    code = item(CodeValue="433466003", CodingSchemeDesignator="SCT", CodeMeaning=canary("meaning"))
    path = item(
        OpticalPathIdentifier="1",
        OpticalPathDescription=canary("path"),
        IlluminationTypeCodeSequence=Items(
            [item(CodeValue="111744", CodingSchemeDesignator="DCM", CodeMeaning=canary("light"))]
        ),
        ICCProfile=profile(canary("ICC")),
    )
    path.add_new(0x00111001, "LO", canary("private and nested"))
    return {
        "PatientName": f"{CANARY}^Erika",
        **{name: canary(name)[:16] for name in ("AccessionNumber", "StudyID")},
        **{
            name: canary(name)
            for name in ("PatientID", "InstitutionName", "ImageComments", "StudyDescription", "ProtocolName")
        },
        "ReferringPhysicianName": f"{CANARY}^{CANARY}",
        **{"PatientBirthDate": "19490302", "StudyDate": "20091229", "ContentDate": "20091229", "StudyTime": "095915"},
        "AcquisitionDateTime": "20091229095915",
        "DeviceSerialNumber": canary("serial"),
        "ContainerIdentifier": canary("container"),
        "ContainerTypeCodeSequence": Items([code]),
        "SpecimenDescriptionSequence": Items([specimen]),
        "OpticalPathSequence": Items([path]),
        "PatientComments": "Vögelchen " + canary("comment"),
    }
