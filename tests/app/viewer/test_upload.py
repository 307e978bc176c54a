"""Uploads are stored once, under names of ours, alone in their folders; archives are hostile until proved."""

import io
import stat
import zipfile

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.viewer.uploads import stored, unpack
from app.viewer.uploads.arrived import check_picture
from app.viewer.uploads.stored import check_mpp, delete_upload, discard_failed, store_upload, upload_folders
from app.viewer.uploads.unpack import unpack_slide
from tests.app.viewer.test_incoming import Browser, left, picture
from tests.results import make_result
from wsi.errors import (
    CorruptSlideError,
    MppImplausibleError,
    MppMissingError,
    OutputUnwritableError,
    SlideTooLargeError,
    UnsafeArchiveError,
    UnsupportedSlideError,
)


def came(folder, name="0" * 16, file="slide.png"):
    """An upload that came whole, as a folder."""
    place = folder / ".incoming" / name
    place.mkdir(parents=True)
    (place / file).write_bytes(b"pixels")
    return place


def kept(tmp_path, mpp, sha256="ab" * 32, name="0" * 16):
    return store_upload(came(tmp_path, name), "slide.png", sha256, mpp, tmp_path)


@pytest.mark.parametrize("mpp", [0.0, -1.0, 0.01, 50.0, float("nan"), float("inf")])
def test_the_pixel_size_must_be_stated_and_plausible(mpp):
    with pytest.raises(MppMissingError):
        check_mpp(None)
    with pytest.raises(MppImplausibleError):
        check_mpp(mpp)
    assert check_mpp(0.5) == 0.5


def test_a_bomb_of_a_picture_is_refused_by_its_header():
    import zlib

    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG")
    header = file.getvalue()
    size = (60_000).to_bytes(4, "big")
    chunk = b"IHDR" + size + size + header[24:29]
    with pytest.raises(SlideTooLargeError):
        check_picture(header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:], "PNG")


def test_an_upload_is_stored_once_in_a_folder_of_its_own_under_a_name_of_our_own(tmp_path):
    first, again = kept(tmp_path, 0.5), kept(tmp_path, 0.5, name="1" * 16)
    other, own = kept(tmp_path, 1.0), kept(tmp_path, None)
    assert first == again and len({first.slide_id, other.slide_id, own.slide_id}) == 3 and own.mpp is None
    assert first.path == tmp_path / first.slide_id / f"{first.slide_id}.png" and first.slide_id.startswith("upload-")
    assert first.path.read_bytes() == b"pixels" and list((tmp_path / ".incoming").iterdir()) == []


def test_stored_uploads_are_bounded_and_deletion_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MAX_STORED", 2)
    one, _ = kept(tmp_path, 0.25), kept(tmp_path, 0.5)
    with pytest.raises(OutputUnwritableError, match="delete"):
        kept(tmp_path, 1.0)
    assert kept(tmp_path, 0.25, name="1" * 16) == one
    assert delete_upload(tmp_path, one.slide_id)
    kept(tmp_path, 2.0, name="2" * 16)


@pytest.mark.parametrize("name", ["", ".", "..", "../case", "case", "upload-", "upload-0123456789ab/..", "upload-xyz"])
def test_nothing_but_an_upload_is_deleted(tmp_path, name):
    uploads = tmp_path / "uploads"
    for folder in (uploads, tmp_path / "case"):
        folder.mkdir()
        (folder / "keep").write_text("precious")
    (uploads / "upload-0123456789ab").symlink_to(tmp_path / "case")
    assert not delete_upload(uploads, name) and not delete_upload(uploads, "upload-0123456789ab")
    assert (uploads / "keep").exists() and (tmp_path / "case" / "keep").exists()


def test_what_failed_goes_and_what_has_a_result_stays(tmp_path):
    failed, done = kept(tmp_path, 0.5), kept(tmp_path, 0.25)
    store.save(make_result(done.slide_id), done.path.parent)
    for one in (failed, done):
        discard_failed(tmp_path, one.slide_id)
    assert upload_folders(tmp_path) == [done.path.parent]


def zipped(*entries, **more):
    """An archive of (name, content) or (name, content, mode)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", more.get("method", zipfile.ZIP_DEFLATED)) as archive:
        for name, content, *mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            entry.compress_type = more.get("method", zipfile.ZIP_DEFLATED)
            archive.writestr(entry, content)
    return file.getvalue()


def unpacked(tmp_path, content, max_bytes=1 << 26):
    place = tmp_path / "in"
    place.mkdir()
    (place / "part").write_bytes(content)
    return unpack_slide(place / "part", place, "slide", max_bytes)


INI = ("a/Slidedat.ini", b"[GENERAL]\n")
MIRAX = [("a.mrxs", b"index"), INI, ("a/Data0000.dat", b"x" * 50)]


def test_a_mirax_slide_comes_under_names_of_ours(tmp_path):
    kind, slide = unpacked(tmp_path, zipped(*((f"Jane Doe/{name}", content) for name, content in MIRAX)))
    assert kind == "MIRAX" and slide == tmp_path / "in" / "slide.mrxs" and slide.read_bytes() == b"index"
    assert sorted(path.name for path in (tmp_path / "in" / "slide").iterdir()) == ["Data0000.dat", "Slidedat.ini"]
    (tmp_path / "uploads").mkdir()
    upload = store_upload(tmp_path / "in", slide.name, "ab" * 32, None, tmp_path / "uploads")
    assert upload.path.name == f"{upload.slide_id}.mrxs" and (upload.path.with_suffix("") / "Slidedat.ini").is_file()


def bomb(times):
    return zipped(*MIRAX, ("a/Data0001.dat", b"\0" * times))


NESTED = zipped(("x.mrxs", b""))
HOSTILE = {
    "traversal": (zipped(*MIRAX, ("../../evil.dat", b"x")), UnsafeArchiveError),
    "absolute": (zipped(*MIRAX, ("/etc/cron.d/evil", b"x")), UnsafeArchiveError),
    "backslash": (zipped(*MIRAX, ("..\\evil", b"x")), UnsafeArchiveError),
    "drive": (zipped(*MIRAX, ("C:evil", b"x")), UnsafeArchiveError),
    "link": (zipped(*MIRAX, ("a/Data0001.dat", b"/etc/passwd", stat.S_IFLNK | 0o777)), UnsafeArchiveError),
    "device": (zipped(*MIRAX, ("a/Data0001.dat", b"", stat.S_IFCHR | 0o777)), UnsafeArchiveError),
    "twice": (zipped(*MIRAX, ("a/Data0000.dat", b"other")), UnsafeArchiveError),
    "nested": (zipped(*MIRAX, ("a/Data0001.dat", NESTED)), UnsafeArchiveError),
    "nested-beside": (zipped(("inner.zip", NESTED)), UnsafeArchiveError),
    "odd-name": (zipped(*MIRAX, ("a/=cmd|calc.dat", b"x")), UnsafeArchiveError),
    "html-name": (zipped(*MIRAX, ("a/<img src=x onerror=alert(1)>", b"x")), UnsafeArchiveError),
    "packed-oddly": (zipped(*MIRAX, method=zipfile.ZIP_LZMA), UnsafeArchiveError),
    "two-slides": (zipped(*MIRAX, ("b.mrxs", b"x")), UnsupportedSlideError),
    "no-folder": (zipped(("a.mrxs", b"x")), UnsupportedSlideError),
    "no-slide": (zipped(("readme.txt", b"hello")), UnsupportedSlideError),
    "declares-much": (bomb(80 << 20), SlideTooLargeError),
    "bomb": (bomb(40 << 20), SlideTooLargeError),
    "cut-off": (zipped(*MIRAX)[:-30], CorruptSlideError),
    "damaged": (zipped(*MIRAX).replace(b"PK\x01\x02", b"PK\x01\x03", 1), CorruptSlideError),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_archives_are_refused_in_plain_words(tmp_path, name):
    content, error = HOSTILE[name]
    with pytest.raises(error) as told:
        unpacked(tmp_path, content)
    assert str(tmp_path) not in str(told.value) and "evil" not in str(told.value) and "<img" not in str(told.value)
    outside = {path.name for path in tmp_path.rglob("*")} - {"in", "part", "slide", "slide.mrxs", "Slidedat.ini"}
    assert outside <= {"Data0000.dat", "Data0001.dat"}


@pytest.mark.parametrize("name", ["traversal", "bomb", "link", "cut-off"])
def test_of_a_hostile_upload_nothing_stays(tmp_path, name):
    status, told = Browser(tmp_path).whole(HOSTILE[name][0])[1]
    assert status == 422 and left(tmp_path) == [] and told


def test_too_many_entries_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_ENTRIES", 2)
    with pytest.raises(UnsafeArchiveError, match="more than 2"):
        unpacked(tmp_path, zipped(*MIRAX))


def test_the_same_picture_is_one_upload_however_it_is_called(tmp_path):
    browser = Browser(tmp_path)
    assert browser.whole(picture(64))[1][0] == 200
    [arrived] = browser.site.incoming.arrived(browser.who)
    assert arrived.file == "slide.png" and arrived.upload_id in str(browser.site.incoming.folder(arrived.upload_id))
