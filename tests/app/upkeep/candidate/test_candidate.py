"""From signed regions to a model that counts: retrained, judged, promoted, rolled back; and what must be stopped."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial

import pytest

from app.commands.terminal.options import model_name
from app.upkeep.candidate.gate import gate_bytes, judge, read_gate
from app.upkeep.candidate.registry import REGISTRY_VARIABLE, Registry
from app.upkeep.candidate.retrain import RetrainRequest, retrain
from app.upkeep.learning.learning_set import LearningSet
from classifier.dataset.tile_list import read_tile_set
from classifier.model import load_model
from classifier.model_folder.files import read_card
from tests.app.upkeep.candidate.foreign import foreign_stripes, learned, locked_list
from tests.classifier.tiles import pattern, tiny_model, tiny_tiles
from wsi.errors import DatasetError, ModelNotFoundError, OutputBusyError, PulmoscopeError, StoreError, UsageError


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory):
    """A base, a list to replay, locked tiles of the first laboratory, and a learning set of the second."""
    folder = tmp_path_factory.mktemp("upkeep")
    drawn = {label: partial(pattern, label) for label in ("checks", "dots", "stripes")}
    locked = locked_list(folder / "locked", drawn)
    return folder, read_tile_set(locked), learned(folder / "learning")


def trained(at_hand, name, learning):
    folder, _, _ = at_hand
    out = folder / name
    retrain(RetrainRequest(str(tiny_model()), learning, tiny_tiles(), out))
    return out


@pytest.fixture(scope="module")
def candidate(at_hand):
    return trained(at_hand, "candidate", at_hand[2])


@pytest.fixture(scope="module")
def report(at_hand, candidate):
    return judged(at_hand, candidate, at_hand[2])


def judged(at_hand, candidate, learning):
    corrected = read_tile_set(learning / "tiles.csv", fewest_classes=1).of_split("test")
    return judge(load_model(str(tiny_model())), load_model(str(candidate)), at_hand[1], corrected)


@pytest.fixture
def gate(report, tmp_path):
    path = tmp_path / "gate.json"
    path.write_bytes(gate_bytes(report))
    return path


def test_a_candidate_learns_what_was_signed_and_forgets_nothing(report):
    told = {check.name: check for check in report.checks}
    assert report.passed, report.lines()
    assert told["corrected"].base < 0.5 < 0.9 < told["corrected"].candidate
    assert told["locked"].candidate >= told["locked"].base - 0.02
    assert {"class:checks", "class:dots", "class:stripes", "laboratories:mild", "laboratories:strong"} <= told.keys()


def test_its_card_tells_what_it_learned_from(candidate, at_hand):
    card = read_card(candidate)
    told = card.metrics["further"]
    assert told["learning"]["regions"] == 20 and told["replayed_tiles"] > 0
    assert told["base"].endswith(read_card(tiny_model()).digest)
    standing = LearningSet(at_hand[2]).standing()
    assert card.digest in standing.models_of(frozenset(standing.regions))


def test_tiles_that_judge_are_not_learned_from(candidate, at_hand):
    listed = read_tile_set(at_hand[2] / "tiles.csv", fewest_classes=1)
    learned_from = read_card(candidate).metrics["further"]["learned_tiles"]
    assert 0 < len(listed.of_split("test")) == len(listed) - learned_from


def test_a_base_that_would_be_forgotten_is_refused(at_hand, tmp_path):
    lacking = tmp_path / "tiles.csv"
    lines = tiny_tiles().read_text().splitlines()
    lacking.write_text("\n".join(line for line in lines if "dots" not in line))
    for path in tiny_tiles().parent.glob("*.png"):
        shutil.copy(path, tmp_path)
    with pytest.raises(DatasetError, match="none of dots"):
        retrain(RetrainRequest(str(tiny_model()), at_hand[2], lacking, tmp_path / "out"))


def test_wrong_labels_are_stopped_by_the_gate(at_hand, tmp_path):
    """Readers who sign most of them as something else: what they judge by is as wrong as what they taught, so it is the
    locked tiles of the right kind that show it."""
    folder, _, _ = at_hand
    poisoned = learned(tmp_path / "poisoned", slides=30, wrong=1.0, seed=4)
    bad = trained(at_hand, "poisoned-candidate", poisoned)
    right = {label: partial(pattern, label) for label in ("checks", "dots", "stripes")}
    locked = locked_list(tmp_path / "with-stripes", {**right, "stripes": foreign_stripes})
    base, worse = load_model(str(tiny_model())), load_model(str(bad))
    corrected = read_tile_set(at_hand[2] / "tiles.csv", fewest_classes=1).of_split("test")
    report = judge(base, worse, read_tile_set(locked), corrected)
    assert not report.passed
    assert shutil.rmtree(folder / "poisoned-candidate") is None


def test_the_base_is_no_candidate(at_hand):
    base = load_model(str(tiny_model()))
    with pytest.raises(UsageError, match="is the base"):
        judge(base, base, at_hand[1], at_hand[1])


def test_without_corrected_tiles_nothing_shows_that_it_is_better(at_hand, candidate):
    nothing = at_hand[1].of_split("test")
    report = judge(load_model(str(tiny_model())), load_model(str(candidate)), at_hand[1], nothing)
    assert not report.passed and [check.name for check in report.checks if not check.passed] == ["corrected"]


def test_a_report_that_was_altered_is_refused(gate):
    told = json.loads(gate.read_text())
    gate.write_text(json.dumps({**told, "passed": True, "locked_sha256": "0" * 64}))
    with pytest.raises(UsageError, match="altered"):
        read_gate(gate)


def promote(registry, candidate, gate, by="Anna Reader"):
    return Registry(registry).promote(candidate, gate, by, base=str(tiny_model()))


def test_a_person_promotes_and_goes_back(candidate, gate, tmp_path, monkeypatch):
    registry, name = tmp_path / "registry", read_card(tiny_model()).name
    made = promote(registry, candidate, gate)
    assert (made.version, made.by, made.event) == (2, "Anna Reader", "promoted")
    monkeypatch.setenv(REGISTRY_VARIABLE, str(registry))
    assert read_card(model_path(f"{name}@current")).digest == read_card(candidate).digest
    assert read_card(model_path(f"{name}@1")).digest == read_card(tiny_model()).digest
    back = Registry(registry).roll_back(f"{name}@1", "Bert Reviewer")
    assert (back.version, back.event) == (1, "rolled-back")
    assert read_card(model_path(f"{name}@current")).digest == read_card(tiny_model()).digest
    with pytest.raises(UsageError, match="counts already"):
        Registry(registry).roll_back(f"{name}@1", "Bert Reviewer")
    with pytest.raises(ModelNotFoundError, match="it holds"):
        model_path(f"{name}@7")


def model_path(address):
    from pathlib import Path

    return Path(model_name(address))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda told: {**told, "passed": False}, "did not pass"),
        (lambda told: {**told, "candidate": {"name": "other", "sha256": "1" * 64}}, "another model"),
        (lambda told: {**told, "base": {"name": told["base"]["name"], "sha256": "1" * 64}}, "not the model"),
    ],
    ids=["failed", "another", "another base"],
)
def test_what_its_gate_does_not_allow_is_not_promoted(candidate, gate, tmp_path, spoil, said):
    from app.review.canonical import digest

    told = spoil({name: value for name, value in json.loads(gate.read_text()).items() if name != "sha256"})
    gate.write_text(json.dumps({**told, "sha256": digest(told)}))
    with pytest.raises(UsageError, match=said):
        promote(tmp_path / "registry", candidate, gate)
    assert Registry(tmp_path / "registry").entries() == []


def test_nobody_promotes_without_a_name(candidate, gate, tmp_path):
    with pytest.raises(UsageError, match="by a person"):
        promote(tmp_path / "registry", candidate, gate, by=" ")


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(candidate, gate, tmp_path):
    registry, told = tmp_path / "registry", []
    ready = threading.Barrier(2)

    def one(by):
        ready.wait()
        try:
            told.append(promote(registry, candidate, gate, by))
        except PulmoscopeError as error:
            told.append(error)

    threads = [threading.Thread(target=one, args=(by,)) for by in ("Anna Reader", "Bert Reviewer")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    errors = [one for one in told if isinstance(one, PulmoscopeError)]
    assert len(errors) == 1 and isinstance(errors[0], OutputBusyError | UsageError)
    assert [entry.version for entry in Registry(registry).entries()] == [1, 2]


def test_a_model_that_was_changed_in_the_registry_is_told(candidate, gate, tmp_path):
    registry = tmp_path / "registry"
    entry = promote(registry, candidate, gate)
    shutil.rmtree(registry / f"{entry.name}@2")
    shutil.copytree(registry / f"{entry.name}@1", registry / f"{entry.name}@2")
    with pytest.raises(StoreError, match="not the model that was promoted"):
        Registry(registry).find(f"{entry.name}@2")


def test_killed_at_any_step_a_registry_is_whole(candidate, gate, tmp_path):
    """The process is ended at each rename, copy and write in turn; the next promotion goes through."""
    code = (
        "import os, sys, shutil, pathlib\n"
        "from tests.app.upkeep.candidate.test_candidate import promote, tiny_model\n"
        "from pathlib import Path\n"
        "base, stop, count = Path(sys.argv[4]), int(sys.argv[5]), 0\n"
        "def watch(event, words):\n"
        "    global count\n"
        "    if event in ('os.rename', 'shutil.copytree', 'os.truncate') or (\n"
        "            event == 'open' and sys.argv[1] in str(words[0])):\n"
        "        count += 1\n"
        "        if count == stop: os._exit(9)\n"
        "from app.upkeep.candidate.registry import Registry\n"
        "sys.addaudithook(watch)\n"
        "Registry(Path(sys.argv[1])).promote(Path(sys.argv[2]), Path(sys.argv[3]), 'Anna Reader', base=str(base))\n"
    )
    ended = []
    for stop in (1, 3, 6, 10, 14, 18, 24, 30):
        registry = tmp_path / f"registry-{stop}"
        words = [registry, candidate, gate, tiny_model(), stop]
        done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, env=os.environ)
        ended.append(done.returncode)
        versions = [entry.version for entry in Registry(registry).entries()]
        assert versions in ([], [1], [1, 2]), done.stderr
        if versions != [1, 2]:
            assert promote(registry, candidate, gate).version == 2
        assert read_card(Registry(registry).find(f"{read_card(tiny_model()).name}@current")).digest == (
            read_card(candidate).digest
        )
    assert 9 in ended


def test_two_retrainings_of_one_set_give_one_model(at_hand, candidate):
    again = trained(at_hand, "again", at_hand[2])
    first, second = read_card(candidate), read_card(again)
    assert first.files == second.files
