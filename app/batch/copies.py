"""`pulmoscope deidentify`: copies of slides without what identifies a person, each with a report of what was found.

A slide appears under its name in one rename, once its copy was opened again and searched; before that it lies in a
hidden folder, which a run that was killed leaves behind and the next one sweeps.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.pseudonyms import map_path, pseudonymize, read_key
from app.slides.cleaning import CopyRequest, copied
from wsi import __version__
from wsi.errors import (
    IdentifyingMetadataError,
    OutputBusyError,
    OutputUnwritableError,
    PulmoscopeError,
    UnsupportedSlideError,
)
from wsi.files.writing import sync_folder, unwritable, write_file
from wsi.text import escape

REPORT = ".deidentified"
_PARTIAL = ".partial"
_DATES_IN_WORDS = {
    "removed": "Dates: left out.",
    "shifted": "Dates: moved back, by the same number of days in all slides of the patient; the key decides how many.",
}
_OURS = frozenset((UnsupportedSlideError.code, IdentifyingMetadataError.code))
"""Errors whose words name no file."""


@dataclass(frozen=True)
class Copy:
    """What became of one slide. `slide` is its pseudonym, `file` the copy; `status` is done, kept or failed."""

    slide: str
    status: str
    file: str = ""
    error_code: str = ""
    message: str = ""

    def in_words(self) -> str:
        told = self.file if self.status != "failed" else f"{self.error_code}: {self.message}"
        return f"{self.status:<6}  {self.slide}  {told}"


def deidentify_slides(
    inputs: Sequence[Path],
    out: Path,
    key_file: Path | None,
    *,
    overwrite: bool,
    say: Callable[[str], object],
    shift_dates: bool = False,
) -> list[Copy]:
    """Copies every slide that the inputs name into `out`; a line is said of each. `shift_dates` as `Naming` has it.

    `key_file` decides names and identifiers; where none is given it lies beside `out`. Raises UsageError,
    OutputBusyError, OutputUnwritableError.
    """
    jobs = collect_jobs(inputs, None, skip=out)
    key_file = key_file or key_beside(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(str(out), error) from error
    with _alone_in(out):
        jobs = pseudonymize(jobs, key_file, out)
        secret, copies = read_key(key_file), []
        for number, job in enumerate(jobs, start=1):
            copies.append(_copy(job, out, secret, overwrite=overwrite, shift_dates=shift_dates))
            say(f"{number} of {len(jobs)}  {copies[-1].in_words()}")
    return copies


def copy_and_tell(
    inputs: Sequence[Path],
    out: Path,
    key_file: Path | None,
    *,
    overwrite: bool,
    as_json: bool,
    say: Callable[[str], object],
    shift_dates: bool = False,
) -> bool:
    """As `deidentify_slides`; says what came of it, and gives whether all of it went well."""
    key_file = key_file or key_beside(out)
    told = (lambda _: None) if as_json else say
    copies = deidentify_slides(inputs, out, key_file, overwrite=overwrite, say=told, shift_dates=shift_dates)
    say(_as_json(copies, key_file) if as_json else _traced_by(key_file))
    return all(copy.status != "failed" for copy in copies)


def key_beside(out: Path) -> Path:
    """Where the key lies if nobody names a place: beside the copies, never among them."""
    out = out.absolute()
    return out.with_name(f"{out.name}.key")


def _traced_by(key_file: Path) -> str:
    """What a person must know of the key, in words."""
    return f"{escape(str(map_path(key_file)))} says which slide is which: keep it and the key away from the copies"


@contextlib.contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """One run at a time: it may sweep what others left."""
    handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputBusyError(f"another run writes to {out}", hint="wait for it") from None
        for left in out.glob(f".ps-*{_PARTIAL}"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


def _copy(job: SlideJob, out: Path, secret: bytes, *, overwrite: bool, shift_dates: bool) -> Copy:
    slide = job.slide_id
    if job.problem:
        return Copy(slide, "failed", "", "not-a-file", "it is no file that can be opened")
    if not overwrite and (there := _finished(out, slide, shift_dates)):
        return Copy(slide, "kept", there)
    folder = out / f".{slide}.{secrets.token_hex(4)}{_PARTIAL}"
    try:
        folder.mkdir()
        told = copied(CopyRequest(job.path.absolute(), folder, slide, secret, shift_dates))
        _write_reports(out, slide, {**told, "dates_asked": _asked(shift_dates)})
        _move(folder, out, told)
    except OutputUnwritableError:
        raise
    except PulmoscopeError as error:
        # A reader's own words name the file.
        ours = error.code in _OURS and job.path.stem not in error.message
        message = error.message if ours else "`pulmoscope info` on the original says more"
        return Copy(slide, "failed", "", error.code, message)
    except OSError as error:
        raise unwritable(str(out), error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Copy(slide, "done", told["main"])


def _asked(shift_dates: bool) -> str:
    return "shift" if shift_dates else "remove"


def _finished(out: Path, slide: str, shift_dates: bool) -> str:
    """The file of an earlier copy that is there still, its dates as they are wanted; "" where none is."""
    try:
        told = json.loads((out / f"{slide}{REPORT}.json").read_text(encoding="utf-8"))
        if told.get("dates_asked", _asked(False)) != _asked(shift_dates):
            return ""
        return str(told["main"]) if all((out / name).is_file() for name in told["files"]) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write_reports(out: Path, slide: str, told: Mapping[str, Any]) -> None:
    report = {"pulmoscope": __version__, "slide": slide, "made": datetime.now(UTC).date().isoformat(), **told}
    write_file(out / f"{slide}{REPORT}.json", (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())
    write_file(out / f"{slide}{REPORT}.txt", (report_in_words(report) + "\n").encode())


def _move(folder: Path, out: Path, told: Mapping[str, Any]) -> None:
    """Each of the copy's names at the top in one rename, that of the slide itself last."""
    last = Path(told["main"]).parts[0]
    tops = sorted({Path(name).parts[0] for name in told["files"]}, key=lambda name: (name == last, name))
    for number, name in enumerate(tops):
        if (out / name).is_dir():
            (out / name).rename(folder / f"old{number}")
        (folder / name).rename(out / name)
    sync_folder(out)


def report_in_words(report: Mapping[str, Any]) -> str:
    """The verification report for a person: a page of plain text."""
    verified = report["verified"]
    removed = [f"  {field['field']}{_times(field['times'])}" for field in report["removed"]]
    return "\n".join(
        [
            f"{report['slide']}: {report['format']}, de-identified on {report['made']} "
            f"by pulmoscope {report['pulmoscope']}",
            "",
            "Left out (by name of the field; values are told nowhere):",
            *(removed or ["  nothing: it told nothing that is not on the list"]),
            "",
            f"The copy was opened again: {verified['files']} files, {verified['bytes_searched']:,} bytes searched for "
            f"{verified['values_searched_for']} forms of what was left out; none was found.",
            _DATES_IN_WORDS[report["dates"]],
            f"Pictures: {verified['levels']} levels, {verified['picture_bytes_compared']:,} bytes the same as before.",
            "",
            "Not looked for:",
            *(f"  {what}" for what in report["not_looked_for"]),
        ]
    )


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


def _as_json(copies: Sequence[Copy], key_file: Path) -> str:
    slides = [asdict(copy) for copy in copies]
    return json.dumps({"slides": slides, "key": escape(str(key_file)), "map": escape(str(map_path(key_file)))})
