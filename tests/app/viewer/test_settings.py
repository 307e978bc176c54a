"""Streamlit is set by us alone: hostile or damaged settings in home folder, current folder and environment."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

HOSTILE = """
[server]
baseUrlPath = "other/app"
enableCORS = false
enableXsrfProtection = false
enableStaticServing = true
maxUploadSize = 99999
[client]
allowedOrigins = ["https://evil.example"]
[browser]
gatherUsageStats = true
[theme]
base = "dark"
"""
# What the server would use, and which settings files were looked into.
ASK = """
import json, sys
seen = []
sys.addaudithook(lambda event, words: event == "open" and ".streamlit" in str(words[0]) and seen.append(str(words[0])))
from pathlib import Path
from app.viewer.pages import theme
from app.viewer.server import make_app
from app.viewer.site import Site
make_app(Site(Path("results")), 8501)
from streamlit import config
ours = theme.streamlit_options("127.0.0.1", 8501)
options = {name: option.value for name, option in config.get_config_options().items()}
from streamlit import secrets
secrets.load_if_toml_exists()
print(json.dumps({"seen": seen, "wrong": [n for n, v in ours.items() if options[n] != v],
                  "options": {n: options[n] for n in ("server.baseUrlPath", "server.maxMessageSize", "theme.font")}}))
"""


@pytest.mark.parametrize("content", [HOSTILE, "x = [[[ damaged", "\0\xff"])
@pytest.mark.parametrize("place", ["home", "current"])
def test_no_file_is_read(tmp_path, content, place):
    folder = tmp_path / place / ".streamlit"
    folder.mkdir(parents=True)
    for name in ("config.toml", "secrets.toml", "credentials.toml"):
        (folder / name).write_text(content, encoding="latin-1")
    assert ask(tmp_path) == UNMOVED


@pytest.mark.parametrize(
    "variables",
    [
        {"STREAMLIT_SERVER_BASE_URL_PATH": "other/app", "STREAMLIT_CLIENT_ALLOWED_ORIGINS": "https://evil.example"},
        {"STREAMLIT_SERVER_MAX_MESSAGE_SIZE": "7", "STREAMLIT_THEME_FONT": "serif", "PORT": "1"},
        {"STREAMLIT_SERVER_PORT": "no number", "STREAMLIT_GLOBAL_DEVELOPMENT_MODE": "true"},
    ],
)
def test_no_variable_is_read(tmp_path, variables):
    assert ask(tmp_path, **variables) == UNMOVED


UNMOVED = {
    "seen": [],
    "wrong": [],
    "options": {"server.baseUrlPath": "", "server.maxMessageSize": 200, "theme.font": None},
}


def ask(folder, **variables):
    for name in ("home", "current"):
        (folder / name).mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(folder / "home"), "PYTHONPATH": str(REPOSITORY), **variables}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK], cwd=folder / "current", env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)
