"""A slide model that runs: a bag in, probabilities, sets and attention out. NumPy alone; and its folder on disk.

The folder is checked byte by byte before a parser sees it, as a tile model's is: a card that names the SHA-256 of one
npz of plain numbers, and no other file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideOpinion, SlideResult
from aggregate.slide_model.bags import Bag, bag_of_result
from aggregate.slide_model.card import CARD_FILE, WEIGHTS_FILE, SlideModelCard
from aggregate.slide_model.conformal import outcome_of
from aggregate.slide_model.network import ops
from aggregate.slide_model.network.heads import find_head
from aggregate.slide_model.network.networks import make_network
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.files import read_contents, read_values, refuse_finished
from wsi.errors import ModelError, ModelNotFoundError
from wsi.files.writing import write_file

Arrays = Mapping[str, NDArray[np.float32]]
_CHUNK_INSTANCES = 8192
_SURE_LEVEL = "0.95"
DISAGREES, SEVERAL_CLASSES = OPINION_REASONS = ("slide-model-disagrees", "several-classes")


class SlideModel:
    """A card and the weights of its networks, by name with the network's number before it: ``0/embed``."""

    def __init__(self, card: SlideModelCard, arrays: Arrays) -> None:
        self.card = card
        self.arrays = arrays
        self._network = make_network(card.network, card.parameters)
        self._head = find_head(card.head)
        self._networks = [self._weights_of(arrays, i) for i in range(card.networks)]
        if len(arrays) != sum(map(len, self._networks)):
            raise ModelError("the slide model's weights hold more than its networks")

    def logits(self, bag: Bag, network: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Logits (c,) before calibration and attention (n, k), of one of the networks or the mean over all."""
        chosen = self._networks if network is None else [self._networks[network]]
        found = [self._run(weights, bag) for weights in chosen]
        outputs = np.mean([outputs for outputs, _ in found], axis=0)
        return self._head.read(outputs[None])[0], np.mean([attention for _, attention in found], axis=0)

    def opinion(self, bag: Bag) -> SlideOpinion:
        """What the model says of a slide. Raises ModelError where the features are not of its source."""
        self.check_source(bag)
        card = self.card
        if bag.refused or (not self._network.attends and bag.figures is None):
            nothing: dict[str, tuple[str, ...]] = dict.fromkeys(card.sets.bounds, ())
            return self._told(bag, (float("nan"),) * len(card.classes), "", nothing, None)
        logits, attention = self.logits(bag)
        probabilities = tuple(card.calibration.apply(logits[None])[0].tolist())
        first = int(np.argmax(probabilities))
        sets = {level: tuple(card.classes[i] for i in found) for level, found in self._sets(probabilities).items()}
        column = attention[:, min(first, attention.shape[1] - 1)] if self._network.attends else None
        return self._told(bag, probabilities, card.classes[first], sets, column)

    def check_source(self, bag: Bag) -> None:
        """Raises ModelError where the features are not such as the model was trained on."""
        figures = None if self._network.attends else bag.figures
        if bag.source != self.card.source or (figures is not None and figures.shape != self._networks[0]["mean"].shape):
            raise ModelError(
                f"{self.card.name} was trained on other features than those of {bag.slide_id}",
                hint="give the tile model (or encoder) whose features it was trained on",
            )

    def _sets(self, probabilities: tuple[float, ...]) -> dict[str, tuple[int, ...]]:
        return self.card.sets.sets_of(probabilities)

    def _told(
        self,
        bag: Bag,
        probabilities: tuple[float, ...],
        call: str,
        sets: Mapping[str, tuple[str, ...]],
        attention: NDArray[np.floating] | None,
    ) -> SlideOpinion:
        tiles = len(bag) if bag.chosen is None else len(bag.chosen)
        spread = np.full(tiles, np.nan, np.float32)
        if attention is not None:
            spread[np.arange(tiles) if bag.chosen is None else bag.chosen] = attention
        strictest = sets.get(_SURE_LEVEL, ())
        outcome = outcome_of([0] * len(strictest), refused=not call)
        card = self.card
        return SlideOpinion(
            card.name, card.version, card.digest, card.classes, call, probabilities, dict(sets), outcome, spread
        )

    def _run(self, weights: Arrays, bag: Bag) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        values = bag.features if self._network.attends else bag.figures[None]  # type: ignore[index]
        parts = [
            self._network.embed(ops, weights, ((part.astype(np.float32) - weights["mean"]) / weights["spread"])[None])
            for part in (values[at : at + _CHUNK_INSTANCES] for at in range(0, len(values), _CHUNK_INSTANCES))
        ]
        embedded = np.concatenate(parts, axis=1)
        outputs, attention = self._network.pool(ops, weights, embedded, np.ones(embedded.shape[:2], np.bool_))
        return outputs[0], attention[0]

    def _weights_of(self, arrays: Arrays, number: int) -> dict[str, NDArray[np.float32]]:
        """Those of one network, of the very names and shapes that the card asks for. Raises ModelError."""
        card = self.card
        dimension = card.source.dimension if self._network.attends else np.size(arrays.get(f"{number}/mean", ()))
        shapes = {
            "mean": (dimension,),
            "spread": (dimension,),
            **self._network.shapes(dimension, self._head.outputs(len(card.classes))),
        }
        found = {}
        for name, shape in shapes.items():
            array = arrays.get(f"{number}/{name}")
            if array is None or array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ModelError(f"the slide model's weights {number}/{name} are not such as its card asks for")
            found[name] = array
        if not (found["spread"] > 0).all():
            raise ModelError("the slide model's weights hold a spread of nothing")
        return found


def with_opinion(result: SlideResult, model: SlideModel) -> SlideResult:
    """The result with what a slide model says beside the rule, and the review reasons that follow from it.

    Nothing else of the result is changed: the rule's call and probabilities stay. Raises ModelError.
    """
    opinion = model.opinion(bag_of_result(result))
    reasons = [*result.decision.review_reasons, *opinion_reasons(result, opinion)]
    decision = replace(result.decision, review_reasons=tuple(reasons))
    tiles = replace(result.tiles, attention=opinion.attention)
    return replace(result, decision=decision, tiles=tiles, opinion=opinion)


def opinion_reasons(result: SlideResult, opinion: SlideOpinion) -> list[str]:
    """``slide-model-disagrees`` where both call the slide, and not alike; ``several-classes`` where the set of the
    strictest level holds not one class."""
    reasons = []
    if opinion.call and math.isfinite(result.decision.confidence) and _differs(result, opinion):
        reasons.append(DISAGREES)
    if opinion.outcome in ("several", "none"):
        reasons.append(SEVERAL_CLASSES)
    return reasons


def _differs(result: SlideResult, opinion: SlideOpinion) -> bool:
    """Class by class where the model's are the result's; else tumour or none, where the background is among them."""
    if set(opinion.classes) <= set(result.classes):
        return opinion.call != result.decision.call
    if result.background in opinion.classes:
        return (opinion.call == result.background) != (result.decision.call == result.background)
    return False


def write_slide_model(folder: Path, card: SlideModelCard, arrays: Arrays) -> SlideModelCard:
    """Writes the weights, then the card that names their SHA-256; the card as written. Raises UsageError where the
    folder holds a model."""
    refuse_finished(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = pack_arrays(arrays)
    card = replace(card, files={WEIGHTS_FILE: hashlib.sha256(content).hexdigest()})
    write_file(folder / WEIGHTS_FILE, content)
    text = card.to_json().encode()
    write_file(folder / CARD_FILE, text)
    return replace(card, digest=hashlib.sha256(text).hexdigest())


def load_slide_model(folder: Path) -> SlideModel:
    """A slide model, verified. Raises ModelNotFoundError, ModelError and, where a byte differs, ModelDigestError."""
    if not (folder / CARD_FILE).is_file():
        raise ModelNotFoundError(
            f"{folder} is no slide model", hint="make one with `pulmoscope train-slides`, and give its folder"
        )
    values, digest = read_values(folder, CARD_FILE)
    card = SlideModelCard.from_dict(values, digest=digest)
    if set(card.files) != {WEIGHTS_FILE}:
        raise ModelError(f"{CARD_FILE} does not name {WEIGHTS_FILE} alone")
    content = read_contents(folder, CARD_FILE, card.name, card.files)[WEIGHTS_FILE]
    return SlideModel(card, unpack_arrays(content, WEIGHTS_FILE))
