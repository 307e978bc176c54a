"""An output folder of a few slides, made once for the tests of a file, and a copy of it for each."""

import shutil

import pytest

from tests.app.ledger.test_forgery import fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("filled") / "out")


@pytest.fixture
def out(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "out")
    return tmp_path / "out"
