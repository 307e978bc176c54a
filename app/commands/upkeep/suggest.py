"""`pulmoscope suggest`: what is worth a person's next minutes, told on the terminal or to a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.upkeep.suggest.suggest import suggest
from app.upkeep.suggest.tell import suggestion_lines


def look_for(
    results: Sequence[Path], *, count: int, learning: Path | None, database: str | None
) -> tuple[dict[str, Any], list[str]]:
    """(facts, lines). Raises as `suggest` does."""
    told = suggest(results, count, learning=learning, database=database)
    return told.to_dict(), suggestion_lines(told)
