"""Known holes in what we depend on, from advisories on disk: for places where `pip-audit` cannot reach its service.

`python -m benchmarks.advisories FOLDER`: FOLDER holds advisories in the OSV format, as JSON (OSV's `PyPI/all.zip`,
unpacked) or YAML (a clone of github.com/pypa/advisory-database). Looks at every version of both lock files, and at the
lowest version that setup.cfg admits. Exit code 1 where one has a hole.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", re.MULTILINE)


def main(folder: Path) -> int:
    """Prints a line for each hole and returns how many there are."""
    wanted = versions_in_use()
    names = {name for name, _ in wanted}
    holes, advisories = [], 0
    for advisory in read_advisories(folder, names):
        advisories += 1
        for (name, version), where in wanted.items():
            if not advisory.get("withdrawn") and is_affected(advisory, name, version):
                known = ", ".join((advisory["id"], *advisory.get("aliases", ())))
                holes.append(f"{name} {version} ({', '.join(sorted(where))}): {known}")
    for hole in sorted(holes):
        print(hole)
    print(f"{len(wanted)} versions, {advisories} advisories on them, {len(holes)} holes")
    return len(holes)


def versions_in_use(root: Path = ROOT) -> dict[tuple[str, Version], set[str]]:
    """(package, version) -> where: the lock files' versions, and the lowest that setup.cfg admits."""
    found: dict[tuple[str, Version], set[str]] = {}
    for lock in LOCKS:
        for name, version in _PINNED.findall((root / lock).read_text(encoding="utf-8")):
            found.setdefault((canonicalize_name(name), Version(version)), set()).add(lock)
    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg")
    asked = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    for line in filter(None, (line.strip() for text in asked for line in text.splitlines())):
        requirement = Requirement(line)
        for bound in requirement.specifier:
            if bound.operator in (">=", "=="):
                key = canonicalize_name(requirement.name), Version(bound.version)
                found.setdefault(key, set()).add("lowest of setup.cfg")
    return found


def read_advisories(folder: Path, names: set[str]) -> Iterator[Mapping[str, Any]]:
    """The advisories below `folder` on packages of PyPI that are called like one of `names`."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".json", ".yaml", ".yml"):
            continue
        text = path.read_text(encoding="utf-8")
        if not any(name in text.lower() for name in names):
            continue
        advisory = yaml.safe_load(text)
        if isinstance(advisory, dict) and names & {name for name, _ in _affected(advisory)}:
            yield advisory


def is_affected(advisory: Mapping[str, Any], name: str, version: Version) -> bool:
    """Whether the advisory names this version of the package, or a range that holds it."""
    return any(
        str(version) in affected.get("versions", ()) or any(_holds(one, version) for one in affected.get("ranges", ()))
        for package, affected in _affected(advisory)
        if package == name
    )


def _affected(advisory: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for affected in advisory.get("affected", ()):
        package = affected.get("package", {})
        if package.get("ecosystem") == "PyPI":
            yield canonicalize_name(package["name"]), affected


def _holds(affected_range: Mapping[str, Any], version: Version) -> bool:
    """Events of the OSV format, in order: a hole opens at `introduced`, and is closed at `fixed` or after the last."""
    if affected_range.get("type") != "ECOSYSTEM":
        return False
    inside = False
    for event in affected_range.get("events", ()):
        try:
            if "introduced" in event and version >= Version(str(event["introduced"])):
                inside = True
            if "fixed" in event and version >= Version(str(event["fixed"])):
                inside = False
            if "last_affected" in event and version > Version(str(event["last_affected"])):
                inside = False
        except InvalidVersion:
            continue
    return inside


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m benchmarks.advisories FOLDER")
    sys.exit(1 if main(Path(sys.argv[1])) else 0)
