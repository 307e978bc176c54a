"""A model on disk: card.json and the files that it names. Every byte is checked here before any parser sees it."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifier.model_folder.card import (
    CARD_FILE,
    FAMILIARITY_FILE,
    LITERT_FILE,
    LITERT_FLOAT_FILE,
    NETWORK_FILE,
    WEIGHTS_FILE,
    ModelCard,
)
from wsi.errors import ModelDigestError, ModelError, ModelNotFoundError, UsageError
from wsi.files.reading import parse_json, read_regular
from wsi.files.writing import write_file

MIB = 2**20
ENCODER_FILE = "encoder.json"
SLIDE_MODEL_FILE = "slide_model.json"
MAX_BYTES = {
    CARD_FILE: MIB,
    ENCODER_FILE: MIB,
    SLIDE_MODEL_FILE: MIB,
    WEIGHTS_FILE: 128 * MIB,
    FAMILIARITY_FILE: 80 * MIB,  # 4096 features
    LITERT_FILE: 64 * MIB,
    LITERT_FLOAT_FILE: 128 * MIB,
    NETWORK_FILE: 2048 * MIB - 1,  # more than a protocol buffer can be
}
TRAIN_ON_IT = "pulmoscope train TILES --encoder FOLDER --out MODEL_DIR"
# Formats that can carry code. They are refused by name, so that the message can say why.
UNSAFE_SUFFIXES = (".h5", ".hdf5", ".keras", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy", ".pb", ".py")


@dataclass(frozen=True)
class ModelFolder:
    """A model's card and the bytes of its files, whose SHA-256 match the card."""

    card: ModelCard
    contents: Mapping[str, bytes]


def read_card(folder: Path) -> ModelCard:
    """The card alone. Raises ModelNotFoundError, ModelError."""
    if folder.is_file():
        raise ModelError(
            f"{folder.name} is a file; a model is a folder with {CARD_FILE}",
            hint="files such as .keras, .h5 and .pkl can carry code and are not opened; make a model with "
            "`pulmoscope train`",
        )
    if not folder.is_dir():
        raise ModelNotFoundError(f"there is no model {folder}", hint="see `pulmoscope models`")
    if not (folder / CARD_FILE).exists():
        if (folder / ENCODER_FILE).exists():
            raise ModelError(f"{folder} is an encoder and knows no classes", hint=f"train a model on it: {TRAIN_ON_IT}")
        if (folder / SLIDE_MODEL_FILE).exists():
            raise ModelError(f"{folder} is a slide model and sees no tiles", hint="give it with --slide-model")
        raise ModelNotFoundError(
            f"{folder} has no {CARD_FILE}", hint="it is no model, or its training has not ended: train again to go on"
        )
    values, digest = read_values(folder, CARD_FILE)
    return ModelCard.from_dict(values, digest=digest)


def read_folder(folder: Path) -> ModelFolder:
    """A whole model, verified. Raises ModelNotFoundError, ModelError and, where a byte differs, ModelDigestError."""
    card = read_card(folder)
    missing = card.required_files - set(card.files)
    if missing:
        raise ModelError(f"{CARD_FILE} names no {' and no '.join(sorted(missing))}")
    strange = set(card.files) - card.required_files - card.optional_files
    if strange:
        raise ModelError(f"{CARD_FILE} names {min(strange)}, which a model of its kind has not")
    return ModelFolder(card, read_contents(folder, CARD_FILE, card.name, card.files))


def read_values(folder: Path, name: str) -> tuple[Any, str]:
    """What a card's JSON says, and its SHA-256. Raises ModelError."""
    content = _read_file(folder, name)
    try:
        values = parse_json(content)
    except ValueError as error:
        raise ModelError(f"{name} is not JSON", hint="get the model again from its maker") from error
    return values, hashlib.sha256(content).hexdigest()


def read_contents(folder: Path, card_file: str, model: str, files: Mapping[str, str]) -> dict[str, bytes]:
    """The files that a card names, each of the SHA-256 that it says, in a folder that holds nothing else."""
    _refuse_strangers(folder, {card_file, *files})
    contents = {}
    for name, sha256 in files.items():
        content = _read_file(folder, name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ModelDigestError(
                f"{name} of model {model} is not the file that its card names",
                hint="it was altered or damaged: get the model again from its maker",
            )
        contents[name] = content
    return contents


def write_folder(folder: Path, card: ModelCard, contents: Mapping[str, bytes]) -> ModelCard:
    """Writes the files, then the card that names their SHA-256; a folder without a card is no model.

    Returns the card as written. Raises UsageError where `folder` already holds a model.
    """
    refuse_finished(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = replace(card, files={name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)})
    for name, content in contents.items():
        write_file(folder / name, content)
    text = card.to_json().encode()
    write_file(folder / CARD_FILE, text)
    return replace(card, digest=hashlib.sha256(text).hexdigest())


def refuse_finished(folder: Path) -> None:
    """Raises UsageError where `folder` holds a finished model: a model is never written over."""
    if any((folder / name).exists() for name in (CARD_FILE, ENCODER_FILE, SLIDE_MODEL_FILE)):
        raise UsageError(f"{folder} already holds a model", hint="choose another --out, or remove it first")


def _refuse_strangers(folder: Path, known: set[str]) -> None:
    for path in sorted(folder.iterdir()):
        if path.name in known:
            continue
        if path.suffix.lower() in UNSAFE_SUFFIXES:
            raise ModelError(f"the folder holds {path.name[:60]!r}, a format that can carry code", hint="remove it")
        raise ModelError(f"the folder holds {path.name[:60]!r}, which its card does not name", hint="remove it")


def _read_file(folder: Path, name: str) -> bytes:
    """A regular file's bytes, links not followed, size bounded before a byte is read."""
    try:
        return read_regular(folder / name, MAX_BYTES[name])
    except FileNotFoundError as error:
        raise ModelError(f"{name} is missing", hint="get the model again from its maker") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ModelError(f"{name} is larger than {MAX_BYTES[name] // MIB} MiB") from error
        raise ModelError(
            f"{name} is a link, not a regular file, or cannot be read", hint="copy the file itself there"
        ) from error
