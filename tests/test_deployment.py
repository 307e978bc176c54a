"""The Dockerfile and the service unit, held against this repository: what they name is there. Nothing is built here."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import PurePosixPath

import click
import pytest
from packaging.specifiers import SpecifierSet

from app.cli import cli
from tests.conftest import REPOSITORY

DOCKERFILE, UNIT = REPOSITORY / "deploy" / "Dockerfile", REPOSITORY / "deploy" / "pulmoscope.service"


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, its words) of a Dockerfile, lines that go on joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines()]


def of_kind(kind: str) -> list[str]:
    return [words for name, words in instructions(DOCKERFILE.read_text()) if name == kind]


def settings() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(REPOSITORY / "setup.cfg")
    return found


def left_out(path: str) -> bool:
    """Whether .dockerignore keeps a path of the repository from the image."""
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    here = [str(part) for part in (PurePosixPath(path), *PurePosixPath(path).parents)][:-1]
    return any(
        fnmatch(part, pattern) or fnmatch(f"/{part}", pattern.replace("**", "*"))
        for part in here
        for pattern in patterns
    )


def problems(sources: list[str]) -> list[str]:
    """Those that are not in the repository, or that the image does not get."""
    return [one for one in sources if not (REPOSITORY / one).exists() or (one != "." and left_out(one))]


def sources() -> list[str]:
    return [source for words in of_kind("COPY") for source in shlex.split(words)[:-1] if not source.startswith("--")]


def options(words: list[str]) -> list[str]:
    """The options among the words of a command line that `pulmoscope COMMAND` does not have."""
    command = cli.get_command(click.Context(cli), words[0])
    known = {name for one in command.params for name in one.opts} if command else set()
    return [word for word in words[1:] if word.startswith("-") and word not in known]


def test_what_the_image_copies_is_there():
    assert len(sources()) >= 2 and problems(sources()) == []
    assert problems(["deploy/no-such.lock", "tests", "app/__pycache__"]) == [
        "deploy/no-such.lock", "tests", "app/__pycache__",
    ]  # fmt: skip


def test_nothing_that_is_installed_is_left_out_of_the_image():
    parts = settings()
    named = [line for line in parts["metadata"]["license_files"].split() if line]
    named.append(parts["metadata"]["long_description"].removeprefix("file: "))
    packages = [name.rstrip("*") for name in parts["options.packages.find"]["include"].split()]
    asked = ["git", "ls-files", *packages]
    tracked = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("no git repository here")
    files = tracked.stdout.splitlines()
    assert len(files) > 100 and problems(["setup.cfg", "pyproject.toml", *named, *files]) == []


def test_a_lock_is_copied_before_it_is_installed_and_only_by_its_hashes():
    order = [(name, words) for name, words in instructions(DOCKERFILE.read_text()) if name in ("COPY", "RUN")]
    copied: list[str] = []
    for name, words in order:
        if name == "COPY":
            copied += [PurePosixPath(one).name for one in shlex.split(words)[:-1]]
        for lock in re.findall(r"-r (\S+)", words) if name == "RUN" else ():
            assert lock in copied and "--require-hashes" in words
        for line in words.split("&&") if name == "RUN" and "pip install" in words else ():
            assert "pip install" not in line or re.search(r"--require-hashes|--no-deps", line)


def test_the_image_has_a_python_that_setup_cfg_admits_and_a_name_that_stays():
    [base] = of_kind("FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-\S+", base)
    assert version and version[1] in SpecifierSet(settings()["options"]["python_requires"])
    assert of_kind("ADD") == []


def test_the_image_runs_without_rights():
    names = [name for name, _ in instructions(DOCKERFILE.read_text())]
    assert names.index("USER") < names.index("ENTRYPOINT") and "RUN" not in names[names.index("USER") :]
    [user] = of_kind("USER")
    assert int(user) > 0 and f"--uid {user}" in " ".join(of_kind("RUN"))


def test_the_image_starts_a_command_that_there_is():
    [entrance], [words] = of_kind("ENTRYPOINT"), of_kind("CMD")
    scripts = dict(
        line.split(" = ") for line in settings()["options.entry_points"]["console_scripts"].split("\n") if line
    )
    assert json.loads(entrance)[0] in scripts and options(json.loads(words)) == []
    assert json.loads(words)[json.loads(words).index("--port") + 1] in of_kind("EXPOSE")
    # How it is started with a login is told in a comment.
    [told] = re.findall(r"^#\s+(app .*--login.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert options(shlex.split(told)) == []
    assert options(["app", "--no-such", "x"]) == ["--no-such"]


def test_the_service_starts_a_command_that_there_is():
    [line] = re.findall(r"^ExecStart=\S+/pulmoscope (.*)$", UNIT.read_text(), re.MULTILINE)
    assert options(shlex.split(line)) == []


def test_the_proxies_ask_the_port_that_the_viewer_listens_on():
    [line] = re.findall(r"--port (\d+)", UNIT.read_text())
    for name in ("Caddyfile", "nginx.conf"):
        asked = re.findall(r"127\.0\.0\.1:(\d+)", (REPOSITORY / "deploy" / name).read_text())
        assert asked and set(asked) == {line}
