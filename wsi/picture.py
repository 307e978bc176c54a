"""One way to open a picture (JPEG, PNG, TIFF, ...) with Pillow: formats and size are checked before a pixel is decoded.

Everything that Pillow raises becomes one of three errors. A picture has no pixel size here; slides are `open_slide`'s.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from wsi.errors import CorruptSlideError, SlideError, SlideTooLargeError, UnreadableFileError, UnsupportedSlideError
from wsi.identity import open_slide_file
from wsi.region import Pixels

SLIDE_FORMATS = ("JPEG", "PNG", "TIFF")
# Of a slide that is one picture: 525 MB of RGB. Pillow refuses a little more than this by itself.
MAX_SLIDE_PIXELS = 175_000_000


@contextmanager
def open_picture(
    source: Path | bytes, formats: Sequence[str], max_pixels: int, *, name: str = ""
) -> Iterator[Image.Image]:
    """The picture in a file or in `source` itself, with its header read and nothing decoded yet.

    `formats` are Pillow's names; `name` is what messages call it, else the file's name. Raises UnsupportedSlideError
    where it is of no such format, SlideTooLargeError beyond `max_pixels`, CorruptSlideError where it is damaged, also
    for what Pillow raises inside the `with`; NotAFileError, UnreadableFileError.
    """
    name = name or (source.name if isinstance(source, Path) else "the picture")
    try:
        with _opened(source) as file, warnings.catch_warnings():
            # Pillow warns of large or odd headers; here they become errors or nothing, never lines on the terminal.
            warnings.filterwarnings("ignore", module="PIL")
            with Image.open(file, formats=tuple(formats)) as image:
                if image.width < 1 or image.height < 1:
                    raise _damaged(name)
                if image.width * image.height > max_pixels:
                    raise _too_large(name, max_pixels)
                yield image
    except (SlideError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, max_pixels) from error
    except UnidentifiedImageError as error:
        kinds = f"{', '.join(formats[:-1])} or {formats[-1]}" if len(formats) > 1 else formats[0]
        raise UnsupportedSlideError(f"{name} is no {kinds} image", hint="choose another image") from error
    # Pillow's parsers raise nearly anything on a damaged header.
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError, EOFError) as error:
        raise _damaged(name) from error
    except (ZeroDivisionError, AttributeError, RuntimeError, NotImplementedError) as error:
        raise _damaged(name) from error


def read_picture(source: Path | bytes, formats: Sequence[str], max_pixels: int, *, name: str = "") -> Pixels:
    """(height, width, 3) uint8 RGB, as stored: not turned by EXIF, opacity ignored. Raises as `open_picture` does."""
    with open_picture(source, formats, max_pixels, name=name) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        file = io.BufferedReader(open_slide_file(source))
    except OSError as error:
        raise UnreadableFileError(f"{source.name} cannot be read ({error.strerror})") from error
    with file:
        yield file


def _damaged(name: str) -> CorruptSlideError:
    return CorruptSlideError(f"{name} is damaged: the image cannot be decoded", hint="copy or export it again")


def _too_large(name: str, max_pixels: int) -> SlideTooLargeError:
    return SlideTooLargeError(
        f"{name} has more than {max_pixels // 1_000_000} million pixels in one piece",
        hint="crop it, or convert it to a tiled pyramid",
    )
