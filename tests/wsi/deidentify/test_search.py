"""The search for what was left out finds it in every encoding and at every place, and is not deceived by chance."""

import os

import pytest

from wsi.deidentify import search
from wsi.deidentify.plan import Removed
from wsi.deidentify.search import needles_of, still_there
from wsi.deidentify.source import PIECE_BYTES, Source

NAME = "Mueller^Erika"


@pytest.fixture
def found(tmp_path):
    """`found(data, *values, pixels=(), texts=())`: the fields of which something is in a file of these bytes."""

    def look(data, *values, pixels=(), texts=()):
        path = tmp_path / "file"
        path.write_bytes(data)
        fd = os.open(path, os.O_RDONLY)
        try:
            return still_there(Source.of(fd), needles_of([Removed("field", values)], texts), pixels)
        finally:
            os.close(fd)

    return look


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("value", [NAME, "Jürgen Größ", NAME.encode(), "Jürgen Größ".encode()])
def test_every_encoding(found, encoding, value):
    text = value.decode() if isinstance(value, bytes) else value
    assert found(b"\1" * 1001 + text.encode(encoding) + b"\1" * 50, value) == {"field"}
    assert found(b"\1" * 1001 + text.encode(encoding)[:-2] + b"\1" * 50, value) == set()


@pytest.mark.parametrize(
    "place", [0, 1, 2, 3, PIECE_BYTES - 200, PIECE_BYTES - 5, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES]
)
def test_every_place(found, place):
    assert found(b"\1" * place + NAME.encode(), NAME) == {"field"}


def test_a_long_value_is_found_by_its_beginning_and_by_its_end(found):
    value = "".join(chr(65 + (7 * at) % 57) for at in range(500))
    assert found(value[:40].encode(), value) == {"field"} == found(value[-40:].encode(), value)


def test_holes_are_passed_over(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(1 << 30)
        file.write(NAME.encode("utf-16-be"))
        file.truncate(2 << 30)
    with path.open("rb") as file:
        assert still_there(Source.of(file.fileno()), needles_of([Removed("field", (NAME,))], ()), ()) == {"field"}


def test_short_words_among_pixels_are_chance(found):
    data = b"\1" * 100 + b"Erika" + b"\1" * 100
    assert found(data, "Erika") == {"field"} and found(data, "Erika", pixels=[(50, 150)]) == set()
    assert found(data, "Erik") == set()
    assert found(b"\1" * 100 + NAME.encode(), NAME, pixels=[(0, 200)]) == {"field"}


def test_what_the_copy_says_itself_is_no_find(found):
    assert found(b"Aperio Image Library", "Aperio Image Library", texts=("Aperio Image Library|MPP = 0.5",)) == set()
    assert found(b"0000000000", "0000000") == set()


def test_very_many_values_are_looked_for_at_once(found):
    values = [f"value number {number}" for number in range(5000)]
    assert found(b"\1" * 99 + b"value number 4321", *values) == {"field"}


def test_no_more_needles_than_are_borne():
    removed = [Removed("field", tuple(f"value {number}" for number in range(300_000)))]
    assert len(needles_of(removed, ())) <= search._MOST_NEEDLES
