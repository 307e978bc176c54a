"""Tables as Parquet, for data frames, each column of its own type: slides as in `slides.csv`, and a slide's tiles."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from aggregate.heatmap import likeliest
from aggregate.result import SlideResult
from app.ledger.records import SlideRow, columns
from app.reports.csv_report import quality_names
from wsi.text import plain

_FLOATS = frozenset(("confidence", "mpp", "tissue_mm2", "seconds"))


def render_parquet(rows: Sequence[SlideRow]) -> bytes:
    """One line a slide; what is missing is null, reasons are a list of texts."""
    import pyarrow as pa

    classes = tuple(dict.fromkeys(name for row in rows for name in row.probabilities))
    told = [row.to_json() for row in rows]
    return _written(
        {name: pa.array([_plain(line.get(name)) for line in told], _type(name)) for name in columns(classes)}
    )


def render_tiles(result: SlideResult) -> bytes:
    """One line a tile, the columns of the CSV report; probabilities as stored (float32), null where there are none."""
    import pyarrow as pa

    tiles = result.tiles
    count = len(tiles.xy)
    x, y = np.asarray(tiles.xy, np.int32).reshape(-1, 2).T
    return _written(
        {
            "tile": pa.array(np.arange(count, dtype=np.int32)),
            "x_px": pa.array(x),
            "y_px": pa.array(y),
            "side_px": pa.array(np.full(count, result.tile_side_px, np.float64)),
            **{
                f"p_{plain(name)}": _known(probability)
                for name, probability in zip(result.outputs, tiles.probabilities.T, strict=True)
            },
            "familiarity": _known(tiles.familiarity),
            "quality": pa.array([quality_names(int(flags)) for flags in tiles.quality], pa.string()),
            "tissue_fraction": _known(tiles.tissue_fraction),
            "votes": pa.array(np.asarray(tiles.votes, bool)),
            "call": pa.array(_calls(result), pa.string()),
        }
    )


def _calls(result: SlideResult) -> list[str]:
    """As the CSV report tells them."""
    tiles, names = result.tiles, [plain(name) for name in result.outputs]
    winners = likeliest(tiles.probabilities, result.tumour_outputs)
    return [
        names[winner] if votes else "poor-quality" if flags else "not-recognised"
        for winner, votes, flags in zip(winners, tiles.votes, tiles.quality, strict=True)
    ]


def _known(values: Any) -> Any:
    """Floats as float32; NaN and infinity are null."""
    import pyarrow as pa

    values = np.asarray(values, np.float32)
    return pa.array(values, mask=~np.isfinite(values))


def _written(arrays: dict[str, Any]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table(arrays), file)
    return file.getvalue()


def _type(name: str) -> object:
    import pyarrow as pa

    if name in _FLOATS or name.startswith("p_"):
        return pa.float64()
    return {"tiles": pa.int64(), "review_reasons": pa.list_(pa.string())}.get(name, pa.string())


def _plain(value: object) -> object:
    """Names of files may hold what is no UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
