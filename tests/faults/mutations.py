"""Slides broken on purpose among good ones: each must cost itself alone, and the good ones must come out right."""

from __future__ import annotations

import json
import random
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.faults.common import digests, flaws, run_to_end, table

Mutation = Callable[[bytes, random.Random], bytes]
# The TIFF tags that size a picture: width, length, tile width, tile length.
_SIZE_TAGS = {256, 257, 322, 323}


@dataclass(frozen=True)
class MutationFigures:
    rows: int
    expected_rows: int
    good_wrong: int  # good slides whose result differs from that of a run over them alone
    longest_s: float
    codes: dict[str, int]  # of the mutated: error code, or status where they were read
    flaws: list[str]


def mutate_slides(originals: Sequence[Path], good: Path, folder: Path, *, count: int, seed: int = 0) -> MutationFigures:
    """One batch of `count` mutations of `originals` and the slides of `good`, 30 s and 4 GB a slide at most."""
    slides = folder / "in"
    shutil.copytree(good, slides)
    rng = random.Random(seed)
    kinds = list(MUTATIONS)
    for i in range(count):
        kind, original = kinds[i % len(kinds)], rng.choice(list(originals))
        suffix = rng.choice((".svs", ".ndpi", ".png", ".dcm", ".mrxs")) if kind == "extension" else original.suffix
        path = slides / f"mutated-{i:03d}-{kind}{suffix}"
        path.write_bytes(MUTATIONS[kind](original.read_bytes(), rng))
    options = ("--slide-timeout", "30", "--mpp", "0.5", "--workers", "2")
    assert run_to_end(good, folder / "alone", *options) == 0
    assert run_to_end(slides, folder / "mixed", *options) == 1
    rows, mixed, alone = table(folder / "mixed"), digests(folder / "mixed"), digests(folder / "alone")
    return MutationFigures(
        rows=len(rows),
        expected_rows=count + len(list(good.iterdir())),
        good_wrong=sum(mixed.get(name) != digest for name, digest in alone.items()),
        longest_s=_longest(folder / "mixed"),
        codes=dict(Counter(r["error_code"] or r["status"] for name, r in rows.items() if "mutated" in name)),
        flaws=flaws(folder / "mixed"),
    )


def _longest(out: Path) -> float:
    """Seconds of the slide that took longest, from its start to its row, by the run's own log."""
    begun: dict[str, datetime] = {}
    longest = 0.0
    for line in (out / "run.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["event"] == "slide-started":
            begun[entry["slide_id"]] = datetime.fromisoformat(entry["time"])
        elif entry["event"] == "slide":
            took = datetime.fromisoformat(entry["time"]) - begun[entry["slide_id"]]
            longest = max(longest, took.total_seconds())
    return longest


def _truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _header_flipped(data: bytes, rng: random.Random) -> bytes:
    return _flipped(data, rng, range(min(4096, len(data))), rng.randint(1, 8))


def _directory_flipped(data: bytes, rng: random.Random) -> bytes:
    """Bits of the first TIFF directory, wherever in the file it lies."""
    at = _first_directory(data)
    return _flipped(data, rng, range(at, min(at + 400, len(data))), rng.randint(1, 8))


def _body_flipped(data: bytes, rng: random.Random) -> bytes:
    return _flipped(data, rng, range(len(data)), rng.randint(1, 200))


def _enormous(data: bytes, rng: random.Random) -> bytes:
    """A picture whose directory says that it is hundreds of thousands of pixels wide or high."""
    changed = bytearray(data)
    at = _first_directory(data)
    for i in range(struct.unpack_from("<H", data, at)[0] if at + 2 <= len(data) else 0):
        entry = at + 2 + 12 * i
        whole = entry + 12 <= len(data)
        if whole and struct.unpack_from("<H", data, entry)[0] in _SIZE_TAGS and rng.random() < 0.7:
            struct.pack_into("<HII", changed, entry + 2, 4, 1, rng.choice((1 << 17, 1 << 19, 1 << 24, 1 << 30)))
    return bytes(changed)


def _first_directory(data: bytes) -> int:
    at: int = struct.unpack_from("<I", data, 4)[0]
    return at if at < len(data) - 2 else 8


def _flipped(data: bytes, rng: random.Random, places: range, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[rng.choice(places)] ^= 1 << rng.randrange(8)
    return bytes(changed)


MUTATIONS: dict[str, Mutation] = {
    "truncated": _truncated,
    "header": _header_flipped,
    "directory": _directory_flipped,
    "body": _body_flipped,
    "enormous": _enormous,
    "extension": lambda data, rng: data,
    "empty": lambda data, rng: b"",
}
