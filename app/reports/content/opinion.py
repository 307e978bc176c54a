"""What a report tells of a slide model, where one was asked beside the rule."""

from __future__ import annotations

from aggregate.result import SlideResult
from app.presentation import figures, words
from app.presentation.language import tell
from app.reports.content.model import Section
from wsi.text import plain


def opinion_section(result: SlideResult) -> Section:
    """Probabilities and sets; no rows where no slide model was asked."""
    opinion, title = result.opinion, tell("Slide model, beside the call above")
    if opinion is None:
        return Section(title, ())
    rows = [(tell("Model"), plain(f"{opinion.name} {opinion.version}"))]
    if not opinion.call:
        return Section(title, (*rows, (tell("Answer"), tell("refused: the tissue could not be judged"))))
    shares = zip(opinion.classes, opinion.probabilities, strict=True)
    rows += [(tell("Probability of {name}", name=words.class_title(name)), figures.percent(p)) for name, p in shares]
    for level, names in sorted(opinion.sets.items()):
        told = ", ".join(words.class_title(name) for name in names) or tell("none: the slide is unlike each class")
        rows.append((tell("Cannot be left out, {share} promised", share=figures.percent(float(level))), told))
    return Section(title, tuple(rows))
