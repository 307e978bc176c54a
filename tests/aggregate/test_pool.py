"""The pooling rule on slides whose truth is known: a small tumour is not diluted, stray tiles call nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.stats import entropy as scipy_entropy

from aggregate.pool import _neighbourhood_means, normalised_entropy, pool

ADENO, NORMAL, SQUAMOUS = 0, 1, 2
SURE = {ADENO: (0.95, 0.03, 0.02), NORMAL: (0.01, 0.98, 0.01), SQUAMOUS: (0.02, 0.03, 0.95)}


def pool_map(labels, cells_per_side=1, noise=0.0, seed=0):
    """Pools a (rows, columns) map of class labels, -1 where there is no tile."""
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(labels >= 0)
    p = np.array([SURE[label] for label in labels[rows, columns]])
    if noise:
        p = np.clip(p + rng.normal(0, noise, p.shape), 1e-3, None)
        p /= p.sum(axis=1, keepdims=True)
    cells = np.column_stack([rows, columns]).astype(np.int32)
    return pool(p, cells, np.ones(len(p)), background=NORMAL, cells_per_side=cells_per_side)


def normal_slide(rows=100, columns=100):
    return np.full((rows, columns), NORMAL)


@pytest.mark.parametrize("tumour", [ADENO, SQUAMOUS])
def test_a_small_tumour_in_much_normal_tissue_is_not_diluted(tumour):
    labels = normal_slide()
    labels[50:53, 40:43] = tumour  # 9 of 10,000 tiles: 0.45 mm2 in 500
    pooled = pool_map(labels)
    assert pooled.probabilities[tumour] > 0.9
    assert pooled.probabilities.argmax() == tumour
    diluted = np.mean([SURE[label] for label in labels.ravel()], axis=0)
    assert diluted[tumour] < 0.02  # what plain averaging would have said


@pytest.mark.parametrize("stray", [1, 5, 20])
def test_stray_tiles_call_no_cancer(stray):
    labels = normal_slide()
    spots = np.array([(5 * i + 3, (17 * i) % 95 + 2) for i in range(stray)])
    labels[spots[:, 0], spots[:, 1]] = SQUAMOUS
    pooled = pool_map(labels)
    assert pooled.probabilities.argmax() == NORMAL
    assert pooled.probabilities[NORMAL] > 0.75
    loudest = np.max([1 - SURE[label][NORMAL] for label in labels.ravel()])
    assert loudest > 0.95  # what taking the single loudest tile would have said


def test_stray_tiles_are_told_as_scattered():
    labels = normal_slide()
    labels[::10, ::10] = ADENO
    pooled = pool_map(labels)
    assert pooled.scatter == 1.0 and pooled.disagreeing_tiles == 100
    solid = normal_slide()
    solid[20:60, 20:60] = ADENO
    assert pool_map(solid).scatter < 0.05


def test_independent_errors_of_three_percent_call_no_cancer():
    rng = np.random.default_rng(5)
    for _ in range(5):
        labels = normal_slide()
        labels[rng.random(labels.shape) < 0.03] = ADENO
        assert pool_map(labels).probabilities.argmax() == NORMAL


def test_a_pair_on_the_edge_of_a_fragment_counts_less_than_a_fragment_of_tumour():
    fragments = np.full((30, 30), -1)
    fragments[0:10, 0:10] = NORMAL
    fragments[20:22, 20:22] = ADENO  # an island of four tiles, all tumour
    assert pool_map(fragments).probabilities[ADENO] > 0.9
    lone = np.full((30, 30), -1)
    lone[0:10, 0:10] = NORMAL
    lone[20, 20] = ADENO  # one tile on its own
    assert pool_map(lone).probabilities.argmax() == NORMAL


def test_a_needle_core_one_tile_wide_is_called():
    core = np.full((60, 5), -1)
    core[:, 2] = NORMAL
    core[20:35, 2] = SQUAMOUS
    assert pool_map(core).probabilities[SQUAMOUS] > 0.9


@pytest.mark.parametrize("label", [ADENO, NORMAL, SQUAMOUS])
def test_a_single_tile_is_its_own_slide(label):
    pooled = pool_map(np.array([[label]]))
    assert pooled.probabilities == pytest.approx(SURE[label])


def test_the_tumour_type_is_that_of_the_tumour_not_of_the_normal_tissue():
    labels = normal_slide()
    labels[10:20, 10:20] = SQUAMOUS
    p = pool_map(labels).probabilities
    assert p[SQUAMOUS] / (p[SQUAMOUS] + p[ADENO]) == pytest.approx(0.95 / 0.97, abs=0.01)


def test_two_tumour_types_are_told():
    labels = normal_slide()
    labels[10:30, 10:20] = SQUAMOUS
    labels[10:30, 20:26] = ADENO
    assert pool_map(labels).second_type_share == pytest.approx(6 / 16, abs=0.05)
    assert pool_map(np.where(labels == ADENO, SQUAMOUS, labels)).second_type_share == 0.0


def test_overlap_changes_the_number_of_tiles_not_the_answer():
    labels = normal_slide(60, 60)
    labels[20:26, 20:26] = ADENO
    dense = np.kron(labels, np.ones((2, 2), int))
    plain = pool_map(labels)
    overlapping = pool_map(dense, cells_per_side=2)
    assert overlapping.tumour_tiles == pytest.approx(plain.tumour_tiles, rel=0.15)
    assert overlapping.probabilities == pytest.approx(plain.probabilities, abs=0.02)


def test_no_tile_no_probability():
    pooled = pool(np.empty((0, 3)), np.empty((0, 2), int), np.empty(0), background=NORMAL)
    assert np.isnan(pooled.probabilities).all() and pooled.tumour_tiles == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 200), classes=st.integers(2, 6))
def test_probabilities_are_probabilities_and_order_does_not_matter(seed, n, classes):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.5), n)
    cells = rng.permutation(400)[:n, None] // np.array([[20, 1]]) % 20
    weights = rng.uniform(0.3, 1.0, n)
    background = int(rng.integers(classes))
    pooled = pool(p, cells, weights, background=background)
    assert pooled.probabilities.sum() == pytest.approx(1.0)
    assert (pooled.probabilities >= 0).all()
    order = rng.permutation(n)
    again = pool(p[order], cells[order], weights[order], background=background)
    assert again.hotspot == pytest.approx(pooled.hotspot)
    assert again.entropy == pytest.approx(pooled.entropy)


def nearest_means(p, cells, cells_per_side):
    """Tile by tile: the mean over the nearest, and whether tiles of one distance had to share the last places."""
    n, wanted = len(p), min(len(p), 9 * cells_per_side**2)
    means, shared = np.empty_like(p), np.zeros(n, bool)
    for i in range(n):
        distance = np.hypot(*(cells - cells[i]).T)
        near = distance < 2.5 * cells_per_side
        weight = near.astype(float)
        if near.sum() > wanted:
            last = np.sort(distance)[wanted - 1]
            inside, at_last = distance < last - 1e-9, np.abs(distance - last) < 1e-9
            weight = inside + at_last * (wanted - inside.sum()) / at_last.sum()
            shared[i] = inside.sum() + at_last.sum() > wanted
        means[i] = weight @ p / weight.sum()
    return means, shared


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 150), cells_per_side=st.sampled_from([1, 2, 3]))
def test_neighbourhoods_are_the_nearest_tiles(seed, n, cells_per_side):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), n)
    side = int(rng.integers(13, 30))
    cells = np.column_stack(np.divmod(rng.permutation(side * side)[:n], side))
    means, shared = nearest_means(p, cells, cells_per_side)
    found, _ = _neighbourhood_means(p, cells, cells_per_side)
    assert found == pytest.approx(means)
    k = range(1, min(n, 9 * cells_per_side**2) + 1)
    distance, index = cKDTree(cells).query(cells, k=[*k], distance_upper_bound=2.5 * cells_per_side)
    by_tree = np.vstack([p, np.zeros(3)])[index].sum(axis=1) / np.isfinite(distance).sum(axis=1, keepdims=True)
    assert found[~shared] == pytest.approx(by_tree[~shared])


def test_a_turned_slide_is_pooled_alike():
    labels = np.random.default_rng(3).choice([-1, ADENO, NORMAL, SQUAMOUS], (40, 30), p=[0.3, 0.2, 0.3, 0.2])
    upright = pool_map(labels)
    for turned in (labels[::-1], labels.T, np.rot90(labels)):
        assert pool_map(turned).probabilities == pytest.approx(upright.probabilities)
        assert pool_map(turned).scatter == pytest.approx(upright.scatter)


def test_entropy_is_shannons():
    p = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    assert normalised_entropy(p) == pytest.approx(scipy_entropy(p, axis=1) / np.log(4))
    assert normalised_entropy(np.array([0.25] * 4)) == pytest.approx(1.0)
    assert normalised_entropy(np.array([1.0, 0.0, 0.0])) == pytest.approx(0.0, abs=1e-9)


def pool_flat(p, shape=(6, 6), weights=None, cells_per_side=1):
    """Pools a full rectangle of tiles that all say `p`, or row by row where `p` is (rows, c)."""
    cells = np.argwhere(np.ones(shape, bool))
    p = np.asarray(p, float)
    tiles = np.repeat(p, shape[1], axis=0) if p.ndim == 2 else np.tile(p, (len(cells), 1))
    weights = np.ones(len(cells)) if weights is None else np.asarray(weights, float)
    return pool(tiles, cells, weights, background=NORMAL, cells_per_side=cells_per_side)


@pytest.mark.parametrize(("tumour", "tiles"), [(0.4375, 0.0), (0.5, 36.0), (0.5625, 36.0)])
def test_a_neighbourhood_is_tumour_from_one_half_on(tumour, tiles):
    pooled = pool_flat((tumour, 1 - tumour, 0.0))
    assert pooled.tumour_tiles == tiles and pooled.hotspot == tumour


@pytest.mark.parametrize(("tiles", "factor"), [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0), (5, 1.0)])
def test_an_island_of_less_than_four_tiles_is_filled_up(tiles, factor):
    labels = np.full((12, 30), -1)
    labels[:, 15:] = NORMAL
    labels[3, :tiles] = ADENO
    pooled = pool_map(labels)
    assert pooled.hotspot == pytest.approx(factor * (1 - SURE[ADENO][NORMAL]))


def test_with_overlap_an_island_is_filled_up_to_four_whole_tiles():
    labels = np.full((24, 60), -1)
    labels[:, 30:] = NORMAL
    labels[0:4, 0:3] = ADENO  # twelve places of half tiles are three tiles
    assert pool_map(labels, cells_per_side=2).hotspot == pytest.approx(0.75 * (1 - SURE[ADENO][NORMAL]))


def test_the_type_is_weighted_by_the_tissue_of_its_tiles():
    p = np.array([(0.9, 0.05, 0.05), (0.05, 0.05, 0.9)])
    even = pool_flat(p, (2, 3)).probabilities
    assert even[ADENO] == pytest.approx(even[SQUAMOUS])
    heavy = pool_flat(p, (2, 3), weights=[1, 1, 1, 0.1, 0.1, 0.1]).probabilities
    # 3 x 0.9 + 0.3 x 0.05 parts to 3 x 0.05 + 0.3 x 0.9
    assert heavy[ADENO] / heavy[SQUAMOUS] == pytest.approx(2.715 / 0.42)


@pytest.mark.parametrize(("cells_per_side", "tiles"), [(1, 36.0), (2, 9.0), (3, 4.0)])
def test_tumour_is_counted_in_tiles_of_no_overlap(cells_per_side, tiles):
    assert pool_flat(SURE[ADENO], cells_per_side=cells_per_side).tumour_tiles == pytest.approx(tiles)


@pytest.mark.parametrize(("cells_per_side", "tiles"), [(1, 1.0), (2, 0.25)])
def test_disagreeing_tiles_are_counted_likewise(cells_per_side, tiles):
    labels = normal_slide(30, 30)
    labels[15, 15] = ADENO
    pooled = pool_map(labels, cells_per_side=cells_per_side)
    assert pooled.disagreeing_tiles == tiles and pooled.scatter == 1.0


def test_tissue_that_is_all_normal_scatters_nothing():
    pooled = pool_map(normal_slide(10, 10))
    assert pooled.scatter == 0.0 and pooled.disagreeing_tiles == 0.0 and pooled.tumour_tiles == 0.0


def test_entropy_is_the_mean_over_all_tiles():
    sure, torn = (0.0, 1.0, 0.0), (1 / 3, 1 / 3, 1 / 3)
    assert pool_flat([sure, torn, torn, torn], (4, 5)).entropy == pytest.approx(0.75, abs=1e-6)


def test_the_second_type_is_second_not_third_nor_last():
    p = {0: (0.9, 0.05, 0.05, 0.0), 2: (0.0, 0.05, 0.9, 0.05), 3: (0.05, 0.05, 0.0, 0.9)}
    kinds = np.repeat([0, 2, 3], [40, 20, 10])
    cells = np.column_stack(
        [100 * np.repeat([0, 1, 2], [40, 20, 10]), np.concatenate([range(40), range(20), range(10)])]
    )
    pooled = pool(np.array([p[kind] for kind in kinds]), cells, np.ones(70), background=1)
    assert pooled.second_type_share == pytest.approx(20 / 70)


def test_one_tumour_class_has_no_second_and_all_the_tumour():
    p = np.tile([0.8, 0.2], (9, 1))
    pooled = pool(p, np.argwhere(np.ones((3, 3))), np.ones(9), background=1)
    assert pooled.second_type_share == 0.0 and pooled.probabilities == pytest.approx([0.8, 0.2])


def test_without_any_tumour_the_types_share_what_is_left_alike():
    pooled = pool_flat((0.0, 1.0, 0.0))
    assert pooled.probabilities == pytest.approx((0.0, 1.0, 0.0)) and pooled.hotspot == 0.0


def test_no_tile_scatters_nothing_and_has_no_second_type():
    pooled = pool(np.empty((0, 3)), np.empty((0, 2), int), np.empty(0), background=NORMAL)
    assert pooled.disagreeing_tiles == 0.0
    assert np.isnan([pooled.hotspot, pooled.scatter, pooled.second_type_share, pooled.entropy]).all()


def test_below_one_half_the_type_is_that_of_the_hottest_place():
    p = np.tile((0.1, 0.9, 0.0), (40, 1))  # a little adenocarcinoma everywhere
    p[:3] = (0.0, 0.6, 0.4)  # and somewhat more squamous at one end
    cells = np.column_stack([np.zeros(40, int), np.arange(40)])
    pooled = pool(p, cells, np.ones(40), background=NORMAL)
    assert 0.1 < pooled.hotspot < 0.5 and pooled.tumour_tiles == 0.0
    assert pooled.probabilities[SQUAMOUS] > pooled.probabilities[ADENO]


def test_where_no_tumour_has_any_mass_the_classes_are_alike():
    # The hottest place is an island that is filled up: nothing speaks for either type there.
    pooled = pool_flat((0.0, 1.0, 0.0), (1, 1))
    assert pooled.probabilities == pytest.approx((0.0, 1.0, 0.0))
    assert not np.isnan(pooled.probabilities).any()


def test_a_lone_normal_tile_within_tumour_differs_from_its_neighbours():
    labels = np.full((9, 9), ADENO)
    labels[4, 4] = NORMAL
    pooled = pool_map(labels)
    assert pooled.disagreeing_tiles == 1.0 and pooled.scatter == pytest.approx(1 / 81)


def test_a_slide_without_tumour_has_no_second_type():
    assert pool_map(normal_slide(6, 6)).second_type_share == 0.0
