"""The commands by name. A new one is a line here, and a function of its name in a module beside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """A command: where its words are, and what the list of commands tells of it."""

    module: str
    told: str
    attribute: str = ""  # where it is not the command's name


COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "adapt": Entry("tiles", "Make a site profile of a few of your slides, unlabelled."),
        "app": Entry("results", "Browse results: heatmaps on the slides, pies, decisions.", "app_command"),
        "commission": Entry("slides", "Prove the tool on your own labelled slides."),
        "deidentify": Entry("batch", "Copy slides without what identifies a person."),
        "demo": Entry("batch", "Draw a synthetic slide, run the whole pipeline on it."),
        "doctor": Entry("facts", "Check this machine: Python, libraries, models, memory."),
        "drift": Entry("upkeep", "Tell whether slides, model or readers have changed."),
        "evaluate": Entry("tiles", "Measure a model on labelled tiles."),
        "gate": Entry("upkeep", "Judge a candidate: better where corrected, else no worse."),
        "import-model": Entry("tiles", "Make a model folder of a network in ONNX."),
        "info": Entry("facts", "What the tool sees of a slide or a site profile."),
        "learn": Entry("upkeep", "Keep the regions that readers signed as labelled tiles."),
        "models": Entry("facts", "The packaged models and what their cards say."),
        "predict-slides": Entry("slides", "What a slide model says of stored features, a row a slide."),
        "promote": Entry("upkeep", "Let a candidate count that passed its gate, or go back."),
        "report": Entry("results", "Write slide-level reports and the cohort table."),
        "retrain": Entry("upkeep", "Train a candidate on what was learned."),
        "review": Entry("review", "What people decided on results: list, export, import."),
        "run": Entry("batch", "Process slides; every slide gets a row in OUT/slides.csv."),
        "suggest": Entry("upkeep", "Name the slides most worth a person's minutes, and why."),
        "train": Entry("tiles", "Train a tile model on a folder a class, or on a CSV."),
        "train-slides": Entry("slides", "Train a slide model on stored features."),
        "verify": Entry("results", "Prove each result and signed record whole and unaltered."),
    }
)


def command_of(name: str) -> click.Command:
    """The command of a name in the table; its words are imported now, what it does when it is called."""
    entry = COMMANDS[name]
    words = import_module(f"{__package__}.{entry.module}")
    command: click.Command = getattr(words, entry.attribute or name.replace("-", "_"))
    return command
