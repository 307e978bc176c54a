"""Output folders changed on purpose, as editors, disks and ill-wishers would; then every command on them.

Each command runs in a process of its own that was forked with everything loaded. But for every tenth seed it does its
slides there, without a worker process, and draws no charts for HTML reports: a thousand folders are bearable.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.layout import commit
from app.batch.engines.task import ModelCache
from app.config import RunConfig
from app.ledger.audit import AUDIT
from app.ledger.records import SLIDES_CSV
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.common import run_to_end
from tests.faults.writes import InThisProcess

MAX_RSS_GB = 2.0
# The slowest took 9 s beside other work.
_MAX_S = 120.0
_WHOLE_EVERY = 10
_ODD = (
    None,
    [],
    {},
    "",
    "x",
    -1,
    0,
    1.5,
    10**30,
    1e308,
    True,
    "../x",
    "a\x1b[2J",
    "\udc80",
    [[]],
    {"a": None},
    2**31,
    "9" * 5000,
)
_CELLS = (
    "",
    "x",
    "-1",
    "1e999",
    "nan",
    "../x",
    "/etc/passwd",
    "a\x1b[2J",
    "=1+1",
    "9" * 5000,
    '"',
    "done",
    "failed",
    "é\x00",
)
_ROW = '{"slide_id": "a", "file": "a.svs", "status": "done"}'
_TEXTS = (".csv", ".json", ".jsonl", ".journal")

Change = Callable[["Place", random.Random], None]


@dataclass(frozen=True)
class Place:
    """An output folder to change, and a folder outside of it that no command may touch."""

    out: Path
    outside: Path

    def files(self, *suffixes: str) -> list[Path]:
        found = sorted(p for p in self.out.rglob("*") if p.is_file() and not p.is_symlink() and ".locks" not in p.parts)
        return [p for p in found if p.name.endswith(suffixes)] if suffixes else found


@dataclass
class OutputFigures:
    outputs: int = 0
    commands: int = 0
    codes: Counter[str] = field(default_factory=Counter)  # command and exit code
    wrong: list[str] = field(default_factory=list)  # seed, changes, command: what went wrong
    most_gb: float = 0.0
    longest_s: float = 0.0

    def __str__(self) -> str:
        codes = ", ".join(f"{name} {count}" for name, count in sorted(self.codes.items()))
        return (
            f"{self.outputs} outputs, {self.commands} commands ({codes}); {len(self.wrong)} wrong; at most "
            f"{self.most_gb:.2f} GB and {self.longest_s:.1f} s\n" + "\n".join(self.wrong)
        )


def mutate_outputs(slides: Path, folder: Path, *, seeds: range) -> OutputFigures:
    """One finished output of `slides` and a broken one, changed anew for each seed; all commands on each."""
    (slides / "zz-broken.svs").write_bytes(b"no slide")
    run_to_end(slides, folder / "whole")
    figures = OutputFigures()
    for seed in seeds:
        place = _lay_out(folder, slides)
        before = _state(place.outside)
        told = change_output(place, random.Random(seed))
        figures.outputs += 1
        for name, command in _commands(place, slides, whole=seed % _WHOLE_EVERY == 0):
            code, said, gigabytes, seconds = _apart(command)
            figures.commands += 1
            figures.codes[f"{name} {code}"] += 1
            figures.most_gb, figures.longest_s = max(figures.most_gb, gigabytes), max(figures.longest_s, seconds)
            if problem := _problem(code, said, gigabytes) or (
                "touched what lies outside" * (_state(place.outside) != before)
            ):
                figures.wrong.append(f"seed {seed} ({told}) {name}: {problem}")
                print(figures.wrong[-1], flush=True)
    return figures


def change_output(place: Place, rng: random.Random) -> str:
    """One to three changes, half the time with every digest made to fit again; what they were."""
    told = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(CHANGES))
        with contextlib.suppress(OSError, IndexError, ValueError, KeyError, TypeError):
            CHANGES[name](place, rng)
            told.append(name)
    if rng.random() < 0.5:
        _seal_again(place.out)
        told.append("sealed again")
    return ", ".join(told)


# --- the changes


def _any_file(place: Place, rng: random.Random) -> Path:
    texts = place.files(*_TEXTS)
    return rng.choice(texts if texts and rng.random() < 0.7 else place.files())


def _bytes(place: Place, rng: random.Random) -> None:
    path = _any_file(place, rng)
    data = bytearray(path.read_bytes())
    how = rng.choice(("flip", "cut", "double", "empty", "nul", "deep", "noise", "UTF-16", "lines"))
    if how == "flip":
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[rng.randrange(len(data) + 1) :]
    elif how == "double":
        data = data * 2
    elif how == "nul":
        data[len(data) // 2 : len(data) // 2] = b"\0\xff\xfe"
    elif how == "deep":
        data = bytearray(b"[" * 50_000 if rng.random() < 0.5 else b'{"a":' * 50_000)
    elif how == "noise":
        data = bytearray(rng.randbytes(rng.randrange(4000)))
    elif how == "UTF-16":
        data = bytearray(bytes(data).decode(errors="replace").encode("utf-16"))
    elif how == "lines":
        lines = bytes(data).splitlines(keepends=True)
        rng.shuffle(lines)
        data = bytearray(b"".join(lines[: rng.randint(1, len(lines))]))
    path.write_bytes(b"" if how == "empty" else bytes(data))


def _cells(place: Place, rng: random.Random) -> None:
    path = place.out / SLIDES_CSV
    lines = [line.split(",") for line in path.read_text(errors="replace").splitlines()]
    for _ in range(rng.randint(1, 4)):
        line = rng.choice(lines)
        line[rng.randrange(len(line))] = rng.choice(_CELLS)
    if rng.random() < 0.3:
        lines.append(rng.choice(lines))
    path.write_bytes("\n".join(map(",".join, lines)).encode("utf-8", "replace") + b"\n")


def _lines(place: Place, rng: random.Random) -> None:
    """A journal, log or list of ids: lines that are JSON with odd values, or are no entries."""
    name = rng.choice((AUDIT, "run.jsonl", ".ids.jsonl", ".slides.journal"))
    path = place.out / name
    lines = (
        path.read_text(errors="replace").splitlines()
        if path.is_file()
        else ['{"slide_id": "a", "file": "a.svs", "status": "done"}']
    )
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        try:
            lines[at] = json.dumps(_odd(json.loads(lines[at]), rng))
        except (ValueError, RecursionError):  # an earlier change made it no JSON, or too deep
            lines[at] = rng.choice(("[1]", "NaN", "null", '"x"', "{" * 900, "x" * 70_000))
    path.write_text("\n".join(lines) + rng.choice(("\n", "")), errors="replace")


def _json(place: Place, rng: random.Random) -> None:
    path = rng.choice(place.files(".json"))
    values = json.loads(path.read_text())
    for _ in range(rng.randint(1, 3)):
        values = _odd(values, rng)
    path.write_text(json.dumps(values))


def _zarr(place: Place, rng: random.Random) -> None:
    """An array's metadata: what sizes memory, names a codec, or says where chunks lie."""
    path = rng.choice([p for p in place.files("zarr.json") if '"array"' in p.read_text(errors="replace")])
    values = json.loads(path.read_text())
    key = rng.choice(("shape", "chunk_grid", "data_type", "codecs", "fill_value", "chunk_key_encoding", "node_type"))
    big = rng.choice((10**6, 10**11, -1, 0, 2**63, 1))
    values[key] = rng.choice(
        {
            "shape": ([big] * len(values["shape"]), [], [big], "x"),
            "chunk_grid": ({"name": "regular", "configuration": {"chunk_shape": [big] * len(values["shape"])}}, {}, 3),
            "data_type": ("float64", "uint16", "object", "|O", {"name": "numpy.datetime64"}, 7),
            "codecs": ([], [{"name": "gzip", "configuration": {"level": 99}}], [{"name": "vlen-bytes"}], {"a": 1}),
            "fill_value": ("x", 10**400, None, [], "Infinity"),
            "chunk_key_encoding": ({"name": "default", "configuration": {"separator": "../"}}, {}, "v2"),
            "node_type": ("group", 1, None),
        }[key]
    )
    path.write_text(json.dumps(values))


def _link(place: Place, rng: random.Random) -> None:
    """A file or a folder becomes a link, a pipe, a device or a folder."""
    victim = rng.choice([*place.files(), *sorted(p for p in place.out.rglob("*") if p.is_dir() and not p.is_symlink())])
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    how = rng.choice(
        ("device", "outside file", "outside folder", "up", "itself", "nowhere", "pipe", "folder", "inside")
    )
    targets = {
        "device": "/dev/zero",
        "outside file": place.outside / "precious",
        "outside folder": place.outside,
        "up": "..",
        "itself": victim.name,
        "nowhere": place.outside / "nowhere",
        "inside": place.out,
    }
    if how == "pipe":
        os.mkfifo(victim)
    elif how == "folder":
        victim.mkdir()
    else:
        victim.symlink_to(targets[how])


def _folder(place: Place, rng: random.Random) -> None:
    """Results copied, renamed, mixed or emptied; names that no slide has; leftovers where runs work."""
    results = sorted(place.out.glob("*.zarr"))
    one, other = rng.choice(results), rng.choice(results)
    how = rng.randrange(8)
    if how == 0:
        shutil.copytree(
            one,
            place.out / rng.choice(("copy.zarr", "a\x1b[2J.zarr", "~x.zarr", ".x.zarr", "é.zarr", ".zarr", "ZZ.ZARR")),
        )
    elif how == 1:
        one.rename(place.out / rng.choice(("moved.zarr", "uploads", "a b.zarr", "zz-broken.zarr")))
    elif how == 2:
        shutil.rmtree(one / rng.choice(("heatmap", "tiles", "heatmap/labels", "tiles/xy")))
    elif how == 3 and one != other:
        shutil.rmtree(one / "tiles")
        shutil.copytree(other / "tiles", one / "tiles")
    elif how == 4:
        (place.out / "uploads" / "u").mkdir(parents=True)
        (place.out / "uploads" / "slides.csv").write_bytes(rng.randbytes(50))
        (place.out / "uploads" / "u" / "slides.csv").symlink_to(place.outside / "precious")
    elif how == 5:
        (place.out / ".staging").mkdir(exist_ok=True)
        (place.out / ".staging" / f"{one.stem}~1-x").symlink_to(place.outside)
    elif how == 6:
        for path in (one / "commit.json", place.out / AUDIT, place.out / SLIDES_CSV):
            if rng.random() < 0.5:
                path.unlink(missing_ok=True)
    else:
        one.chmod(rng.choice((0o000, 0o555)))


def _attributes(place: Place, rng: random.Random) -> None:
    """What a result tells of itself: the JSON that rows, reports and pages are made of."""
    path = rng.choice(place.files("zarr.json"))
    for _ in range(40):
        path = rng.choice(place.files("zarr.json"))
        if path.parent.suffix == ".zarr":
            break
    values = json.loads(path.read_text())
    part = values["attributes"]["pulmoscope"]
    for _ in range(rng.randint(1, 3)):
        key = rng.choice(sorted(part))
        part[key] = rng.choice(_ODD) if rng.random() < 0.3 else _odd(part[key], rng)
    path.write_text(json.dumps(values))


CHANGES: dict[str, Change] = {
    "bytes": _bytes,
    "cells": _cells,
    "lines": _lines,
    "json": _json,
    "attributes": _attributes,
    "zarr": _zarr,
    "link": _link,
    "folder": _folder,
}


def _odd(values: Any, rng: random.Random) -> Any:
    """The same JSON with one value, anywhere, that is missing, doubled or of another kind."""
    if isinstance(values, dict) and values and rng.random() < 0.9:
        key = rng.choice(sorted(values))
        if rng.random() < 0.15:
            return {name: value for name, value in values.items() if name != key}
        if rng.random() < 0.1:
            return {**values, rng.choice(("extra", "__class__", "", "a\x1b")): values[key]}
        return {**values, key: _odd(values[key], rng)}
    if isinstance(values, list) and values and rng.random() < 0.8:
        at = rng.randrange(len(values))
        if rng.random() < 0.2:
            return values[:at] + values[at:] * rng.choice((0, 2))
        return [*values[:at], _odd(values[at], rng), *values[at + 1 :]]
    return rng.choice(_ODD)


def _seal_again(out: Path) -> None:
    """What an owner of the folder can do: digests made anew, so that readers get past them."""
    for result in out.glob("*.zarr"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            files = {
                path.relative_to(result).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(result.rglob("*"))
                if path.is_file() and not path.is_symlink() and path.name != commit.COMMIT
            }
            body = {**commit.read(result), "files": files}
            body.pop("sha256", None)
            text = json.dumps(body, sort_keys=True, indent=1)
            body["sha256"] = hashlib.sha256(text.encode()).hexdigest()
            (result / commit.COMMIT).write_text(json.dumps(body, sort_keys=True, indent=1) + "\n")


# --- the commands


def _lay_out(folder: Path, slides: Path) -> Place:
    """A fresh output below a folder that holds what no command may touch."""
    shutil.rmtree(folder / "here", ignore_errors=True)
    here = folder / "here"
    shutil.copytree(folder / "whole", here / "out", symlinks=True)
    outside = here / "outside"
    (outside / "a.zarr").mkdir(parents=True)
    for name in ("precious", "a.lock", "slides.csv", "a.zarr/commit.json", "a.zarr/zarr.json"):
        (outside / name).write_text("precious")
    return Place(here / "out", outside)


def _commands(place: Place, slides: Path, *, whole: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    main = _main if whole else _main_without_workers
    out, reports = str(place.out), str(place.out.parent / "reports")
    formats = "json,csv,html,geojson" if whole else "json,csv,geojson"
    run = ["run", str(slides), "--out", out, "--model", DEMO_MODEL]
    for name, argv in (
        ("verify", ["verify", out]),
        ("report", ["report", out, "--out", reports, "--format", formats]),
        ("app", []),
        ("run", run),
        ("verify", ["verify", out, "--repair"]),
        ("run", run),
    ):
        yield name, (lambda argv=argv: main(argv)) if argv else (lambda: _look_around(place.out, guarded=whole))


def _main(argv: list[str]) -> None:
    from app.cli import main

    main(argv)


def _main_without_workers(argv: list[str]) -> None:
    """The command line in this process, which ends with it: nothing is put back."""
    import app.batch.engines.worker as worker
    import app.commands.run as run

    worker.started_early = lambda **_: contextlib.nullcontext([])
    run._engine = lambda *_: InThisProcess(ModelCache(RunConfig(out=Path(), model=DEMO_MODEL)))
    run._manned = lambda _, engine, config, __: (config, engine)  # this process alone
    _main(argv)


def _look_around(out: Path, *, guarded: bool) -> None:
    """The viewer's list and the page and tiles of every slide in it, without a browser; the slides themselves, which
    nobody changed, are opened here unless `guarded`."""
    import logging

    from streamlit.components.v2 import component_manager
    from streamlit.testing.v1 import AppTest

    from app.slides.guarded import GuardedSlides
    from app.slides.looking import Shelf
    from app.viewer import site as viewer_site
    from app.viewer.catalog import list_entries
    from app.viewer.server import SCRIPT
    from app.viewer.site import Site
    from app.viewer.tiles.tokens import Grant

    logging.disable(logging.CRITICAL)
    # Whether any installed package brings components is asked anew for each page, for longer than all else takes.
    component_manager.scan_component_manifests = list
    if not guarded:
        shelf = Shelf()
        GuardedSlides.ask = lambda _, work, slide, *words: work(shelf.take(slide), *words)  # type: ignore[method-assign]
    site = Site(out)
    viewer_site.install(site)
    for query in [{}, *({"slide": entry.row.slide_id} for entry in list_entries(out))]:
        page = AppTest.from_file(str(SCRIPT), default_timeout=_MAX_S)
        page.query_params.update(query)
        if page.run().exception:
            print(f"internal-error on {query}: {[e.value for e in page.exception]}")
        if query:
            site.locate(Grant(query["slide"], "x"))
    os._exit(0)


def _apart(command: Callable[[], None]) -> tuple[int, str, float, float]:
    """(exit code, or minus a signal; what was said; GB at most; seconds) of a command in a process of its own."""
    said = Path(os.environ.get("TMPDIR", "/tmp")) / f"said-{os.getpid()}"
    started = time.monotonic()
    if (child := os.fork()) == 0:
        _become(command, said)
    code = _wait(child)
    usage = code[1]
    text = said.read_text(errors="replace")
    said.unlink()
    return os.waitstatus_to_exitcode(code[0]), text, usage / 2**20, time.monotonic() - started


def _become(command: Callable[[], None], said: Path) -> None:
    os.setsid()
    handle = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.alarm(int(_MAX_S))
    code = 99
    try:
        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        import sys

        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> tuple[int, int]:
    _, status, usage = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it left behind
    return status, usage.ru_maxrss


def _problem(code: int, said: str, gigabytes: float) -> str:
    if code < 0:
        return f"signal {-code} {said[-200:]}"
    if code not in (0, 1, 2, 75) or re.search("Traceback|internal-error", said):
        return f"code {code}: {said[-1500:]}"
    if "\x1b" in said:
        return "raw escapes on the terminal"
    return f"{gigabytes:.1f} GB" if gigabytes > MAX_RSS_GB else ""


def _state(folder: Path) -> list[tuple[str, int, int, bytes]]:
    """Every path below a folder with its mode, time and content."""
    return sorted(
        (str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    )
