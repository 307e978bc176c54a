"""The seal of a dossier: the SHA-256 of each of its files, and with an audit key an HMAC over them. Loads no NumPy.

Without a key it proves wholeness, not origin: who may write the folder may seal it anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsi.errors import DossierAlteredError, DossierError
from wsi.files.reading import parse_json, read_regular
from wsi.files.writing import write_out

DOSSIER_JSON, DOSSIER_PDF, CRITERIA, SEAL = "dossier.json", "dossier.pdf", "criteria.toml", "seal.json"
INSTRUCTIONS = "instructions.html"
SCHEMA, SCHEMA_VERSION = "pulmoscope-dossier", 1
# What a seal of each format covers: the first knew no instructions.
_SEALED = {1: (DOSSIER_JSON, DOSSIER_PDF, CRITERIA), 2: (DOSSIER_JSON, DOSSIER_PDF, CRITERIA, INSTRUCTIONS)}
_FORMAT = 2
_MAX_BYTES = 64 << 20
_AGAIN = "take it from where it is kept safe, or make it again with `pulmoscope commission`"


def seal_files(folder: Path, contents: Mapping[str, bytes], key: bytes | None) -> str:
    """Writes the dossier's files and then their seal; gives the dossier's digest, which is that of dossier.json.

    Raises OutputUnwritableError.
    """
    for name in _SEALED[_FORMAT]:
        write_out(folder / name, contents[name])
    files = {name: hashlib.sha256(contents[name]).hexdigest() for name in _SEALED[_FORMAT]}
    hmac_of = {} if key is None else {"hmac": _mac(files, key, _FORMAT)}
    text = json.dumps({"format": _FORMAT, "files": files, **hmac_of}, indent=2, sort_keys=True) + "\n"
    write_out(folder / SEAL, text.encode("ascii"))
    return files[DOSSIER_JSON]


def read_sealed(folder: Path, key: bytes | None) -> tuple[Mapping[str, Any], str]:
    """(what dossier.json says, its digest) of a whole dossier. With a `key` the seal must be of that key.

    Raises DossierError where there is none, DossierAlteredError where a file is not as it was sealed.
    """
    if not (folder / SEAL).exists():
        raise DossierError(f"{folder} holds no sealed dossier", hint="give the --out of `pulmoscope commission`")
    files, seal, kind = _seal(folder)
    contents = {name: _read(folder, name) for name in files}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != files[name]:
            raise DossierAlteredError(f"{name} is not as it was sealed", hint=_AGAIN)
    if key is not None and not hmac.compare_digest(seal, _mac(files, key, kind)):
        what = "sealed with another key" if seal else "not sealed with a key"
        raise DossierAlteredError(f"the dossier is {what}", hint="give the --audit-key of its laboratory, or none")
    return _document(contents[DOSSIER_JSON]), files[DOSSIER_JSON]


def _seal(folder: Path) -> tuple[Mapping[str, str], str, int]:
    """The digests by file, the HMAC or "", and the seal's format."""
    try:
        told = parse_json(_read(folder, SEAL))
        files, seal, kind = told["files"], told.get("hmac", ""), told["format"]
        sound = type(kind) is int and set(files) == set(_SEALED[kind]) and isinstance(seal, str) and seal.isascii()
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound or not all(isinstance(digest, str) for digest in files.values()):
        raise DossierAlteredError(f"{SEAL} is no seal of a dossier", hint=_AGAIN)
    return files, seal, kind


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        told = parse_json(content)
    except ValueError as error:
        raise DossierError(f"{DOSSIER_JSON} is not JSON", hint=_AGAIN) from error
    if not isinstance(told, dict) or (told.get("schema"), told.get("schema_version")) != (SCHEMA, SCHEMA_VERSION):
        raise DossierError(f"{DOSSIER_JSON} is of another version of this program", hint="commission this version")
    return told


def _read(folder: Path, name: str) -> bytes:
    try:
        return read_regular(folder / name, _MAX_BYTES)
    except OSError as error:
        raise DossierAlteredError(f"{name} is missing, a link, too large or not a regular file", hint=_AGAIN) from error


def _mac(files: Mapping[str, str], key: bytes, kind: int) -> str:
    body = json.dumps({"format": kind, "files": dict(files)}, sort_keys=True).encode()
    return hmac.new(key, b"pulmoscope dossier\n" + body, hashlib.sha256).hexdigest()
