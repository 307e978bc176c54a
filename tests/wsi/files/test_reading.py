"""JSON that others wrote: what is no number that Python can reckon with is refused."""

import pytest

from wsi.files.reading import parse_json


@pytest.mark.parametrize("text", ["1" + "0" * 400, "-1" + "0" * 309, "9" * 5000, "1e999", "NaN", "-Infinity"])
@pytest.mark.parametrize("where", ["{}", "[0, {}]", '{{"a": {{"b": {}}}}}'])
def test_numbers_beyond_a_float_are_no_json(where, text):
    with pytest.raises(ValueError):
        parse_json(where.format(text))


@pytest.mark.parametrize("number", [0, -(2**63), 2**64, 10**300, 1.5, 1e308])
def test_other_numbers_are_themselves(number):
    assert parse_json(f"[{number!r}]") == [number]
