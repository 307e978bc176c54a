"""A manifest: `slide[,mpp,label,case,block]`, a slide a line, paths relative to it; what is wrong has its line."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from app.batch.job import SlideJob, absolute
from app.batch.search import make_job
from wsi.errors import UsageError
from wsi.metadata import number
from wsi.text import plain, unescape

_COLUMNS = ("slide", "mpp", "label", "case", "block")
_HINT = "it needs slide[,mpp,label,case,block], comma-separated, in UTF-8"
_MAX_BYTES = 256 << 20
_MAX_MPP = 1000.0
_MAX_CASE = 64


def read_manifest(manifest: Path) -> list[SlideJob]:
    """Its slides, each once, in its order; rows of empty cells are passed over.

    Raises UsageError with the line at fault, or with both where two lines contradict each other.
    """
    jobs: dict[Path, tuple[int, SlideJob]] = {}
    for line, cells in _rows(manifest):
        job = _job(manifest, line, cells)
        earlier = jobs.setdefault(absolute(job.path), (line, job))
        if earlier[0] != line:
            jobs[absolute(job.path)] = (earlier[0], _merged(manifest, earlier, (line, job)))
    return [job for _, job in jobs.values()]


def read_cases(manifest: Path) -> dict[str, str]:
    """The case or accession number of each slide that has one, by its path as `slides.csv` tells it, and by what stands
    in the manifest. No result holds it.

    Raises UsageError as `read_manifest` does, and where two lines give one slide two cases.
    """
    found: dict[str, str] = {}
    for line, cells in _rows(manifest):
        slide, case = cells.get("slide", ""), cells.get("case", "")
        if not (slide and case) or "\0" in slide:
            continue
        for key in (slide, str(absolute(_path(manifest.parent, slide)))):
            if found.setdefault(key, case) != case:
                raise UsageError(f"manifest {manifest}, line {line}: a second case for one slide", hint="keep one")
    return found


def _rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of each row that says anything."""
    # Not splitlines(): a quoted cell may hold line ends, and U+2028, U+0085 and form feeds end no row.
    # Strict: a quote that is never closed would take all further lines into one cell.
    rows = csv.reader(io.StringIO(_text(manifest), newline=""), strict=True)
    line = 1
    try:
        header = _header(manifest, next(rows, []))
        line = rows.line_num + 1
        for cells in rows:
            extra = [cell for cell in cells[len(header) :] if cell.strip()]
            if extra:
                raise UsageError(f"manifest {manifest}, line {line}: more cells than columns", hint="quote commas")
            if any(cell.strip() for cell in cells):
                yield line, dict(zip(header, (cell.strip(" \t") for cell in cells), strict=False))
            line = rows.line_num + 1
    except csv.Error as error:
        raise _malformed(manifest, line, error) from error


def _malformed(manifest: Path, line: int, error: csv.Error) -> UsageError:
    """`line` is where the row begins: that of an open quote, not of the file's end."""
    if "unexpected end of data" in str(error) or "expected after" in str(error):
        return UsageError(
            f"manifest {manifest}, line {line}: a quote that is not closed, or stands inside a cell",
            hint='write a cell with quotes as "6"" x 4""", or without any',
        )
    return UsageError(f"manifest {manifest}, line {line}: {error}", hint=_HINT)


def _text(manifest: Path) -> str:
    try:
        with manifest.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UsageError(f"manifest {manifest} is larger than a table of slides can be")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"manifest {manifest}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"manifest {manifest} is not UTF-8 text", hint="save it as CSV in UTF-8") from error


def _header(manifest: Path, cells: list[str]) -> list[str]:
    names = [cell.strip().casefold() for cell in cells]
    while names and not names[-1]:  # a spreadsheet's empty columns
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"manifest {manifest} has the column {twice[0]!r} twice", hint="keep one of them")
    if "slide" not in names or not set(names) <= set(_COLUMNS):
        told = ", ".join(repr(cell[:40]) for cell in cells[:10]) or "none"
        raise UsageError(f"manifest {manifest} has the columns {told}", hint=_HINT)
    return names


def _job(manifest: Path, line: int, cells: Mapping[str, str]) -> SlideJob:
    slide = cells.get("slide", "")
    if not slide or "\0" in slide:
        raise UsageError(f"manifest {manifest}, line {line}: not a slide's name", hint=_HINT)
    job = make_job(
        _path(manifest.parent, slide), mpp=_mpp(manifest, line, cells.get("mpp", "")), label=cells.get("label", "")
    )
    case, block = cells.get("case"), cells.get("block", "")
    for name, text in (("case", case or ""), ("block", block)):
        if len(text) > _MAX_CASE:
            raise UsageError(f"manifest {manifest}, line {line}: not a {name}", hint=f"{_MAX_CASE} characters at most")
    return replace(job, case=None if case is None else plain(case), block=plain(block) if case else "")


def _path(folder: Path, slide: str) -> Path:
    """The path as it is written; if nothing is there, as `slides.csv` escapes it, with `\\` for `/`, or with `~` for
    the home folder, whichever exists."""
    written = folder / slide
    others = [folder / unescape(slide), folder / slide.replace("\\", "/")]
    with contextlib.suppress(RuntimeError):  # nobody's home
        others.append(Path(slide).expanduser())
    return next((path for path in (written, *others) if os.path.lexists(path)), written)


def _mpp(manifest: Path, line: int, text: str) -> float | None:
    if not text:
        return None
    mpp = number(text)
    if mpp is None or not 0 < mpp < _MAX_MPP:
        raise UsageError(
            f"manifest {manifest}, line {line}: mpp {text[:40]!r} is no pixel size in um", hint="write it as 0.25"
        )
    return mpp


def _merged(manifest: Path, earlier: tuple[int, SlideJob], later: tuple[int, SlideJob]) -> SlideJob:
    """One job of two lines for one slide. A cell that is empty contradicts none."""
    (first_line, first), (line, second) = earlier, later
    for name in ("mpp", "label", "case", "block"):
        one, other = getattr(first, name), getattr(second, name)
        if one and other and one != other:
            raise UsageError(
                f"manifest {manifest}, lines {first_line} and {line}: two {name}s for one slide",
                hint="keep one of them",
            )
    told = {name: getattr(first, name) or getattr(second, name) for name in ("mpp", "label", "case", "block")}
    return replace(first, **told)
