"""A Zeiss CZI of one brightfield scene, written by hand after Zeiss' public description (DV 1.0 segments)."""

from __future__ import annotations

import struct
from pathlib import Path

import numcodecs
import numpy as np

from tests.coded import reduced

_BGR_24 = 3
CODECS = {"uncompressed": (0, lambda data: data), "zstd": (5, numcodecs.Zstd().encode)}
_XML = """<?xml version="1.0"?><ImageDocument><Metadata><Information><Image><SizeX>{0}</SizeX><SizeY>{1}</SizeY>
<SizeC>1</SizeC><SizeS>1</SizeS><PixelType>Bgr24</PixelType><ComponentBitCount>8</ComponentBitCount>
<Dimensions><Channels><Channel Id="Channel:0"><PixelType>Bgr24</PixelType></Channel></Channels></Dimensions></Image>
</Information><Scaling><Items><Distance Id="X"><Value>{2}</Value></Distance>
<Distance Id="Y"><Value>{2}</Value></Distance></Items></Scaling></Metadata></ImageDocument>"""


def write_czi(path: Path, pixels, *, codec="uncompressed", tile=256, downsamples=(1, 2, 4), um_px=0.5, more=()) -> Path:
    """`more` are names of further dimensions, of size 1, that each part tells."""
    number, pack = CODECS[codec]
    data = bytearray(_segment("ZISRAWFILE", bytes(512)))
    entries = []
    for by in downsamples:
        level = reduced(pixels, by)
        for y in range(0, level.shape[0], tile):
            for x in range(0, level.shape[1], tile):
                part = np.ascontiguousarray(level[y : y + tile, x : x + tile, ::-1])
                entry = _entry(len(data), number, (x * by, y * by), part.shape[1::-1], by, more)
                entries.append(entry)
                packed = bytes(pack(part.tobytes()))
                head = struct.pack("<iiq", 0, 0, len(packed)) + entry
                data += _segment("ZISRAWSUBBLOCK", head.ljust(256, b"\0") + packed)
    directory = len(data)
    data += _segment("ZISRAWDIRECTORY", struct.pack("<i", len(entries)) + bytes(124) + b"".join(entries))
    metadata = len(data)
    xml = _XML.format(*pixels.shape[1::-1], um_px * 1e-6).encode()
    data += _segment("ZISRAWMETADATA", struct.pack("<ii", len(xml), 0) + bytes(248) + xml)
    attachments = len(data)
    data += _segment("ZISRAWATTDIR", struct.pack("<i", 0) + bytes(252))
    guid = bytes(range(16))
    data[32 : 32 + 80] = struct.pack(
        "<iiii16s16siqqiq", 1, 0, 0, 0, guid, guid, 0, directory, metadata, 0, attachments
    ).ljust(80, b"\0")
    path.write_bytes(data)
    return path


def _segment(name: str, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 32)
    return struct.pack("<16sqq", name.encode(), len(padded), len(body)) + padded


def _entry(at: int, compression: int, corner, size, by: int, more) -> bytes:
    """As the directory has it; places and sizes are px of level 0, the stored size is that of the part."""
    sides = [(name, corner[i], size[i] * by, size[i]) for i, name in enumerate("XY")]
    sides += [(name, 0, 1, 1) for name in ("C", "S", *more)]
    head = struct.pack("<2siqiiBB4si", b"DV", _BGR_24, at, 0, compression, int(by > 1) * 2, 0, bytes(4), len(sides))
    return head + b"".join(struct.pack("<4siifi", name.encode(), at, side, 0.0, kept) for name, at, side, kept in sides)
