"""`pulmoscope train` and `pulmoscope evaluate`: the classifier's work, shown on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.words import percent
from classifier.progress import Progress, ProgressCallback

Say = Callable[[str], None]
# Lines in a log, not one a batch.
_LINE_EVERY_S = 20.0


def train_model(
    tiles: Path,
    out: Path,
    *,
    name: str | None,
    background: str | None,
    base_name: str | None,
    epochs: int | None,
    seed: int | None,
    say: Say,
) -> None:
    """Trains into `out`; goes on where a killed training of the same recipe stopped.

    Raises DatasetError, UsageError, ModelError (of the base), OutputUnwritableError.
    """
    from classifier.base import read_base
    from classifier.recipe import TrainConfig, fine_tuning
    from classifier.train import train

    base = read_base(base_name) if base_name is not None else None
    recipe = fine_tuning(base.name, base.network, base.tile) if base is not None else TrainConfig()
    chosen: dict[str, Any] = {"epochs": epochs, "min_steps": epochs and 0, "seed": seed, "background": background}
    config = replace(recipe, **{key: value for key, value in chosen.items() if value is not None})
    card = train(tiles, out, config, _shown(), base=base, name=name, warn=lambda text: say(f"note: {text}"))
    say(f"{card.name} {card.version} written to {out} (sha256 {card.digest[:12]})")
    accuracy = card.metrics.get("val", {}).get("figures", {}).get("accuracy")
    if accuracy:
        interval = f"({accuracy['low']:.3f} to {accuracy['high']:.3f})"
        say(f"accuracy on the validation groups {accuracy['value']:.3f} {interval}")


def evaluate_model(tiles: Path, model_name: str, out: Path, *, split: str | None, as_json: bool, say: Say) -> None:
    """Judges a model on labelled tiles and writes the evaluation to `out`. Raises DatasetError, ModelError."""
    from classifier.evaluate import evaluate
    from classifier.model import load_model

    evaluation = evaluate(tiles, load_model(model_name), out, split=split, progress=_shown())
    if as_json:
        say(json.dumps(evaluation.to_dict()))
        return
    judged = f"{evaluation.tiles} tiles of {evaluation.groups} source groups, {evaluation.split or 'all'}"
    say(f"{evaluation.model} on {judged}")
    for figure_name, figure in evaluation.figures.items():
        beside = evaluation.baseline[figure_name] if evaluation.baseline else None
        baseline = f"   colour histograms {beside.value:.3f}" if beside else ""
        say(f"  {figure_name:<40} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}){baseline}")
    say(f"  not recognised {percent(evaluation.not_recognised)} of the tiles")
    say(f"written to {out}")


def _shown() -> ProgressCallback:
    """A line that is written over on a terminal; a line now and then in a log."""
    on_terminal = sys.stderr.isatty()
    last = -_LINE_EVERY_S

    def show(progress: Progress) -> None:
        nonlocal last
        if on_terminal:
            print(f"\r{progress!s:<100.100}", end="\n" if progress.done >= 1 else "", file=sys.stderr, flush=True)
        elif progress.done >= 1 or time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            print(progress, file=sys.stderr, flush=True)

    return show
