"""Files that are no slides say what they are, and what to do."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
from PIL import Image

from wsi import open_slide
from wsi.errors import CorruptSlideError, UnsupportedSlideError


def zipped():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.svs", b"x" * 100)
    return held.getvalue()


def tarred():
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.svs"))
    return held.getvalue()


def picture(kind):
    held = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 120, 160)).save(held, kind)
    return held.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
FOREIGN = {
    "git-lfs.svs": (LFS, "a Git LFS pointer that stands for the slide; fetch it: git lfs pull"),
    "annex.ndpi": (b"/annex/objects/SHA256E-s1--4d.ndpi\n", "a git-annex pointer"),
    "gzip.svs": (gzip.compress(LFS), "packed .gzip.; unpack it first"),
    "bzip2.tif": (bz2.compress(LFS), "packed .bzip2.; unpack it first"),
    "xz.dcm": (lzma.compress(LFS), "packed .xz.; unpack it first"),
    "zip.svs": (zipped(), "a ZIP archive or an office document; unpack it first"),
    "tar.scn": (tarred(), "packed .tar.; unpack it first"),
    "page.svs": (b"\n <!DOCTYPE HTML><title>Sign in</title>", "a web page, not the slide; the download gave no slide"),
    "denied.svs": (
        b'<?xml version="1.0"?><Error><Code>AccessDenied',
        "a text .XML or JSON., not the slide; the download",
    ),
    "error.svs": (b'{"error": "token expired"}', "a text .XML or JSON., not the slide; the download"),
    "paper.svs": (b"%PDF-1.7\n", "a PDF document"),
    "tiles.svs": (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
    "gif.png": (picture("GIF"), "a GIF picture; save it as PNG, JPEG or TIFF"),
    "bmp.jpg": (picture("BMP"), "a BMP picture; save it as PNG, JPEG or TIFF"),
    "webp.png": (picture("WEBP"), "a WebP picture; save it as PNG, JPEG or TIFF"),
    "set.ndpis": (
        b"[NanoZoomer Digital Pathology Image Set]\r\nNoImages=2\r\nImage0=a.ndpi\r\n",
        "a list of the pictures of one scan in several lights .NDPIS., not a slide; name an .ndpi",
    ),
    "slide.isyntax": (b"<DataObject ObjectType=", "in a scanner's own format, which is not read here; export it"),
    "slide.kfb": (b"KFB\0\1", "in a scanner's own format"),
    "what.svs": (b"\x80\x04\x95" + bytes(100), "not a slide or image that can be read here; see the README"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_slide_says_what_it_is_and_what_to_do(tmp_path, name):
    data, told = FOREIGN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnsupportedSlideError, match=rf"^unsupported-format: {name} is {told}"):
        open_slide(tmp_path / name)


@pytest.mark.parametrize("name", ["x.svs", "x.tif", "x.png", "x.dcm"])
def test_a_file_of_zeros_is_a_copy_that_never_came(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(5_000_000)
    with pytest.raises(CorruptSlideError, match=rf"^corrupt-slide: {name} is incomplete: .*zeros; copy it again"):
        open_slide(tmp_path / name)
