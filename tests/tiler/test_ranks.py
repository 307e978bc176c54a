"""Median and quantile of our own: NumPy's, to the last bit."""

import numpy as np
import pytest

from tiler.ranks import median, quantile

SHARES = (0.0, 0.05, 0.25, 0.3, 0.5, 0.625, 0.75, 0.9, 0.95, 1.0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 1000, 66_001])
def test_ranks_are_numpys_to_the_last_bit(kind, count):
    values = np.random.default_rng(count).gamma(2, 1, count).astype(kind)
    before = values.copy()
    found = [median(values), *(quantile(values, share) for share in SHARES)]
    said = [np.median(values), *(np.quantile(values, share) for share in SHARES)]
    assert found == said and {rank.dtype for rank in found} == {np.dtype(kind)}
    assert np.array_equal(values, before)
    columns = np.column_stack([values, values[::-1] ** 2, -values])
    assert np.array_equal(median(columns), np.median(columns, axis=0))


@pytest.mark.parametrize("values", [[5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 0.0, 1.0], [-3.0, -1.0]])
def test_ranks_of_equal_and_negative_numbers(values):
    row = np.array(values, np.float32)
    assert median(row) == np.median(row)
    assert [quantile(row, share) for share in SHARES] == [np.quantile(row, share) for share in SHARES]
