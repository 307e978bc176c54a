"""What an archive asks of a PDF (ISO 19005-2, PDF/A-2a), as far as we check it: reads a file anew, without ReportLab.

Not a validator: it looks for what our reports could get wrong. `problems` names each rule in words.
"""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any
from xml.etree import ElementTree

_TOKEN = re.compile(
    rb"(?:\s|%[^\r\n]*)*(<<|>>|\[|\]|/[^\s/<>\[\]()]*|\d+\s+\d+\s+R\b|[+-]?(?:\d+\.?\d*|\.\d+)|true|false|null|<[0-9A-Fa-f\s]*>|\()"
)
_ESCAPES = {ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t", ord("b"): b"\b", ord("f"): b"\f"}
_PAINTS = {b"Tj", b"TJ", b"'", b'"', b"f", b"F", b"f*", b"S", b"s", b"B", b"B*", b"b", b"b*", b"Do", b"sh"}
_FORBIDDEN = (
    "JavaScript",
    "JS",
    "Launch",
    "EmbeddedFiles",
    "AcroForm",
    "OpenAction",
    "AA",
    "SMask",
    "Encrypt",
    "RichMedia",
)
_STANDARD = {
    *("Document", "Sect", "H1", "H2", "H3", "P", "L", "LI", "LBody", "Table", "TR", "TH", "TD", "Figure", "Span"),
}


@dataclass(frozen=True)
class Ref:
    number: int


@dataclass
class Stream:
    facts: dict[str, Any]
    raw: bytes

    def data(self) -> bytes:
        """Decoded, but for JPEG."""
        data = self.raw
        names = self.facts.get("Filter", [])
        for name in names if isinstance(names, list) else [names]:
            if name == "/ASCII85Decode":
                data = base64.a85decode(data.strip().removesuffix(b"~>"))
            elif name == "/FlateDecode":
                data = zlib.decompress(data)
        return data


class Pdf:
    """The objects of a file, found by its cross-reference table."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        start = int(content[content.rindex(b"startxref") + 9 :].split()[0])
        lines = content[start : content.index(b"trailer", start)].splitlines()
        self.offsets = {n: int(line[:10]) for n, line in enumerate(lines[2:]) if line[17:18] == b"n"}
        self.trailer, _ = self._value(content.index(b"trailer", start) + 7)
        self.objects = {number: self._object(offset, number) for number, offset in self.offsets.items()}

    def get(self, value: Any) -> Any:
        """What a reference stands for."""
        while isinstance(value, Ref):
            value = self.objects[value.number]
        return value

    @property
    def catalog(self) -> dict[str, Any]:
        return self.get(self.trailer["Root"])

    @property
    def pages(self) -> list[dict[str, Any]]:
        return [self.get(page) for page in self.get(self.get(self.catalog["Pages"])["Kids"])]

    def _object(self, offset: int, number: int) -> Any:
        head = re.compile(rb"(\d+) 0 obj\s*").match(self.content, offset)
        assert head and int(head[1]) == number, f"object {number} is not where the table says"
        value, at = self._value(head.end())
        found = re.compile(rb"\s*stream\r?\n").match(self.content, at)
        if not found:
            return value
        length = self.content[found.end() : found.end() + value["Length"]]
        tail = self.content[found.end() + value["Length"] :][:11]
        assert tail.startswith((b"\nendstream", b"\r\nendstream")), f"stream {number}: wrong length or no line end"
        return Stream(value, length)

    def _value(self, at: int) -> tuple[Any, int]:
        found = _TOKEN.match(self.content, at)
        assert found, self.content[at : at + 40]
        token, at = found[1], found.end()
        if token == b"<<":
            entries = {}
            while not (end := re.compile(rb"(?:\s|%[^\r\n]*)*>>").match(self.content, at)):
                name, at = self._value(at)
                entries[name[1:]], at = self._value(at)
            return entries, end.end()
        if token == b"[":
            items = []
            while not (end := re.compile(rb"\s*\]").match(self.content, at)):
                item, at = self._value(at)
                items.append(item)
            return items, end.end()
        if token == b"(":
            return self._string(at)
        return _simple(token), at

    def _string(self, at: int) -> tuple[bytes, int]:
        text, depth = bytearray(), 1
        while depth:
            byte = self.content[at]
            if byte == ord("\\"):
                octal = re.compile(rb"\\([0-7]{1,3})").match(self.content, at)
                if octal:
                    text.append(int(octal[1], 8))
                    at = octal.end()
                    continue
                text += _ESCAPES.get(self.content[at + 1], self.content[at + 1 : at + 2])
                at += 2
                continue
            depth += {ord("("): 1, ord(")"): -1}.get(byte, 0)
            if depth:
                text.append(byte)
            at += 1
        return bytes(text), at


def _simple(token: bytes) -> Any:
    if token.startswith(b"/"):
        return token.decode("latin-1")
    if token.endswith(b"R"):
        return Ref(int(token.split()[0]))
    if token.startswith(b"<"):
        return bytes.fromhex(token[1:-1].decode())
    if token in (b"true", b"false", b"null"):
        return {b"true": True, b"false": False, b"null": None}[token]
    return float(token) if b"." in token else int(token)


def text_of(string: bytes) -> str:
    """A text string of a PDF."""
    return string[2:].decode("utf-16-be") if string.startswith(b"\xfe\xff") else string.decode("latin-1")


def problems(content: bytes) -> list[str]:
    """What the file lacks or has and must not, a line each; empty where all is well."""
    pdf = Pdf(content)
    checks = (_file, _whole, _fonts, _font_programs, _pictures, _metadata, _structure)
    return [line for check in checks for line in check(pdf)]


def _file(pdf: Pdf) -> list[str]:
    head = pdf.content.split(b"\n", 2)
    told = []
    if not re.fullmatch(rb"%PDF-1\.[0-7]", head[0].strip()):
        told.append("the header is not %PDF-1.n")
    if not (head[1].startswith(b"%") and sum(byte > 127 for byte in head[1][1:5]) == 4):
        told.append("no comment of four bytes above 127 behind the header")
    if len(pdf.trailer.get("ID", [])) != 2:
        told.append("no file ID")
    if not pdf.content.endswith(b"%%EOF\n"):
        told.append("something behind the end")
    return told


def _whole(pdf: Pdf) -> list[str]:
    told = [f"{name} is used" for value in pdf.objects.values() for name in _names(value) if name in _FORBIDDEN]
    told += [f"{name} is used" for name in pdf.trailer if name in _FORBIDDEN]
    intents = [pdf.get(one) for one in pdf.get(pdf.catalog.get("OutputIntents", []))]
    if len(intents) != 1 or intents[0].get("S") != "/GTS_PDFA1":
        return [*told, "not one output intent"]
    profile = pdf.get(intents[0]["DestOutputProfile"])
    data = profile.data()
    if profile.facts.get("N") != 3 or data[16:20] != b"RGB " or data[36:40] != b"acsp" or data[8] > 4:
        told.append("the output intent has no RGB profile")
    if int.from_bytes(data[:4], "big") != len(data):
        told.append("the profile is cut")
    for page in pdf.pages:
        if "Group" in page or "Annots" in page:
            told.append("a page has transparency or annotations")
    return told


def _names(value: Any) -> list[str]:
    value = value.facts if isinstance(value, Stream) else value
    if isinstance(value, dict):
        return [name for key, item in value.items() for name in (key, *_names(item))]
    if isinstance(value, list):
        return [name for item in value for name in _names(item)]
    return [value[1:]] if isinstance(value, str) and value.startswith("/") else []


def _fonts(pdf: Pdf) -> list[str]:
    told = []
    for font in pdf.objects.values():
        if not (isinstance(font, dict) and font.get("Type") == "/Font"):
            continue
        name, facts = font["BaseFont"], pdf.get(font.get("FontDescriptor", {}))
        if not {"FontFile2"} & facts.keys():
            told.append(f"{name} is not embedded")
        if "ToUnicode" not in font:
            told.append(f"{name} has no ToUnicode")
        if not (facts.get("Flags", 0) & 4 and "Encoding" not in font):
            told.append(f"{name} is not symbolic without an encoding")
        if len(font.get("Widths", [])) != font["LastChar"] - font["FirstChar"] + 1:
            told.append(f"{name} lacks widths")
    return told


def _font_programs(pdf: Pdf) -> list[str]:
    """One encoding in each font program (6.2.11.6), and widths as the page states them, within 1 of 1000 (6.2.11.5)."""
    told = []
    for font in pdf.objects.values():
        if not (isinstance(font, dict) and font.get("Type") == "/Font" and "FontDescriptor" in font):
            continue
        program = pdf.get(pdf.get(font["FontDescriptor"])["FontFile2"]).data()
        tables = {
            program[at : at + 4]: int.from_bytes(program[at + 8 : at + 12], "big")
            for at in range(12, 12 + 16 * int.from_bytes(program[4:6], "big"), 16)
        }
        number = partial(_number, program)
        cmap, hmtx = tables[b"cmap"], tables[b"hmtx"]
        if number(cmap + 2) != 1:
            told.append(f"{font['BaseFont']} has {number(cmap + 2)} encodings")
            continue
        glyphs = _glyphs(number, cmap + number(cmap + 8, 4))
        metrics, per_em = number(tables[b"hhea"] + 34), number(tables[b"head"] + 18)
        for code, width in enumerate(font["Widths"], font["FirstChar"]):
            glyph = glyphs.get(code, 0)
            advance = number(hmtx + 4 * min(glyph, metrics - 1)) * 1000 / per_em
            if glyph and abs(advance - width) > 1:
                told.append(f"{font['BaseFont']}: code {code} is {advance:.1f} wide and not {width}")
    return told


def _number(program: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(program[at : at + size], "big")


def _glyphs(number: Any, table: int) -> dict[int, int]:
    """Code -> glyph of an encoding of format 0 or 6."""
    form = number(table)
    assert form in (0, 6), form
    if form == 0:
        return {code: number(table + 6 + code, 1) for code in range(256)}
    first, count = number(table + 6), number(table + 8)
    return {first + at: number(table + 10 + 2 * at) for at in range(count)}


def _pictures(pdf: Pdf) -> list[str]:
    told = []
    for picture in pdf.objects.values():
        if isinstance(picture, Stream) and picture.facts.get("Subtype") == "/Image":
            facts = picture.facts
            if facts.get("Interpolate") or facts.get("Alternates") or facts.get("OPI"):
                told.append("a picture is interpolated or has alternates")
            if facts.get("ColorSpace") not in ("/DeviceRGB", "/DeviceGray"):
                told.append(f"a picture is {facts.get('ColorSpace')}")
    return told


def _metadata(pdf: Pdf) -> list[str]:
    told = []
    stream = pdf.get(pdf.catalog["Metadata"])
    if "Filter" in stream.facts:
        told.append("the metadata are filtered")
    found = {
        one.tag.rpartition("}")[2]: "".join(one.itertext()).strip() for one in ElementTree.fromstring(stream.raw).iter()
    }
    if (found.get("part"), found.get("conformance")) != ("2", "A"):
        told.append("the metadata do not claim PDF/A-2a")
    info = {name: text_of(value) for name, value in pdf.get(pdf.trailer["Info"]).items()}
    agree = {"Title": "title", "Author": "creator", "Creator": "CreatorTool", "Producer": "Producer"}
    told += [f"{name} differs in the metadata" for name, tag in agree.items() if info.get(name) != found.get(tag)]
    dates = {"CreationDate": "CreateDate", "ModDate": "ModifyDate"}
    for name, tag in dates.items():
        if re.sub(r"\D", "", info.get(name, "")) != re.sub(r"\D", "", found.get(tag, "")):
            told.append(f"{name} differs in the metadata")
    told += [f"the information has {name}" for name in info.keys() - agree.keys() - dates.keys()]
    if not pdf.catalog.get("Lang") or text_of(pdf.catalog["Lang"]) != found.get("language"):
        told.append("no language, or another in the metadata")
    if not pdf.get(pdf.catalog.get("ViewerPreferences", {})).get("DisplayDocTitle"):
        told.append("the title is not shown")
    return told


def _structure(pdf: Pdf) -> list[str]:
    if not pdf.get(pdf.catalog.get("MarkInfo", {})).get("Marked"):
        return ["not marked as tagged"]
    root = pdf.get(pdf.catalog["StructTreeRoot"])
    parents = pdf.get(root["ParentTree"])["Nums"]
    by_page = {key: pdf.get(value) for key, value in zip(parents[::2], parents[1::2], strict=True)}
    told, marked = [], set()
    for number, page in enumerate(pdf.pages):
        marks, wrong = _marks(pdf.get(page["Contents"]).data())
        told += [f"page {number + 1}: {line}" for line in wrong]
        listed = by_page.get(page.get("StructParents"), [])
        if sorted(marks) != list(range(len(listed))):
            told.append(f"page {number + 1}: marks and parent tree differ")
        marked |= {(number, mark) for mark in marks}
    kids = _elements(pdf, root["K"], told)
    if kids != marked:
        told.append("the tree does not hold each marked part once")
    return told


def _marks(content: bytes) -> tuple[list[int], list[str]]:
    """(numbers of the marked parts, what is wrong) of a page."""
    bare = re.sub(rb"\((?:[^()\\]|\\.)*\)", b"()", content, flags=re.DOTALL).replace(b"<<", b" ").replace(b">>", b" ")
    marks, told, depth, before = [], [], 0, b""
    for token in bare.split():
        if token in (b"BDC", b"BMC"):
            depth += 1
            if token == b"BDC":
                marks.append(int(before))
        elif token == b"EMC":
            depth -= 1
        elif token in _PAINTS and depth != 1:
            told.append(f"{token.decode()} outside a marked part, or inside two")
        before = token
    return marks, told + (["marked parts are not closed"] if depth else [])


def _elements(pdf: Pdf, start: Any, told: list[str]) -> set[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    pages = [id(page) for page in pdf.pages]
    waiting = [pdf.get(start)]
    while waiting:
        element = waiting.pop()
        kind = element["S"][1:]
        if kind not in _STANDARD:
            told.append(f"{kind} is no standard type")
        if kind == "Figure" and not text_of(element.get("Alt", b"")).strip():
            told.append("a figure has no words")
        for kid in element["K"]:
            value = pdf.get(kid)
            if value.get("Type") == "/MCR":
                found.append((pages.index(id(pdf.get(value["Pg"]))), value["MCID"]))
            else:
                waiting.append(value)
    if len(found) != len(set(found)):
        told.append("a part is marked twice")
    return set(found)


def outline(content: bytes) -> list[str]:
    """The types of the structure in reading order, for tests: ``Table``, ``TR``, ..."""
    pdf, kinds = Pdf(content), []

    def walk(element: dict[str, Any]) -> None:
        kinds.append(element["S"][1:])
        for kid in element["K"]:
            value = pdf.get(kid)
            if value.get("Type") != "/MCR":
                walk(value)

    walk(pdf.get(pdf.get(pdf.catalog["StructTreeRoot"])["K"]))
    return kinds
