"""Two second laboratories as features, computed once: what `learning_curves` and `suggest` learn from and judge by.

TILES is the list of `classifier.training.packaged.lung_sources`, with `--final`. *Simulated*: LC25000's `val` tiles,
which lung-v2 never saw, as a laboratory shows them that is farther away than any of the gate's; a source image stands
for a slide. *Real*: the atlas, some forty cases of other organs, under a model of all else: embedding and last layer
are fitted anew without it. All else is the product's own: `fit_last_layer`, familiarity, the checks of the gate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.upkeep.candidate.gate import Judged
from classifier.colour.stain import STAIN_VECTORS
from classifier.dataset.split import VALIDATION
from classifier.dataset.tile_list import TileSet, read_tile, read_tile_set
from classifier.dataset.whites import with_whites
from classifier.evaluation.laboratories import Laboratory
from classifier.familiarity import THRESHOLD, Familiarity
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE
from classifier.model_folder.files import read_folder
from classifier.model_folder.find import DEFAULT_MODEL, find_model
from classifier.networks.shape import features_of
from classifier.training.balance import shares_of
from classifier.training.package import fit_known_tissue
from classifier.training.packaged.replay.head import BIAS, KERNEL, VIEWS, Learned, embedded, fit_last_layer
from classifier.training.packaged.replay.stored import Replay
from classifier.training.probe import DECAY, basis_of, fit_softmax, standardised, tapped_features
from classifier.training.recipe import TrainConfig
from classifier.training.train import learned_and_held

ATLAS, LC25000 = "atlas", "lc25000"
# Fixed before any figure was seen: each number about twice as far as the strong laboratories' farthest.
FAR = Laboratory(
    name="far",
    kind="far",
    gain=np.array([0.5, 1.9, 1.0]),
    vectors=(lambda turned: turned / np.linalg.norm(turned, axis=1, keepdims=True))(
        STAIN_VECTORS + np.array([[0.08, -0.06, 0.05], [-0.06, 0.08, -0.05], [0.0, 0.0, 0.0]])
    ),
    white=np.array([1.0, 0.86, 0.80]),
    exponent=1.5,
    factor=0.62,
    sharpen=-2.0,
    quality=25,
)

Floats = NDArray[np.float32]
Head = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Tiles:
    """n tiles in VIEWS views: features (VIEWS, n, d), class (index), source group and laboratory (n,)."""

    features: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    sites: NDArray[np.str_]

    def of(self, chosen: NDArray[np.bool_]) -> Tiles:
        return Tiles(self.features[:, chosen], self.labels[chosen], self.groups[chosen], self.sites[chosen])

    def of_groups(self, groups: list[str]) -> Tiles:
        return self.of(np.isin(self.groups, groups))

    def learned(self, classes: tuple[str, ...], labels: NDArray[np.int64] | None = None) -> Learned:
        """As corrections; `labels` (n,) where readers said something else."""
        told = self.labels if labels is None else labels
        names = [(classes[label], "second", f"learned/{group}") for label, group in zip(told, self.groups, strict=True)]
        return Learned(self.features.reshape(-1, self.features.shape[-1]), names * len(self.features))


@dataclass(frozen=True)
class Scene:
    """A base with what it learned from, tiles of the first laboratory that judge, and the second laboratory's."""

    name: str
    replay: Replay
    config: TrainConfig
    base: Head
    known: Familiarity
    first: Tiles
    second: Tiles

    def judged(self, head: Head, tiles: Tiles, known: Familiarity | None = None) -> Judged:
        plain = tiles.features[0]
        right = (plain @ head[KERNEL] + head[BIAS]).argmax(axis=1) == tiles.labels
        return Judged(right, np.asarray((known or self.known).of(plain) >= THRESHOLD, np.bool_))

    def trained(self, learned: Learned) -> Head:
        """The candidate's last layer, as `retrain` fits it."""
        return fit_last_layer(self.replay, learned, self.config)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Where the list and its features lie, as every script that looks at them asks for it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("cache", type=Path)
    return parser


def scenes(tiles: Path, cache: Path) -> Iterator[Scene]:
    """Simulated and real. Features are computed where `cache` has none: some minutes."""
    wide = Wide.of(tiles, cache)
    yield _simulated(wide)
    yield _real(wide)


class Wide:
    """The tapped means of each part of the list, kept in a folder: `learned`, `held`, `val`, `far`."""

    def __init__(self, cache: Path, weights: Head, config: TrainConfig, listed: TileSet) -> None:
        self.cache, self.config, self.classes = cache, config, listed.classes
        self.weights, self._listed = weights, listed
        cache.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of(cls, tiles: Path, cache: Path) -> Wide:
        """Of the default model's network and recipe."""
        folder = read_folder(find_model(DEFAULT_MODEL))
        config = TrainConfig.from_dict(folder.card.training["recipe"])
        weights = unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE)
        return cls(cache, weights, config, replace(read_tile_set(tiles), classes=folder.card.outputs))

    def part(self, name: str, views: int) -> Tiles:
        path = self.cache / f"{name}-{views}.npz"
        if not path.exists():
            self._compute(name, views, path)
        with np.load(path) as kept:
            return Tiles(kept["features"], kept["labels"], kept["groups"], kept["sites"])

    def _compute(self, name: str, views: int, path: Path) -> None:
        tiles = self._tiles(name)
        config = self.config if views > 1 else replace(self.config, crop_px=self.config.tile.size_px)
        wide = tapped_features(self.weights, tiles, config, views).astype(np.float32)
        sites = np.array([record.site for record in tiles.records])
        shaped = wide.reshape(views, len(tiles), -1)
        np.savez(path, features=shaped, labels=tiles.labels, groups=tiles.groups, sites=sites)
        print(f"{path.name}: {len(tiles)} tiles", flush=True)

    def _tiles(self, name: str) -> TileSet:
        val = self._listed.of_split(VALIDATION)
        if name == "val":
            return with_whites(val)
        if name == "far":
            return with_whites(_shown(val, self.config, self.cache / "far"))
        learned, held = learned_and_held(self._listed, self.config)
        return with_whites(learned if name == "learned" else held)


def _shown(tiles: TileSet, config: TrainConfig, folder: Path) -> TileSet:
    """The tiles as the far laboratory shows them, as files."""
    folder.mkdir(exist_ok=True)
    records = []
    for number, record in enumerate(tiles.records):
        path = folder / f"{number:04d}.png"
        whole = read_tile(replace(record, white=None), config.tile, whole=True)
        cv2.imwrite(str(path), FAR.view(whole)[..., ::-1])
        records.append(replace(record, path=path, mpp=config.tile.mpp))
    return replace(tiles, records=tuple(records))


def _simulated(wide: Wide) -> Scene:
    weights = wide.weights

    def seen(name: str, views: int) -> Tiles:
        tiles = wide.part(name, views)
        return replace(tiles, features=np.stack([embedded(weights, view) for view in tiles.features]))

    replay = _replay(wide.classes, seen("learned", VIEWS), seen("held", 1))
    base = {name: np.asarray(weights[name], np.float32) for name in (KERNEL, BIAS)}
    return Scene("simulated", replay, wide.config, base, _known(replay, wide), seen("val", 1), seen("far", VIEWS))


def _real(wide: Wide) -> Scene:
    learned, held = wide.part("learned", VIEWS), wide.part("held", 1)
    own, others = learned.sites == ATLAS, held.sites != ATLAS
    taught = learned.of(~own)
    # Classes that only the atlas has are unknown to the base; the second laboratory is judged on what is left.
    inward, bias = _embedding(taught, wide)
    held = held.of(others & np.isin(held.labels, np.unique(taught.labels)))

    def seen(tiles: Tiles) -> Tiles:
        return replace(tiles, features=(tiles.features @ inward + bias).astype(np.float32))

    present = np.unique(taught.labels)
    replay = _replay(wide.classes, seen(taught), seen(held), present)
    scene = Scene(
        "real", replay, wide.config, {}, _known(replay, wide), seen(wide.part("val", 1)), seen(learned.of(own))
    )
    nothing = Learned(np.zeros((0, replay.features.shape[1]), np.float32), [])
    second = scene.second.of(np.isin(scene.second.labels, present))
    order = {old: new for new, old in enumerate(present.tolist())}
    renamed = [
        replace(tiles, labels=np.array([order[label] for label in tiles.labels.tolist()]))
        for tiles in (scene.first, second)
    ]
    return replace(scene, base=scene.trained(nothing), first=renamed[0], second=renamed[1])


def _embedding(taught: Tiles, wide: Wide) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(w, d) and (d,) of the embedding that the recipe makes of these tiles alone."""
    names = taught.learned(wide.classes).names[: len(taught.labels)]
    sited = [(label, site, group) for (label, _, group), site in zip(names, taught.sites, strict=True)]
    shares = np.tile(shares_of(sited), VIEWS) / VIEWS
    flat = taught.features.reshape(-1, taught.features.shape[-1]).astype(np.float64)
    scaled, middle, spread = standardised(flat, shares)
    present, labels = np.unique(taught.labels, return_inverse=True)
    kernel, _ = fit_softmax(scaled, np.tile(labels, VIEWS), len(present), 1 / DECAY, shares)
    inward = basis_of(kernel, scaled, shares, features_of(wide.config.network)) / spread[:, None]
    return inward, -middle @ inward


def _replay(classes: tuple[str, ...], learned: Tiles, held: Tiles, present: NDArray[np.int64] | None = None) -> Replay:
    kept = np.arange(len(classes)) if present is None else present
    order = {old: new for new, old in enumerate(kept.tolist())}
    views = len(learned.features)
    labels = np.concatenate([np.tile(learned.labels, views), held.labels])
    return Replay(
        tuple(classes[index] for index in kept),
        np.concatenate([learned.features.reshape(-1, learned.features.shape[-1]), held.features[0]]),
        np.array([order[label] for label in labels.tolist()]),
        np.concatenate([np.tile(learned.sites, views), held.sites]),
        np.concatenate([np.tile(learned.groups, views), held.groups]),
        np.repeat([False, True], [len(learned.labels) * views, len(held.labels)]),
    )


def _known(replay: Replay, wide: Wide) -> Familiarity:
    old, held = replay.part(held=False), replay.part(held=True)
    return fit_known_tissue(old.features, old.labels, held.features, held.groups, wide.config.false_alarm_rate)
