"""What stands in JPEG and JPEG 2000 streams, and in plain pictures, beside their pixels."""

import io
import os

import pytest
from PIL import Image, PngImagePlugin

from tests.canaries import canary, found_in, section, with_comment
from tests.tiffs import jpeg_tiles
from wsi.deidentify.copy import make_copy
from wsi.deidentify.formats import refuse_identifying
from wsi.deidentify.plan import Naming, NotUnderstoodError
from wsi.deidentify.source import Source
from wsi.deidentify.streams import foreign_in_jpeg, foreign_in_jpeg2000
from wsi.errors import IdentifyingMetadataError

PLAIN = jpeg_tiles(section(128, 128), 128)[0]
J2K_HEAD = b"\xff\x4f\xff\x51\x00\x2f" + bytes(45) + b"\xff\x52\x00\x0c" + bytes(10)
TILE = b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x12\x00\x01\xff\x93" + b"\x01\x02\x03\x04" + b"\xff\xd9"


@pytest.fixture
def look(tmp_path):
    """`look(function, data)`: (what, bytes) of the parts that were found."""
    opened = []

    def found(function, data):
        path = tmp_path / str(len(opened))
        path.write_bytes(data)
        opened.append(os.open(path, os.O_RDONLY))
        parts = function(Source.of(opened[-1]), (0, len(data)))
        return [(what, data[start:end]) for what, (start, end) in parts]

    yield found
    for fd in opened:
        os.close(fd)


def test_a_plain_jpeg_holds_nothing_else(look):
    assert look(foreign_in_jpeg, PLAIN) == [] and look(foreign_in_jpeg, PLAIN + bytes(3)) == []


def test_comments_segments_and_what_follows_are_found(look):
    data = with_comment(PLAIN, canary("x")) + b"behind"
    [comment, exif, behind] = look(foreign_in_jpeg, data)
    assert comment == ("JPEG comment", canary("x").encode())
    assert exif == ("JPEG application segment 1", b"Exif\0\0" + canary("x").encode())
    assert behind == ("bytes after a picture's end", b"behind")


def test_a_small_picture_in_the_first_segment_is_found(look):
    at = PLAIN.index(b"JFIF\0") - 4
    length = int.from_bytes(PLAIN[at + 2 : at + 4], "big")
    data = (
        PLAIN[: at + 2]
        + (length + 6).to_bytes(2, "big")
        + PLAIN[at + 4 : at + 2 + length]
        + b"pixels"
        + PLAIN[at + 2 + length :]
    )
    assert look(foreign_in_jpeg, data) == [("JPEG application segment 0", b"pixels")]


def test_a_comment_between_the_scans_of_a_progressive_jpeg_is_found(look):
    file = io.BytesIO()
    Image.fromarray(section(128, 128)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    said = canary("between").encode()
    spoilt = data[:second] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + data[second:]
    assert look(foreign_in_jpeg, data) == [] and look(foreign_in_jpeg, spoilt) == [("JPEG comment", said)]


@pytest.mark.parametrize("data", [b"", b"\xff", b"no JPEG", PLAIN[:30], PLAIN[:2] + b"\xff\xc8\0\4\0\0" + PLAIN[2:]])
def test_what_is_no_jpeg_is_not_understood(look, data):
    with pytest.raises(NotUnderstoodError):
        look(foreign_in_jpeg, data)


def _comment(words):
    return b"\xff\x64" + (len(words) + 4).to_bytes(2, "big") + b"\0\1" + words


def test_encoders_words_stay_and_others_do_not(look):
    known = b"Kakadu-v6.0"
    rates = b"Kdu-Layer-Info: log_2{Delta-D(MSE)/[2^16*Delta-L(bytes)]}, L(bytes)\n-256.0, 1.4e+004\n"
    assert look(foreign_in_jpeg2000, J2K_HEAD + _comment(known) + _comment(rates) + TILE) == []
    for words in (canary("x").encode(), known + b" Erika", rates + b"Erika"):
        assert look(foreign_in_jpeg2000, J2K_HEAD + _comment(words) + TILE) == [("JPEG 2000 comment", words)]
    assert look(foreign_in_jpeg2000, J2K_HEAD + TILE + b"behind") == [("bytes after a picture's end", b"behind")]


@pytest.mark.parametrize(
    "data", [b"\xff\x4f", J2K_HEAD + b"\xff\x90\x00\x0a" + bytes(4) + b"\xff" * 4, J2K_HEAD + b"\xff\x70\0\2"]
)
def test_what_is_no_codestream_is_not_understood(look, data):
    if data == b"\xff\x4f":
        data = b"\xff\x4e"
    with pytest.raises(NotUnderstoodError):
        look(foreign_in_jpeg2000, data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_plain_pictures_are_judged_and_copied(tmp_path, kind):
    path = tmp_path / f"picture.{kind.lower()}"
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", canary("author"))
    exif = Image.Exif()
    exif[315] = canary("artist")
    options = (
        {"exif": exif, "comment": canary("comment").encode()} if kind == "JPEG" else {"pnginfo": words, "exif": exif}
    )
    Image.fromarray(section()).save(path, kind, **options)
    assert found_in(path.read_bytes())
    with pytest.raises(IdentifyingMetadataError):
        refuse_identifying(path, "picture")
    folder = tmp_path / "copy"
    folder.mkdir()
    told = make_copy(path, folder, Naming("ps-1", b"key"))
    copy = folder / told["main"]
    assert found_in(copy.read_bytes()) == []
    assert Image.open(copy).tobytes() == Image.open(path).tobytes()
    refuse_identifying(copy, "picture")
