"""The table of a cohort as Parquet: the columns of `slides.csv` with types of their own, for data frames."""

from __future__ import annotations

import io
from collections.abc import Sequence

from app.ledger.records import SlideRow, columns

_FLOATS = frozenset(("confidence", "mpp", "tissue_mm2", "seconds"))


def render_parquet(rows: Sequence[SlideRow]) -> bytes:
    """One line a slide; what is missing is null, reasons are a list of texts."""
    import pyarrow as pa
    from pyarrow import parquet

    classes = tuple(dict.fromkeys(name for row in rows for name in row.probabilities))
    told = [row.to_json() for row in rows]
    arrays = {name: pa.array([_plain(line.get(name)) for line in told], _type(name)) for name in columns(classes)}
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
