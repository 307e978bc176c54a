"""A second laboratory that the tiny model of `tests.classifier.tiles` gets wrong: its stripes are drawn in another
colour."""

import hashlib
import io

import numpy as np
from PIL import Image

from app.upkeep.learning.learning_set import LearningSet
from app.upkeep.learning.record import LearnedRegion, LearnedTile
from tests.classifier.tiles import SIZE_PX, write_csv

LABELS = ("checks", "dots", "stripes")


def foreign_stripes(rng):
    """Stripes of twice the width in the colour of dots."""
    _, x = np.mgrid[:SIZE_PX, :SIZE_PX] + rng.integers(0, 16, 2)[:, None, None]
    pixels = np.where((x // 8 % 2)[..., None] == 1, np.array((210, 90, 150)), 235)
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def png(pixels):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def learned(folder, *, slides=20, tiles=4, wrong=0.0, seed=0):
    """A learning set of so many slides of foreign stripes, a share of them signed as something else."""
    rng = np.random.default_rng(seed)
    with LearningSet(folder).writing() as writing:
        for number in range(slides):
            pictures = [png(foreign_stripes(rng)) for _ in range(tiles)]
            label = LABELS[number % 2] if number < wrong * slides else "stripes"
            one = region(f"foreign-{number}", label, pictures)
            writing.learn(one, {tile.sha256: content for tile, content in zip(one.tiles, pictures, strict=True)})
        writing.list_tiles()
    return folder


def region(slide_id, label, pictures):
    digests = [hashlib.sha256(picture).hexdigest() for picture in pictures]
    return LearnedRegion(
        slide_id=slide_id,
        slide_sha256=hashlib.sha256(slide_id.encode()).hexdigest(),
        result_sha256="1a" * 32,
        signature_sha256=hashlib.sha256(f"signature {slide_id}".encode()).hexdigest(),
        reviewer="Anna Reader",
        signed_at="2026-11-29T10:00:00.000+00:00",
        region_id="region-1",
        label=label,
        rings=(((0.0, 0.0), (900.0, 0.0), (900.0, 900.0)),),
        size_px=SIZE_PX,
        mpp=1.0,
        tiles=tuple(LearnedTile(digest, (64 * i, 0)) for i, digest in enumerate(digests)),
        corrects=True,
    )


def write_tile_files(folder, draw, label, *, groups=12, tiles=3, seed=5):
    """Rows of a tile list: `draw(rng)` gives the pixels."""
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(exist_ok=True)
    for group in range(groups):
        for index in range(tiles):
            file = f"{label}-{group}-{index}.png"
            Image.fromarray(draw(rng)).save(folder / file)
            rows.append((file, label, f"locked {label} {group}", "1.0"))
    return rows


def locked_list(folder, drawn):
    rows = [row for label, draw in drawn.items() for row in write_tile_files(folder, draw, label)]
    return write_csv(folder / "tiles.csv", ("file", "class", "source_group", "mpp"), rows)
