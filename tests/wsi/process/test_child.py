"""Child Pythons: where they find modules, and where they never do."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

ATTACK = "open({mark!r}, 'w').write('ran')\n"
OURS = ("app", "app/viewer", "app/batch", "classifier", "tiler", "wsi")


@pytest.fixture
def theirs(tmp_path):
    """Somebody's folder with packages and modules that are called like ours and like what we need."""
    mark, folder = tmp_path / "mark", tmp_path / "theirs"
    for name in OURS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text(ATTACK.format(mark=str(mark)))
    for name in ("numpy", "cv2", "zarr", "sitecustomize", "socket", "logging", "rich"):
        (folder / f"{name}.py").write_text(ATTACK.format(mark=str(mark)))
    return folder, mark


def python(code, *, cwd, **environment):
    """The output of a Python that stands in `cwd` and has our packages, as an installation has them."""
    script = f"import sys; sys.path[0] = {str(REPOSITORY)!r}\n{code}"
    env = {**os.environ, **environment}
    # -P: an entry script's own folder comes first, never the current one.
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '')\n{script}"],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


CHILD = """
import os, subprocess
from wsi.process.child import python_command, start_child
from wsi.process.trusted import child_environment
done = subprocess.run(python_command("app.cli:main", "models"), env=child_environment(), capture_output=True, text=True)
print(done.returncode, "demo-synthetic" in done.stdout)
"""


def test_a_child_runs_our_code_wherever_it_is_started(theirs):
    folder, mark = theirs
    done = python(CHILD, cwd=folder)
    assert done.stdout.split() == ["0", "True"], done.stderr
    assert not mark.exists()


def test_nor_does_a_child_trust_an_empty_entry_of_the_search_path(theirs):
    folder, mark = theirs
    code = f"import os; os.environ['PYTHONPATH'] = os.pathsep.join(['', {str(folder)!r}, '.'])\n" + CHILD
    done = python(code, cwd=folder)
    assert done.stdout.split() == ["0", "True"], done.stderr
    assert not mark.exists()


def test_the_attack_works_on_a_child_that_trusts_the_folder(theirs):
    folder, mark = theirs
    trusting = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}  # set by others of us
    subprocess.run([sys.executable, "-c", "import numpy"], cwd=folder, env=trusting, check=True)
    assert mark.exists()


def test_a_program_that_trusts_no_folder_imports_nothing_from_it(theirs):
    folder, mark = theirs
    code = """
from wsi.process.trusted import trust_no_current_folder
sys.path.insert(0, os.getcwd()); sys.path.insert(0, ".")
trust_no_current_folder()
import numpy, zarr
print(os.environ["PYTHONSAFEPATH"])
"""
    done = python("import os\n" + code, cwd=folder)
    assert done.stdout.split() == ["1"], done.stderr
    assert not mark.exists()


def test_a_path_that_the_user_stated_is_kept(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "stated.py").write_text("here = True\n")
    code = """
import os, subprocess
from wsi.process.trusted import child_environment, trusted_path
print(any(entry.endswith("lib") for entry in trusted_path()), child_environment()["PYTHONPATH"].endswith("lib"))
"""
    done = python(code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "lib"))
    assert done.stdout.split() == ["True", "True"], done.stderr
