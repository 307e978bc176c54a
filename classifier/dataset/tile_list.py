"""Labelled tiles on disk: a CSV or one folder a class. Reads and checks the list, and one tile's pixels at a time.

Which tile goes to which split where nobody said so is in `split.py`.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.colour.white import White, set_white
from classifier.dataset.split import SPLITS, TRAIN, VALIDATION, VALIDATION_SHARE, hold_out_groups
from classifier.model_folder.card import is_class_name
from tiler.spec import TileSpec
from wsi.errors import DatasetError, SlideError, SlideTooLargeError
from wsi.metadata import number
from wsi.picture import read_picture
from wsi.spacing import PLAUSIBLE_MPP
from wsi.text import plain

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
IMAGE_FORMATS = ("JPEG", "PNG", "TIFF")
MAX_TILE_PIXELS = 4096**2
MAX_TILES = 5_000_000
MAX_CLASSES = 100
READ_THREADS = 2
SOURCE_GROUP, PATIENT, SITE = UNITS = ("source_group", "patient", "site")
COLUMNS = "file,class[,source_group][,split][,mpp][,patient][,site]"
# A tile this much smaller than the model's (rounding of mpp) is enlarged; a smaller one is refused.
SIZE_TOLERANCE = 0.02
MOST_PARTS = 4  # a side, of one labelled tile: more of the same field tell little more


@dataclass(frozen=True)
class TileRecord:
    """One labelled tile. `mpp` is None where the list does not say; `row` is its line in the CSV (0 in folders).

    `patient` and `site` are "" where the list has no such column. They group tiles for intervals and are never told.
    `white`, where it is known, is the white of its group, which reading sets to `classifier.colour.white.WHITE`.
    """

    path: Path
    file: str
    label: str
    group: str
    split: str
    mpp: float | None
    row: int = 0
    patient: str = ""
    site: str = ""
    white: White | None = None

    @property
    def where(self) -> str:
        return f"row {self.row} ({self.file})" if self.row else self.file


@dataclass(frozen=True)
class TileSet:
    """All tiles of a list, in its order. `warnings` are sentences that a user should read."""

    records: tuple[TileRecord, ...]
    classes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def has_splits(self) -> bool:
        return all(record.split for record in self.records)

    def of_split(self, *splits: str) -> TileSet:
        return replace(self, records=tuple(record for record in self.records if record.split in splits))

    def of_groups(self, groups: Iterable[str]) -> TileSet:
        wanted = frozenset(groups)
        return replace(self, records=tuple(record for record in self.records if record.group in wanted))

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) class indices."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[record.label] for record in self.records], np.int64)

    @property
    def label_names(self) -> list[str]:
        """(n,) class names."""
        return [record.label for record in self.records]

    @property
    def groups(self) -> NDArray[np.str_]:
        """(n,) source groups."""
        return np.array([record.group for record in self.records], dtype=np.str_)

    def units(self, over: str) -> NDArray[np.str_]:
        """(n,) what each tile belongs to: its `over`, one of UNITS. Raises DatasetError where a tile has none."""
        if over == SOURCE_GROUP:
            return self.groups
        names = [getattr(record, over) for record in self.records]
        if not all(names):
            where = self.records[names.index("")].where
            raise DatasetError(f"{where} has no {over}", hint=f"add a column {over} and fill it, or choose other units")
        return np.array(names, dtype=np.str_)

    def counts(self) -> dict[str, int]:
        counted = Counter(record.label for record in self.records)
        return {name: counted[name] for name in self.classes}

    def digest(self) -> str:
        """Hex SHA-256 over every tile's name, class, group, split, mpp and bytes: the data that a model was made of."""
        total = hashlib.sha256()
        for record in sorted(self.records, key=lambda record: (record.file, record.row)):
            content = hashlib.sha256(record.path.read_bytes()).hexdigest()
            total.update(repr((record.file, record.label, record.group, record.split, record.mpp, content)).encode())
        return total.hexdigest()


def read_tile_set(tiles: Path, *, fewest_classes: int = 2) -> TileSet:
    """The labelled tiles of a CSV (COLUMNS) or of a folder with one folder a class.

    Raises DatasetError with the row at fault, or where fewer classes are named.
    """
    if tiles.is_dir():
        tile_set = _from_folders(tiles)
    elif tiles.is_file():
        tile_set = _from_csv(tiles)
    else:
        raise DatasetError(f"{tiles.name} does not exist", hint="give a CSV of tiles or one folder a class")
    if not fewest_classes <= len(tile_set.classes) <= MAX_CLASSES:
        raise DatasetError(
            f"{tiles.name} names {len(tile_set.classes)} class(es); {fewest_classes} to {MAX_CLASSES} are needed",
            hint="check the class column, or the folders",
        )
    return tile_set


def fill_splits(tile_set: TileSet, seed: int) -> TileSet:
    """Whole source groups split into train and val by `seed`, where the list gives no split; else as it is."""
    if tile_set.has_splits:
        return tile_set
    held = hold_out_groups(tile_set.groups.tolist(), tile_set.label_names, VALIDATION_SHARE, seed)
    records = (replace(record, split=VALIDATION if record.group in held else TRAIN) for record in tile_set.records)
    return replace(tile_set, records=tuple(records))


def read_tile(record: TileRecord, spec: TileSpec, *, whole: bool = False) -> NDArray[np.uint8]:
    """The pixels of one tile as the model wants them: (size, size, 3) RGB at the model's mpp, its centre; or `whole`,
    (height, width, 3) of that size at least.

    Tiles at a finer mpp are area-averaged. Raises DatasetError where a file is no image, or shows too little tissue.
    """
    pixels = read_pixels(record)
    factor = 1.0 if record.mpp is None else record.mpp / spec.mpp
    height, width = (round(side * factor) for side in pixels.shape[:2])
    least = math.ceil(spec.size_px * (1 - SIZE_TOLERANCE))
    if min(height, width) < least:
        raise DatasetError(
            f"{record.where} is {pixels.shape[1]}x{pixels.shape[0]} px, at {spec.mpp:g} um/px {width}x{height}; "
            f"the model needs {spec.size_px} px",
            hint="cut larger tiles, or leave it out",
        )
    height, width = max(height, spec.size_px), max(width, spec.size_px)
    if (height, width) != pixels.shape[:2]:
        shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
    if whole:
        return pixels
    top, left = (height - spec.size_px) // 2, (width - spec.size_px) // 2
    return np.ascontiguousarray(pixels[top : top + spec.size_px, left : left + spec.size_px])


def read_parts(record: TileRecord, spec: TileSpec) -> NDArray[np.uint8]:
    """A tile as a slide's tiles would show it, (k, size, size, 3) RGB at the model's mpp: its centre, or where it is
    larger as many parts as come nearest to its size, spread evenly over it, so that what its label says of the whole is
    not asked of its middle alone. Raises DatasetError, as `read_tile`.
    """
    pixels, size = read_tile(record, spec, whole=True), spec.size_px
    rows, columns = (_spread(side, size) for side in pixels.shape[:2])
    return np.stack([pixels[y : y + size, x : x + size] for y in rows for x in columns])


def _spread(side_px: int, size_px: int) -> list[int]:
    """Where the parts of a side begin."""
    count, room = min(round(side_px / size_px), MOST_PARTS), side_px - size_px
    return [room // 2] if count < 2 else [round(room * i / (count - 1)) for i in range(count)]


def read_pixels(record: TileRecord) -> NDArray[np.uint8]:
    """The picture (h, w, 3) as stored, its white set where that is known. Raises DatasetError."""
    pixels = _read_rgb(record)
    return pixels if record.white is None else set_white(pixels, record.white)


def _read_rgb(record: TileRecord) -> NDArray[np.uint8]:
    try:
        return read_picture(record.path, IMAGE_FORMATS, MAX_TILE_PIXELS, name=record.where)
    except SlideTooLargeError as error:
        raise DatasetError(error.message, hint="whole slides are not tiles: cut it first") from error
    except SlideError as error:
        raise DatasetError(
            f"{record.where} cannot be read as an image", hint="replace it or take out its row"
        ) from error


def _from_csv(path: Path) -> TileSet:
    row = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)  # an open quote would take all further rows into one cell
            columns = _header(path.name, next(rows, []))
            root = path.parent.resolve()
            records = []
            row = rows.line_num + 1
            for cells in rows:
                if any(cell.strip() for cell in cells):  # a spreadsheet leaves rows of commas
                    records.append(_csv_record(root, row, _by_column(columns, cells, row)))
                row = rows.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"{path.name}, row {row}: {error}", hint="is a quote not closed? save it again") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name} is not a CSV in UTF-8", hint="save it as CSV again") from error
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}") from error
    if not records:
        raise DatasetError(f"{path.name} lists no tiles")
    _refuse_mixed_splits(path.name, records)
    _refuse_same_names(path.name, records)
    return TileSet(tuple(records), _classes(records), _warnings(columns))


def _header(name: str, cells: Sequence[str]) -> list[str]:
    """The names of the columns; one that stands twice would swap labels in silence."""
    columns = [cell.strip().casefold() for cell in cells]
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise DatasetError(f"{name} has the column {twice[0]!r} twice", hint="keep one of them")
    missing = sorted({"file", "class"} - set(columns))
    if missing:
        raise DatasetError(f"{name} has no column {' and no column '.join(missing)}", hint=f"the columns are {COLUMNS}")
    return columns


def _by_column(columns: Sequence[str], cells: Sequence[str], row: int) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise DatasetError(f"row {row} has more cells than the header", hint="quote names that hold a comma")
    texts = [cell.strip() for cell in cells] + [""] * max(0, len(columns) - len(cells))
    return {column: text for column, text in zip(columns, texts, strict=False) if column}


def _csv_record(root: Path, row: int, text: Mapping[str, str]) -> TileRecord:
    if row > MAX_TILES:
        raise DatasetError(f"more than {MAX_TILES:,} tiles")
    if not text["file"] or not text["class"]:
        raise DatasetError(f"row {row} has an empty file or class")
    split = text.get("split", "").lower()
    if split and split not in SPLITS:
        raise DatasetError(f"row {row} has the split {split!r}", hint=f"use {', '.join(SPLITS)} or leave it empty")
    file = text["file"]
    return TileRecord(
        path=_inside(root, file, row),
        file=file,
        label=_class_name(text["class"], f"row {row}"),
        group=text.get("source_group") or file,
        split=split,
        mpp=_mpp(text.get("mpp", ""), row),
        row=row,
        patient=text.get(PATIENT, ""),
        site=text.get(SITE, ""),
    )


def _inside(root: Path, file: str, row: int) -> Path:
    try:
        path = (root / file).resolve()
    except (OSError, ValueError) as error:
        raise DatasetError(f"row {row} names an impossible file") from error
    if Path(file).is_absolute() or not path.is_relative_to(root):
        raise DatasetError(f"row {row} names {file}, outside the folder of the CSV", hint="use paths below it")
    if not path.is_file():
        raise DatasetError(f"row {row} names {file}, which does not exist")
    return path


def _class_name(name: str, where: str) -> str:
    """Checked as the card will, so that no training ends with a name that can't be written."""
    if not is_class_name(name):
        raise DatasetError(
            f"{where} has a class name, {plain(name, 80)!r}, that a model's card cannot carry",
            hint="at most 60 letters without accents, digits, blanks, _ and -; a letter or digit first",
        )
    return name


def _mpp(text: str, row: int) -> float | None:
    if not text:
        return None
    mpp = number(text, *PLAUSIBLE_MPP)
    if mpp is None:
        raise DatasetError(f"row {row} has the mpp {text!r}", hint="mpp is um per px, about 0.25 at 40x")
    return mpp


def _refuse_mixed_splits(name: str, records: list[TileRecord]) -> None:
    without = [record for record in records if not record.split]
    if without and len(without) < len(records):
        raise DatasetError(f"{name}: {without[0].where} has no split while others have", hint="fill all or none")
    split_of: dict[str, str] = {}
    for record in records:
        if split_of.setdefault(record.group, record.split) != record.split:
            raise DatasetError(
                f"{name}: {record.where} puts source group {record.group} into {record.split}, an earlier row into "
                f"{split_of[record.group]}",
                hint="tiles of one source in two splits leak: keep a group in one split",
            )


def _from_folders(root: Path) -> TileSet:
    records = []
    for folder in sorted(root.iterdir()):
        files = _images_in(folder)
        if files:
            label = _class_name(folder.name, f"folder {plain(folder.name, 80)}")
            names = [str(path.relative_to(root)) for path in files]
            records += [TileRecord(path, name, label, name, "", None) for path, name in zip(files, names, strict=True)]
    if not records:
        raise DatasetError(f"{root.name} holds no folder with images", hint="one folder a class, tiles inside")
    _refuse_same_names(root.name, records)
    return TileSet(tuple(records), _classes(records), _warnings(()))


def _images_in(folder: Path) -> list[Path]:
    """The images of a class. Hidden folders and files (`.ipynb_checkpoints`, `.thumbnails`) hold copies: left out."""
    if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not path.is_symlink()
    ]


def _refuse_same_names(name: str, records: Iterable[TileRecord]) -> None:
    """`normal` and `Normal` would be two classes."""
    spelled: dict[str, str] = {}
    for record in records:
        if spelled.setdefault(record.label.casefold(), record.label) != record.label:
            raise DatasetError(
                f"{name} has the classes {spelled[record.label.casefold()]!r} and {record.label!r}",
                hint="spell a class one way",
            )


def _classes(records: Iterable[TileRecord]) -> tuple[str, ...]:
    return tuple(sorted({record.label for record in records}))


def _warnings(columns: Iterable[str]) -> tuple[str, ...]:
    found = []
    if "source_group" not in columns:
        found.append(
            "No source_group column: each file is its own group. Tiles of one patient or slide may then lie in both "
            "training and validation, and the figures may read too high."
        )
    if "mpp" not in columns:
        found.append("No mpp column: every tile is taken to be at the model's um per px.")
    return tuple(found)
