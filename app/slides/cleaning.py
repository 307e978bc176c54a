"""One slide's de-identified copy, made in a process of its own: a hostile file ends that process alone."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.slides.guarded import Limits
from app.slides.question import error_of, error_words, read_facts
from wsi.errors import PulmoscopeError, SlideCrashedError, SlideTimeoutError, SlideTooLargeError
from wsi.files.writing import unwritable
from wsi.process.child import parent_connection, start_child
from wsi.process.limits import allow_cpu_seconds, leave_with, memory_limit, no_core_files
from wsi.process.silence import silent

_CLEAN = "app.slides.cleaning:clean"
_MAX_ANSWER_BYTES = 64 << 20
LIMITS = Limits(memory_gb=3.0, seconds=7200.0, cpu_seconds=7200.0)


@dataclass(frozen=True)
class CopyRequest:
    """The slide, the folder that its copy is written into, what it is called there, and the key for what is mapped."""

    path: Path
    folder: Path
    stem: str
    secret: bytes = field(default=b"", repr=False)
    shift_dates: bool = False


def copied(request: CopyRequest, limits: Limits = LIMITS) -> dict[str, Any]:
    """What `wsi.deidentify.copy.make_copy` tells of the copy that it made.

    Raises SlideError as that does, SlideCrashedError, SlideTimeoutError, SlideTooLargeError, OutputUnwritableError.
    """
    child = start_child(_CLEAN)
    try:
        child.connection.send((request, limits))
        if not child.connection.poll(limits.seconds):
            raise SlideTimeoutError(f"it took more than {limits.seconds:g} s")
        told = read_facts(child.connection.recv_bytes(_MAX_ANSWER_BYTES))
    except (EOFError, OSError, ValueError):
        raise SlideCrashedError(f"reading it ended the process that did ({child.end()})") from None
    finally:
        child.kill()
    if "error" in told:
        raise error_of(told["error"])
    return told


def clean() -> None:
    """In the child: answers one request."""
    connection, parent = parent_connection()
    no_core_files()
    leave_with(parent)
    with silent(), contextlib.suppress(EOFError, OSError):
        import wsi.deidentify.copy  # noqa: F401 (what it loads is not the slide's memory)

        request, limits = connection.recv()
        with memory_limit(limits.memory_gb):
            allow_cpu_seconds(limits.cpu_seconds)
            connection.send_bytes(json.dumps(_answer(request)).encode())
    os._exit(0)


def _answer(request: CopyRequest) -> dict[str, Any]:
    from wsi.deidentify.copy import make_copy
    from wsi.deidentify.plan import Naming

    try:
        return make_copy(request.path, request.folder, Naming(request.stem, request.secret, request.shift_dates))
    except PulmoscopeError as error:
        return {"error": error_words(error)}
    except MemoryError:
        return {"error": error_words(SlideTooLargeError("it needs more memory than there is for one slide"))}
    except OSError as error:
        return {"error": error_words(unwritable("the copy", error))}
    except Exception as error:
        return {"error": error_words(SlideCrashedError(f"it could not be copied ({type(error).__name__})"))}
