"""Paints H&E-like tissue of one kind: optical densities of two stains, laid out by cell and gland geometry.

A drawing for demonstrations and tests. It is not histology, and nothing trained on it may be used on patients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from wsi.errors import UsageError

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
TISSUE_KINDS = (*CLASSES, "stroma", "unknown")
"""What can be painted: the model's classes, connective tissue, and a blue weave that is no tissue at all."""

GLASS_RGB = (244, 243, 245)

# Optical densities per unit of stain, RGB: Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291. Eosin is
# softened in green and given some red and blue, as scanners show it. The third is a blue dye for "unknown".
_HAEMATOXYLIN = np.array([0.640, 0.690, 0.250], np.float32)
_EOSIN = np.array([0.085, 0.640, 0.300], np.float32)
_BLUE_DYE = np.array([0.900, 0.420, 0.120], np.float32)

# Structures larger than a cell are laid out on a grid of this pitch and enlarged: they are smooth, so nothing is lost.
_SKETCH_UM = 2.0

Field = NDArray[np.float32]


@dataclass(frozen=True)
class _Canvas:
    """A torus of tissue: `sketch_px` px a sketch cell, `cells` (columns, rows) of them, `mpp` um per px."""

    cells: tuple[int, int]
    sketch_px: int
    mpp: float
    rng: np.random.Generator

    @property
    def size_px(self) -> tuple[int, int]:
        return (self.cells[0] * self.sketch_px, self.cells[1] * self.sketch_px)

    @property
    def size_um(self) -> tuple[float, float]:
        return (self.size_px[0] * self.mpp, self.size_px[1] * self.mpp)

    def enlarge(self, sketch: Field) -> Field:
        """A sketch (rows, columns) at full size, smooth across the seam of the torus."""
        pad = 3
        wrapped = np.pad(sketch, pad, mode="wrap")
        scale, (width, height) = self.sketch_px, self.size_px
        full = np.asarray(cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)
        return full[pad * scale : pad * scale + height, pad * scale : pad * scale + width]

    def noise(self, scale_um: float) -> Field:
        """A sketch of smooth noise, about mean 0 and deviation 1, that changes over about `scale_um`."""
        columns, rows = self.cells
        frequency_y = np.fft.fftfreq(rows)[:, None]
        frequency_x = np.fft.rfftfreq(columns)[None, :]
        sigma = scale_um / (self.sketch_px * self.mpp) / 2
        lowpass = np.exp(-2 * (math.pi * sigma) ** 2 * (frequency_x**2 + frequency_y**2))
        spectrum = np.fft.rfft2(self.rng.standard_normal((rows, columns))) * lowpass
        field = np.fft.irfft2(spectrum, s=(rows, columns))
        return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9), np.float32)

    def grain(self) -> Field:
        """Fine noise at full size, about mean 0 and deviation 1, that changes over about a micrometre."""
        width, height = self.size_px
        noise = self.rng.standard_normal((height, width), dtype=np.float32)
        sigma = 0.6 / self.mpp
        if sigma > 0.3:
            pad = math.ceil(4 * sigma)
            blurred = cv2.GaussianBlur(np.pad(noise, pad, mode="wrap"), (0, 0), sigma)
            noise = np.asarray(blurred[pad:-pad, pad:-pad], np.float32)
            noise /= max(float(noise.std()), 1e-6)
        return noise

    def scatter(self, spacing_um: float, jitter: float = 0.8) -> NDArray[np.float64]:
        """(n, 2) points (x, y) in um, one a square of about `spacing_um`, shifted by up to half of `jitter` of it."""
        columns, rows = (max(1, round(side / spacing_um)) for side in self.size_um)
        grid_x, grid_y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        points = np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)
        points += self.rng.uniform(-jitter / 2, jitter / 2, points.shape)
        points *= np.array(self.size_um) / (columns, rows)
        return np.mod(points, self.size_um)

    def at(self, sketch: Field, points: NDArray[np.float64]) -> Field:
        """Values (n,) of a sketch at points (x, y) in um."""
        columns, rows = self.cells
        cell = np.floor(points / (self.sketch_px * self.mpp)).astype(np.intp)
        return sketch[cell[:, 1] % rows, cell[:, 0] % columns]


@dataclass(frozen=True)
class _Partition:
    """Sketches of a Voronoi partition into rounded compartments (glands, nests, alveoli)."""

    wall_um: Field  # distance from the nearest border, about
    centre_um: Field  # distance from the compartment's centre
    angle: Field  # direction from the compartment's centre, radians
    index: NDArray[np.intp]  # number of the compartment
    count: int


def paint_tissue(kind: str, size_px: tuple[int, int], mpp: float, seed: int) -> NDArray[np.uint8]:
    """One kind of tissue, (height, width, 3) uint8 RGB for `size_px` (width, height) at `mpp` um per px.

    The same arguments give the same pixels. Opposite edges meet where both sides are multiples of
    `texture_step_px(mpp)`. Raises UsageError for a kind that is not in TISSUE_KINDS.
    """
    if kind not in _PAINTERS:
        raise UsageError(f"no tissue of kind {kind!r} can be painted", hint=f"use one of {', '.join(TISSUE_KINDS)}")
    step = texture_step_px(mpp)
    width, height = size_px
    cells = (math.ceil(width / step), math.ceil(height / step))
    rng = np.random.default_rng([seed, TISSUE_KINDS.index(kind)])
    pixels = _PAINTERS[kind](_Canvas(cells, step, mpp, rng))
    return np.ascontiguousarray(pixels[:height, :width])


def texture_step_px(mpp: float) -> int:
    """Sides of a texture that are multiples of this make it seamless."""
    return max(1, round(_SKETCH_UM / mpp))


def _adenocarcinoma(canvas: _Canvas) -> NDArray[np.uint8]:
    glands = _partition(canvas, spacing_um=95.0, warp_um=13.0)
    rough = canvas.noise(28.0)
    lumen_um = 27.0 + 7.0 * canvas.noise(150.0) + 4.0 * rough
    stroma = _ramp(7.0 + 2.0 * rough - glands.wall_um, 4.0)
    has_lumen = canvas.rng.random(glands.count) < 0.85
    lumen = _ramp(glands.wall_um - lumen_um, 3.0) * has_lumen[glands.index]
    epithelium = np.clip(1.0 - stroma - lumen, 0.0, 1.0)

    eosin = 0.40 * epithelium + (0.42 + 0.10 * canvas.noise(14.0)) * stroma + 0.015 * lumen
    haematoxylin = 0.21 * epithelium + 0.05 * stroma + 0.015 * lumen
    crowded = canvas.scatter(8.6, jitter=1.0)
    depth = canvas.at(glands.wall_um, crowded)
    inside = canvas.at(epithelium, crowded)
    basal = np.exp(-(((depth - 14.0) / 8.0) ** 2))
    crowded = crowded[(inside > 0.7) & (canvas.rng.random(len(crowded)) < 0.25 + 0.75 * basal)]
    nuclei = _nuclei(canvas, crowded, canvas.at(glands.angle, crowded), length_um=10.5, width_um=7.2, spread=0.24)
    spindles = canvas.scatter(19.0)
    spindles = spindles[canvas.at(stroma, spindles) > 0.6]
    nuclei = np.maximum(
        nuclei, _nuclei(canvas, spindles, canvas.at(glands.angle, spindles) + math.pi / 2, 9.0, 2.6, 0.2)
    )
    return _stain(canvas, haematoxylin, eosin, nuclei, nuclear_density=0.86)


def _normal(canvas: _Canvas) -> NDArray[np.uint8]:
    alveoli = _partition(canvas, spacing_um=92.0, warp_um=17.0)
    rough = canvas.noise(22.0)
    wall_um = 5.6 + 1.7 * rough + 3.2 * np.clip(canvas.noise(120.0) - 0.6, 0.0, 2.0)
    # Alveolar ducts: in places a wall is missing.
    wall_um = wall_um - 5.5 * _ramp(canvas.noise(60.0) - 1.25, 0.3)
    vessels = canvas.scatter(340.0, jitter=1.0)
    ring_um = _distance(canvas, vessels, canvas.noise(50.0) * 7.0)
    radius_um = 34.0
    septum = np.maximum(_ramp(wall_um - alveoli.wall_um, 3.0), _ramp(13.0 - np.abs(ring_um - radius_um), 4.0))
    blood = _ramp(radius_um - 8.0 - ring_um, 4.0)
    septum = septum * (1.0 - blood)

    eosin = septum * (0.46 + 0.10 * rough) + 0.10 * blood
    haematoxylin = 0.07 * septum
    cells = canvas.scatter(11.5, jitter=1.0)
    cells = cells[(canvas.at(septum, cells) > 0.45) & (canvas.rng.random(len(cells)) < 0.62)]
    nuclei = _nuclei(canvas, cells, canvas.at(alveoli.angle, cells) + math.pi / 2, 7.6, 4.3, 0.2)
    macrophages = canvas.scatter(95.0, jitter=1.0)
    macrophages = macrophages[canvas.at(septum + blood, macrophages) < 0.05]
    nuclei = np.maximum(nuclei, _nuclei(canvas, macrophages, np.zeros(len(macrophages)), 6.5, 5.5, 0.15))
    red_cells = canvas.scatter(7.2, jitter=1.0)
    in_blood = canvas.at(blood, red_cells) > 0.6
    in_septum = (canvas.at(septum, red_cells) > 0.5) & (canvas.rng.random(len(red_cells)) < 0.16)
    discs = _nuclei(canvas, red_cells[in_blood | in_septum], np.zeros(int((in_blood | in_septum).sum())), 6.6, 6.0, 0.1)
    foam = _nuclei(canvas, macrophages, np.zeros(len(macrophages)), 15.0, 13.0, 0.15)
    cytoplasm = 1.0 * discs + 0.32 * foam
    return _stain(canvas, haematoxylin, eosin, nuclei, nuclear_density=0.85, cytoplasm=cytoplasm)


def _squamous(canvas: _Canvas) -> NDArray[np.uint8]:
    nests = _partition(canvas, spacing_um=230.0, warp_um=30.0)
    rough = canvas.noise(25.0)
    stroma = _ramp(9.0 + 4.0 * rough - nests.wall_um, 4.0)
    keratinises = canvas.rng.random(nests.count) < 0.5
    pearl_um = 34.0 + 9.0 * canvas.noise(90.0)
    pearl = _ramp(pearl_um - nests.centre_um, 8.0) * keratinises[nests.index]
    whorls = 0.5 + 0.5 * np.cos(2 * math.pi * (nests.centre_um + 3.5 * rough) / 10.5)
    sheet = np.clip(1.0 - stroma - pearl, 0.0, 1.0)
    # Cells flatten and turn pink towards a pearl.
    maturing = _ramp(pearl_um + 32.0 - nests.centre_um, 26.0) * keratinises[nests.index]

    eosin = sheet * (0.42 + 0.16 * maturing) + stroma * (0.46 + 0.10 * rough) + pearl * (0.52 + 0.42 * whorls)
    haematoxylin = sheet * (0.17 - 0.09 * maturing) + 0.05 * stroma + 0.03 * pearl
    cells = canvas.scatter(13.5, jitter=0.75)
    cells = cells[canvas.at(sheet, cells) > 0.6]
    angle = canvas.at(nests.angle, cells) + math.pi / 2
    nuclei = _nuclei(canvas, cells, angle, length_um=9.6, width_um=6.4, spread=0.28)
    ghosts = canvas.scatter(22.0)
    ghosts = ghosts[(canvas.at(pearl, ghosts) > 0.8) & (canvas.rng.random(len(ghosts)) < 0.3)]
    nuclei = np.maximum(nuclei, _nuclei(canvas, ghosts, canvas.at(nests.angle, ghosts) + math.pi / 2, 8.0, 1.8, 0.1))
    lymphocytes = canvas.scatter(12.0, jitter=1.0)
    lymphocytes = lymphocytes[canvas.at(stroma, lymphocytes) > 0.6]
    nuclei = np.maximum(nuclei, _nuclei(canvas, lymphocytes, np.zeros(len(lymphocytes)), 5.4, 5.0, 0.1))
    bridges = _cell_borders(canvas, cells)
    return _stain(canvas, haematoxylin, eosin, nuclei, nuclear_density=0.80, cytoplasm=-0.13 * bridges)


def _stroma(canvas: _Canvas) -> NDArray[np.uint8]:
    drift = canvas.noise(260.0)
    direction = 0.9 * canvas.noise(420.0)
    columns, rows = canvas.cells
    y_um = np.arange(rows, dtype=np.float32)[:, None] * canvas.sketch_px * canvas.mpp
    # A whole number of bundles over the torus keeps the seam closed.
    bundles = max(1, round(canvas.size_um[1] / 16.0))
    phase = 2 * math.pi * bundles * y_um / canvas.size_um[1] + 9.0 * drift + 2.0 * canvas.noise(60.0)
    fibres = 0.5 + 0.5 * np.sin(phase)
    gaps = _ramp(canvas.noise(45.0) - 1.5, 0.3)
    eosin = (0.34 + 0.22 * fibres + 0.05 * canvas.noise(12.0)) * (1.0 - gaps)
    haematoxylin = 0.04 * np.ones((rows, columns), np.float32)
    cells = canvas.scatter(26.0, jitter=1.0)
    cells = cells[canvas.at(gaps, cells) < 0.3]
    nuclei = _nuclei(canvas, cells, 0.5 * canvas.at(direction, cells), 13.0, 2.8, 0.25)
    return _stain(canvas, haematoxylin, eosin, nuclei, nuclear_density=0.95)


def _unknown(canvas: _Canvas) -> NDArray[np.uint8]:
    columns, rows = canvas.cells
    # Even numbers of threads: over and under alternate across the seam too.
    threads = [2 * max(1, round(side / 68.0)) for side in canvas.size_um]
    wobble = 0.35 * canvas.noise(120.0)
    x = 2 * math.pi * threads[0] * np.arange(columns, dtype=np.float32)[None, :] / columns + wobble
    y = 2 * math.pi * threads[1] * np.arange(rows, dtype=np.float32)[:, None] / rows + wobble
    over = np.sin(x / 2) * np.sin(y / 2) > 0
    weave = np.where(over, np.abs(np.sin(x / 2)), np.abs(np.sin(y / 2))).astype(np.float32)
    dye = canvas.enlarge(0.18 + 0.85 * weave**2) + 0.06 * canvas.grain()
    return _transmit(np.maximum(dye, 0.0)[..., None] * _BLUE_DYE)


_PAINTERS: dict[str, Callable[[_Canvas], NDArray[np.uint8]]] = {
    "adenocarcinoma": _adenocarcinoma,
    "normal": _normal,
    "squamous_cell_carcinoma": _squamous,
    "stroma": _stroma,
    "unknown": _unknown,
}


def _partition(canvas: _Canvas, spacing_um: float, warp_um: float) -> _Partition:
    centres = canvas.scatter(spacing_um, jitter=0.85)
    points = _warped_grid(canvas, warp_um, 0.45 * spacing_um)
    neighbours = min(2, len(centres))
    distance, index = cKDTree(centres, boxsize=canvas.size_um).query(points, k=neighbours)
    columns, rows = canvas.cells
    distance = np.reshape(distance, (rows, columns, neighbours)).astype(np.float32)
    index = np.reshape(index, (rows, columns, neighbours))
    nearest = index[..., 0]
    offset = points.reshape(rows, columns, 2) - centres[nearest]
    half = np.array(canvas.size_um) / 2
    offset = np.mod(offset + half, 2 * half) - half
    angle = np.arctan2(offset[..., 1], offset[..., 0]).astype(np.float32)
    wall = (distance[..., -1] - distance[..., 0]) / 2 if neighbours == 2 else spacing_um - distance[..., 0]
    return _Partition(np.asarray(wall, np.float32), distance[..., 0], angle, nearest, len(centres))


def _distance(canvas: _Canvas, centres: NDArray[np.float64], wobble_um: Field) -> Field:
    distance, _ = cKDTree(centres, boxsize=canvas.size_um).query(_warped_grid(canvas, 8.0, 60.0))
    columns, rows = canvas.cells
    return np.asarray(np.reshape(distance, (rows, columns)) + wobble_um, np.float32)


def _warped_grid(canvas: _Canvas, warp_um: float, scale_um: float) -> NDArray[np.float64]:
    """(n, 2) sketch points (x, y) in um, each moved by smooth noise: straight lines between them become bent."""
    columns, rows = canvas.cells
    pitch = canvas.sketch_px * canvas.mpp
    x, y = np.meshgrid((np.arange(columns) + 0.5) * pitch, (np.arange(rows) + 0.5) * pitch)
    x = x + warp_um * canvas.noise(scale_um)
    y = y + warp_um * canvas.noise(scale_um)
    return np.mod(np.stack([x.ravel(), y.ravel()], axis=1), canvas.size_um)


def _nuclei(
    canvas: _Canvas,
    points: NDArray[np.float64],
    angles: NDArray[np.floating],
    length_um: float,
    width_um: float,
    spread: float,
) -> Field:
    """Ellipses at `points` (n, 2) um along `angles` (n,), sizes varying by `spread`: a density of 0 to 1, full size."""
    width, height = canvas.size_px
    mask = np.zeros((height, width), np.uint8)
    rng = canvas.rng
    size = rng.lognormal(0.0, spread, len(points))
    slender = rng.lognormal(0.0, 0.12, len(points))
    tone = rng.integers(165, 256, len(points))
    turn = np.degrees(np.asarray(angles) + rng.normal(0.0, 0.35, len(points)))
    axes = np.stack([length_um * size * slender, width_um * size / slender], axis=1) / 2 / canvas.mpp
    order = np.argsort(tone, kind="stable")
    for i in order:
        centre, radius = points[i] / canvas.mpp, axes[i]
        for x, y in _wrapped(centre, float(radius.max()), canvas.size_px):
            _fill_ellipse(mask, (x, y), radius, float(turn[i]), int(tone[i]))
    return mask.astype(np.float32) / 255.0


def _fill_ellipse(
    mask: NDArray[np.uint8], centre: tuple[float, float], radius: NDArray[np.floating], turn: float, tone: int
) -> None:
    bits = 3
    at = (round(centre[0] * 2**bits), round(centre[1] * 2**bits))
    axes = (max(1, round(float(radius[0]) * 2**bits)), max(1, round(float(radius[1]) * 2**bits)))
    cv2.ellipse(mask, at, axes, turn, 0, 360, tone, cv2.FILLED, cv2.LINE_AA, bits)


def _wrapped(centre: NDArray[np.float64], reach: float, size_px: tuple[int, int]) -> list[tuple[float, float]]:
    """The centre and its copies across the seam that still touch the canvas."""
    across = []
    for value, side in zip(centre, size_px, strict=True):
        copies = [float(value)]
        if value < reach:
            copies.append(float(value) + side)
        if value > side - reach:
            copies.append(float(value) - side)
        across.append(copies)
    return [(x, y) for x in across[0] for y in across[1]]


def _cell_borders(canvas: _Canvas, cells: NDArray[np.float64]) -> Field:
    """1 on the borders between cells, 0 inside them, full size."""
    width, height = canvas.size_px
    seeds = np.full((height, width), 255, np.uint8)
    at = np.floor(cells / canvas.mpp).astype(np.intp)
    seeds[at[:, 1] % height, at[:, 0] % width] = 0
    _, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    edge = np.zeros((height, width), np.uint8)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    soft = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), max(0.6, 0.7 / canvas.mpp))
    return np.clip(soft * 2.2, 0.0, 1.0)


def _stain(
    canvas: _Canvas,
    haematoxylin: Field,
    eosin: Field,
    nuclei: Field,
    nuclear_density: float,
    cytoplasm: Field | None = None,
) -> NDArray[np.uint8]:
    """Sketches of both stains, nuclei and additional eosin at full size become RGB (Beer-Lambert)."""
    grain = canvas.grain()
    pink = canvas.enlarge(eosin)
    if cytoplasm is not None:
        pink = pink + cytoplasm * np.where(cytoplasm < 0, pink > 0.2, 1.0)
    blue = canvas.enlarge(haematoxylin)
    soft = cv2.GaussianBlur(nuclei, (0, 0), max(0.3, 0.35 / canvas.mpp))
    # Pale centre, dark rim: chromatin lies along the membrane.
    rim = soft - 0.45 * cv2.GaussianBlur(soft, (0, 0), max(0.5, 1.5 / canvas.mpp)) * soft
    blue = blue * (1.0 - 0.5 * soft) + nuclear_density * np.maximum(rim, 0.0) * (1.25 + 0.16 * grain)
    pink = pink * (1.0 - 0.35 * soft) * (1.0 + 0.09 * grain)
    pixels = np.empty((*blue.shape, 3), np.uint8)
    # In bands: three channels of a whole texture in floating point would be the writer's largest array.
    for rows in (slice(first, first + 256) for first in range(0, len(blue), 256)):
        dyes = np.maximum(blue[rows], 0.0)[..., None] * _HAEMATOXYLIN + np.maximum(pink[rows], 0.0)[..., None] * _EOSIN
        pixels[rows] = _transmit(dyes)
    return pixels


def _transmit(density: Field) -> NDArray[np.uint8]:
    """RGB that passes optical densities (height, width, 3) on glass."""
    light = np.power(np.float32(10.0), -density) * np.array(GLASS_RGB, np.float32)
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)


def _ramp(value: Field, softness: float) -> Field:
    """0 below -softness/2, 1 above softness/2, smooth between."""
    t = np.clip(value / softness + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)
