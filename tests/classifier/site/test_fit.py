"""Fitting a site on features whose shift, share of known tissue and foreign pictures are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from classifier.colour.look import Look, correction_of
from classifier.familiarity import THRESHOLD, fit_familiarity
from classifier.site.fit import SlideSeen, fit_alignment, fit_site
from wsi.errors import SiteError

WIDTH = 12
RATE = 0.02
SITE_SHIFT = np.zeros(WIDTH)
SITE_SHIFT[:3] = 6.0, -5.0, 4.0


def known_tiles(n, rng):
    labels = rng.integers(0, 2, n)
    return rng.normal(0, 1, (n, WIDTH)) + 7.0 * labels[:, None] * np.eye(WIDTH)[5], labels


def unknown_tiles(n, rng):
    return rng.normal(0, 1, (n, WIDTH)) + 14.0 * np.eye(WIDTH)[8] + rng.normal(0, 3, (n, WIDTH))


@pytest.fixture(scope="module")
def familiarity():
    rng = np.random.default_rng(0)
    features, labels = known_tiles(4000, rng)
    return fit_familiarity(features, labels, known_tiles(2000, rng)[0], RATE)


def slide(seed, shift=SITE_SHIFT, unknown=0.3, n=200, foreign=25.0):
    rng = np.random.default_rng(seed)
    odd = round(unknown * n)
    features = np.concatenate([known_tiles(n - odd, rng)[0], unknown_tiles(odd, rng)]) + shift
    made = rng.normal(0, 1, (30, WIDTH)) + foreign * np.eye(WIDTH)[10]
    own = rng.normal(0, 0.3, WIDTH)
    features = (features + own).astype(np.float32)
    return SlideSeen(f"{seed:064x}", features, features, (made.astype(np.float32),))


def refused(familiarity, features):
    return float((familiarity.of(features) < THRESHOLD).mean())


def test_a_site_that_is_shifted_is_recognised_and_its_unknown_tissue_stays_refused(familiarity):
    alignment, _ = fit_alignment(familiarity, [slide(seed) for seed in range(5)], 0.5, RATE)
    aligned, rng = familiarity.aligned(alignment), np.random.default_rng(99)
    fresh = known_tiles(500, rng)[0] + SITE_SHIFT
    assert refused(familiarity, fresh) > 0.9 and refused(aligned, fresh) < 0.15
    assert refused(aligned, unknown_tiles(500, rng) + SITE_SHIFT) > 0.9
    assert familiarity.unlike(fresh) > 1.0 > aligned.unlike(fresh)


def test_what_the_model_recognises_it_still_recognises(familiarity):
    alignment, _ = fit_alignment(familiarity, [slide(seed) for seed in range(5)], 0.5, RATE)
    at_home = known_tiles(2000, np.random.default_rng(7))[0]
    before, after = familiarity.of(at_home), familiarity.aligned(alignment).of(at_home)
    assert (after >= before).all()


def test_a_site_like_the_training_keeps_the_models_threshold(familiarity):
    own = [slide(seed, shift=0.0, unknown=0.0) for seed in range(5)]
    alignment, _ = fit_alignment(familiarity, own, 0.5, RATE)
    assert alignment.threshold_distance == familiarity.threshold_distance
    assert np.linalg.norm(alignment.shift) < 1.0


def test_the_known_share_is_refused_at_the_promised_rate(familiarity):
    far = [slide(seed, unknown=0.0, n=400) for seed in range(5)]
    wide = [replace(one, features=one.features * np.float32(1.6)) for one in far]
    alignment, limit = fit_alignment(familiarity, wide, 1.0, RATE)
    assert alignment.threshold_distance < limit
    aligned = familiarity.aligned(alignment)
    assert np.mean([refused(aligned, one.features) for one in wide]) == pytest.approx(RATE, abs=0.01)


def test_what_plainly_is_no_tissue_bounds_the_threshold(familiarity):
    seen = [slide(seed, unknown=0.6, foreign=7.0) for seed in range(5)]
    loose, limit = fit_alignment(familiarity, seen, 1.0, RATE)
    assert loose.threshold_distance == max(familiarity.threshold_distance, limit)
    pictures = np.concatenate([one.made[0] for one in seen])
    assert refused(familiarity.aligned(loose), pictures) >= 1 - RATE - 0.01


def test_a_slide_of_many_tiles_weighs_no_more_than_others(familiarity):
    four = [slide(seed) for seed in range(4)]
    few, many = (fit_alignment(familiarity, [*four, slide(9, 3 * SITE_SHIFT, n=n)], 0.5, RATE)[0] for n in (60, 3000))
    assert np.linalg.norm(few.shift - many.shift) < 0.6
    assert few.threshold_distance == pytest.approx(many.threshold_distance, rel=0.15)


LOOK = Look(np.array([240.0, 230, 244]), np.array([0.3, 0.6, 0.3]), np.full((2, 3), np.nan))


def site_of(familiarity, slides, share=0.5):
    card = SimpleNamespace(name="m", version="1.0.0", digest="ab" * 32, false_alarm_rate=RATE)
    model = SimpleNamespace(card=card, familiarity=familiarity)
    return fit_site(model, slides, LOOK, correction_of(LOOK, None), share)


def test_a_profile_tells_what_it_was_made_of_and_what_it_brought(familiarity):
    profile = site_of(familiarity, [slide(seed) for seed in range(5)])
    assert profile.made.tiles == 1000 and len(profile.made.slide_sha256) == 5
    assert profile.made.model_sha256 == "ab" * 32 and profile.stains == ()
    figures = profile.figures
    assert figures["not_recognised_before"] > 0.9
    assert figures["not_recognised_after"] <= figures["not_recognised_left_out"] < 0.6


@pytest.mark.parametrize(("slides", "tiles"), [(2, 200), (3, 30)])
def test_too_little_to_learn_from_is_refused(familiarity, slides, tiles):
    with pytest.raises(SiteError, match="too few"):
        site_of(familiarity, [slide(seed, n=tiles) for seed in range(slides)])
