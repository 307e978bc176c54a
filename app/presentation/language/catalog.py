"""Catalogs as files: GNU gettext's `.po`, which people write, and `.mo`, which is read when a text is told."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MAGIC = 0x950412DE
_HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"


@dataclass(frozen=True)
class Entry:
    """A text and its translations: two where it has a plural, else one; empty where none was written yet."""

    text: str
    plural: str = ""
    translations: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return len(self.translations) == (2 if self.plural else 1) and all(self.translations)


def parse_po(content: str) -> dict[str, Entry]:
    """The entries of a catalog by their texts, without its header. Raises ValueError on what is no catalog."""
    entries: dict[str, Entry] = {}
    for block in content.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("msg"):
                name, _, line = line.partition(" ")
                fields[name] = ""
            if name and line.startswith('"'):
                fields[name] += ast.literal_eval(line)
        if fields.get("msgid"):
            told = tuple(fields[key] for key in ("msgstr", "msgstr[0]", "msgstr[1]") if key in fields)
            entries[fields["msgid"]] = Entry(fields["msgid"], fields.get("msgid_plural", ""), told)
    return entries


def format_po(entries: Iterable[Entry], language: str) -> str:
    """A catalog as text, in the order of its entries."""
    header = f"Language: {language}\n{_HEADER}"
    blocks = ['msgid ""\nmsgstr ""\n' + "\n".join(_quoted(line) for line in header.splitlines(keepends=True))]
    for entry in entries:
        lines = [f"msgid {_quoted(entry.text)}"]
        if entry.plural:
            told = entry.translations if len(entry.translations) == 2 else ("", "")
            lines += [f"msgid_plural {_quoted(entry.plural)}"]
            lines += [f"msgstr[{number}] {_quoted(one)}" for number, one in enumerate(told)]
        else:
            lines.append(f"msgstr {_quoted(entry.translations[0] if entry.translations else '')}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def compile_mo(entries: Mapping[str, Entry]) -> bytes:
    """The catalog in the form that `gettext` reads; entries that are not whole are left out."""
    texts = {"": _HEADER}
    for entry in entries.values():
        if entry.is_whole:
            key = f"{entry.text}\0{entry.plural}" if entry.plural else entry.text
            texts[key] = "\0".join(entry.translations)
    keys = sorted(texts, key=str.encode)
    originals, translations = [key.encode() for key in keys], [texts[key].encode() for key in keys]
    start = 28 + 16 * len(keys)
    tables, body = [], b""
    for table in (originals, translations):
        for one in table:
            tables.append(struct.pack("<II", len(one), start + len(body)))
            body += one + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    return head + b"".join(tables) + body


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
