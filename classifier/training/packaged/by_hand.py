"""A training that a person starts and watches: its progress on one line, its errors in one, its accuracy at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable

from classifier.evaluation.intervals import Figure
from classifier.model_folder.card import ModelCard
from classifier.progress import Progress, ProgressCallback
from wsi.errors import PulmoscopeError


def train_by_hand(make: Callable[[ProgressCallback], ModelCard]) -> int:
    """Makes a model and prints what became of it; the exit code."""

    def show(progress: Progress) -> None:
        print(f"\r{progress!s:<100}", end="", file=sys.stderr, flush=True)

    try:
        card = make(show)
    except PulmoscopeError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{card.name} {card.version}: {Figure.from_dict(card.metrics['val']['figures']['accuracy'])}")
    return 0
