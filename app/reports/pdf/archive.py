"""What makes a PDF fit for an archive (ISO 19005-2, PDF/A-2): metadata in XMP that agree with the document's, the
colours that are meant, the language, and no more than is true. Fonts and structure are others' duty.
"""

from __future__ import annotations

import functools
from datetime import datetime
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

AUTHOR = "pulmoscope"
PART, CONFORMANCE = 2, "A"
_SRGB = "sRGB IEC61966-2.1"
_PROFILE_DATE, _PROFILE_ID = slice(24, 36), slice(84, 100)

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>{part}</pdfaid:part>
<pdfaid:conformance>{conformance}</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<pdf:Producer>{producer}</pdf:Producer>
<xmp:CreatorTool>{author}</xmp:CreatorTool>{dates}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def make_archival(canvas: Canvas, title: str, language: str, written: datetime | None) -> None:
    """Sets what PDF/A asks of the document as a whole. `title` must hold no name: programs show and index it.

    Without `written` (UTC) no date is told.
    """
    from reportlab.pdfbase.pdfdoc import XMP, PDFArray, PDFDictionary, PDFName, PDFString

    document = canvas._doc
    document.info = info = _info(title, written)
    xmp = _xmp(title, language, info.producer, written).encode()
    metadata = XMP(creator=lambda _document: xmp)
    catalog = document.Catalog
    catalog.Metadata = metadata
    catalog.Lang = PDFString(language)
    catalog.ViewerPreferences = PDFDictionary({"DisplayDocTitle": "true"})
    catalog.__NoDefault__ = [*catalog.__NoDefault__, "OutputIntents"]
    intent = {
        "Type": PDFName("OutputIntent"),
        "S": PDFName("GTS_PDFA1"),
        "OutputConditionIdentifier": PDFString(_SRGB),
        "Info": PDFString(_SRGB),
        "DestOutputProfile": document.Reference(_profile()),
    }
    catalog.OutputIntents = PDFArray([PDFDictionary(intent)])
    document._pdfVersion = (1, 7)


def _info(title: str, written: datetime | None) -> Any:
    from reportlab.pdfbase.pdfdoc import PDFDictionary, PDFInfo, PDFString

    class Info(PDFInfo):
        """Only what is true, and what the XMP says too."""

        def format(self, document: Any) -> bytes:
            told = {"Title": self.title, "Author": self.author, "Creator": self.creator, "Producer": self.producer}
            if written:
                told["CreationDate"] = told["ModDate"] = f"D:{written:%Y%m%d%H%M%S}+00'00'"
            formatted: bytes = PDFDictionary({name: PDFString(text) for name, text in told.items()}).format(document)
            return formatted

    info = Info()
    info.title, info.author, info.creator, info.subject, info.keywords = title, AUTHOR, AUTHOR, "", ""
    return info


def _xmp(title: str, language: str, producer: str, written: datetime | None) -> str:
    dates = ""
    if written:
        at = f"{written:%Y-%m-%dT%H:%M:%S}+00:00"
        dates = "".join(f"\n<xmp:{name}>{at}</xmp:{name}>" for name in ("CreateDate", "ModifyDate", "MetadataDate"))
    texts = {"title": title, "author": AUTHOR, "language": language, "producer": producer}
    return _XMP.format(
        part=PART, conformance=CONFORMANCE, dates=dates, **{name: escape(text) for name, text in texts.items()}
    )


def _profile() -> Any:
    """The sRGB profile that Pillow's Little CMS makes, as a stream of the document."""
    from reportlab.pdfbase.pdfdoc import PDFDictionary, PDFStream, PDFZCompress

    return PDFStream(dictionary=PDFDictionary({"N": 3}), content=_srgb(), filters=[PDFZCompress])


@functools.cache
def _srgb() -> bytes:
    """Without the moment at which it was made, so that the same report is the same bytes."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_PROFILE_DATE] = b"\x07\xea\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00"  # 1 January 2026
    profile[_PROFILE_ID] = bytes(16)
    return bytes(profile)


def with_line_ends(pdf: bytes) -> bytes:
    """A document as ReportLab writes it, with a line end before each `endstream`, which an archive asks for; the table
    of its objects is written anew."""
    start = int(pdf[pdf.rindex(b"startxref") + 9 :].split()[0])
    table, trailer = pdf[start : pdf.index(b"trailer", start)], pdf[pdf.index(b"trailer", start) :]
    offsets = sorted(int(entry[:10]) for entry in table.splitlines() if entry[17:18] == b"n")
    parts = [pdf[: offsets[0]]]
    for begin, end in pairwise([*offsets, start]):
        parts.append(_ended(pdf[begin:end]))
    body = b"".join(parts)
    moved = dict(zip(offsets, accumulate(map(len, parts[:-1])), strict=True))
    lines = [
        b"%010d %s" % (moved[int(line[:10])], line[11:]) if line[17:18] == b"n" else line
        for line in table.splitlines(keepends=True)
    ]
    return b"".join([body, *lines, trailer[: trailer.rindex(b"startxref")], b"startxref\n%d\n%%%%EOF\n" % len(body)])


def _ended(written: bytes) -> bytes:
    head, found, tail = written.rpartition(b"endstream")
    return head + b"\n" + found + tail if found and tail.split() == [b"endobj"] else written
