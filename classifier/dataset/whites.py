"""The white of each source group of a list: what its tiles show of glass, as a slide's tiles show its own."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from classifier.colour.white import WHITE_TILES, White, white_point
from classifier.dataset.tile_list import READ_THREADS, TileRecord, TileSet, read_pixels


def with_whites(tiles: TileSet) -> TileSet:
    """The same list, whose tiles will be read with the white of their group set. Raises DatasetError."""
    groups: dict[str, list[TileRecord]] = defaultdict(list)
    for record in tiles.records:
        groups[record.group].append(replace(record, white=None))

    def white_of(group: str) -> White:
        return white_point([read_pixels(record) for record in groups[group][:WHITE_TILES]])

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="whites") as pool:
        whites = dict(zip(groups, pool.map(white_of, groups), strict=True))
    return replace(tiles, records=tuple(replace(record, white=whites[record.group]) for record in tiles.records))
