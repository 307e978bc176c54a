"""What corrected slides of a second laboratory bring there, and cost at the first (docs/learning.md):
`python -m benchmarks.learning_curves TILES CACHE [--draws N]`.

TILES is `lung_sources --final`'s list, CACHE a folder for features; `benchmarks.second_laboratory` says what the two
laboratories are. Half of the second laboratory's slides, drawn anew each time, may be corrected, the others judge.
Prints the share of tiles that are right before and after, with what the base learned from beside them and without; then
what the gate says of corrections of which a share is wrong, and of candidates that forget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.upkeep.candidate.contradicted import contradictions, too_many
from app.upkeep.candidate.gate import Check, corrected_check, locked_checks
from app.upkeep.learning.record import JUDGING
from benchmarks.second_laboratory import Head, Scene, Tiles, arguments, scenes
from classifier.calibrate import softmax
from classifier.evaluation.intervals import difference
from classifier.familiarity import THRESHOLD, Familiarity
from classifier.training.package import fit_known_tissue
from classifier.training.packaged.replay.head import BIAS, KERNEL, Learned
from classifier.training.probe import DECAY

COUNTS = (5, 20, 50)
WRONG = (0.1, 0.3)
_CURVE = (
    "| corrected | replay | second laboratory, unseen slides | first laboratory | of it, 95% interval |\n"
    "| --- | --- | --- | --- | --- |"
)
_POISONED = (
    "| corrections | draw | second laboratory, truly | first | gate | fails at |\n| --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    found = []
    for scene in scenes(asked.tiles, asked.cache):
        found.append(scene)
        slides = len(np.unique(scene.second.groups))
        print(f"\n{scene.name}: {slides} slides, {len(scene.second.labels)} tiles\n\n{_CURVE}", flush=True)
        for line in curve(scene, asked.draws):
            print(line, flush=True)
    for scene in found:
        print(f"\n{scene.name}\n\n{_POISONED}", flush=True)
        for line in poisoned(scene, asked.draws):
            print(line, flush=True)


def halves(scene: Scene, draw: int) -> tuple[list[str], Tiles, Tiles]:
    """Slides that may be corrected, in the order of their correction; the second laboratory's other tiles; and the
    first's, none of a slide that may be corrected."""
    names = np.unique(scene.second.groups)
    order = [str(names[i]) for i in np.random.default_rng(draw).permutation(len(names))]
    half = order[: max(len(order) // 2, min(max(COUNTS), len(order) - 20))]
    judged = scene.second.of(~np.isin(scene.second.groups, half))
    return half, judged, scene.first.of(~np.isin(scene.first.groups, half))


def curve(scene: Scene, draws: int) -> Iterator[str]:
    drawn = [halves(scene, draw) for draw in range(draws)]
    most = min(len(half) for half, _, _ in drawn)
    counts = [count for count in COUNTS if count <= most] + ([most] if most < max(COUNTS) else [])
    yield _line("0", "", scene, drawn, [scene.base] * draws)
    for count in counts:
        taken = [scene.second.of_groups(half[:count]).learned(scene.replay.classes) for half, _, _ in drawn]
        yield _line(f"{count}", "with", scene, drawn, [scene.trained(learned) for learned in taken])
        yield _line(f"{count}", "without", scene, drawn, [forgetful(scene, learned) for learned in taken])


def _line(count: str, replay: str, scene: Scene, drawn: list[tuple[list[str], Tiles, Tiles]], heads: list[Head]) -> str:
    second = [scene.judged(head, judged).right.mean() for head, (_, judged, _) in zip(heads, drawn, strict=True)]
    first = [scene.judged(head, own).right.mean() for head, (_, _, own) in zip(heads, drawn, strict=True)]
    losses = [
        difference(scene.judged(head, own).right, scene.judged(scene.base, own).right, own.groups)
        for head, (_, _, own) in zip(heads, drawn, strict=True)
    ]
    ends = "; ".join(f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})" for one in losses)
    return f"| {count} | {replay} | {_told(second)} | {_told(first)} | {ends if replay else ''} |"


def _told(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def forgetful(scene: Scene, learned: Learned) -> Head:
    """The base's last layer trained on corrections alone, until it fits them: nothing replayed."""
    from scipy.optimize import minimize

    index = {name: number for number, name in enumerate(scene.replay.classes)}
    labels = np.array([index[label] for label, _, _ in learned.names])
    features = learned.features.astype(np.float64)
    start = np.concatenate([scene.base[KERNEL], scene.base[BIAS][None]]).astype(np.float64)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        layer = flat.reshape(start.shape)
        p = softmax(features @ layer[:-1] + layer[-1]).astype(np.float64)
        slope = p.copy()
        slope[np.arange(len(labels)), labels] -= 1
        likelihood = -np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12)).mean()
        gradient = np.concatenate([features.T @ slope / len(labels) + DECAY * layer[:-1], slope.mean(axis=0)[None]])
        return float(likelihood + DECAY / 2 * (layer[:-1] ** 2).sum()), gradient.reshape(-1)

    found = minimize(loss, start.reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    layer = found.reshape(start.shape).astype(np.float32)
    return {KERNEL: layer[:-1], BIAS: layer[-1]}


def poisoned(scene: Scene, draws: int) -> Iterator[str]:
    """All that may be corrected is, a share of it wrongly: at random, or one class always as another. What judges the
    corrections is as wrong as what teaches."""
    for draw in range(draws):
        half, unseen, own = halves(scene, draw)
        taught = scene.second.of_groups([name for name in half if not _judges(name)])
        judging = scene.second.of_groups([name for name in half if _judges(name)])
        for words, spoil in _ways(scene, draw):
            labels = spoil(taught)
            learned = taught.learned(scene.replay.classes, labels)
            signed = replace(taught, labels=labels), replace(judging, labels=spoil(judging))
            yield _gated(f"{words} | {draw + 1}", scene, learned, signed, unseen, own, scene.trained(learned))
        learned = taught.learned(scene.replay.classes)
        head = forgetful(scene, learned)
        signed = taught, judging
        yield _gated(f"right, nothing replayed | {draw + 1}", scene, learned, signed, unseen, own, head)


def _ways(scene: Scene, draw: int):  # type: ignore[no-untyped-def]
    yield "all right", lambda tiles: tiles.labels
    for share in WRONG:
        yield f"{share:.0%} wrong at random", lambda tiles, share=share: _at_random(tiles, share, scene, draw)
    for share in WRONG:
        yield f"{share:.0%} wrong in one way", lambda tiles, share=share: _one_way(tiles, share, scene, draw)


def _at_random(tiles: Tiles, share: float, scene: Scene, draw: int) -> NDArray[np.int64]:
    """Of a share of slides each class is signed as another, whichever."""
    rng = np.random.default_rng(1000 + draw)
    labels, names = tiles.labels.copy(), np.unique(tiles.groups)
    known = np.unique(scene.second.labels)
    for name in rng.choice(names, round(share * len(names)), replace=False):
        of_slide = tiles.groups == name
        for label in np.unique(tiles.labels[of_slide]):
            labels[of_slide & (tiles.labels == label)] = rng.choice(known[known != label])
    return labels


def _one_way(tiles: Tiles, share: float, scene: Scene, draw: int) -> NDArray[np.int64]:
    """A share of slides is signed as the second laboratory's second class in number, whatever they show."""
    rng = np.random.default_rng(2000 + draw)
    labels, names = tiles.labels.copy(), np.unique(tiles.groups)
    second = int(np.argsort(-np.bincount(scene.second.labels), kind="stable")[1])
    wrong = rng.choice(names, round(share * len(names)), replace=False)
    labels[np.isin(tiles.groups, wrong)] = second
    return labels


def _judges(name: str) -> bool:
    """As `LearnedRegion.split` sets groups aside."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % JUDGING == 0


def _gated(
    words: str,
    scene: Scene,
    learned: Learned,
    signed: tuple[Tiles, Tiles],
    unseen: Tiles,
    own: Tiles,
    head: Head,
) -> str:
    """`signed` are the tiles that taught and those that judge the corrections, labelled as they were signed."""
    known = _known_after(scene, learned)
    failed = [check.name for check in _checks(scene, head, known, own, signed[1]) if not check.passed]
    found = [_contradicted(head, known, tiles) for tiles in signed]
    against, claims = sum(one for one, _ in found), sum(all_ for _, all_ in found)
    failed += [f"contradicted ({against} of {claims})"] * too_many(against, claims)
    second, first = scene.judged(head, unseen).right.mean(), scene.judged(head, own).right.mean()
    before = scene.judged(scene.base, unseen).right.mean()
    verdict = "stopped" if failed else "passed"
    return f"| {words} | {before:.3f} -> {second:.3f} | {first:.3f} | {verdict} | {', '.join(failed)} |"


def _checks(scene: Scene, head: Head, known: Familiarity, own: Tiles, signed: Tiles) -> Iterator[Check]:
    """The gate's, but for the shown laboratories, which ask for pixels."""
    before, after = scene.judged(scene.base, own), scene.judged(head, own, known)
    labels = [scene.replay.classes[label] for label in own.labels]
    yield from locked_checks(before, after, labels, own.groups)
    yield corrected_check(scene.judged(scene.base, signed), scene.judged(head, signed, known), signed.groups)


def _contradicted(head: Head, known: Familiarity, signed: Tiles) -> tuple[int, int]:
    """How many claims the candidate tells otherwise, of how many; a claim is a slide and what it was signed as."""
    plain = signed.features[0]
    told = (plain @ head[KERNEL] + head[BIAS]).argmax(axis=1)
    claims = list(zip(signed.groups.tolist(), signed.labels.tolist(), strict=True))
    recognised = np.asarray(known.of(plain) >= THRESHOLD, np.bool_)
    return len(contradictions(told, recognised, signed.labels, claims)), len(set(claims))


def _known_after(scene: Scene, learned: Learned) -> Familiarity:
    """Familiarity as `retrain` fits it again."""
    old, held = scene.replay.part(held=False), scene.replay.part(held=True)
    index = {name: number for number, name in enumerate(scene.replay.classes)}
    labels = np.concatenate([old.labels, [index[label] for label, _, _ in learned.names]])
    features = np.concatenate([old.features, learned.features])
    return fit_known_tissue(features, labels, held.features, held.groups, scene.config.false_alarm_rate)


if __name__ == "__main__":
    main()
