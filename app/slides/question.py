"""What the process that looks at slides is asked, and how errors come back from it: as words, never as objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi.errors import PulmoscopeError, SlideCrashedError

# How many slides a process keeps open, those asked for last: as many as a department looks at at once.
SLIDES_OPEN = 8
_LENGTH_BYTES = 4

Work = Callable[..., tuple[Any, bytes]]
"""Takes an open slide and the question's arguments; gives facts that JSON can hold, and bytes. A function that can be
imported. What it raises as PulmoscopeError comes to who asked."""


@dataclass(frozen=True)
class SlideAddress:
    """The file to open and how; `version` changes with the file, so that another one is opened anew. `righted` is how
    a result says that the colours were put right."""

    path: Path
    mpp: float | None = None
    version: str = ""
    righted: str = ""


@dataclass(frozen=True)
class Question:
    work: Work
    slide: SlideAddress
    arguments: tuple[Any, ...] = ()


def error_words(error: PulmoscopeError) -> list[str]:
    return [error.code, error.message, error.hint]


def error_of(words: object) -> PulmoscopeError:
    """The error that `error_words` told; a slide's crash where they make no sense."""
    match words:
        case [str(code), str(message), str(hint)]:
            # The class that a code is of, and not one below it that makes its own words.
            known = {kind.code: kind for kind in _kinds(PulmoscopeError) if "code" in vars(kind)}
            return known.get(code, SlideCrashedError)(message, hint=hint)
    return SlideCrashedError("the process that read the slide talked nonsense", hint="the file may be damaged")


def write_answer(facts: dict[str, Any], body: bytes) -> bytes:
    """Facts that JSON can hold, and bytes, as one message: who waits for it is woken once."""
    told = json.dumps(facts).encode()
    return len(told).to_bytes(_LENGTH_BYTES) + told + body


def read_answer(message: bytes) -> tuple[dict[str, Any], bytes]:
    """What `write_answer` was given. Raises ValueError on anything else."""
    end = _LENGTH_BYTES + int.from_bytes(message[:_LENGTH_BYTES])
    return read_facts(message[_LENGTH_BYTES:end]), message[end:]


def read_facts(told: bytes) -> dict[str, Any]:
    """Raises ValueError on anything but a JSON object."""
    facts = json.loads(told)
    if not isinstance(facts, dict):
        raise ValueError("no object")
    return facts


def _kinds(kind: type[PulmoscopeError]) -> list[type[PulmoscopeError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _kinds(child))]
