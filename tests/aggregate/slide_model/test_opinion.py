"""A slide model's opinion beside the rule: stored, told in rows and reports, and never instead of the rule."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aggregate import store
from aggregate.result_folder import load_summary
from aggregate.slide_model.bags import FeatureSource, bag_of_result, bag_of_stored
from aggregate.slide_model.calibrate import Calibration
from aggregate.slide_model.card import SlideModelCard
from aggregate.slide_model.conformal import Bound, PredictionSets
from aggregate.slide_model.figures import figure_names
from aggregate.slide_model.model import SlideModel, with_opinion
from aggregate.slide_model.network.networks import first_weights, make_network
from app.ledger.records import SlideRow, parse_table, row_of_json, table_bytes
from app.reports.json_report import render_json
from tests.results import CLASSES, make_result
from tiler.spec import TileQuality
from wsi.errors import ModelError, ResultAlteredError, StoreError

PARAMETERS = {"width": 8, "gate": 4}


def made_model(result, favours, *, network="gated-attention", classes=CLASSES, from_p=(0.05, 0.05, 0.05)):
    """A model whose weights are drawn, and whose bias makes it call `favours`."""
    source = FeatureSource(result.tiles.features.shape[1], result.provenance.model.sha256)
    made = make_network(network, PARAMETERS if make_network(network).attends else {})
    dimension = source.dimension if made.attends else len(figure_names(result.classes))
    weights = first_weights(made.shapes(dimension, len(classes)), seed=0)
    if network == "rule-figures":
        weights["classify"] *= 0
    weights["classify_bias"][classes.index(favours)] = 6.0
    bounds = {"0.95": tuple(Bound(p, 30) for p in from_p)}
    card = SlideModelCard(
        name="drawn",
        classes=classes,
        network=network,
        parameters=PARAMETERS if made.attends else {},
        source=source,
        calibration=Calibration(),
        sets=PredictionSets(bounds),
        digest="ab" * 32,
    )
    standard = {"mean": np.zeros(dimension, np.float32), "spread": np.ones(dimension, np.float32)}
    return SlideModel(card, {f"0/{name}": array for name, array in {**weights, **standard}.items()})


@pytest.fixture
def result():
    drawn = make_result()
    features = np.random.default_rng(0).normal(size=drawn.tiles.features.shape).astype(np.float16)
    return replace(drawn, tiles=replace(drawn.tiles, features=features))


def test_the_rules_call_and_probabilities_stay(result):
    told = with_opinion(result, made_model(result, "normal"))
    assert told.opinion.call == "normal" and told.decision.call == "adenocarcinoma"
    assert told.decision.probabilities == result.decision.probabilities
    assert told.decision.review_reasons == (*result.decision.review_reasons, "slide-model-disagrees")
    agreed = with_opinion(result, made_model(result, "adenocarcinoma"))
    assert agreed.decision.review_reasons == result.decision.review_reasons and agreed.opinion.outcome == "single"


def test_attention_lies_on_tiles_of_good_quality_alone(result):
    told = with_opinion(result, made_model(result, "normal"))
    good = result.tiles.quality == TileQuality.GOOD
    assert np.isfinite(told.tiles.attention[good]).all() and np.isnan(told.tiles.attention[~good]).all()
    assert np.nansum(told.tiles.attention) == pytest.approx(1.0, abs=1e-5) and (~good).any()


def test_several_classes_or_none_ask_for_a_look(result):
    several = with_opinion(result, made_model(result, "adenocarcinoma", from_p=(0.0, 0.0, 0.0)))
    nothing = with_opinion(result, made_model(result, "adenocarcinoma", from_p=(1.0, 1.0, 1.0)))
    assert (several.opinion.outcome, nothing.opinion.outcome) == ("several", "none")
    assert several.opinion.sets["0.95"][0] == "adenocarcinoma" and nothing.opinion.sets["0.95"] == ()
    assert all("several-classes" in one.decision.review_reasons for one in (several, nothing))


def test_a_slide_that_cannot_be_judged_is_refused_and_gets_no_further_reason():
    refused = make_result(call="undetermined", probabilities=(np.nan,) * 3, reasons=("undetermined",))
    told = with_opinion(refused, made_model(refused, "normal"))
    assert (told.opinion.outcome, told.opinion.call) == ("refused", "") and told.opinion.sets["0.95"] == ()
    assert np.isnan(told.opinion.probabilities).all() and told.decision.review_reasons == ("undetermined",)


def test_tumour_or_none_is_compared_where_the_classes_are_others(result):
    others = ("normal", "tumour")
    assert "slide-model-disagrees" not in (
        with_opinion(result, made_model(result, "tumour", classes=others, from_p=(0.05, 0.05))).decision.review_reasons
    )
    assert "slide-model-disagrees" in (
        with_opinion(result, made_model(result, "normal", classes=others, from_p=(0.05, 0.05))).decision.review_reasons
    )
    grades = ("low", "high")
    assert "slide-model-disagrees" not in (
        with_opinion(result, made_model(result, "low", classes=grades, from_p=(0.05, 0.05))).decision.review_reasons
    )


def test_the_store_gives_it_back_and_proves_it(result, tmp_path):
    told = with_opinion(result, made_model(result, "normal"))
    path = store.save(told, tmp_path)
    again = store.load(path)
    assert again.opinion.to_dict() == told.opinion.to_dict() and store.verify(path) == []
    assert np.array_equal(again.tiles.attention, told.tiles.attention, equal_nan=True)
    assert store.result_digest(again) == store.result_digest(told) != store.result_digest(result)
    bag = bag_of_stored(path)
    assert np.array_equal(bag.features, bag_of_result(result).features) and np.allclose(
        bag.figures, bag_of_result(result).figures
    )
    next((path / "tiles" / "attention").rglob("c/0")).write_bytes(b"x")
    with pytest.raises(ResultAlteredError):
        bag_of_stored(path)


def test_a_result_without_one_is_stored_as_before(result, tmp_path):
    path = store.save(result, tmp_path)
    assert "slide_model" not in load_summary(path) and not (path / "tiles" / "attention").exists()
    assert store.load(path).opinion is None and store.load(path).tiles.attention is None


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(call="other"),
        lambda told: told.update(outcome="sure"),
        lambda told: told["sets"].update({"0.95": ["other"]}),
        lambda told: told["probabilities"].update(normal=7),
        lambda told: told.update(classes=["normal"]),
        lambda told: told.update(more=1),
        lambda told: told.pop("sha256"),
    ],
)
def test_a_stored_opinion_that_is_none_is_refused(result, tmp_path, change):
    path = store.save(with_opinion(result, made_model(result, "normal")), tmp_path)
    told = json.loads((path / "zarr.json").read_text())
    change(told["attributes"]["pulmoscope"]["slide_model"])
    (path / "zarr.json").write_text(json.dumps(told))
    with pytest.raises(StoreError):
        load_summary(path)


def test_rows_and_tables_tell_it_and_tables_without_are_as_before(result, tmp_path):
    told = with_opinion(result, made_model(result, "normal"))
    row, plain = SlideRow.of_result(told), SlideRow.of_result(replace(result, slide_id="slide-2"))
    assert row == SlideRow.of_summary("slide-1.svs", load_summary(store.save(told, tmp_path)))
    assert (row.slide_model_call, row.slide_model_set) == ("normal", ("normal",)) and row.slide_model_p > 0.9
    with_it = table_bytes([row, plain], CLASSES).decode()
    assert with_it.splitlines()[0].endswith("model,settings,slide_model_call,slide_model_p,slide_model_set")
    found, flaws = parse_table(with_it.encode())
    assert flaws == [] and found[0].slide_model_set == ("normal",) and found[1].slide_model_set == ()
    assert "slide_model" not in table_bytes([plain], CLASSES).decode()
    assert row.to_json()["slide_model_set"] == ["normal"] and "slide_model_set" not in plain.to_json()
    as_json = json.loads(json.dumps({**row.__dict__, "status": str(row.status)}))
    assert row_of_json(as_json) == row


def test_a_refused_slide_says_so_in_its_row():
    refused = make_result(call="undetermined", probabilities=(np.nan,) * 3, reasons=("undetermined",))
    row = SlideRow.of_result(with_opinion(refused, made_model(refused, "normal")))
    assert (row.slide_model_call, row.slide_model_p, row.slide_model_set) == ("", None, ("refused",))


def test_the_json_report_tells_it_and_the_tiles_that_counted_most(result):
    told = json.loads(render_json(with_opinion(result, made_model(result, "normal"))))["slide_model"]
    tiles = told["most_attended"]
    assert told["call"] == "normal" and told["sets"]["0.95"] == ["normal"] and len(tiles) == 12
    assert [one["attention"] for one in tiles] == sorted((one["attention"] for one in tiles), reverse=True)
    assert "slide_model" not in json.loads(render_json(result))


def test_features_of_another_model_are_refused(result):
    model = made_model(result, "normal")
    other = replace(result, provenance=replace(result.provenance, model=replace(result.provenance.model, sha256="00")))
    with pytest.raises(ModelError, match="other features"):
        with_opinion(other, model)


def test_the_rules_figures_need_no_attention_and_store_none(result):
    told = with_opinion(result, made_model(result, "normal", network="rule-figures"))
    assert told.opinion.call == "normal" and np.isnan(told.tiles.attention).all()
    figures = bag_of_result(result).figures
    names = figure_names(result.classes)
    assert len(figures) == len(names) and figures[names.index("log tiles")] == pytest.approx(
        np.log(len(result.tiles.votes))
    )
