"""How much of a laboratory is in a model's features: `python -m classifier.training.robustness DATA [--model NAME]
[--out FILE]`, DATA being the folder of the public sets that docs/lung-v2.md lists.

Three figures. A robustness index, after PathoROB (Koemen et al. 2025, arXiv:2507.17845): of a tile's nearest
neighbours, those of its own class and another source against those of another class and its own source; 1 knows tissue
alone, 0 the source alone, and what chance would give is told (0.5 where no group holds two classes). How well a
logistic regression tells the source of tiles of one class. And how strange the model finds tissue that is neither
tumour nor what it calls normal: near a tumour, or inflamed.

What stands on a packaged card cannot be added to without making it another model; the file that `--out` writes goes to
the next one's (`lung_model --further`).
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.predict import as_shown, batches
from classifier.dataset.tile_list import TileRecord, TileSet, read_pixels, read_tile_set
from classifier.evaluation.metrics import area_under_curve
from classifier.familiarity import not_turned_away
from classifier.model import TileModel, load_model
from classifier.training.packaged.lung_sources import Source, find_sources, write_tiles

NEIGHBOURS = 10
# A cell of a design: tiles of one class from one source. Fewer say nothing, more weigh no more.
LEAST_TILES, MOST_TILES = 10, 150
# Under so many sources a figure is of these sources, and no more; of a set, so many cases.
FEW_SOURCES, FEW_CASES = 10, 10
_FOLDS = 5
# Of the fields of lung that nothing learns from: what the column `kind` says of them.
NEAR = {
    "lymphoid tissue by adenocarcinoma": ("lymphoid", "lymphoid with tumour strands"),
    "fibrosis of the lung": ("fibrosis, honeycomb",),
    "bronchus": ("bronchial epithelium + stroma",),
    "emphysema": ("alveoli, enlarged",),
}
INFLAMED = "inflammation"

Rows = NDArray[np.floating]
Names = NDArray[np.str_]


@dataclass(frozen=True)
class Design:
    """The index of two classes from two sources each, with as many tiles of each (`tiles`), and what features that know
    nothing would get."""

    classes: tuple[str, str]
    sources: tuple[str, str]
    tiles: int
    index: float
    chance: float


@dataclass(frozen=True)
class SourceTold:
    """How well the source of one class's tiles is told: balanced accuracy over tiles of groups that taught nothing."""

    label: str
    sources: tuple[str, ...]
    tiles: int
    accuracy: float
    chance: float


@dataclass(frozen=True)
class Strange:
    """How strange a set is. `taught` where the model learned from these tiles; `area`: by its distance, against known
    tiles (0.5: alike)."""

    name: str
    tiles: int
    cases: int
    taught: bool
    not_recognised: float
    area: float


def robustness_index(
    features: Rows, labels: Names, sources: Names, groups: Names, *, neighbours: int = NEIGHBOURS, seed: int = 0
) -> tuple[Design, ...]:
    """The index of each pair of classes in each pair of sources that has enough of all four; features (n, d), the rest
    (n,). Neighbours are by the cosine of features whose mean is taken away, and never of a tile's own group."""
    rng = np.random.default_rng(seed)
    found = []
    for pair in combinations(np.unique(sources).tolist(), 2):
        for classes in combinations(np.unique(labels).tolist(), 2):
            cells = [np.flatnonzero((labels == one) & (sources == place)) for one in classes for place in pair]
            least = min(map(len, cells))
            if least < LEAST_TILES:
                continue
            count = min(least, MOST_TILES)
            chosen = np.concatenate([rng.permutation(cell)[:count] for cell in cells])
            shown = (features[chosen], labels[chosen], sources[chosen], groups[chosen])
            found.append(Design(classes, pair, count, *_index(*shown, min(neighbours, count))))
    return tuple(found)


def _index(features: Rows, labels: Names, sources: Names, groups: Names, neighbours: int) -> tuple[float, float]:
    """(index, what chance gives): the share among the nearest, and among all that could be near."""
    unit = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    apart = groups[:, None] != groups[None, :]
    nearest = np.argsort(np.where(apart, -(unit @ unit.T), np.inf), axis=1, kind="stable")[:, :neighbours]
    near = np.zeros_like(apart)
    np.put_along_axis(near, nearest, True, axis=1)
    same_class, same_source = labels[:, None] == labels[None, :], sources[:, None] == sources[None, :]
    tissue, laboratory = same_class & ~same_source & apart, ~same_class & same_source & apart
    return _share(near & tissue, near & laboratory), _share(tissue, laboratory)


def _share(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = int(one.sum()) + int(other.sum())
    return int(one.sum()) / total if total else float("nan")


def source_told(features: Rows, labels: Names, sources: Names, groups: Names, *, seed: int = 0) -> list[SourceTold]:
    """For each class that two sources or more have enough tiles and at least two groups of; features (n, d)."""
    found = []
    for label in np.unique(labels).tolist():
        own = labels == label
        kept = [place for place in np.unique(sources[own]).tolist() if _is_enough(groups[own & (sources == place)])]
        if len(kept) < 2:
            continue
        chosen = _evenly(np.flatnonzero(own & np.isin(sources, kept)), sources, seed)
        accuracy = _told(features[chosen], sources[chosen], groups[chosen], seed)
        found.append(SourceTold(label, tuple(kept), len(chosen), accuracy, 1 / len(kept)))
    return found


def _is_enough(groups: Names) -> bool:
    return len(groups) >= LEAST_TILES and len(np.unique(groups)) >= 2


def _evenly(chosen: NDArray[np.intp], sources: Names, seed: int) -> NDArray[np.intp]:
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(chosen[sources[chosen] == place])[:MOST_TILES] for place in np.unique(sources[chosen])]
    return np.concatenate(parts)


def _told(features: Rows, sources: Names, groups: Names, seed: int) -> float:
    """Balanced accuracy, whole groups held out together."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fewest = min(len(np.unique(groups[sources == place])) for place in np.unique(sources))
    folds = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    told = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    answers = cross_val_predict(told, np.asarray(features, np.float64), sources, groups=groups, cv=folds)
    return float(balanced_accuracy_score(sources, answers))


def strangeness(
    name: str, familiarity: Rows, cases: Sequence[str], known: Rows, threshold: float, *, taught: bool
) -> Strange:
    """Of the familiarity (n,) of a set's tiles against that of known ones (m,)."""
    both = np.concatenate([known, familiarity])
    area = area_under_curve(-both, np.arange(len(both)) >= len(known))
    refused = float((~not_turned_away(familiarity, threshold)).mean())
    return Strange(name, len(familiarity), len(set(cases)), taught, refused, area)


# --- the sets at hand


@dataclass(frozen=True)
class _Shown:
    """What a model says of listed tiles: features (n, d), familiarity (n,), and the records."""

    features: Rows
    familiarity: Rows
    records: tuple[TileRecord, ...]

    def names(self, field: str) -> Names:
        return np.array([getattr(record, field) for record in self.records], np.str_)


def _show(model: TileModel, listed: TileSet) -> _Shown:
    features, familiarity = [], []
    shown = as_shown(model, listed)
    for _, pixels in batches(shown, model.card.tile):
        told = model.predict(pixels)
        features.append(np.asarray(told.features, np.float64))
        familiarity.append(told.familiarity)
    return _Shown(np.concatenate(features), np.concatenate(familiarity), shown.records)


def _few(sources: Sequence[Source], seed: int = 0) -> list[Source]:
    """At most MOST_TILES of a class and source, from as many groups as there are."""
    rng = np.random.default_rng(seed)
    cells: dict[tuple[str, str], list[Source]] = {}
    for one in sources:
        cells.setdefault((one.site, one.label), []).append(one)
    return [cell[i] for cell in cells.values() for i in rng.permutation(len(cell))[:MOST_TILES]]


def _near(data: Path) -> Iterator[Source]:
    """Fields that are kept for testing, and the atlas's inflamed tissue, which is learned from."""
    with (data / "lung-elsewhere" / "fields.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, kinds in NEAR.items():
                if row["kind"] in kinds and row["split"] == "test":
                    path = data / "lung-elsewhere" / row["file"]
                    yield Source(path, name, "fields", row["case"], "test", float(row["mpp"]))
    with (data / "atlas_tissues" / "tiles.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["class"] == INFLAMED:
                path = data / "atlas_tissues" / row["file"]
                yield Source(path, "inflamed tissue of the atlas", "atlas", row["case"], "train", float(row["mpp"]))


def measure(model: TileModel, data: Path) -> dict[str, Any]:
    """All three figures of `model` over the public sets in `data`. Raises DatasetError."""
    sources = _few([one for one in find_sources(data, final=False) if one.site != "lc25000" or one.split == "val"])
    with tempfile.TemporaryDirectory() as folder:
        shown = _show(model, read_tile_set(write_tiles(sources, Path(folder))))
    names = [shown.names(field) for field in ("label", "site", "group")]
    known = shown.familiarity[(names[1] == "lc25000") & (names[0] == "normal")]
    with tempfile.TemporaryDirectory() as folder:
        near = _show(model, _fields_as_tiles(list(_near(data)), Path(folder)))
    return {
        "model": {"name": model.card.name, "version": model.card.version, "sha256": model.card.digest},
        "sources": _counted(len(np.unique(names[1])), FEW_SOURCES),
        "robustness_index": _indices(robustness_index(shown.features, *names)),
        "source_told": [asdict(one) for one in source_told(shown.features, *names)],
        "strange": _strange(near, known, model.card.familiarity_threshold),
    }


def _fields_as_tiles(sources: list[Source], folder: Path) -> TileSet:
    """Fields cut into tiles of 224 px at the list's scale, as a slide's would be."""
    import cv2

    listed = read_tile_set(write_tiles(sources, folder), fewest_classes=1)
    records = []
    for record in listed.records:
        pixels = read_pixels(record)
        height, width = pixels.shape[:2]
        for y in range(0, height - 223, 224):
            for x in range(0, width - 223, 224):
                path = record.path.with_name(f"{record.path.stem}-{y}-{x}.png")
                cv2.imwrite(str(path), pixels[y : y + 224, x : x + 224, ::-1])
                records.append(replace(record, path=path, file=path.name))
    return replace(listed, records=tuple(records))


def _strange(near: _Shown, known: Rows, threshold: float) -> list[dict[str, Any]]:
    labels, found = near.names("label"), []
    for name in np.unique(labels).tolist():
        own = labels == name
        cases = near.names("group")[own].tolist()
        taught = bool((near.names("split")[own] == "train").any())
        told = strangeness(name, near.familiarity[own], cases, known, threshold, taught=taught)
        found.append({**asdict(told), **_counted(told.cases, FEW_CASES)})
    return found


def _indices(designs: Sequence[Design]) -> dict[str, Any]:
    means = {name: [getattr(one, name) for one in designs] for name in ("index", "chance")}
    told = {name: float(np.mean(values)) if values else None for name, values in means.items()}
    return {**told, "designs": [asdict(one) for one in designs]}


def _counted(count: int, few: int) -> dict[str, Any]:
    return {"count": count, "too_few": count < few}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="lung-v2")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    told = json.dumps(measure(load_model(asked.model, threads=2), asked.data), indent=2)
    print(told)
    if asked.out:
        asked.out.write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
