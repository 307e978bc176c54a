"""An import, told at one level: bring the network, check it, try it, write its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from classifier.familiarity import THRESHOLD
from classifier.model_folder.about import IMPORTED
from classifier.model_folder.card import NETWORK_FILE, ModelCard, name_for
from classifier.model_folder.encoder import LICENCE_UNSTATED, EncoderCard, check_tile, write_encoder
from classifier.model_folder.files import refuse_finished, write_folder
from classifier.networks.catalog import write_architecture
from classifier.networks.imported import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LOGITS,
    MEAN,
    PLAIN,
    PROBABILITIES,
    ImportedNetwork,
)
from classifier.networks.onnx_file.check import OnnxNetwork, check_onnx
from classifier.networks.onnx_file.messages import shown
from classifier.networks.onnx_file.rewrite import with_output
from classifier.networks.shape import FEATURES
from classifier.runtimes.onnx_session import need_onnx_runtime
from classifier.runtimes.onnx_trial import Trial, TrialLimits, limits_for, try_network
from classifier.training.encoder.request import ImportRequest
from classifier.training.encoder.source import Source, read_source
from classifier.training.encoder.timm_door import export_timm, is_timm
from tiler.spec import TileSpec
from wsi.errors import ModelError, UsageError
from wsi.files.writing import unwritable

Warn = Callable[[str], None]


@dataclass(frozen=True)
class _Taken:
    """A network that was checked and tried. `notes` are sentences for its card."""

    content: bytes
    shape: ImportedNetwork
    tile: TileSpec
    figures: dict[str, Any]
    notes: tuple[str, ...]


def import_model(request: ImportRequest, warn: Warn) -> EncoderCard | ModelCard:
    """Brings a network into a folder: an encoder, or with `classes` a model that `run` can use.

    Nothing is written of one that fails. Raises ModelError and its kin, UsageError, OutputUnwritableError.
    """
    refuse_finished(request.out)
    need_onnx_runtime()
    source = export_timm(request) if is_timm(request.source) else read_source(request)
    taken = _taken(source, request, limits_for(source.content, request.memory_gb))
    for note in taken.notes:
        warn(note)
    try:
        if request.classes:
            card = _classifier_card(taken, source, request)
            return write_folder(request.out, card, {NETWORK_FILE: taken.content})
        return write_encoder(request.out, _encoder_card(taken, source, request), taken.content)
    except OSError as error:
        raise unwritable(f"to {request.out}", error, "choose another --out") from error


def _taken(source: Source, request: ImportRequest, limits: TrialLimits) -> _Taken:
    network = check_onnx(source.content)
    content, output = _with_chosen_output(source.content, network, request.output)
    tile = TileSpec(_size_px(network, source, request), request.mpp)
    check_tile(tile)
    mean, std, notes = _normalisation(network, source, request)
    shape = ImportedNetwork(
        1, output=output, pool=request.pool or PLAIN, prefix_tokens=request.prefix_tokens, mean=mean, std=std
    )
    trial = try_network(content, shape, tile.size_px, limits)
    pool = MEAN if trial.axes == 4 else shape.pool
    gives = _gives(trial, request) if request.classes else FEATURES
    if not (request.licence or source.licence):
        notes = (*notes, "Its licence is not stated: ask its maker before you pass it or its features on.")
    figures = {"parameters": network.parameters, "cpu_seconds_a_tile": trial.seconds_a_tile}
    return _Taken(content, replace(shape, features=trial.features, gives=gives, pool=pool), tile, figures, notes)


def _with_chosen_output(content: bytes, network: OnnxNetwork, wanted: str) -> tuple[bytes, str]:
    """The file, cut to one output, and its name."""
    if not wanted and len(network.outputs) > 1:
        names = ", ".join(map(shown, network.outputs[:8]))
        raise ModelError(f"the network has {len(network.outputs)} outputs: {names}", hint="name one with --output")
    name = wanted or network.outputs[0]
    if network.outputs == (name,):
        return content, name
    if name not in network.made:
        raise ModelError(f"the network makes no {shown(name)}", hint="name an output, or what one of its nodes makes")
    content = with_output(content, name)
    check_onnx(content)
    return content, name


def _size_px(network: OnnxNetwork, source: Source, request: ImportRequest) -> int:
    wanted = request.size_px or network.size_px or source.size_px
    if wanted is None:
        raise UsageError("the network takes tiles of any size", hint="say with --size how many px it was trained on")
    if network.size_px not in (None, wanted):
        raise UsageError(f"--size {wanted}, but the network takes {network.size_px} px", hint="leave --size out")
    return wanted


def _normalisation(network: OnnxNetwork, source: Source, request: ImportRequest) -> tuple[Any, Any, tuple[str, ...]]:
    """Mean, std, and a note where they are assumed."""
    if network.element == "uint8":
        if request.mean or request.std:
            raise UsageError("the network takes uint8 as it is", hint="leave --mean and --std out")
        return IMAGENET_MEAN, IMAGENET_STD, ()
    mean, std = request.mean or source.mean, request.std or source.std
    if mean and std:
        return mean, std, ()
    assumed = f"--mean and --std were not given: ImageNet's were taken ({IMAGENET_MEAN}, {IMAGENET_STD})."
    return mean or IMAGENET_MEAN, std or IMAGENET_STD, (assumed,)


def _gives(trial: Trial, request: ImportRequest) -> str:
    """Logits or probabilities, as the trial found them; what was said must not contradict it."""
    if trial.axes != 2:
        raise ModelError("the network gives no row a tile, so it is no classifier of tiles", hint="leave --classes out")
    if trial.features != len(request.classes):
        raise ModelError(
            f"the network gives {trial.features} values a tile, and {len(request.classes)} classes are named"
        )
    found = PROBABILITIES if trial.rows_sum_to_one else LOGITS
    if request.gives not in ("", found):
        raise ModelError(f"the network gives {found}, not {request.gives}: see what its rows sum to")
    return found


def _encoder_card(taken: _Taken, source: Source, request: ImportRequest) -> EncoderCard:
    return EncoderCard(
        name=request.name or name_for(request.out),
        tile=taken.tile,
        network=taken.shape,
        licence=request.licence or source.licence or LICENCE_UNSTATED,
        source=f"{source.origin} (sha256 {source.sha256})",
        notes=taken.notes,
        figures=taken.figures,
    )


def _classifier_card(taken: _Taken, source: Source, request: ImportRequest) -> ModelCard:
    licence = request.licence or source.licence or LICENCE_UNSTATED
    return ModelCard(
        name=request.name or name_for(request.out),
        version="1.0.0",
        classes=request.classes,
        background=request.background,
        tile=taken.tile,
        architecture=write_architecture(taken.shape),
        temperature=1.0,
        familiarity_threshold=THRESHOLD,
        false_alarm_rate=0.0,
        training={
            "imported_from": source.origin,
            "imported_sha256": source.sha256,
            "licence": licence,
            **taken.figures,
        },
        metrics={},
        intended_use=IMPORTED.intended_use,
        limits=(*IMPORTED.limits, f"Imported from {source.origin}; licence: {licence}.", *taken.notes),
        never_shown=IMPORTED.never_shown,
    )
