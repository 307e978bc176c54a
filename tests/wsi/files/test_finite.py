"""What JSON cannot say is missing, and NumPy's numbers are plain ones."""

import json
import math

import numpy as np
import pytest

from wsi.files.finite import finite


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_what_is_no_number_in_json_is_missing(value):
    assert finite(value) is None


@pytest.mark.parametrize("value", [0, 1, -2.5, np.float32(0.5), np.int64(3), 1e308])
def test_every_other_number_is_itself_and_a_float_of_pythons(value):
    assert finite(value) == value and type(finite(value)) is float
    assert json.loads(json.dumps(finite(value))) == value
