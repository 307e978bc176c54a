"""A slide model from feature files to a folder and back: trained, resumed, recalibrated, refused where altered."""

import hashlib
import json

import numpy as np
import pytest

from aggregate.slide_model import train as training
from aggregate.slide_model.bags import bag_of_path
from aggregate.slide_model.fit import SlideRecipe
from aggregate.slide_model.folds import patient_folds
from aggregate.slide_model.labels import read_labelled
from aggregate.slide_model.model import load_slide_model
from aggregate.slide_model.train import SlideTraining, recalibrate, train_slides
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.files import read_card
from tests.aggregate.slide_model.features import instances, write_clam, write_stamp, write_trident
from wsi.errors import DatasetError, ModelDigestError, ModelError, ModelNotFoundError, UsageError

RECIPE = SlideRecipe(
    parameters={"width": 16, "gate": 8}, folds=2, epochs=12, min_steps=0, learning_rate=1e-2, batch_bags=4
)
SLIDES = 24


def write_slides(folder, write=write_clam, *, seed=0, count=SLIDES, patients=True):
    """Feature files of slides that are tumour, every second one, and a list of them."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    lines = ["slide,label,patient,site"]
    for i in range(count):
        write(folder / f"s{i}.h5", instances(bool(i % 2), rng))
        patient = f"patient {i // 4}-{i % 2}" if patients else ""
        lines.append(f"s{i}.svs,{('normal', 'tumour')[i % 2]},{patient},{'AB'[i // 2 % 2]}")
    (folder / "slides.csv").write_text("\n".join(lines) + "\n")
    return folder / "slides.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained model's folder, its card, what was told, and the list."""
    folder = tmp_path_factory.mktemp("slide-model")
    labels = write_slides(folder / "slides")
    notes, steps = [], []
    request = SlideTraining(labels, (folder / "slides",), folder / "model", RECIPE)
    card = train_slides(request, lambda told: steps.append(told.done), notes.append)
    return folder / "model", card, notes, steps, request


def test_it_learns_and_tells_how_it_did(model):
    folder, card, notes, steps, _ = model
    assert sorted(path.name for path in folder.iterdir()) == ["slide_model.json", "weights.npz"]
    assert card.classes == ("normal", "tumour") and card.networks == 2
    assert card.metrics["auc"]["tumour"] > 0.9 and card.metrics["slides"] == SLIDES
    assert any("95% cannot be promised for normal" in note for note in notes)
    assert set(card.sets.sets_of((0.9, 0.1))["0.95"]) == {0, 1}  # twelve patients at most: nothing can be left out
    assert steps == sorted(steps) and steps[-1] == 1.0
    told = (folder / "slide_model.json").read_text()
    assert "patient 1" not in told and '"s1"' not in told and "site 1 is A; site 2 is B" in notes


def test_the_folder_gives_the_same_answers_as_what_was_trained(model):
    folder, card, _, _, request = model
    loaded = load_slide_model(folder)
    assert loaded.card == card and loaded.card.digest == card.digest
    bag = bag_of_path(request.results[0] / "s1.h5")
    opinion = loaded.opinion(bag)
    assert opinion.call == "tumour" and sum(opinion.probabilities) == pytest.approx(1.0)
    assert opinion.attention.shape == (len(bag),) and opinion.attention.sum() == pytest.approx(1.0, abs=1e-4)
    assert opinion.attention[:2].sum() > 2 / len(bag)


@pytest.mark.parametrize("write", [write_trident, write_stamp])
def test_every_layout_trains_and_predicts(tmp_path, write):
    labels = write_slides(tmp_path / "slides", write, count=16)
    request = SlideTraining(labels, (tmp_path / "slides",), tmp_path / "model", RECIPE)
    card = train_slides(request)
    model = load_slide_model(tmp_path / "model")
    assert card.source.encoder == ("uni2" if write is write_stamp else "")
    assert model.opinion(bag_of_path(tmp_path / "slides" / "s3.h5")).outcome in ("single", "several")


def test_a_training_that_was_killed_goes_on_with_the_next_fold(tmp_path, monkeypatch, model):
    labels = model[4].labels
    request = SlideTraining(labels, model[4].results, tmp_path / "model", RECIPE)
    seen = []
    real = training.fit_network

    def killed(recipe, lesson, learn, stop, seed, told):
        seen.append(seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(recipe, lesson, learn, stop, seed, told)

    monkeypatch.setattr(training, "fit_network", killed)
    with pytest.raises(KeyboardInterrupt):
        train_slides(request)
    with pytest.raises(ModelNotFoundError):
        load_slide_model(tmp_path / "model")
    card = train_slides(request)
    assert seen == [7, 8, 8]  # the first fold was not trained again
    assert np.array_equal(
        load_slide_model(tmp_path / "model").arrays["1/embed"], load_slide_model(model[0]).arrays["1/embed"]
    )
    assert card.files["weights.npz"] == model[1].files["weights.npz"]


def test_recalibrating_keeps_the_networks_and_sets_the_rest_anew(tmp_path, model):
    labels = write_slides(tmp_path / "slides", seed=5, count=80, patients=False)
    request = SlideTraining(labels, (tmp_path / "slides",), tmp_path / "new")
    card = recalibrate(model[0], request)
    again = load_slide_model(tmp_path / "new")
    assert card.files == model[1].files and again.card.sets != model[1].sets
    assert all(bound.is_promised and bound.patients == 40 for bound in again.card.sets.bounds["0.95"])
    assert card.training["recalibrated"]["of"] == model[1].digest
    with pytest.raises(UsageError):
        recalibrate(model[0], request)


def test_folds_keep_patients_whole_and_spread_the_classes():
    labels = np.arange(40) % 2
    patients = [f"p{i // 4}-{i % 2}" for i in range(40)]
    folds = patient_folds(labels, patients, 5, seed=1)
    assert all(len({folds[i] for i in range(40) if patients[i] == name}) == 1 for name in patients)
    assert all(len(set(labels[folds == fold])) == 2 for fold in range(5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,class\ns0,a\n", "columns"),
        ("slide,label\ns0,normal\ns0.svs,tumour\n", "label already"),
        ("slide,label\ns0,normal\n", "two classes"),
        ("slide,label\ns0,=cmd()\ns1,b\n", "cannot be a class"),
        ("slide,label\ns0,\n", "no slide, or no label"),
        ("slide,label\ns0,a,b,c\n", "no CSV"),
        ("slide,label\ns0,normal\ns1,tumour\n", "take[s]? 4 of each"),
    ],
)
def test_a_list_that_cannot_do_is_refused_in_one_line(tmp_path, model, text, words):
    (tmp_path / "labels.csv").write_text(text)
    request = SlideTraining(tmp_path / "labels.csv", model[4].results, tmp_path / "model", RECIPE)
    with pytest.raises(DatasetError, match=words) as raised:
        train_slides(request)
    assert "\n" not in str(raised.value)


def test_slides_without_features_are_told_and_left_out(tmp_path, model):
    listed = model[4].labels.read_text() + "elsewhere.svs,tumour,p9,A\n"
    (tmp_path / "labels.csv").write_text(listed)
    notes = []
    found = read_labelled(tmp_path / "labels.csv", model[4].results, notes.append)
    assert len(found.slides) == SLIDES and any("1 of 25 labelled slides have no result" in note for note in notes)


def test_a_case_is_the_group_where_no_patient_is_told(tmp_path, model):
    listed = [line.split(",") for line in model[4].labels.read_text().splitlines()[1:]]
    slides = [(cells[0], cells[1]) for cells in listed]
    text = "slide,label,case\n" + "".join(f"{name},{label},{'C1' if at < 2 else ''}\n" for at, (name, label) in
                                         enumerate(slides))  # fmt: skip
    (tmp_path / "labels.csv").write_text(text)
    notes = []
    alone = read_labelled(tmp_path / "labels.csv", model[4].results, notes.append)
    told = {slide.slide_id: slide.patient for slide in alone.slides}
    assert len(set(told.values())) == SLIDES - 1 and any("each case counts as one" in note for note in notes)
    assert not alone.has_patients
    of_run = dict.fromkeys([slide.slide_id for slide in alone.slides][2:5], "~case-0123456789ab")
    both = read_labelled(tmp_path / "labels.csv", model[4].results, notes.append, cases=of_run)
    assert len({slide.patient for slide in both.slides} & set(told.values())) >= SLIDES - 5
    assert len({slide.patient for slide in both.slides if slide.slide_id in of_run}) <= 2
    patients = read_labelled(model[4].labels, model[4].results, notes.append, cases=of_run)
    assert patients.patients == read_labelled(model[4].labels, model[4].results, notes.append).patients


def test_features_of_two_encoders_are_not_mixed(tmp_path, model):
    write_stamp(tmp_path / "other.h5", np.ones((5, 6)))
    loaded = load_slide_model(model[0])
    with pytest.raises(ModelError, match="other features"):
        loaded.opinion(bag_of_path(tmp_path / "other.h5"))
    (tmp_path / "labels.csv").write_text(model[4].labels.read_text() + "other,tumour,p9,A\n")
    request = SlideTraining(tmp_path / "labels.csv", (*model[4].results, tmp_path), tmp_path / "model", RECIPE)
    with pytest.raises(DatasetError, match="another model or encoder"):
        train_slides(request)


# --- hostile folders


def _copied(model, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in model[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _change(folder, change):
    """Changes the card, and its digest stays that of whoever signs nothing: only the weights are bound to it."""
    told = json.loads((folder / "slide_model.json").read_text())
    change(told)
    (folder / "slide_model.json").write_text(json.dumps(told))


def test_a_changed_byte_of_the_weights_is_refused(tmp_path, model):
    folder = _copied(model, tmp_path)
    content = bytearray((folder / "weights.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "weights.npz").write_bytes(content)
    with pytest.raises(ModelDigestError):
        load_slide_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(format=2),
        lambda told: told.update(classes=["normal"]),
        lambda told: told.update(classes=["normal", "normal"]),
        lambda told: told.update(classes=["normal", "a/../b"]),
        lambda told: told["network"].update(name="os.system"),
        lambda told: told["network"].update(count=10**9),
        lambda told: told["network"]["parameters"].update(width=10**9),
        lambda told: told["network"]["parameters"].update(width=32),
        lambda told: told["features"].update(dimension=-1),
        lambda told: told["features"].update(dimension=7),
        lambda told: told.update(head="pickle"),
        lambda told: told.update(calibration={"method": "isotonic"}),
        lambda told: told.update(sets=[1]),
        lambda told: told.update(name="../../etc"),
        lambda told: told["files"].update({"more.npz": "00"}),
        lambda told: told.update(files={}),
        lambda told: told.pop("sets"),
    ],
)
def test_a_card_that_is_none_is_refused(tmp_path, model, change):
    folder = _copied(model, tmp_path)
    _change(folder, change)
    with pytest.raises(ModelError) as raised:
        load_slide_model(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, model, value):
    folder = _copied(model, tmp_path)
    arrays = unpack_arrays((folder / "weights.npz").read_bytes(), "weights.npz")
    arrays["0/embed"][0, 0] = value
    content = pack_arrays(arrays)
    (folder / "weights.npz").write_bytes(content)
    _change(folder, lambda told: told.update(files={"weights.npz": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(ModelError, match="not such as its card asks"):
        load_slide_model(folder)


def test_strangers_links_and_other_folders_are_refused(tmp_path, model):
    folder = _copied(model, tmp_path)
    (folder / "weights.pkl").write_bytes(b"x")
    with pytest.raises(ModelError, match="can carry code"):
        load_slide_model(folder)
    (folder / "weights.pkl").unlink()
    (folder / "weights.npz").rename(tmp_path / "elsewhere")
    (folder / "weights.npz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError):
        load_slide_model(folder)
    with pytest.raises(ModelNotFoundError, match="train-slides"):
        load_slide_model(tmp_path)
    with pytest.raises(ModelError, match="--slide-model"):
        read_card(model[0])
