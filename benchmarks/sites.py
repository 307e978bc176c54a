"""What a site profile brings and costs, on real tiles of another laboratory: the tables of docs/sites.md.

`PULMOSCOPE_DATA=DIR python -m benchmarks.sites [--model M] [--draws N] [--known-share S]`. Each draw makes a profile of
five cases and measures it on five others. A case's tiles are laid side by side on glass of the colour of its own
brightest pixels, as a TIFF of 0.5 um/px. Labels are for reporting only: nothing here is chosen by them.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult
from app.commands.adapt import adapt_site
from app.config import RunConfig
from app.pipeline import run_slide
from classifier.colour.look import look_of_tiles
from classifier.dataset.tile_list import TileRecord, TileSet, read_tile, read_tile_set
from classifier.dataset.whites import with_whites
from classifier.evaluation.unfamiliar import UNFAMILIAR
from classifier.model import TileModel, load_model
from classifier.model_folder.find import DEFAULT_MODEL
from classifier.site.profile import SiteProfile
from wsi.errors import NoTissueError
from wsi.picture import read_picture
from wsi.synthetic.write_pyramid import PyramidSpec, write_pyramid

ATLAS = ("atlas_tissues", "atlas_tumours")
# Two needle biopsies of lung in the atlas are a set of their own, measured as whole slides.
LUNG_CASE = "lung-squamous-cell-carcinoma"
CARCINOMA = {"glandular": "adenocarcinoma", "squamous": "squamous_cell_carcinoma"}
A_SIDE, LEAST_TILES = 5, 25
TILE_PX, MPP, MARGIN_PX = 448, 0.5, 448
MADE_TILES = 128

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """A labelled tile of the atlas, on disk."""

    path: Path
    kind: str
    case: str
    mpp: float


@dataclass(frozen=True)
class Both:
    """A figure without the profile and with it."""

    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.before:.1%} | {self.after:.1%}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--known-share", type=float, default=0.5)
    asked = parser.parse_args()
    data, model = Path(os.environ["PULMOSCOPE_DATA"]), load_model(asked.model)
    cases = atlas_cases(data)
    print(
        f"{model.card.name} {model.card.version} ({model.card.digest[:12]}), known share {asked.known_share:g}; ",
        end="",
    )
    print(f"{len(cases)} cases, {asked.draws} draws of {A_SIDE} and {A_SIDE}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        slides = {case: write_case(Path(folder) / "slides" / f"{case}.tif", tiles) for case, tiles in cases.items()}
        report(Path(folder), data, model, asked, cases, slides)


def report(
    folder: Path,
    data: Path,
    model: TileModel,
    asked: argparse.Namespace,
    cases: Mapping[str, Sequence[Tile]],
    slides: Mapping[str, Path],
) -> None:
    print(
        "| draw | refused before | after | left out in turn | told `unfamiliar-slide` before | after "
        "| `val` refused before | after | `val` accuracy before | after | threshold |"
    )
    print(f"|{' --- |' * 11}")
    val = [one for one in read_tile_set(data / "lc25000" / "tiles.csv").records if one.split == "val"]
    shown_val, kinds, last = Shown.of_records(val, model), defaultdict(list), None
    for draw in range(asked.draws):
        order = [sorted(cases)[i] for i in np.random.default_rng(draw).permutation(len(cases))]
        learned, tested = order[:A_SIDE], order[A_SIDE : 2 * A_SIDE]
        profile, failed = adapt_site(
            [slides[case] for case in learned], folder / f"site-{draw}", str(asked.model),
            known_share=asked.known_share, mpp=None, say=print,
        )  # fmt: skip
        assert failed == 0
        results = [two_runs(slides[case], model, profile, folder) for case in tested]
        print(draw_line(draw, results, shown_val, model, profile), flush=True)
        for case in tested:
            for tile in cases[case]:
                kinds[tile.kind].append((tile, profile))
        last = profile
    assert last is not None
    by_kind(kinds, model)
    print("\nWith the last draw's profile:\n")
    elsewhere(data, model, last, folder)
    made(shown_val, model, last)


# --- slides


def atlas_cases(data: Path) -> dict[str, list[Tile]]:
    """The tiles of each case with enough of them, without the lung biopsies."""
    cases: dict[str, list[Tile]] = defaultdict(list)
    for name in ATLAS:
        with (data / name / "tiles.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                tile = Tile(data / name / row["file"], row["class"], row["case"], float(row["mpp"]))
                cases[tile.case].append(tile)
    return {
        case: tiles for case, tiles in cases.items() if len(tiles) >= LEAST_TILES and not case.startswith(LUNG_CASE)
    }


def write_case(path: Path, tiles: Sequence[Tile]) -> Path:
    """A slide of a case's tiles, at MPP, side by side."""
    pixels = np.stack([at_mpp(_rgb(tile.path), tile.mpp)[:TILE_PX, :TILE_PX] for tile in tiles])
    columns = int(np.ceil(np.sqrt(len(pixels))))
    rows = -(-len(pixels) // columns)
    glass = look_of_tiles(pixels).white
    sheet = np.empty((rows * TILE_PX, columns * TILE_PX, 3), np.uint8)
    sheet[:] = np.rint(glass)
    for number, tile in enumerate(pixels):
        y, x = (place * TILE_PX for place in divmod(number, columns))
        sheet[y : y + TILE_PX, x : x + TILE_PX] = tile
    return write_on_glass(path, sheet, glass)


def write_on_glass(path: Path, pixels: Pixels, glass: NDArray[np.floating]) -> Path:
    """`pixels` at MPP with a margin of glass around, a tiled JPEG pyramid that states its pixel size."""
    height, width = (side + 2 * MARGIN_PX for side in pixels.shape[:2])
    noise = np.random.default_rng(0).normal(0, 1, (height, width, 1))
    canvas = np.clip(np.rint(glass + noise), 0, 255).astype(np.uint8)
    canvas[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = pixels
    spec = PyramidSpec((width, height), (1, 4), quality=92, subsampling="4:4:4")
    strips = (canvas[at : at + spec.strip_rows] for at in range(0, height, spec.strip_rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pyramid(path, spec, strips, f"Aperio layout, tiles on made glass|AppMag = 20|MPP = {MPP:g}")
    return path


def at_mpp(pixels: Pixels, mpp: float) -> Pixels:
    """At MPP: area-averaged, or enlarged where the picture is coarser."""
    if abs(mpp / MPP - 1) < 0.01:
        return pixels
    size = tuple(max(1, round(side * mpp / MPP)) for side in pixels.shape[1::-1])
    how = cv2.INTER_AREA if mpp < MPP else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def two_runs(
    path: Path, model: TileModel, profile: SiteProfile, out: Path, mpp: float | None = None
) -> tuple[SlideResult, SlideResult]:
    """The slide's results without and with the profile."""
    config = RunConfig(out=out, model=model.card.name)
    under = replace(config, site_sha256=profile.digest)
    return (
        run_slide(path, "slide", model, config, mpp=mpp),
        run_slide(path, "slide", profile.laid_over(model), under, mpp=mpp),
    )


def draw_line(
    draw: int,
    results: Sequence[tuple[SlideResult, SlideResult]],
    val: Shown,
    model: TileModel,
    profile: SiteProfile,
) -> str:
    refused = Both(*(float(np.mean([r.qc["share_unfamiliar"] for r in one])) for one in zip(*results, strict=True)))
    told = [sum("unfamiliar-slide" in r.decision.review_reasons for r in one) for one in zip(*results, strict=True)]
    again = val.under(profile.laid_over(model))
    left_out = profile.figures["not_recognised_left_out"]
    threshold = f"{profile.threshold_distance:.0f} (model {profile.model_threshold_distance:.0f})"
    return (
        f"| {draw} | {refused} | {left_out:.1%} | {told[0]} of {len(results)} | {told[1]} of {len(results)} "
        f"| {Both(val.refused, again.refused)} | {Both(val.accuracy, again.accuracy)} | {threshold} |"
    )


# --- tiles


@dataclass(frozen=True)
class Shown:
    """Tiles with labels, and what a model says of them: names of classes (n,), and whether they are recognised (n,)."""

    pixels: Pixels
    labels: NDArray[np.str_]
    called: NDArray[np.str_]
    recognised: NDArray[np.bool_]

    @classmethod
    def of_records(cls, records: Iterable[TileRecord], model: TileModel) -> Shown:
        listed = list(records)
        if model.sets_white:
            names = tuple(sorted({one.label for one in listed}))
            listed = list(with_whites(TileSet(tuple(listed), names)).records)
        pixels = np.stack([read_tile(one, model.card.tile) for one in listed])
        return cls._of(pixels, np.array([one.label for one in listed]), model)

    @classmethod
    def _of(cls, pixels: Pixels, labels: NDArray[np.str_], model: TileModel) -> Shown:
        said = model.predict(pixels)
        called = np.array(getattr(model.card, "outputs", model.card.classes))[said.probabilities.argmax(axis=1)]
        return cls(pixels, labels, called, said.familiarity >= model.card.familiarity_threshold)

    def under(self, model: TileModel) -> Shown:
        return Shown._of(self.pixels, self.labels, model)

    @property
    def refused(self) -> float:
        return float(1 - self.recognised.mean())

    @property
    def accuracy(self) -> float:
        """Of all tiles, recognised or not."""
        return float((self.called == self.labels).mean())


def by_kind(kinds: Mapping[str, Sequence[tuple[Tile, SiteProfile]]], model: TileModel) -> None:
    """What the tiles of the tested cases are called, by their kind. All draws together; a case may come twice."""
    print("\n| kind of tissue | tiles | recognised before | after | of these called adenocarcinoma | squamous |")
    print(f"|{' --- |' * 6}")
    for kind, shown in sorted(kinds.items()):
        plain: list[bool] = []
        after: list[tuple[bool, str]] = []
        for profile, tiles in _by_profile(shown):
            records = [TileRecord(t.path, t.path.name, kind, t.case, "", t.mpp) for t in tiles]
            before = Shown.of_records(records, model)
            again = before.under(profile.laid_over(model))
            plain += before.recognised.tolist()
            after += list(zip(again.recognised.tolist(), again.called.tolist(), strict=True))
        names = [name for known, name in after if known]
        called = " | ".join(str(names.count(name)) for name in CARCINOMA.values())
        print(f"| {kind} | {len(plain)} | {sum(plain)} | {len(names)} | {called} |", flush=True)


def _by_profile(shown: Sequence[tuple[Tile, SiteProfile]]) -> Iterator[tuple[SiteProfile, list[Tile]]]:
    groups: dict[str, tuple[SiteProfile, list[Tile]]] = {}
    for tile, profile in shown:
        groups.setdefault(profile.digest, (profile, []))[1].append(tile)
    yield from groups.values()


def elsewhere(data: Path, model: TileModel, profile: SiteProfile, folder: Path) -> None:
    """Whole slides and fields of lung, and skin: of the atlas' own laboratory, and of others."""
    print("| picture | what it is | refused before | after | call before | after |")
    print(f"|{' --- |' * 6}")
    for path in sorted((data / "lung-elsewhere" / "slides").glob("*.tif")):
        _elsewhere_line(path, "lung squamous carcinoma, the atlas' laboratory", model, profile, folder, MPP * 1.052)
    _elsewhere_line(data / "wsi" / "cmu-1-small-region.svs", "skin, another laboratory", model, profile, folder)
    with (data / "lung-elsewhere" / "fields.csv").open(newline="", encoding="utf-8") as file:
        fields = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for number, row in enumerate(fields):
        pixels = at_mpp(_rgb(data / "lung-elsewhere" / row["file"]), float(row["mpp"]))
        path = write_on_glass(folder / "fields" / f"field-{number}.tif", pixels, look_of_tiles(pixels[None]).white)
        _elsewhere_line(path, f"{row['diagnosis']}: {row['kind']}", model, profile, folder)


def _elsewhere_line(
    path: Path, what: str, model: TileModel, profile: SiteProfile, folder: Path, mpp: float | None = None
) -> None:
    try:
        before, after = two_runs(path, model, profile, folder, mpp)
    except NoTissueError:
        print(f"| {path.stem} | {what} | no tissue | | | |")
        return
    refused = Both(before.qc["share_unfamiliar"], after.qc["share_unfamiliar"])
    print(f"| {path.stem} | {what} | {refused} | {before.decision.call} | {after.decision.call} |", flush=True)


def made(val: Shown, model: TileModel, profile: SiteProfile) -> None:
    """What no model should recognise, made of LC25000's tiles."""
    print("\n| made of `val` tiles | refused before | after |\n| --- | --- | --- |")
    few = val.pixels[:: max(1, len(val.pixels) // MADE_TILES)]
    for name, view in UNFAMILIAR:
        rng = np.random.default_rng
        tiles = np.stack([view(one, model.card.tile.mpp, rng(seed)) for seed, one in enumerate(few)])
        before = Shown._of(tiles, np.full(len(tiles), ""), model)
        print(f"| {name} | {Both(before.refused, before.under(profile.laid_over(model)).refused)} |", flush=True)


def _rgb(path: Path) -> Pixels:
    return read_picture(path, ("JPEG", "PNG", "TIFF"), 100_000_000, name=path.name)


if __name__ == "__main__":
    main()
