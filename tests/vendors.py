"""Pyramids as scanners of two makers write them, drawn: Leica's SCN, a picture on a canvas, and Philips' TIFF, whose
levels are filled up to whole tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tiffs import ASCII, LONG, SHORT, jpeg_tiles, level_tags, noise, write_tiff

_SETTINGS = (
    "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>"
    "<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource>"
    "</illuminationSettings></scanSettings>"
)


def _level(pixels, tile_px, description="", subsampling="420"):
    tiles = jpeg_tiles(pixels, tile_px, subsampling)
    return level_tags(pixels.shape[1::-1], tile_px, tiles, subsampling=subsampling, description=description), tiles


def _image(name, stack, first, view_nm):
    dimensions = "".join(
        f'<dimension sizeX="{level.shape[1]}" sizeY="{level.shape[0]}" r="{number}" ifd="{first + number}"/>'
        for number, level in enumerate(stack)
    )
    (x, y), (width, height) = view_nm
    return (
        f'<image name="{name}" uuid="urn:uuid:{name}"><creationDate>2000-01-01T00:00:00Z</creationDate>'
        f'<device model="drawn" version="1"/><pixels sizeX="{stack[0].shape[1]}" sizeY="{stack[0].shape[0]}">'
        f'{dimensions}</pixels><view sizeX="{width}" sizeY="{height}" offsetX="{x}" offsetY="{y}" spacingZ="0"/>'
        f"{_SETTINGS}</image>"
    )


def write_scn(
    path: Path,
    size_px=(1200, 900),
    *,
    places_nm=((1_000_000, 1_500_000),),
    canvas_nm=(4_000_000, 3_200_000),
    nm=500,
    downsamples=(1, 4),
    tile_px=128,
    missing=(),
    pictures=(),
) -> Path:
    """A canvas with a scan of noise at each of `places_nm`, or one of the levels `pictures`; `missing` are numbers of
    finest tiles never written."""
    overview = np.full((320, 400, 3), 240, np.uint8)
    scans = [noise(*size_px, number) for number in range(len(places_nm))]
    stacks = [pictures] if pictures else [[scan[::factor, ::factor] for factor in downsamples] for scan in scans]
    view = (size_px[0] * nm, size_px[1] * nm)
    images = [_image("overview", [overview], 0, ((0, 0), canvas_nm))]
    for number, (stack, place) in enumerate(zip(stacks, places_nm, strict=True)):
        images.append(_image(f"scan-{number}", stack, 1 + number * len(stack), (place, view)))
    whole = f'sizeX="{canvas_nm[0]}" sizeY="{canvas_nm[1]}"'
    xml = (
        '<?xml version="1.0" encoding="utf-8"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" '
        f'uuid="urn:uuid:1"><collection name="drawn" uuid="urn:uuid:2" {whole}><barcode></barcode>'
        f"{''.join(images)}</collection></scn>"
    )
    levels = [_level(overview, tile_px, xml)]
    levels += [_level(np.ascontiguousarray(level), tile_px) for stack in stacks for level in stack]
    for index in missing:
        levels[1][1][index] = b""
        levels[1][0][325][1][index] = 0
    return write_tiff(path, levels)


def write_philips(
    path: Path, size_px=(1000, 700), *, downsamples=(1, 4), tile_px=128, mpp=0.25, missing=(), pictures=()
) -> Path:
    """Levels of noise, or `pictures`, filled up to whole tiles with white, and a description that says the true scale
    of each. `missing` are (level, number) of tiles never written, as Philips leaves glass out."""
    levels, told = [], []
    parts = pictures or [noise(*size_px)[::factor, ::factor] for factor in downsamples]
    for number, (part, factor) in enumerate(zip(parts, downsamples, strict=True)):
        sides = [-(-side // tile_px) * tile_px for side in part.shape[:2]]
        filled = np.full((*sides, 3), 255, np.uint8)
        filled[: part.shape[0], : part.shape[1]] = part
        tags, tiles = _level(filled, tile_px)
        for level, index in missing:
            if level == number:
                tiles[index], tags[325][1][index] = b"", 0
        tags[305] = (ASCII, b"Philips DP v1.0\0")
        tags[254] = (LONG, [0 if number == 0 else 1])
        levels.append((tags, tiles))
        told.append(_representation(number, mpp * factor, sides))
    levels[0][0][270] = (ASCII, _PHILIPS.format(spacing=_spacing(mpp), levels="".join(told)).encode() + b"\0")
    levels[0][0][262] = (SHORT, [6])
    return write_tiff(path, levels)


def _spacing(mpp):
    return f"&quot;{mpp / 1000:.9f}&quot; &quot;{mpp / 1000:.9f}&quot;"


def _attribute(name, group, element, kind, value):
    return f'<Attribute Name="{name}" Group="{group}" Element="{element}" PMSVR="{kind}">{value}</Attribute>'


def _representation(number, mpp, sides):
    return (
        '<DataObject ObjectType="PixelDataRepresentation">'
        + _attribute("DICOM_PIXEL_SPACING", "0x0028", "0x0030", "IDoubleArray", _spacing(mpp))
        + _attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", "0x1001", "0x8B02", "IUInt16", number)
        + _attribute("PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS", "0x2001", "0x115E", "IUInt32", sides[1])
        + _attribute("PIIM_PIXEL_DATA_REPRESENTATION_ROWS", "0x2001", "0x115D", "IUInt32", sides[0])
        + "</DataObject>"
    )


_PHILIPS = (
    '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
    '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" PMSVR="IDataObjectArray"><Array>'
    '<DataObject ObjectType="DPScannedImage">'
    '<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004" PMSVR="IString">WSI</Attribute>'
    '<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR="IDoubleArray">{spacing}</Attribute>'
    '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" Element="0x8B01" '
    'PMSVR="IDataObjectArray"><Array>{levels}</Array></Attribute></DataObject></Array></Attribute></DataObject>'
)
