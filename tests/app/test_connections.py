"""No command speaks to another machine: every Python that a command starts writes down whom it addresses."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys

import pytest

from tests.classifier.tiles import tiny_model, tiny_tiles
from tests.conftest import REPOSITORY

LEARNING = ("--background", "dots", "--epochs", "1")
# Python imports it at its start, before any code of ours, in child processes too.
WATCH = """
import json, os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        told = args[1] if event in ("socket.connect", "socket.sendto") else args[0]
        where = told[0] if isinstance(told, tuple) else told
        text = where.decode("utf-8", "replace") if isinstance(where, bytes) else str(where)
        with open(os.environ["CONNECTIONS"], "a") as file:
            file.write(json.dumps([event, text]) + "\\n")
sys.addaudithook(watch)
with open(os.environ["CONNECTIONS"], "a") as file:
    file.write(json.dumps(["started", ""]) + "\\n")
"""


@pytest.fixture
def watched(tmp_path):
    """Runs a command and returns (its result, how many Pythons it took, whom they addressed outside this machine)."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    told = tmp_path / "told.jsonl"

    def run(*arguments: object, code: str | None = None):
        told.unlink(missing_ok=True)
        path = os.pathsep.join([str(tmp_path / "watch"), str(REPOSITORY)])
        command = [sys.executable, *(("-c", code) if code else ("-m", "app.cli", *map(str, arguments)))]
        environment = {**os.environ, "PYTHONPATH": path, "CONNECTIONS": str(told)}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        lines = [json.loads(line) for line in told.read_text().splitlines()]
        started = sum(event == "started" for event, _ in lines)
        return done, started, [where for event, where in lines if event != "started" and is_outside(where)]

    return run


def is_outside(where: str) -> bool:
    """Whether an address is another machine's; a path is a socket of this one."""
    if where in ("", "None", "localhost") or where.startswith(("/", "\0")):
        return False
    try:
        return not ipaddress.ip_address(where).is_loopback
    except ValueError:
        return True


def test_the_watch_sees_who_is_addressed(watched):
    looking_up = "import socket\ntry: socket.getaddrinfo('pulmoscope.invalid', 80)\nexcept OSError: pass"
    assert watched(code=looking_up)[1:] == (1, ["pulmoscope.invalid"])
    at_home = "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError: pass"
    assert watched(code=at_home)[1:] == (1, [])


@pytest.mark.slow
def test_no_command_speaks_to_another_machine(watched, ready_slide, tmp_path):
    out, reports = tmp_path / "out", tmp_path / "reports"
    commands = [
        ("doctor",),
        ("models", "--json"),
        ("info", ready_slide.path),
        ("run", ready_slide.path, "--out", out, "--model", "demo-synthetic"),
        ("verify", out),
        ("report", out, "--out", reports, "--format", "html,pdf,json,csv,geojson"),
        ("evaluate", tiny_tiles(), "--model", tiny_model(), "--out", tmp_path / "evaluation"),
        (*("train", tiny_tiles(), "--out", tmp_path / "model", "--base", tiny_model()), *LEARNING),
    ]
    for command in commands:
        done, started, outside = watched(*command)
        assert (done.returncode, outside) == (0, []), (command, done.stderr)
        assert started >= (2 if command[0] == "run" else 1), command
