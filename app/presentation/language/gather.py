"""Gathers the texts that pass `tell`, brings catalogs up to date, and compiles them.

`python -m app.presentation.language.gather` does all of it.
Texts that went keep no translation; new ones wait for theirs, and a test fails until they have it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from app.presentation.language import FOLDER, LANGUAGES
from app.presentation.language.catalog import Entry, compile_mo, format_po, parse_po

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("app/presentation", "app/reports", "app/review/words.py", "app/upkeep/drift")
_CALLS = {"tell": 1, "said": 1, "Reason": 3, "tell_count": 2}
_IN_TEMPLATES = re.compile(r'\btell\(\s*("(?:[^"\\]|\\.)*")')


def gathered(root: Path = ROOT) -> dict[str, Entry]:
    """Every text by itself, in the order of files and lines."""
    found: dict[str, Entry] = {}
    for source in SOURCES:
        path = root / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix == ".py":
                for entry in _of_module(ast.parse(file.read_text(encoding="utf-8"))):
                    found.setdefault(entry.text, entry)
            elif file.suffix == ".html":
                for text in _IN_TEMPLATES.findall(file.read_text(encoding="utf-8")):
                    found.setdefault(ast.literal_eval(text), Entry(ast.literal_eval(text)))
    return found


def brought_up_to_date(found: dict[str, Entry], known: dict[str, Entry]) -> list[Entry]:
    """The texts that were found, with the translations that are known."""
    return [
        Entry(one.text, one.plural, known[one.text].translations if one.text in known else ()) for one in found.values()
    ]


def _of_module(tree: ast.Module) -> Iterator[Entry]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            texts = [
                one.value
                for one in node.args[: _CALLS[node.func.id]]
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if node.func.id == "tell_count":
                yield Entry(texts[0], texts[1])
            else:
                yield from (Entry(text) for text in texts if text)


def main() -> int:
    found = gathered()
    for language in LANGUAGES:
        if language == "en":
            continue
        po = FOLDER / f"{language}.po"
        known = parse_po(po.read_text(encoding="utf-8")) if po.exists() else {}
        entries = brought_up_to_date(found, known)
        po.write_text(format_po(entries, language), encoding="utf-8")
        (FOLDER / f"{language}.mo").write_bytes(compile_mo({one.text: one for one in entries}))
        missing = [one.text for one in entries if not one.is_whole]
        print(f"{language}: {len(entries)} texts, {len(missing)} without a translation", *missing, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
