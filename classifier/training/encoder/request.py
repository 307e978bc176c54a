"""What is asked of one import: the network, how tiles are shown to it, what it gives. Checks words, opens nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.model_folder.card import is_class_name, is_model_name
from classifier.networks.imported import LOGITS, POOLS, PROBABILITIES, Triple, triple
from wsi.errors import UsageError


@dataclass(frozen=True)
class ImportRequest:
    """`source` is a file or a timm model (`local-dir:PATH`, `hf-hub:NAME`). Empty values stand for what the network or
    its maker says. With `classes` it is a classifier, else an encoder. `memory_gb` is for the
    trial."""

    source: str
    out: Path
    mpp: float
    size_px: int | None = None
    mean: Triple | None = None
    std: Triple | None = None
    name: str = ""
    licence: str = ""
    classes: tuple[str, ...] = ()
    background: str = "normal"
    gives: str = ""
    output: str = ""
    pool: str = ""
    prefix_tokens: int = 1
    merge_external: bool = False
    sha256: str = ""
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        _check(not self.name or is_model_name(self.name), "--name: letters, digits, ., _ and -, at most 64")
        _check(not self.sha256 or bool(re.fullmatch("[0-9a-f]{64}", self.sha256)), "--sha256: 64 hex digits")
        _check(self.gives in ("", LOGITS, PROBABILITIES), f"--gives: {LOGITS} or {PROBABILITIES}")
        _check(not self.gives or bool(self.classes), "--gives is for a classifier: name its --classes")
        _check(self.pool in ("", *POOLS), f"--pool: {', '.join(POOLS)}")
        _check(all(map(is_class_name, self.classes)), "--classes: letters, digits, blanks, _ and -, at most 60 each")
        _check(len(set(self.classes)) == len(self.classes) != 1, "--classes: two or more, each once")
        if self.classes and self.background not in self.classes:
            raise UsageError(
                f"no class is called {self.background!r}",
                hint=f"name the class that is no tumour with --background: {', '.join(self.classes)}",
            )

    @classmethod
    def from_options(cls, source: str, out: Path, **options: Any) -> ImportRequest:
        """From the options of `pulmoscope import-model`; None stands for the default. Raises UsageError."""
        given = {key: value for key, value in options.items() if value is not None}
        for key, read in (("mean", _triple), ("std", _triple), ("classes", _names), ("sha256", str.lower)):
            if key in given:
                given[key] = _read(read, key, given[key])
        return cls(source, out, **given)


def _read(read: Callable[[str], Any], key: str, text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise UsageError(f"--{key} {text} is not three numbers", hint="such as 0.485,0.456,0.406") from None


def _triple(text: str) -> Triple:
    return triple(text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise UsageError(what)
