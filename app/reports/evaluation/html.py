"""The pieces that an evaluation page is made of: style, sections, tables. Escapes all text; knows no figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# `-100.0 (-100.0 to -100.0)` and what is shorter.
_LONGEST_FIGURE = 26

STYLE = """
:root { color-scheme: light; }
html { font-size: 16px; }
body { font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 58rem;
  margin: 2rem auto 4rem; padding: 0 1.25rem; color: #1d2530; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; padding-top: .6rem; border-top: 1px solid #d5dbe3; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .5rem 0; max-width: 46rem; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .28rem .9rem .28rem 0; border-bottom: 1px solid #e3e7ed; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #8a94a3; font-weight: 600; }
tbody th { font-weight: 400; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.number.worded { white-space: normal; min-width: 7rem; }
th:last-child, td:last-child { padding-right: 0; }
thead th, thead th.number { vertical-align: bottom; white-space: normal; }
tr.beside th, tr.beside td { color: #566070; font-size: .86rem; border-bottom-color: #c4ccd6; }
tr.strong th, tr.strong td { font-weight: 600; }
.glance { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0;
  padding: 0; list-style: none; }
.glance li { border: 1px solid #d5dbe3; border-radius: 6px; padding: .6rem .8rem; }
.glance b { display: block; font-size: 1.3rem; line-height: 1.3; white-space: nowrap; }
.glance small { color: #566070; display: block; line-height: 1.35; }
.note { background: #fff6dd; border-left: 4px solid #b57b00; padding: .5rem .9rem; max-width: none; }
.small, small { font-size: .86rem; }
.charts { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem 1.5rem; margin: .8rem 0; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .86rem; color: #566070; max-width: 23rem; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font-family: inherit; fill: #1d2530; }
.columns { columns: 2; column-gap: 2.5rem; font-size: .86rem; padding-left: 0; list-style: none; margin: .4rem 0; }
.columns li { break-inside: avoid; padding-left: 2.4rem; text-indent: -2.4rem; }
.columns b { display: inline-block; width: 2.4rem; text-indent: 0; font-weight: 600; }
@page { margin: 16mm 15mm; }
@media screen { .table { overflow-x: auto; } }
@media print {
  html { font-size: 12px; }
  body { font-size: 1rem; margin: 0; padding: 0; max-width: none; }
  h2, h3, caption, section > p { break-after: avoid; }
  p, tr, .glance li { break-inside: avoid; }
  th, td { padding-top: .16rem; padding-bottom: .16rem; }
  .charts { flex-wrap: nowrap; }
  .charts figure { flex: 0 1 46%; }
  figure > svg { max-height: 21rem; width: auto; }
  .note { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document; `parts` are HTML already."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'


def section(heading: str, *parts: str) -> str:
    """`parts` are HTML already; an empty one leaves no trace."""
    return "\n".join([f"<section><h2>{escape(heading)}</h2>", *(part for part in parts if part), "</section>"])


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def chart(svg: str, caption: str) -> str:
    """A drawing with words below it."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", text_columns: int = 1) -> str:
    """The first `text_columns` columns hold words, the others numbers, set to the right."""
    return table_of_marked(header, (("", row) for row in rows), caption=caption, text_columns=text_columns)


def table_of_marked(
    header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], *, caption: str = "", text_columns: int = 1
) -> str:
    """As `table`; each row comes with a class of the style sheet, or ""."""
    head = "".join(
        f"<th>{escape(cell)}</th>" if i < text_columns else f'<th class="number">{escape(cell)}</th>'
        for i, cell in enumerate(header)
    )
    body = "\n".join(_row(kind, cells, text_columns) for kind, cells in rows)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    inside = f"{above}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody>"
    return f'<div class="table"><table>{inside}</table></div>'


def _number_kind(cell: str) -> str:
    """A figure with its interval stays on one line; one that is explained would push its neighbours off the page."""
    return "number" if len(cell) <= _LONGEST_FIGURE else "number worded"


def _row(kind: str, cells: Sequence[str], text_columns: int) -> str:
    first, *rest = cells
    kinds = ("text" if i < text_columns else _number_kind(cell) for i, cell in enumerate(rest, 1))
    marked = "".join(f'<td class="{name}">{escape(cell)}</td>' for name, cell in zip(kinds, rest, strict=True))
    opening = f'<tr class="{kind}">' if kind else "<tr>"
    return f"{opening}<th>{escape(first)}</th>{marked}</tr>"
