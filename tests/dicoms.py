"""Whole-slide DICOM instances and Hamamatsu indexes for tests: small, drawn, valid for OpenSlide."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import simplejpeg

ROOT = "1.2.826.0.1.3680043.8.498"
_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_JPEG = "1.2.840.10008.1.2.4.50"


def drawn(width, height, seed=0):
    """(height, width, 3) uint8: coloured blocks of 16 px."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8)
    return np.ascontiguousarray(blocks.repeat(16, 0).repeat(16, 1)[:height, :width])


def write_instance(
    path: Path, pixels, *, series="1", study="1", instance=1, flavour="VOLUME", mpp=0.5, tile=128, sparse=False, **more
) -> Path:
    """One instance of JPEG tiles, TILED_FULL or TILED_SPARSE; `more` are further attributes by keyword."""
    from pydicom import dcmwrite
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = _SLIDE_IMAGE, _JPEG
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{series}.{instance}"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = _SLIDE_IMAGE, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{ROOT}.{study}.900", f"{ROOT}.{series}.901"
    data.FrameOfReferenceUID, data.Modality, data.InstanceNumber = f"{ROOT}.{series}.902", "SM", instance
    data.ImageType = ["ORIGINAL" if instance == 1 else "DERIVED", "PRIMARY", flavour, "NONE"]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
    data.Rows = data.Columns = tile
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    height, width = pixels.shape[:2]
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = height, width
    corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
    data.NumberOfFrames, data.DimensionOrganizationType = len(corners), "TILED_SPARSE" if sparse else "TILED_FULL"
    data.LossyImageCompression = "01"
    measures, shared, path_of_light = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1000, mpp / 1000], 0.001
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    path_of_light.OpticalPathIdentifier = "1"
    data.OpticalPathSequence, data.NumberOfOpticalPaths = [path_of_light], 1
    if sparse:
        data.PerFrameFunctionalGroupsSequence = [_place(y, x) for y, x in corners]
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = encapsulate([_frame(pixels[y : y + tile, x : x + tile], tile) for y, x in corners], has_bot=True)
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    dcmwrite(path, data, enforce_file_format=True)
    return path


def _frame(part, tile):
    part = np.pad(part, ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)), mode="edge")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(part), 90, "RGB", "422")


def _place(row, column):
    from pydicom.dataset import Dataset

    position, group = Dataset(), Dataset()
    position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix = column + 1, row + 1
    position.XOffsetInSlideCoordinateSystem = position.YOffsetInSlideCoordinateSystem = 0
    position.ZOffsetInSlideCoordinateSystem = 0
    group.PlanePositionSlideSequence = [position]
    return group


def write_series(folder: Path, series="1", *, size=512, names="{}-{}.dcm", seed=0, **more) -> list[Path]:
    """Two levels, an overview and a label of one series; the paths in this order."""
    whole = drawn(size, size, seed)
    parts = (
        ("level0", whole, "VOLUME", 0.5),
        ("level1", whole[::4, ::4], "VOLUME", 2.0),
        ("overview", whole[::8, ::8], "OVERVIEW", 4.0),
        ("label", drawn(96, 96, 9), "LABEL", 20.0),
    )
    return [
        write_instance(
            folder / names.format(series, name), pixels, series=series, instance=i, flavour=flavour, mpp=mpp, **more
        )
        for i, (name, pixels, flavour, mpp) in enumerate(parts, start=1)
    ]


def write_vms(folder: Path, stem: str, size=512) -> Path:
    """A VMS of one JPEG with restart markers, with map and macro pictures; gives the index."""
    from PIL import Image

    named = {"ImageFile": f"{stem}.jpg", "MapFile": f"{stem}_map2.jpg", "MacroImage": f"{stem}_macro.jpg"}
    whole = drawn(size, size, 3)
    for name, pixels in zip(named.values(), (whole, whole[::4, ::4], whole[::4, ::4]), strict=True):
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image.save(folder / name, "JPEG", quality=90, subsampling="4:4:4", restart_marker_blocks=8)
    lines = [
        "[Virtual Microscope Specimen]",
        *("NoLayers=1", "NoJpegColumns=1", "NoJpegRows=1"),
        *(f"{key}={name}" for key, name in named.items()),
        *("SourceLens=20", f"PhysicalWidth={size * 500}", f"PhysicalHeight={size * 500}"),
        *("LayerSpacing=0", "PhysicalMacroWidth=40000000", "PhysicalMacroHeight=20000000"),
    ]
    index = folder / f"{stem}.vms"
    index.write_text("\n".join(lines) + "\n")
    return index


def write_concatenation(folder: Path, cuts=(0, 6, 10, 16), *, sparse=False, seed=1):
    """One level of 512 x 512 px whose 16 frames lie in several instances, from each of `cuts` to the next.

    Gives the pixels, (512, 512, 3), and the paths.
    """
    from pydicom import dcmread, dcmwrite
    from pydicom.encaps import encapsulate, generate_frames

    whole, paths = drawn(512, 512, seed), []
    source = write_instance(folder / "source.dcm", whole, sparse=sparse)
    for number, (first, end) in enumerate(pairwise(cuts), start=1):
        data = dcmread(source)
        frames = list(generate_frames(data.PixelData, number_of_frames=16))[first:end]
        data.ConcatenationUID, data.InConcatenationNumber = f"{ROOT}.77", number
        data.InConcatenationTotalNumber, data.ConcatenationFrameOffsetNumber = len(cuts) - 1, first
        data.SOPInstanceUIDOfConcatenationSource = data.SOPInstanceUID
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{data.SOPInstanceUID}.{number}"
        data.NumberOfFrames = len(frames)
        if sparse:
            data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[first:end]
        data.PixelData = encapsulate(frames, has_bot=True)
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
        paths.append(folder / f"part{number}.dcm")
        dcmwrite(paths[-1], data, enforce_file_format=True)
    source.unlink()
    return whole, paths
