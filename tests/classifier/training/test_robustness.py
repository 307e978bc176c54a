"""Figures of how much of a laboratory is in features: against features whose answer is known, and by another route."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler, normalize

from classifier.training.robustness import LEAST_TILES, robustness_index, source_told, strangeness

CLASSES, SOURCES = ("stroma", "tumour"), ("here", "there")
EACH = 60


@pytest.fixture
def design():
    """(labels, sources, groups) of two classes from two sources, each tile of one of six groups of its source."""
    cells = [(label, source, i) for label in CLASSES for source in SOURCES for i in range(EACH)]
    labels, sources = (np.array([cell[at] for cell in cells]) for at in (0, 1))
    groups = np.array([f"{source}-{i % 6}" for _, source, i in cells])
    return labels, sources, groups


def features(design, *, tissue, laboratory, noise=1.0, seed=0):
    labels, sources, _ = design
    rng = np.random.default_rng(seed)
    values = noise * rng.normal(size=(len(labels), 32))
    values[:, 0] += tissue * (labels == CLASSES[0])
    values[:, 1] += laboratory * (sources == SOURCES[0])
    return values


def only(design, **of):
    [found] = robustness_index(features(design, **of), *design)
    assert (found.classes, found.sources, found.tiles) == (CLASSES, SOURCES, EACH)
    return found


def test_a_random_encoder_gets_chance(design):
    found = [only(design, tissue=0, laboratory=0, seed=seed) for seed in range(8)]
    # A group holds both classes: of the own source a sixth of the other class does not count.
    assert found[0].chance == pytest.approx(6 / 11)
    assert np.mean([one.index for one in found]) == pytest.approx(6 / 11, abs=0.02)
    labels, sources, groups = design
    apart = labels, sources, np.char.add(np.char.add(labels, "-"), groups)
    assert only(apart, tissue=0, laboratory=0).chance == 0.5
    told = [
        one.accuracy
        for seed in range(8)
        for one in source_told(features(design, tissue=0, laboratory=0, seed=seed), *design)
    ]
    assert np.mean(told) == pytest.approx(0.5, abs=0.05)


def test_an_encoder_of_tissue_alone_gets_one_and_one_of_the_laboratory_alone_nothing(design):
    assert only(design, tissue=50, laboratory=0, noise=0.1).index == 1.0
    assert only(design, tissue=0, laboratory=50, noise=0.1).index == 0.0
    told = source_told(features(design, tissue=0, laboratory=50, noise=0.1), *design)
    assert [(one.label, one.accuracy, one.chance) for one in told] == [("stroma", 1.0, 0.5), ("tumour", 1.0, 0.5)]


def test_the_index_is_that_of_another_route(design):
    labels, sources, groups = design
    values = features(design, tissue=4, laboratory=3)
    unit = normalize(StandardScaler(with_std=False).fit_transform(values))
    search = NearestNeighbors(n_neighbors=len(labels), metric="euclidean").fit(unit)
    tissue = laboratory = 0
    for own, order in enumerate(search.kneighbors(unit, return_distance=False)):
        others = [i for i in order if groups[i] != groups[own]][:10]
        tissue += sum(labels[i] == labels[own] and sources[i] != sources[own] for i in others)
        laboratory += sum(labels[i] != labels[own] and sources[i] == sources[own] for i in others)
    # All tiles are in the design, so no draw stands between.
    [found] = robustness_index(values, *design)
    assert 0.3 < found.index < 0.95 and found.index == pytest.approx(tissue / (tissue + laboratory), abs=1e-9)


def test_neighbours_of_the_own_group_do_not_count(design):
    labels, sources, groups = design
    values = features(design, tissue=0, laboratory=0)
    # Each group is one spot: with their own groups all would be of one source.
    for number, name in enumerate(np.unique(groups)):
        values[groups == name] += 40 * np.eye(32)[2 + number % 12]
    [found] = robustness_index(values, labels, sources, groups)
    assert found.index == pytest.approx(found.chance, abs=0.12)
    [alone] = robustness_index(values, labels, sources, np.arange(len(labels)).astype(str))
    assert alone.index < found.index / 2


def test_what_is_too_little_has_no_figure(design):
    labels, sources, groups = design
    few = np.flatnonzero((labels == "tumour") & (sources == "there"))[LEAST_TILES - 1 :]
    kept = np.setdiff1d(np.arange(len(labels)), few)
    values = features(design, tissue=1, laboratory=1)
    assert robustness_index(values[kept], labels[kept], sources[kept], groups[kept]) == ()
    assert [one.label for one in source_told(values[kept], labels[kept], sources[kept], groups[kept])] == ["stroma"]
    one_group = np.where(sources == "there", "there-0", groups)
    assert source_told(values, labels, sources, one_group) == []


def test_the_source_is_told_on_groups_that_taught_nothing(design):
    labels, sources, groups = design
    # Every group has a mark of its own, and nothing tells the sources beside.
    values = features(design, tissue=0, laboratory=0)
    for number, name in enumerate(np.unique(groups)):
        values[groups == name, 2 + number] += 30
    told = source_told(values, labels, sources, groups)
    assert all(one.accuracy < 0.75 for one in told)
    shuffled = np.random.default_rng(0).permutation(len(labels)).astype(str)
    known = source_told(values, labels, sources, shuffled)
    assert all(one.accuracy > 0.95 for one in known)


def test_strangeness_is_the_share_refused_and_the_area_between():
    known, near = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.75, 0.4, 0.3, 0.2])
    told = strangeness("x", near, ["a", "a", "b", "b"], known, 0.35, taught=False)
    pairs = [(n < k) + (n == k) / 2 for n in near for k in known]
    assert told.area == pytest.approx(np.mean(pairs)) and told.not_recognised == 0.5
    assert (told.tiles, told.cases, told.taught) == (4, 2, False)
