"""The shape of the house: imports go one way, and what is heavy is imported only by who needs it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import FLOORS, PACKAGES, circle, import_graph, imported, modules, siblings, upward

ROOT = Path(__file__).resolve().parent.parent
MOST_NAMES, DEEPEST = 14, 4
DATA_FOLDERS = {"models", "component", "templates", "fonts"}  # hold no code, so they are no rooms
DRAWING_ROOMS = ("app.viewer.pages", "app.viewer.script")


def wrong_imports(root: Path) -> list[str]:
    """`file:line imports package`, for every import of a package that stands above the file's own."""
    return [
        f"{path.relative_to(root)}:{line} imports {target}"
        for name, path in modules(root).items()
        for line, target in imported(path)
        if target.split(".")[0] in PACKAGES[PACKAGES.index(name.split(".")[0]) + 1 :]
    ]


def crowded(root: Path) -> list[str]:
    """`folder has n names`, for every package folder with too many, and `file lies n rooms deep`."""
    wrong = []
    for package in PACKAGES:
        for folder in [root / package, *(path for path in (root / package).rglob("*") if path.is_dir())]:
            if folder.name in DATA_FOLDERS | {"__pycache__"}:
                continue
            names = {path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__", "pyproject.toml"}
            if len(names) > MOST_NAMES:
                wrong.append(f"{folder.relative_to(root)} has {len(names)} names")
        for path in (root / package).rglob("*.py"):
            if (depth := len(path.relative_to(root).parts) - 1) > DEEPEST:
                wrong.append(f"{path.relative_to(root)} lies {depth} rooms deep")
    return wrong


def drawing_elsewhere(root: Path) -> list[str]:
    """Modules outside the drawing rooms that import Streamlit's drawing calls, which live at its top."""
    return [
        f"{path.relative_to(root)}:{line}"
        for name, path in modules(root).items()
        for line, target in imported(path)
        if (target == "streamlit" or target.startswith("streamlit.components")) and not name.startswith(DRAWING_ROOMS)
    ]


def test_imports_go_one_way():
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_the_rooms_of_a_package_have_an_order(package):
    assert upward(siblings(import_graph(ROOT), package), FLOORS[package]) == []


def test_no_two_files_and_no_two_rooms_import_each_other():
    graph = import_graph(ROOT)
    assert circle(graph) == []
    for package in modules(ROOT):
        assert circle(siblings(graph, package)) == [], package


def test_no_room_is_crowded_or_deep():
    assert crowded(ROOT) == []


def test_the_picture_of_the_house_shows_every_room():
    drawn = set(re.findall(r">([^<>]+)</text>", (ROOT / "docs" / "design" / "house.svg").read_text(encoding="utf-8")))
    graph = import_graph(ROOT)
    rooms = {name for package in PACKAGES for name in siblings(graph, package)}
    assert {name for name in rooms if name not in drawn and f"{name}/" not in drawn} == set()


def test_only_the_pages_draw():
    assert drawing_elsewhere(ROOT) == []


@pytest.fixture
def small_house(tmp_path):
    """The five packages with the rooms of `FLOORS`, one empty module each."""
    for package in PACKAGES:
        rooms = [name for floor in FLOORS.get(package, ()) for name in floor] or ["module"]
        for name in rooms:
            room = tmp_path / package / name
            room.mkdir(parents=True)
            (room / "module.py").write_text("import numpy\n")
    assert wrong_imports(tmp_path) == [] and crowded(tmp_path) == [] and circle(import_graph(tmp_path)) == []
    assert all(upward(siblings(import_graph(tmp_path), package), floors) == [] for package, floors in FLOORS.items())
    return tmp_path


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("wsi/module", "import tiler"),
        ("tiler/module", "from classifier.model import load_model"),
        ("classifier/model", "from aggregate import store"),
        ("aggregate/module", "def f():\n    import app.cli"),
    ],
)
def test_an_import_the_wrong_way_is_found(small_house, place, line):
    (small_house / place / "module.py").write_text(line + "\n")
    [found] = wrong_imports(small_house)
    assert found.startswith(f"{place}/module.py:")


@pytest.mark.parametrize(
    ("package", "room", "line"),
    [
        ("app", "reports", "from app.viewer.module import page"),
        ("app", "ledger", "def f():\n    from app.presentation import module"),  # of one floor
        ("classifier", "networks", "import classifier.training.module"),
        ("classifier", "evaluation", "from classifier.training import module"),
    ],
)
def test_an_import_up_the_floors_is_found(small_house, package, room, line):
    (small_house / package / room / "module.py").write_text(line + "\n")
    [found] = upward(siblings(import_graph(small_house), package), FLOORS[package])
    assert found.startswith(f"{room} imports ")


def test_an_import_by_name_in_a_table_is_found(small_house):
    (small_house / "tiler" / "module" / "module.py").write_text(
        'from importlib import import_module\nTABLE = {"tile": ("classifier.model.module", "load")}\n'
    )
    assert wrong_imports(small_house) == ["tiler/module/module.py:2 imports classifier.model.module"]


def test_a_room_without_a_floor_is_found(small_house):
    (small_house / "app" / "misc.py").write_text("")
    assert upward(siblings(import_graph(small_house), "app"), FLOORS["app"]) == ["misc has no floor"]


def test_a_circle_is_found(small_house):
    room = small_house / "classifier" / "model"
    (room / "other.py").write_text("from classifier.model.module import tile\n")
    assert circle(import_graph(small_house)) == []
    (room / "module.py").write_text("def f():\n    from classifier.model import other\n")
    assert circle(import_graph(small_house)) == ["classifier.model.module", "classifier.model.other"]


def test_a_circle_of_rooms_without_a_circle_of_files_is_found(small_house):
    pages, tiles = small_house / "app" / "viewer" / "pages", small_house / "app" / "viewer" / "tiles"
    for room in (pages, tiles):
        room.mkdir()
        (room / "one.py").write_text("")
    (pages / "two.py").write_text("from app.viewer.tiles import one\n")
    (tiles / "two.py").write_text("from app.viewer.pages import one\n")
    graph = import_graph(small_house)
    assert circle(graph) == [] and circle(siblings(graph, "app.viewer")) == ["pages", "tiles"]


def test_a_crowded_and_a_deep_room_are_found(small_house):
    for number in range(15):
        (small_house / "tiler" / f"module_{number}.py").write_text("")
    deep = small_house / "app" / "viewer" / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "module.py").write_text("")
    assert crowded(small_house) == ["tiler has 16 names", "app/viewer/a/b/c/module.py lies 5 rooms deep"]


@pytest.mark.parametrize("line", ["import streamlit as st", "from streamlit.components.v2 import component"])
def test_drawing_outside_the_pages_is_found(small_house, line):
    (small_house / "app" / "reports" / "module.py").write_text(line + "\n")
    assert drawing_elsewhere(small_house) == ["app/reports/module.py:1"]


def modules_after(code: str) -> set[str]:
    """Top-level modules that are imported once `code` has run in a fresh interpreter."""
    return {name.split(".")[0] for name in all_modules_after(code)}


def all_modules_after(code: str) -> set[str]:
    """Every module, by its dotted name."""
    script = f"import sys\ntry:\n{_indented(code)}\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    return set(line.split()[1:])


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


WORKER = """
from pathlib import Path
from app.batch.engines.task import ModelCache, process_slide
from app.batch.job import SlideJob
from app.config import RunConfig
from app.ledger.prepare import prepare_output
from classifier.model_folder.find import DEFAULT_MODEL
config = RunConfig(Path("{out}"), DEFAULT_MODEL)
prepare_output(config.out)
outcome = process_slide(SlideJob(Path("{slide}"), "{slide}", "one"), config, ModelCache(config))
assert not outcome.row.error_code and outcome.row.tiles, outcome
"""
# What the demo slide, tiled JPEG of one file, and the default model's network are not.
OTHER_CONTENT = {
    "wsi.readers.dicom.series",
    "wsi.readers.dicom.frames",
    "wsi.readers.zarr_files.arrays",
    "wsi.readers.tiled.ome_zarr",
    "wsi.readers.tiled.dicom_jpeg",
    "wsi.readers.tiled.vsi_ets",
    "wsi.readers.olympus.tags",
    "wsi.readers.image",
    "wsi.readers.icc",
    "classifier.networks.residual_cnn",
    "classifier.networks.imported",
}
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


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["models"], ["doctor"]])
def test_a_command_that_only_tells_loads_no_numpy(arguments):
    loaded = modules_after(f"from app.cli import main\nmain({arguments!r})")
    assert "click" in loaded and "numpy" not in loaded


def test_the_process_that_hands_slides_out_loads_nothing_to_read_them(ready_slide, tmp_path):
    """What a worker answers must not make its parent load what the worker needed."""
    command = ["run", str(ready_slide.path), "--out", str(tmp_path / "out")]
    loaded = all_modules_after(f"from app.cli import main\nmain({command!r})")
    assert (tmp_path / "out" / "slides.csv").exists()
    assert not loaded & {"numpy", "cv2", "openslide", "simplejpeg", "zarr", "scipy", "ai_edge_litert"}
    for_others = {"classifier.networks.onnx_file", "app.slides", "app.reports", "app.viewer"}
    for_others |= {"app.ledger.cases.rows", "app.batch.manifest", "app.batch.engines.staging", *OTHER_CONTENT}
    assert not loaded & {*for_others, "concurrent.futures", "xml.etree", "cryptography", "pydicom"}


def test_doing_a_slide_loads_nothing_that_few_slides_need(ready_slide, tmp_path):
    """Some hundredths of a second each, in every worker that starts."""
    loaded = all_modules_after(WORKER.format(slide=str(ready_slide.path), out=str(tmp_path)))
    assert {"cv2", "numcodecs.zstd", "ai_edge_litert", "app.pipeline", "aggregate.summary"} <= loaded
    assert {"wsi.readers.tiled.jpeg_tiff", "classifier.networks.efficientnet_lite"} <= loaded
    for_others = {
        "classifier.networks.onnx_file",
        "classifier.site",
        "classifier.training",
        "app.slides",
        "app.reports",
        "tiler.given.mask",
        *OTHER_CONTENT,
    }
    assert not loaded & {*for_others, "numpy.ma", "xml.etree", "cryptography", "pydicom", "tifffile", *HEAVY}


def test_the_check_sees_tensorflow_where_it_is_imported():
    assert "tensorflow" in modules_after("import types\nsys.modules['tensorflow'] = types.ModuleType('tensorflow')")


def test_every_package_can_be_imported_alone():
    for name in PACKAGES:
        assert name in modules_after(f"import {name}")


def test_every_module_says_what_it_is_for():
    silent = []
    for package in PACKAGES:
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
