"""Draws docs/design/house.svg, the rooms of the house and their imports: `python -m docs.design.draw_house`.

Rooms stand on what they import: a package's rooms are laid on floors, the ground below, with the number of their lines.
An arrow runs from a room to one that it imports. How many modules import other packages is told at the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.house import PACKAGES, import_graph, modules, siblings

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = Path(__file__).with_name("house.svg")
WIDTH, MARGIN, LEFT = 1200, 24, 170
ROOM_GAP, FLOOR_GAP, LINE, PAD = 14, 34, 14, 9
LETTER = 6.4  # px of an average letter at 11 px
COLOURS = {"wsi": "#e3f1e3", "tiler": "#e0f0f3", "classifier": "#f6e3e6", "aggregate": "#ebe6f6", "app": "#e2ecf7"}


@dataclass(frozen=True)
class Room:
    name: str
    lines: tuple[str, ...]
    code_lines: int

    @property
    def width(self) -> float:
        return max(8 * len(self.name) + 46, *(LETTER * len(line) for line in self.lines), 70) + 2 * PAD

    @property
    def height(self) -> float:
        return 2 * PAD + LINE * (1 + len(self.lines))


def floors_of(among: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms by floor, the ground first: one above the highest that it imports."""
    level: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in level:
            level[name] = 0
            level[name] = max((place(below) + 1 for below in among[name]), default=0)
        return level[name]

    floors: list[list[str]] = [[] for _ in range(max(map(place, sorted(among)), default=0) + 1)]
    for name in sorted(among):
        floors[level[name]].append(name)
    return floors


def room(package: str, name: str, known: Mapping[str, Path]) -> Room:
    inside = {
        module[len(f"{package}.{name}.") :]: path
        for module, path in known.items()
        if module.startswith(f"{package}.{name}.")
    }
    folders = sorted({module.split(".")[0] for module in inside if "." in module})
    files = sorted(module for module in inside if "." not in module and module not in folders)
    told = _wrapped(files)
    for folder in folders:
        deeper = [module[len(folder) + 1 :].replace(".", "/") for module in inside if module.startswith(folder + ".")]
        told += _wrapped(sorted(deeper), start=f"{folder}/ ")
    paths = list(inside.values()) or [known[f"{package}.{name}"]]
    code_lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    return Room(name + ("/" if inside else ""), tuple(told), code_lines)


def _wrapped(names: list[str], start: str = "", width: int = 44) -> list[str]:
    lines = [start.strip()] if start else []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 1 <= width:
            lines[-1] += f" {name}"
        else:
            lines.append(f"  {name}" if lines and start else name)
    return lines


def _package(package: str, top: float, graph: Mapping[str, set[str]], known: Mapping[str, Path]) -> tuple[str, float]:
    """The package's part of the sheet from `top` on, and where it ends."""
    among = siblings(graph, package)
    boxes: dict[str, tuple[float, float, Room]] = {}
    y = top + 2 * PAD
    for floor in reversed(floors_of(among)):
        rooms = [(name, room(package, name, known)) for name in floor]
        room_width = sum(one.width + ROOM_GAP for _, one in rooms) - ROOM_GAP
        x = LEFT + max(0.0, (WIDTH - MARGIN - PAD - LEFT - room_width) / 2)
        for name, one in rooms:
            boxes[name] = (x, y, one)
            x += one.width + ROOM_GAP
        y += max(one.height for _, one in rooms) + FLOOR_GAP
    bottom = y - FLOOR_GAP + 2 * PAD
    parts = [
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{bottom - top:.0f}" rx="8" '
        f'fill="{COLOURS[package]}"/>',
        _text(MARGIN + 14, top + 30, f"{package}/", size=19, bold=True),
        *_uses(package, top + 52, graph),
        *(_arrow(boxes[name], boxes[below]) for name in sorted(among) for below in sorted(among[name])),
        *(part for box in boxes.values() for part in _box(*box)),
    ]
    return "\n".join(parts), bottom


def _uses(package: str, y: float, graph: Mapping[str, set[str]]) -> list[str]:
    """Which packages this one imports, and in how many of its modules."""
    told = []
    for other in PACKAGES:
        count = sum(
            any(target.split(".")[0] == other for target in targets)
            for name, targets in graph.items()
            if name.split(".")[0] == package
        )
        if other != package and count:
            told.append(f"{count} import {other}")
    return [_text(MARGIN + 14, y + 15 * i, line, colour="#555") for i, line in enumerate(told)]


def _arrow(above: tuple[float, float, Room], below: tuple[float, float, Room]) -> str:
    (x0, y0, upper), (x1, y1, lower) = above, below
    start, end = (x0 + upper.width / 2, y0 + upper.height), (x1 + lower.width / 2, y1)
    middle = (start[1] + end[1]) / 2
    return (
        f'<path d="M{start[0]:.0f},{start[1]:.0f} C{start[0]:.0f},{middle:.0f} {end[0]:.0f},{middle:.0f} '
        f'{end[0]:.0f},{end[1] - 2:.0f}" fill="none" stroke="#8899aa" stroke-width="1.1" opacity="0.7" '
        f'marker-end="url(#tip)"/>'
    )


def _box(x: float, y: float, one: Room) -> list[str]:
    parts = [
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{one.width:.0f}" height="{one.height:.0f}" rx="4" fill="#ffffff" '
        f'stroke="#667788"/>',
        _text(x + PAD, y + PAD + 8, one.name, size=13, bold=True),
        _text(x + one.width - PAD, y + PAD + 8, str(one.code_lines), colour="#888", anchor="end"),
    ]
    return parts + [_text(x + PAD, y + PAD + 8 + LINE * (i + 1), line) for i, line in enumerate(one.lines)]


def _text(
    x: float, y: float, text: str, size: int = 11, bold: bool = False, colour: str = "#222", anchor: str = "start"
) -> str:
    look = f'font-size="{size}" font-weight="{"bold" if bold else "normal"}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {look} xml:space="preserve">{escape(text)}</text>'


def draw() -> str:
    """The picture as SVG text."""
    graph, known = import_graph(ROOT), modules(ROOT)
    parts, y = [], float(MARGIN)
    for package in reversed(PACKAGES):
        part, bottom = _package(package, y, graph, known)
        parts.append(part)
        y = bottom + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8:.0f}" '
        'font-family="DejaVu Sans, sans-serif">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#8899aa"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{y + 8:.0f}" fill="#fdfdfd"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)
