"""MIRAX slides for tests: written by hand after OpenSlide's description, small, with a patient in every place."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from tests.canaries import CANARY, canary, with_comment
from tests.tiffs import noise

_SIDE = 64


def write_mirax(
    folder: Path,
    stem=CANARY,
    *,
    across=4,
    down=3,
    levels=2,
    files=3,
    positions="VIMSLIDE_POSITION_BUFFER",
    comment="",
    focal=1,
    kind="JPEG",
):
    """A slide of `across` x `down` pictures whose records lie in several data files, beside label and macro."""
    inside = folder / stem
    inside.mkdir()
    pixels = noise(across * _SIDE, down * _SIDE, 7)
    slide_id = (CANARY + "0" * 32)[:32]
    datas = [bytearray(b"01.02" + slide_id.encode() + b"%03d" % number) for number in range(files)]
    records: list[list[tuple[int, int, int, int]]] = []
    count = 0
    for level in range(levels):
        step = 2**level
        shrunk = np.ascontiguousarray(pixels[::step, ::step])
        rows = []
        for y in range(0, down, step):
            for x in range(0, across, step):
                part = shrunk[y // step * _SIDE :, x // step * _SIDE :][:_SIDE, :_SIDE]
                part = np.pad(part, ((0, _SIDE - part.shape[0]), (0, _SIDE - part.shape[1]), (0, 0)), mode="edge")
                stream = _jpeg(part) if kind == "JPEG" else _other(part, kind)
                if comment:
                    stream = with_comment(stream, comment)
                rows.append((y * across + x, *_put(datas, count % files, stream)))
                datas[count % files] += canary("between records").encode()
                count += 1
        records.append(rows)
    others, names = [], []
    if positions == "VIMSLIDE_POSITION_BUFFER":
        buffer = b"".join(struct.pack("<bii", 1, x * _SIDE, y * _SIDE) for y in range(down) for x in range(across))
        others.append(_put(datas, files - 1, buffer))
        names.append((positions, ["default"]))
    pictures = ("ScanDataLayer_SlideThumbnail", "ScanDataLayer_SlideBarcode", "ScanDataLayer_SlidePreview")
    others += [
        _put(datas, number % files, _jpeg(noise(96, 64, 20 + number)) + canary(name).encode())
        for number, name in enumerate(pictures)
    ]
    names.insert(0, ("Scan data layer", list(pictures)))
    if len(names) > 1:
        others = [*others[1:], others[0]]
    others.append(_put(datas, 0, canary("profile of the scan").encode()))
    names.append((canary("layer"), [canary("value")]))
    (inside / "Index.dat").write_bytes(_index(slide_id, records, others))
    for number, data in enumerate(datas):
        (inside / f"Data{number:04}.dat").write_bytes(data + canary("at the end").encode())
    (inside / "Slidedat.ini").write_text(
        _settings(slide_id, across, down, levels, files, names, focal, kind), encoding="utf-8-sig"
    )
    (inside / "Annotations.xml").write_text(canary("annotation"))
    path = folder / f"{stem}.mrxs"
    path.write_bytes(_jpeg(noise(64, 64, 30)) + canary("preview").encode())
    return path


def _jpeg(pixels) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85, subsampling="4:4:4")
    return data.getvalue()


def _other(pixels, kind) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, {"PNG": "PNG", "BMP24": "BMP"}[kind])
    return data.getvalue()


def _put(datas, file, data):
    place = len(datas[file])
    datas[file] += data
    return place, len(data), file


def _index(slide_id, levels, others) -> bytes:
    head = b"01.02" + slide_id.encode()
    table = len(head) + 8
    beside = table + 4 * len(levels)
    place = beside + 4 * len(others)
    pointers, body = [], b""
    for records in levels:
        # Two pages, one behind the other.
        half = len(records) // 2
        first, second = records[:half], records[half:]
        pointers.append(place)
        after = place + 16 + 16 * len(first)
        part = struct.pack("<4i", 0, place + 8, len(first), after) + b"".join(struct.pack("<4i", *one) for one in first)
        part += struct.pack("<2i", len(second), 0) + b"".join(struct.pack("<4i", *one) for one in second)
        part += canary("slack of the index").encode()
        body, place = body + part, place + len(part)
    for offset, length, file in others:
        pointers.append(place)
        part = struct.pack("<9i", 0, place + 8, 1, 0, 0, 0, offset, length, file)
        body, place = body + part, place + len(part)
    return head + struct.pack(f"<{2 + len(pointers)}i", table, beside, *pointers) + body


def _settings(slide_id, across, down, levels, files, names, focal, kind) -> str:
    lines = [
        *("[GENERAL]", "SLIDE_VERSION = 01.09", f"SLIDE_ID = {slide_id}", f"SLIDE_NAME = {canary('slide name')}"),
        *(
            "SLIDE_CREATIONDATETIME = 02/03/1949 10:11:12",
            f"PROJECT_NAME = {canary('project')}",
            f"{CANARY} = {CANARY}",
        ),
        *(f"IMAGENUMBER_X = {across}", f"IMAGENUMBER_Y = {down}", "OBJECTIVE_MAGNIFICATION = 20"),
        *("CameraImageDivisionsPerSide = 1", "[HIERARCHICAL]", "HIER_COUNT = 2", "HIER_0_NAME = Slide zoom level"),
        *(
            f"HIER_0_COUNT = {levels}",
            "HIER_1_NAME = Microscope focus level",
            f"HIER_1_COUNT = {focal}",
            "INDEXFILE = Index.dat",
        ),
    ]
    for level in range(levels):
        lines += [
            f"HIER_0_VAL_{level} = ZoomLevel_{level}",
            f"HIER_0_VAL_{level}_SECTION = LAYER_0_LEVEL_{level}_SECTION",
        ]
    lines.append(f"NONHIER_COUNT = {len(names)}")
    for number, (name, values) in enumerate(names):
        lines += [f"NONHIER_{number}_NAME = {name}", f"NONHIER_{number}_COUNT = {len(values)}"]
        for at, value in enumerate(values):
            lines += [
                f"NONHIER_{number}_VAL_{at} = {value}",
                f"NONHIER_{number}_VAL_{at}_SECTION = NONHIERLAYER_{number}_{at}_SECTION",
            ]
    lines += [
        "[DATAFILE]",
        f"FILE_COUNT = {files}",
        *(f"FILE_{number} = Data{number:04}.dat" for number in range(files)),
    ]
    for level in range(levels):
        lines += [
            *(f"[LAYER_0_LEVEL_{level}_SECTION]", "OVERLAP_X = 0", "OVERLAP_Y = 0", f"IMAGE_FORMAT = {kind}"),
            *(f"MICROMETER_PER_PIXEL_X = {0.25 * 2**level}", f"MICROMETER_PER_PIXEL_Y = {0.25 * 2**level}"),
            *("IMAGE_FILL_COLOR_BGR = 16777215", f"DIGITIZER_WIDTH = {_SIDE}", f"DIGITIZER_HEIGHT = {_SIDE}"),
            *(f"IMAGE_CONCAT_FACTOR = {int(level > 0)}", f"SCANNER = {canary('scanner')}"),
        ]
    for number, (_, values) in enumerate(names):
        for at, _ in enumerate(values):
            lines += [
                f"[NONHIERLAYER_{number}_{at}_SECTION]",
                "THUMBNAIL_IMAGE_TYPE = JPEG",
                "BARCODE_IMAGE_TYPE = JPEG",
            ]
            lines += ["PREVIEW_IMAGE_TYPE = JPEG", f"BARCODE_VALUE = {canary('barcode')}"]
    return "\r\n".join(lines) + "\r\n"
