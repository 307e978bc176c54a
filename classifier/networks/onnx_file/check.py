"""The door for an ONNX file: all rules in order, and what is known of the network once they hold."""

from __future__ import annotations

from dataclasses import dataclass

from classifier.networks.onnx_file import rules
from classifier.networks.onnx_file.messages import FLOAT16, FLOAT32, UINT8, OnnxFile, ValueType, read_onnx, shown
from wsi.errors import ModelError

CHANNELS_FIRST, CHANNELS_LAST = "nchw", "nhwc"
ELEMENT_NAMES = {FLOAT32: "float32", FLOAT16: "float16", UINT8: "uint8"}
_FOREIGN_STARTS = (
    (b"PK\x03\x04", "a zip archive, as PyTorch and Keras write them"),
    (b"\x80", "a pickle, which can carry code"),
    (b"\x89HDF", "an HDF5 file, as Keras writes them"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"<", "a web page"),
)
_FOREIGN_MARKS = ((b"ORTM", "of ONNX Runtime's own format"), (b"TFL3", "a LiteRT file"))


@dataclass(frozen=True)
class OnnxNetwork:
    """An ONNX file that may be opened. `size_px` and `batch` are None where any will do; `outputs` are the names that
    the file declares, `made` all that its nodes make."""

    input: str
    element: str
    layout: str
    size_px: int | None
    batch: int | None
    outputs: tuple[str, ...]
    made: frozenset[str]
    parameters: int


def check_onnx(content: bytes | memoryview) -> OnnxNetwork:
    """Raises ModelError, one line, on anything but a plain image network with all that it needs in it."""
    _refuse_other_formats(bytes(content[:64]))
    file = read_onnx(content)
    rules.check_versions(file)
    rules.check_counts(file)
    rules.check_tensors(file)
    rules.check_nodes(file)
    pixels = _pixels(file)
    rules.check_flow(file, pixels.name)
    element, layout, size_px, batch = _as_image(pixels)
    return OnnxNetwork(
        pixels.name,
        element,
        layout,
        size_px,
        batch,
        outputs=tuple(value.name for value in file.outputs),
        made=frozenset(name for node in file.nodes for name in node.outputs if name),
        parameters=sum(tensor.elements for tensor in file.initialisers),
    )


def _refuse_other_formats(start: bytes) -> None:
    if not start:
        raise ModelError("the ONNX file is empty")
    found = [what for mark, what in _FOREIGN_STARTS if start.startswith(mark)]
    found += [what for mark, what in _FOREIGN_MARKS if start[4:8] == mark]
    if found:
        raise ModelError(f"the file is no ONNX file, it is {found[0]}", hint="export the network to ONNX")


def _pixels(file: OnnxFile) -> ValueType:
    """The one input. Older files list their weights among the inputs."""
    weights = {tensor.name for tensor in file.initialisers}
    inputs = [value for value in file.inputs if value.name not in weights]
    if len(inputs) != 1:
        raise ModelError(f"the network has {len(inputs)} inputs; it must have one, the tiles")
    if not file.outputs:
        raise ModelError("the network has no output")
    return inputs[0]


def _as_image(pixels: ValueType) -> tuple[str, str, int | None, int | None]:
    """Element type, layout, side and batch of the input."""
    name = shown(pixels.name)
    if pixels.element not in ELEMENT_NAMES:
        raise ModelError(f"the network's input {name} is not float32, float16 or uint8")
    if pixels.dims is None or len(pixels.dims) != 4 or 3 not in (pixels.dims[1], pixels.dims[3]):
        raise ModelError(f"the network's input {name} is no batch of RGB images (b, 3, h, w) or (b, h, w, 3)")
    layout = CHANNELS_FIRST if pixels.dims[1] == 3 else CHANNELS_LAST
    height, width = pixels.dims[2:] if layout == CHANNELS_FIRST else pixels.dims[1:3]
    if height != width or (height is not None and not 1 <= height <= 4096):
        raise ModelError(f"the network's input {name} is not square, or of an absurd size")
    if pixels.dims[0] not in (None, 1):
        raise ModelError(f"the network takes {pixels.dims[0]} tiles at a time", hint="export it with an open batch")
    return ELEMENT_NAMES[pixels.element], layout, height, pixels.dims[0]
