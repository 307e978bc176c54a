"""The lock files hold, with hashes, a version of everything that setup.cfg asks for; nothing is installed here."""

from __future__ import annotations

import configparser
import itertools
import re

import pytest
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

SERVE = "deploy/requirements.lock"
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ \\;]+)(?: ; (?P<marker>[^\\]*))?", re.MULTILINE)


def asked(extra: str | None = None) -> list[Requirement]:
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    text = settings["options"]["install_requires"] + (settings["options.extras_require"][extra] if extra else "")
    return [Requirement(line) for line in text.splitlines() if line.strip()]


def locked(name: str) -> dict[str, set[str]]:
    """Every package of a lock file with its versions (one per kind of machine and of Python)."""
    versions: dict[str, set[str]] = {}
    for found in PINNED.finditer((REPOSITORY / name).read_text()):
        versions.setdefault(found["name"].lower(), set()).add(found["version"])
    return versions


def unmet(requirements: list[Requirement], versions: dict[str, set[str]]) -> list[str]:
    return [
        str(requirement)
        for requirement in requirements
        if not (pinned := versions.get(requirement.name.lower()))
        or not all(requirement.specifier.contains(version, prereleases=True) for version in pinned)
    ]


@pytest.mark.parametrize(
    ("name", "extra"),
    [("requirements.lock", None), ("requirements-test.lock", "test"), (SERVE, "login"), (SERVE, "postgres")],
)
def test_what_setup_cfg_asks_for_is_locked(name, extra):
    assert unmet(asked(extra), locked(name)) == [], "run `make lock`"


def test_a_lock_that_falls_behind_is_seen():
    assert unmet([Requirement("numpy>=99")], locked("requirements.lock")) == ["numpy>=99"]
    assert unmet([Requirement("not-there")], locked("requirements.lock")) == ["not-there"]


def test_the_locks_agree():
    test = locked("requirements-test.lock")
    for name in ("requirements.lock", SERVE):
        run = locked(name)
        assert {name for name in run if run[name] != test.get(name)} == set()
    assert locked("requirements.lock").items() <= locked(SERVE).items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock", SERVE])
def test_every_locked_package_has_a_hash(name):
    text = (REPOSITORY / name).read_text()
    starts = [found.start() for found in PINNED.finditer(text)] + [len(text)]
    assert all("--hash=sha256:" in text[start:end] for start, end in itertools.pairwise(starts))
    assert len(starts) > 50
