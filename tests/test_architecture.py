"""The shape of the house: imports go one way, and what is heavy is imported only by who needs it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("wsi", "tiler", "classifier", "aggregate", "app")


def wrong_imports(root: Path) -> list[str]:
    """`file:line imports package`, for every import of a package that stands above the file's own."""
    wrong = []
    for rank, package in enumerate(ORDER):
        above = set(ORDER[rank + 1 :])
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{path}: relative imports hide the direction"
                    names = [node.module or ""]
                for name in names:
                    if name.split(".")[0] in above:
                        wrong.append(f"{path.relative_to(root)}:{node.lineno} imports {name}")
    return wrong


def test_imports_go_one_way():
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("wsi", "import tiler"),
        ("tiler", "from classifier.model import load_model"),
        ("classifier", "from aggregate import store"),
        ("aggregate", "def f():\n    import app.cli"),
    ],
)
def test_an_import_the_wrong_way_is_found(tmp_path, package, line):
    for name in ORDER:
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text("import numpy\n")
    assert wrong_imports(tmp_path) == []
    (tmp_path / package / "module.py").write_text(line + "\n")
    [found] = wrong_imports(tmp_path)
    assert found.startswith(f"{package}/module.py:")


def modules_after(code: str) -> set[str]:
    """Top-level modules that are imported once `code` has run in a fresh interpreter."""
    script = f"import sys\ntry:\n{_indented(code)}\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    return {name.split(".")[0] for name in line.split()[1:]}


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


HEAVY = {"tensorflow", "keras", "streamlit", "pandas", "sklearn", "altair", "matplotlib"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["doctor"],
        ["info", "{slide}"],
        ["verify", "{out}"],
        ["run", "{slides}", "--out", "{out}"],
    ],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(arguments, ready_slide, tmp_path):
    slides = ready_slide.path.parent
    arguments = [argument.format(slide=ready_slide.path, slides=slides, out=tmp_path) for argument in arguments]
    loaded = modules_after(f"from app.cli import main\nmain({arguments!r})")
    assert "click" in loaded
    assert not loaded & HEAVY


def test_the_process_that_hands_slides_out_loads_nothing_to_read_them(ready_slide, tmp_path):
    """What a worker answers must not make its parent load what the worker needed."""
    command = ["run", str(ready_slide.path), "--out", str(tmp_path / "out")]
    loaded = modules_after(f"from app.cli import main\nmain({command!r})")
    assert (tmp_path / "out" / "slides.csv").exists()
    assert not loaded & {"cv2", "openslide", "simplejpeg", "zarr", "scipy", "ai_edge_litert"}


def test_the_check_sees_tensorflow_where_it_is_imported():
    assert "tensorflow" in modules_after("import types\nsys.modules['tensorflow'] = types.ModuleType('tensorflow')")


def test_every_package_can_be_imported_alone():
    for name in ORDER:
        assert name in modules_after(f"import {name}")


def test_every_module_says_what_it_is_for():
    silent = []
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if tree.body and not ast.get_docstring(tree):
                silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_the_error_tree_in_the_docstring_is_the_real_one():
    from wsi import errors

    drawn = {
        tuple(line.strip("|`- ").split()[:2]) for line in (errors.__doc__ or "").splitlines() if "Error " in line
    } - {("PulmoscopeError",)}
    real = set()
    pending = [errors.PulmoscopeError]
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        if cls.__module__ == "wsi.errors" and cls not in (errors.PulmoscopeError, errors.SlideError):
            real.add((cls.__name__, cls.code))
    assert {pair for pair in drawn if pair[0] != "SlideError"} == real
