"""The result store: one folder `OUT/<slide_id>.zarr` a slide. The only module that knows the arrays inside; where the
folders stand, and what they say of themselves without their arrays, is `aggregate.result_folder`'s.

The folder is a Zarr v3 group and an OME-Zarr 0.5 image, so other tools open it as it is. It is staged beside its
place, synced, and moved there in one rename after `commit.json` was written: a reader never sees half a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.layout import commit
from aggregate.layout.array_bounds import check_array
from aggregate.layout.ome import image_attributes, label_attributes, label_pyramid, pyramid
from aggregate.layout.zarr_files import write_array, write_group
from aggregate.provenance import Provenance
from aggregate.result import Decision, Heatmap, SlideOpinion, SlideRecord, SlideResult, TileTable
from aggregate.result_folder import (
    SCHEMA,
    STAGING,
    SUFFIX,
    altered,
    clear_staging,
    committed_digest,
    committed_digests,
    is_complete,
    load_summary,
    result_path,
    staged_folders,
    stamp,
    stored_results,
)
from wsi.errors import OutputUnwritableError, ResultAlteredError, StoreError
from wsi.files.finite import finite
from wsi.files.writing import unwritable

# The store whole: who has arrays in hand finds here what `result_folder` tells without them, too.
__all__ = [
    "STAGING",
    "SUFFIX",
    "StoredMap",
    "altered",
    "clear_staging",
    "committed_digest",
    "committed_digests",
    "is_complete",
    "load",
    "load_map",
    "load_summary",
    "result_digest",
    "result_path",
    "save",
    "staged_folders",
    "stamp",
    "stored_results",
    "verify",
]
# Rows of a table that share a chunk: one chunk for all but the largest slides, since one aligned write is fast and
# batches of a few rows are not.
_ROWS_PER_CHUNK = 1 << 16
_TABLE = ("xy", "probabilities", "familiarity", "quality", "features", "tissue_fraction", "votes")


def save(result: SlideResult, out_dir: Path, announce: Callable[[Mapping[str, str]], None] | None = None) -> Path:
    """Writes a result, replacing one of the same slide, and returns its folder.

    `announce` is called with `committed_digests` once all is written and read back, before it is moved into place;
    where it raises, the result does not appear. Raises OutputUnwritableError where the disk is full, read-only or
    gone; then nothing is changed.
    """
    target = result_path(out_dir, result.slide_id)
    staged = None
    try:
        staged = commit.stage(out_dir / STAGING, result.slide_id)
        _write(result, staged)
        digest = result_digest(result)
        commit.seal(staged, result_sha256=digest)
        # Read back before it counts: a full disk can leave arrays that are mostly fill values.
        if problems := commit.verify(staged):
            raise OutputUnwritableError(f"{target.name} did not read back as written ({problems[0]})")
        if announce:
            announce(committed_digests(staged))
        commit.publish(staged, target)
        staged = None  # it has become the result
    except OSError as error:
        raise unwritable(target.name, error) from error
    finally:
        if staged:
            commit.discard(staged)
    return target


def verify(path: Path) -> list[str]:
    """What is wrong with a stored result, a line each; empty when it is whole and unaltered."""
    problems = commit.verify(path)
    if not problems:
        try:
            result = _read(path)
        except StoreError as error:
            return [error.detail]
        if result_digest(result) != commit.read(path)["result_sha256"]:
            problems.append("the arrays do not give the digest that was committed")
    return problems


def load(path: Path) -> SlideResult:
    """A stored result. Raises ResultAlteredError where a file is missing or changed, StoreError if it is no result."""
    if problems := commit.verify(path):
        raise ResultAlteredError(
            f"{path.name}: {problems[0]}", hint="run the slide again with --overwrite, or restore the folder"
        )
    return _read(path)


@dataclass(frozen=True)
class StoredMap:
    """A result's call map without its tiles: `call` and `tissue` are (rows, columns) uint8, as in `Heatmap`."""

    classes: tuple[str, ...]
    tissues: tuple[str, ...]
    background: str
    size_px: tuple[int, int]
    origin_px: tuple[int, int]
    cell_px: float
    call: NDArray[np.uint8]
    tissue: NDArray[np.uint8]


def load_map(path: Path) -> StoredMap:
    """The call map alone, for a small picture: reads and proves only its own files. Raises ResultAlteredError,
    StoreError."""
    import zarr

    attributes = load_summary(path)
    labels = [f"heatmap/labels/{name}/0" for name in ("call", "tissue")]
    if problems := commit.verify(path, ["zarr.json", *labels]):
        raise ResultAlteredError(f"{path.name}: {problems[0]}", hint="run the slide again with --overwrite")
    try:
        shape = check_array(path / labels[0], "uint8", (None, None), None)
        check_array(path / labels[1], "uint8", shape, None)
        root = zarr.open_group(path, mode="r", zarr_format=3)
        grid, size = attributes["grid"], attributes["slide"]["size_px"]
        return StoredMap(
            classes=tuple(attributes["classes"]),
            tissues=tuple(attributes.get("tissues", ())),
            background=attributes["background"],
            size_px=(int(size[0]), int(size[1])),
            origin_px=(int(grid["origin_px"][0]), int(grid["origin_px"][1])),
            cell_px=float(grid["cell_px"]),
            call=_array(root, labels[0]),
            tissue=_array(root, labels[1]),
        )
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise StoreError(f"{path.name} cannot be read as a result ({type(error).__name__})") from error


def load_tiles(path: Path) -> TileTable:
    """The table of tiles alone: reads and proves only its own files. Raises ResultAlteredError, StoreError."""
    import zarr

    attributes = load_summary(path)
    if problems := commit.verify(path, ["zarr.json", "tiles"]):
        raise ResultAlteredError(f"{path.name}: {problems[0]}", hint="run the slide again with --overwrite")
    try:
        _check_tiles(path, attributes)
        return _read_tiles(zarr.open_group(path, mode="r", zarr_format=3), attributes)
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise StoreError(f"{path.name} cannot be read as a result ({type(error).__name__})") from error


def result_digest(result: SlideResult) -> str:
    """SHA-256 of what was found, without when and how fast: two runs of one slide give the same."""
    attributes = {**_attributes(result), "provenance": result.provenance.scientific()}
    arrays = {**_table(result.tiles), "heatmap": result.heatmap.probabilities}
    return digest_of(attributes, arrays)


def digest_of(attributes: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over JSON attributes and named arrays (type, shape, bytes), in a fixed order."""
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


# --- writing


def _write(result: SlideResult, folder: Path) -> None:
    levels = pyramid(result.heatmap.probabilities)
    ome = image_attributes(result.heatmap, result.outputs, len(levels))
    # The root is the same image by longer paths, so that a viewer opens the result folder itself.
    write_group(folder, {"ome": ome(prefix="heatmap/"), "pulmoscope": _attributes(result)})
    heatmap = folder / "heatmap"
    write_group(heatmap, {"ome": ome(prefix="")})
    for i, level in enumerate(levels):
        write_array(heatmap / str(i), level, dimensions=("c", "y", "x"))
    label_images = {"call": result.heatmap.call, "tissue": result.heatmap.tissue}
    write_group(heatmap / "labels", {"ome": {"version": "0.5", "labels": list(label_images)}})
    for name, pixels in label_images.items():
        label = heatmap / "labels" / name
        write_group(label, {"ome": label_attributes(result.heatmap, result.outputs, name, len(levels))})
        for i, label_level in enumerate(label_pyramid(pixels, len(levels))):
            write_array(label / str(i), label_level, dimensions=("y", "x"))
    write_group(folder / "tiles", {})
    for name, column in _table(result.tiles).items():
        write_array(folder / "tiles" / name, column, rows_per_chunk=_ROWS_PER_CHUNK)


def _table(tiles: TileTable) -> dict[str, NDArray[Any]]:
    names = _TABLE if tiles.attention is None else (*_TABLE, "attention")
    return {name: np.ascontiguousarray(_storable(getattr(tiles, name))) for name in names}


def _storable(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(np.uint8) if column.dtype == np.bool_ else column


def _attributes(result: SlideResult) -> dict[str, Any]:
    decision = result.decision
    return {
        "schema": SCHEMA,
        "slide_id": result.slide_id,
        "status": str(result.status),
        "classes": list(result.classes),
        "background": result.background,
        # Results without them are stored, and digested, as before there were any.
        **({"tissues": list(result.tissues)} if result.tissues else {}),
        "call": decision.call,
        "probabilities": {name: finite(p) for name, p in zip(result.classes, decision.probabilities, strict=True)},
        "confidence": finite(decision.confidence),
        "margin": finite(decision.margin),
        "review_reasons": list(decision.review_reasons),
        "qc": {name: finite(value) for name, value in result.qc.items()},
        "slide": _slide_attributes(result.slide),
        "grid": {
            "origin_px": list(result.heatmap.origin_px),
            "cell_px": result.heatmap.cell_px,
            "cell_um": result.heatmap.cell_um,
        },
        **({"slide_model": result.opinion.to_dict()} if result.opinion else {}),
        "provenance": result.provenance.to_dict(),
    }


def _slide_attributes(slide: SlideRecord) -> dict[str, Any]:
    attributes = {**asdict(slide), "size_px": list(slide.size_px), "metadata": dict(slide.metadata)}
    # Slides without bounds are stored, and digested, as before there were any.
    bounds = attributes.pop("bounds_px")
    return attributes if bounds is None else {**attributes, "bounds_px": list(bounds)}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


# --- reading


def _read(path: Path) -> SlideResult:
    import zarr

    attributes = load_summary(path)
    try:
        tissues = tuple(attributes.get("tissues", ()))
        _check_arrays(path, attributes)
        root = zarr.open_group(path, mode="r", zarr_format=3)
        tiles = _read_tiles(root, attributes)
        grid = attributes["grid"]
        heatmap = Heatmap(
            probabilities=_array(root, "heatmap/0"),
            call=_array(root, "heatmap/labels/call/0"),
            tissue=_array(root, "heatmap/labels/tissue/0"),
            origin_px=(int(grid["origin_px"][0]), int(grid["origin_px"][1])),
            cell_px=float(grid["cell_px"]),
            cell_um=float(grid["cell_um"]),
        )
        return SlideResult(
            slide_id=attributes["slide_id"],
            classes=tuple(attributes["classes"]),
            background=attributes["background"],
            slide=_slide_record(attributes["slide"]),
            decision=_decision(attributes),
            qc={name: _number(value) for name, value in attributes["qc"].items()},
            tiles=tiles,
            heatmap=heatmap,
            provenance=Provenance.from_dict(attributes["provenance"]),
            tissues=tissues,
            opinion=SlideOpinion.from_dict(told, tiles.attention) if (told := attributes.get("slide_model")) else None,
        )
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise StoreError(f"{path.name} cannot be read as a result ({type(error).__name__})") from error


def _read_tiles(root: Any, attributes: Mapping[str, Any]) -> TileTable:
    tiles = {name: _array(root, f"tiles/{name}") for name in _table_names(attributes)}
    tiles["votes"] = tiles["votes"].astype(np.bool_)
    return TileTable(**tiles)


def _table_names(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    return (*_TABLE, "attention") if "slide_model" in attributes else _TABLE


def _check_arrays(path: Path, attributes: Mapping[str, Any]) -> None:
    """Raises OSError, ValueError unless every array that `_read` reads is as `_write` makes it, and bearable."""
    _check_tiles(path, attributes)
    shape = check_array(path / "heatmap" / "0", "float32", (_outputs(attributes), None, None), None)
    for name in ("call", "tissue"):
        check_array(path / "heatmap" / "labels" / name / "0", "uint8", shape[1:], None)


def _outputs(attributes: Mapping[str, Any]) -> int:
    return len(attributes["classes"]) + len(attributes.get("tissues", ()))


def _check_tiles(path: Path, attributes: Mapping[str, Any]) -> None:
    n, _ = check_array(path / "tiles" / "xy", "int32", (None, 2), _ROWS_PER_CHUNK)
    for name, data_type, columns in (
        ("probabilities", "float32", (_outputs(attributes),)),
        ("familiarity", "float32", ()),
        ("quality", "uint8", ()),
        ("features", "float16", (None,)),
        ("tissue_fraction", "float32", ()),
        ("votes", "uint8", ()),
        ("attention", "float32", ()),
    ):
        if name in _table_names(attributes):
            check_array(path / "tiles" / name, data_type, (n, *columns), _ROWS_PER_CHUNK)


def _array(root: Any, name: str) -> NDArray[Any]:
    return np.asarray(root[name][...])


def _slide_record(record: Mapping[str, Any]) -> SlideRecord:
    width, height = record["size_px"]
    bounds = record.get("bounds_px")
    if bounds is not None:
        x, y, bounds_width, bounds_height = map(int, bounds)
        bounds = (x, y, bounds_width, bounds_height)
    return SlideRecord(**{**record, "size_px": (int(width), int(height)), "bounds_px": bounds})


def _decision(attributes: Mapping[str, Any]) -> Decision:
    return Decision(
        call=attributes["call"],
        probabilities=tuple(_number(attributes["probabilities"][name]) for name in attributes["classes"]),
        confidence=_number(attributes["confidence"]),
        margin=_number(attributes["margin"]),
        review_reasons=tuple(attributes["review_reasons"]),
        negative=attributes["call"] == attributes["background"],
        judged_share=attributes["qc"].get("share_voting"),
        sure_from=Provenance.from_dict(attributes["provenance"]).model.sure_from,
    )
