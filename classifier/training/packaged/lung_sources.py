"""The tiles of several laboratories as one list that `pulmoscope train` takes:
`python -m classifier.training.packaged.lung_sources DATA --out TILES` writes tiles.csv and the tiles, at one scale.

DATA holds the public sets as `docs/lung-v2.md` lists them. Classes become the model's, each laboratory a site. Colours
stay: the recipe sets the white of each source group.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wsi.errors import DatasetError, PulmoscopeError
from wsi.files.csv_cells import csv_line
from wsi.picture import read_picture

MPP = 0.7
LEAST_PX = 224
_MAX_PIXELS = 4096**2
TRAIN, VALIDATION = "train", "val"

ADENOCARCINOMA, SQUAMOUS, OTHER, NORMAL = "adenocarcinoma", "squamous_cell_carcinoma", "other_tumour", "normal"
TISSUES = ("blood", "epithelium", "fat", "lymphoid", "necrosis", "other_tissue", "stroma")
# What the lists call a tile, and what the model does. What is left out is too rare or is neither (adenoma).
CLASSES: Mapping[str, str] = {
    "adenocarcinoma": ADENOCARCINOMA,
    "glandular": ADENOCARCINOMA,
    "squamous_cell_carcinoma": SQUAMOUS,
    "squamous": SQUAMOUS,
    "other_tumour": OTHER,
    "normal": NORMAL,
    "stroma": "stroma",
    "complex_stroma": "stroma",
    "muscle": "stroma",
    "nerve": "stroma",
    "vessel": "stroma",
    "bone": "stroma",
    "lymphoid": "lymphoid",
    "inflammation": "lymphoid",
    "necrosis": "necrosis",
    "debris": "necrosis",
    "blood": "blood",
    "epithelium": "epithelium",
    "squamous_epithelium": "epithelium",
    "fat": "fat",
    "other_tissue": "other_tissue",
}
# Of the fields of lung only those that may be trained on, by the words of their column `kind`.
FIELD_KINDS = (("tumour", ""), ("alveoli", NORMAL), ("necrosis", "necrosis"))


@dataclass(frozen=True)
class Source:
    """One tile of one laboratory: a picture of a class at an mpp. `group` is its slide or source image."""

    path: Path
    label: str
    site: str
    group: str
    split: str
    mpp: float


def find_sources(data: Path, *, final: bool) -> list[Source]:
    """Every tile below `data` that the model learns from or is judged on, in a fixed order. With `final` those of the
    slides too that else are kept for judging. Raises DatasetError where a list is missing."""
    found = [
        *_lc25000(data / "lc25000"),
        *_atlas(data / "atlas_tumours", final),
        *_atlas(data / "atlas_tissues", final),
        *_other_labs(data / "other_labs"),
        *_fields(data / "lung-elsewhere"),
    ]
    return [source for source in found if source.label]


def write_tiles(sources: Sequence[Source], out: Path) -> Path:
    """The tiles as PNG at MPP, at least LEAST_PX wide, and their list. Returns the list's path."""
    (out / "tiles").mkdir(parents=True, exist_ok=True)
    lines = [csv_line(("file", "class", "source_group", "split", "mpp", "site"))]
    for number, source in enumerate(sources):
        name = f"tiles/{number:05d}.png"
        pixels = _prepared(_read(source), source.mpp)
        cv2.imwrite(str(out / name), pixels[..., ::-1])
        lines.append(
            csv_line((name, source.label, f"{source.site}-{source.group}", source.split, f"{MPP:g}", source.site))
        )
    path = out / "tiles.csv"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _prepared(pixels: NDArray[np.uint8], mpp: float) -> NDArray[np.uint8]:
    height, width = (max(8, round(side * mpp / MPP)) for side in pixels.shape[:2])
    how = cv2.INTER_AREA if mpp < MPP else cv2.INTER_LINEAR
    pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
    down, across = (max(0, LEAST_PX - side) for side in pixels.shape[:2])
    # Small tiles are mirrored: an empty border would be a sign of their laboratory.
    mirrored = cv2.copyMakeBorder(
        pixels, down // 2, down - down // 2, across // 2, across - across // 2, cv2.BORDER_REFLECT_101
    )
    return np.asarray(mirrored, np.uint8)


def _read(source: Source) -> NDArray[np.uint8]:
    return read_picture(source.path, ("JPEG", "PNG", "TIFF"), _MAX_PIXELS, name=source.path.name)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise DatasetError(f"{path.parent.name}/{path.name} does not exist", hint="docs/lung-v2.md lists the sets")
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _lc25000(folder: Path) -> Iterator[Source]:
    listed = folder / "tiles-rescaled.csv"
    for row in _rows(listed if listed.is_file() else folder / "tiles.csv"):
        yield Source(
            folder / row["file"], CLASSES[row["class"]], "lc25000", row["source_group"], row["split"], float(row["mpp"])
        )


def _atlas(folder: Path, final: bool) -> Iterator[Source]:
    for row in _rows(folder / "tiles.csv"):
        split = VALIDATION if row["split"] == "final_only" and not final else TRAIN
        label = CLASSES.get(row["class"], "")
        # Slides of one case are one patient's.
        case = re.sub(r"-he\d+$", "", row["case"])
        yield Source(folder / row["file"], label, "atlas", case, split, float(row["mpp"]))


def _other_labs(folder: Path) -> Iterator[Source]:
    for row in _rows(folder / "tiles.csv"):
        group = row.get("case") or row["source_group"]
        site = "oral" if group.startswith("oral") else "colorectal"
        label = CLASSES.get(row["class"], "")
        yield Source(folder / row["file"], label, site, group, row["split"], float(row["mpp"]))


def _fields(folder: Path) -> Iterator[Source]:
    for row in _rows(folder / "fields.csv"):
        if row["split"] != TRAIN:
            continue
        label = next(
            (name or CLASSES.get(row["diagnosis"], OTHER) for word, name in FIELD_KINDS if word in row["kind"]), ""
        )
        yield Source(
            folder / row["file"],
            label,
            "tcga" if row["case"].startswith("tcga") else row["case"],
            row["case"],
            TRAIN,
            float(row["mpp"]),
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.training.packaged.lung_sources", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the public sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the tiles and their list to")
    parser.add_argument("--without", action="append", default=[], metavar="SITE", help="leave a laboratory out")
    parser.add_argument("--final", action="store_true", help="learn from the slides kept for judging, too")
    arguments = parser.parse_args()
    try:
        sources = find_sources(arguments.data, final=arguments.final)
        kept = [replace(source, split=VALIDATION) if source.site in arguments.without else source for source in sources]
        path = write_tiles(kept, arguments.out)
    except PulmoscopeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{path}: {len(kept)} tiles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
