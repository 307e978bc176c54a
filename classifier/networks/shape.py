"""What every tile network offers, and the bounds that keep a hostile card from costing memory. Builds nothing.

A network may look at a tile through several concentric *fields*, given as factors: a field of factor s is the tile's
centre, averaged s x s, and all fields have as many px. So (2, 1) shows a 224 px tile at 1.0 um/px as 112 px at
2.0 um/px and its inner half as 112 px at 1.0 um/px: two magnifications of one read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from wsi.errors import ModelError

MIN_WIDTH, MAX_WIDTH = 4, 512
MAX_PARAMETERS = 20_000_000
MIN_CLASSES, MAX_CLASSES = 2, 100
MAX_TILE_PX = 1024
MIN_FEATURE_MAP_PX = 2
MAX_FIELDS, MAX_FIELD_FACTOR = 3, 8

Fields = tuple[int, ...]
WHOLE_TILE: Fields = (1,)
FEATURES = "features"


class NetworkShape(Protocol):
    """A network in numbers. `dropout` acts in training only."""

    name: ClassVar[str]
    in_a_file: ClassVar[bool]
    """Whether its layers are a file of the model's folder, and not our code."""

    @property
    def gives(self) -> str:
        """FEATURES, for a head of our own, or another word of `imported`."""
        ...

    @property
    def fields(self) -> Fields: ...

    @property
    def dropout(self) -> float: ...

    @property
    def trunk_features(self) -> int:
        """Channels of the last feature map."""
        ...

    @property
    def trunk_stride(self) -> int:
        """Px of a field per px of the last feature map."""
        ...

    def trunk(self, pixels: Any) -> Any:
        """Keras layers from pixels (n, h, w, 3), 0 to 255, to the last feature map."""
        ...

    def to_dict(self) -> dict[str, Any]: ...

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        """Reads the `parameters` of a card; raises ModelError on anything but small numbers."""
        ...


def features_of(shape: NetworkShape) -> int:
    """Length of a tile's feature vector: the means of the last feature map of each field."""
    return shape.trunk_features * len(shape.fields)


def smallest_tile_px(shape: NetworkShape) -> int:
    return shape.trunk_stride * MIN_FEATURE_MAP_PX * max(shape.fields)


def check_size(shape: NetworkShape, size_px: int, classes: int) -> None:
    """Raises ModelError where tiles of `size_px` or this many classes do not fit the network."""
    if not MIN_CLASSES <= classes <= MAX_CLASSES:
        raise ModelError(f"{classes} classes are outside {MIN_CLASSES} to {MAX_CLASSES}")
    if not smallest_tile_px(shape) <= size_px <= MAX_TILE_PX:
        raise ModelError(f"tiles of {size_px} px are outside {smallest_tile_px(shape)} to {MAX_TILE_PX} px")
    if size_px % (2 * max(shape.fields)) and shape.fields != WHOLE_TILE:
        raise ModelError(f"tiles of {size_px} px cannot be averaged by {max(shape.fields)}")


def check_shape(widths: tuple[int, ...], dropout: float, parameters: int, fields: Fields) -> None:
    """Raises ModelError where a number of any shape is outside its bounds."""
    for width in widths:
        if not MIN_WIDTH <= width <= MAX_WIDTH:
            raise ModelError(f"a layer of {width} channels is outside {MIN_WIDTH} to {MAX_WIDTH}")
    if not 0.0 <= dropout < 1.0:
        raise ModelError(f"dropout {dropout} is outside 0 to 1")
    if parameters > MAX_PARAMETERS:
        raise ModelError(f"the network would have more than {MAX_PARAMETERS:,} parameters")
    if not 1 <= len(fields) <= MAX_FIELDS or not all(1 <= factor <= MAX_FIELD_FACTOR for factor in fields):
        raise ModelError(f"fields are 1 to {MAX_FIELDS} factors of 1 to {MAX_FIELD_FACTOR}")
    if list(fields) != sorted(set(fields), reverse=True):
        raise ModelError("fields go from the widest to the narrowest, each once")


def whole(value: Any) -> int:
    """`value`, if it is a whole number and no bool; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


def whole_numbers(values: Any, most: int) -> tuple[int, ...]:
    """Raises ModelError where there are more than `most`, ValueError where one is not whole."""
    if len(values) > most:
        raise ModelError(f"{len(values)} numbers where at most {most} are allowed")
    return tuple(whole(value) for value in values)
