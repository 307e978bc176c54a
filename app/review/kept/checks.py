"""Whether rows hold what our own writing puts there: a database that lies beside results may come from anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import RowMapping

_NUMBERS = frozenset(("id", "version", "seal_id", "decision_id", "signature_id", "removed"))
_TIME = "at"


class OddRowError(ValueError):
    """A row that no record can be made of."""


@contextmanager
def odd_rows_told() -> Iterator[None]:
    """Raises OddRowError for whatever goes wrong where rows become records."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise OddRowError(type(error).__name__) from error


def checked(rows: Iterable[RowMapping]) -> list[RowMapping]:
    """The rows, each cell of its column's kind. Raises OddRowError."""
    found = list(rows)
    for row in found:
        for name, value in row.items():
            check_cell(name, value)
    return found


def check_cell(name: str, value: object) -> None:
    """Raises OddRowError where the column `name` never holds `value`: numbers, times with their zone, else text."""
    if not isinstance(value, int if name in _NUMBERS else str):
        raise OddRowError(f"{name} is no {'number' if name in _NUMBERS else 'text'}")
    if name == _TIME:
        with odd_rows_told():
            if datetime.fromisoformat(str(value)).tzinfo is None:
                raise OddRowError("a time without its zone")
