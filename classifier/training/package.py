"""From trained weights to a model folder's content: temperature, familiarity, int8 file, card. Writes nothing."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wsi
from classifier.calibrate import fit_temperature, softmax, sure_from
from classifier.colour.look import look_of_tiles, typical_look, white_array
from classifier.colour.white import WHITE
from classifier.dataset.predict import forward_tiles
from classifier.dataset.tile_list import TileSet, read_tile
from classifier.familiarity import THRESHOLD, Familiarity, fit_familiarity, fit_slide_distance
from classifier.model import TileModel
from classifier.model_folder.about import About
from classifier.model_folder.arrays import pack_arrays
from classifier.model_folder.card import FAMILIARITY_FILE, LITERT_FILE, LITERT_FLOAT_FILE, WEIGHTS_FILE, ModelCard
from classifier.networks.build import build_network, set_network_weights
from classifier.networks.catalog import write_architecture
from classifier.networks.fields import stack_fields
from classifier.networks.shape import features_of
from classifier.progress import ProgressCallback, quiet
from classifier.runtimes.litert import LITERT_FLOAT32, LiteRtRuntime
from classifier.runtimes.tensorflow import TensorFlowRuntime
from classifier.training.augment import augment_tile
from classifier.training.balance import balanced_shares
from classifier.training.convert import MIN_AGREEMENT, label_agreement, to_litert_float32, to_litert_int8
from classifier.training.recipe import TrainConfig

REPRESENTATIVE_TILES = 200
# The glass of the tiles learned from: of so many groups, so many tiles each.
GLASS_GROUPS, GLASS_TILES = 100, 4
PACKAGES = (
    "numpy",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "ai-edge-litert",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
)

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Origin:
    """What a card says of where its model comes from, besides the recipe."""

    name: str
    about: About
    command: str
    data_sha256: str


@dataclass(frozen=True)
class Packaged:
    """A model ready to be judged and written: `model` runs on what `contents` holds."""

    model: TileModel
    contents: Mapping[str, bytes]


def package(weights: Weights, learned: TileSet, held: TileSet, config: TrainConfig, origin: Origin) -> Packaged:
    """Calibrates and converts `weights` on the tiles they were `learned` from and on `held`, whose groups they never
    saw. Where the int8 file disagrees with float32 on more than 1 in 100 held-out tiles, a float32 one is packaged."""
    card = bare_card(learned, held, config, origin)
    # Until it is fitted, nothing asks for familiarity.
    reference = TileModel(card, TensorFlowRuntime(card, weights), unfitted(card))
    held_logits, held_features = forward_tiles(reference, held)
    kept = getattr(config.network, "sensitive_layers", ())
    litert = to_litert_int8(_network(card, weights), _representative(learned, config), kept)
    fast = TileModel(card, LiteRtRuntime(card, litert), unfitted(card))
    fast_logits, fast_features = forward_tiles(fast, held)
    agreement = label_agreement(held_logits, fast_logits)
    contents = {WEIGHTS_FILE: pack_arrays(weights)}
    if agreement >= MIN_AGREEMENT:
        contents[LITERT_FILE] = litert
        reference_features, held_logits, held_features = held_features, fast_logits, fast_features
    else:
        contents[LITERT_FLOAT_FILE] = to_litert_float32(_network(card, weights))
        runtime = LiteRtRuntime(card, contents[LITERT_FLOAT_FILE], LITERT_FLOAT32)
        fast, reference_features = TileModel(card, runtime, unfitted(card)), held_features
    temperature, kept = fit_temperature(held_logits, held.labels, held.groups)
    familiarity = fit_known_tissue(
        *views_of(reference, learned, config), held_features, held.groups, config.false_alarm_rate
    )
    contents[FAMILIARITY_FILE] = pack_arrays(familiarity.to_arrays() | glass_of(learned, config))
    hold_out = {
        "tiles": len(held),
        "groups": len(set(held.groups.tolist())),
        "int8_agreement": round(agreement, 6),
        "int8_kept": LITERT_FILE in contents,
        "temperature_kept": kept,
        "not_recognised_tensorflow": round(float((familiarity.of(reference_features) < THRESHOLD).mean()), 6),
        f"not_recognised_{fast.runtime}": round(float((familiarity.of(held_features) < THRESHOLD).mean()), 6),
    }
    probabilities = softmax(held_logits, temperature)
    card = replace(
        card,
        temperature=round(temperature, 6),
        sure_from=round(sure_from(probabilities, held.labels, balanced_shares(held)), 6),
        metrics={"hold_out": hold_out | _by_site(probabilities, held)},
    )
    return Packaged(fast.with_card(card, familiarity), contents)


def _by_site(probabilities: NDArray[np.floating], held: TileSet) -> dict[str, Any]:
    """Of each laboratory of a list that has several: held-out tiles, their groups, and how many are right."""
    sites = np.array([record.site for record in held.records])
    right = probabilities.argmax(axis=1) == held.labels
    if len(set(sites.tolist())) < 2:
        return {}
    return {
        "by_site": {
            site: {
                "tiles": int((sites == site).sum()),
                "groups": len(set(held.groups[sites == site].tolist())),
                "right": round(float(right[sites == site].mean()), 4),
            }
            for site in sorted(set(sites.tolist()))
        }
    }


def bare_card(learned: TileSet, held: TileSet, config: TrainConfig, origin: Origin) -> ModelCard:
    """The card of a model of which nothing is fitted yet."""
    return ModelCard(
        name=origin.name,
        version="1.0.0",
        classes=tuple(name for name in learned.classes if name not in config.tissues),
        tissues=config.tissues,
        background=config.background,
        white=WHITE if config.white else 0.0,
        tile=config.tile,
        architecture=write_architecture(config.network),
        temperature=1.0,
        familiarity_threshold=THRESHOLD,
        false_alarm_rate=config.false_alarm_rate,
        training={
            "data_sha256": origin.data_sha256,
            "tiles": learned.counts(),
            "hold_out_tiles": held.counts(),
            "groups": len(set(learned.groups.tolist())),
            "seed": config.seed,
            "command": origin.command,
            "recipe": config.to_dict(),
            "versions": _versions(),
        },
        metrics={},
        intended_use=origin.about.intended_use,
        limits=origin.about.limits,
        never_shown=origin.about.never_shown,
        synthetic=origin.about.synthetic,
    )


def _versions() -> dict[str, str]:
    import contextlib

    found = {"pulmoscope": wsi.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            found[name] = version(name)
    return found


def unfitted(card: ModelCard) -> Familiarity:
    """Stands in until familiarity is fitted: nothing asks it."""
    size = features_of(card.network)
    return Familiarity(np.eye(size, dtype=np.float32), np.zeros((len(card.outputs), size), np.float32), 1.0)


def _network(card: ModelCard, weights: Weights) -> Any:
    network = build_network(card.network, len(card.outputs), card.tile.size_px)
    set_network_weights(network, weights)
    return network


def _representative(learned: TileSet, config: TrainConfig) -> NDArray[np.uint8]:
    rng = np.random.default_rng(config.seed)
    chosen = rng.permutation(len(learned))[:REPRESENTATIVE_TILES]
    return stack_fields(np.stack([read_tile(learned.records[i], config.tile) for i in chosen]), config.network.fields)


def glass_of(learned: TileSet, config: TrainConfig) -> dict[str, NDArray[np.float32]]:
    """The colour of glass in what was learned, which a site profile takes a laboratory's glass to."""
    groups = sorted(set(learned.groups.tolist()))
    chosen = [groups[i] for i in np.unique(np.linspace(0, len(groups) - 1, GLASS_GROUPS).round().astype(int))]
    looks = []
    for group in chosen:
        tiles = [one for one in learned.records if one.group == group][:GLASS_TILES]
        looks.append(look_of_tiles(np.stack([read_tile(one, config.tile) for one in tiles])))
    return white_array(typical_look(looks))


def views_of(
    reference: TileModel, learned: TileSet, config: TrainConfig, progress: ProgressCallback = quiet
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features (2n, d) and classes (2n,) of each tile as it is and as another lab might have stained it: what is fitted
    sees both."""

    def stained(pixels: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng([config.seed, index])
        return augment_tile(pixels, config.tile.size_px, config.augmentation, rng)

    views = [forward_tiles(reference, learned, view=view, progress=progress)[1] for view in (None, stained)]
    return np.concatenate(views), np.tile(learned.labels, len(views))


def fit_known_tissue(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    held_features: NDArray[np.float32],
    held_groups: NDArray[np.str_],
    false_alarm_rate: float,
) -> Familiarity:
    """Familiarity of features (n, d) that were learned from, with thresholds from those (m, d) of tiles that were held
    out, each of its source group (m,)."""
    familiarity = fit_familiarity(features, labels, held_features, false_alarm_rate)
    of_slides = fit_slide_distance(familiarity, held_features, held_groups, false_alarm_rate)
    return replace(familiarity, slide_distance=of_slides)
