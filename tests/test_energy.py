"""What `benchmarks.energy` counts: against counters written by hand, and networks counted by hand."""

import pytest

from benchmarks.energy import NO_COUNTER, Cost, Counter, counters, multiply_adds, spent_wh, told


def package(folder, name, energy_uj, range_uj=10_000_000):
    path = folder / name
    path.mkdir()
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


def test_whole_packages_are_counted_and_not_their_parts(tmp_path):
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0", "dtpm"):
        package(tmp_path, name, 5)
    assert [one.path.name for one in counters(tmp_path)] == ["intel-rapl:0", "intel-rapl:1"]


def test_what_cannot_be_read_is_no_counter(tmp_path):
    (package(tmp_path, "intel-rapl:0", 5) / "energy_uj").write_text("")
    (tmp_path / "intel-rapl:1").mkdir()
    assert counters(tmp_path) == [] and counters(tmp_path / "nowhere") == []
    assert spent_wh([], [], []) is None


def test_a_counter_that_began_again_is_counted_on(tmp_path):
    two = [Counter(tmp_path, 1000), Counter(tmp_path, 1000)]
    assert spent_wh(two, [900, 100], [50, 300]) == pytest.approx((150 + 200) / 3.6e9)


def test_without_a_counter_no_figure_is_told():
    costs = [Cost(3.0, 10, None), Cost(5.0, 10, None), Cost(4.0, 10, None)]
    assert told(costs, 7) == {
        "tiles": 10, "cpu_s": 4.0, "multiply_adds_a_tile": 7, "multiply_adds": 70, "wh": NO_COUNTER,
    }  # fmt: skip
    assert told(costs, None)["multiply_adds"] is None
    assert told([Cost(3.0, 10, 0.5), Cost(3.0, 10, 0.25), Cost(3.0, 10, 0.75)], 1)["wh"] == 0.5


@pytest.mark.slow
def test_multiply_adds_are_those_that_are_counted_by_hand():
    from classifier.networks.framework import load_keras

    keras = load_keras()
    pixels = keras.Input((8, 8, 3))
    convolved = keras.layers.Conv2D(4, 3, strides=2, padding="same")(pixels)
    narrow = keras.layers.DepthwiseConv2D(3, padding="same")(convolved)
    inner = keras.Model(pixels, keras.layers.ReLU()(narrow))
    given = keras.Input((8, 8, 3))
    once = inner(given)
    out = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(once))
    of_inner = 4 * 4 * 4 * (3 * 3 * 3) + 4 * 4 * 4 * (3 * 3)
    assert multiply_adds(inner) == of_inner
    assert multiply_adds(keras.Model(given, out)) == of_inner + 5 * 4
