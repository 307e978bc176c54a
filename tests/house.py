"""The house as a graph: which file imports which, read from the code as text. Nothing is imported or run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

PACKAGES = ("wsi", "tiler", "classifier", "aggregate", "app")

# From the ground up; those of one floor do not know each other. A new name at a package's top must be given its floor.
FLOORS: dict[str, tuple[frozenset[str], ...]] = {
    "classifier": (
        frozenset({"progress", "colour", "calibrate", "familiarity", "networks"}),
        frozenset({"model_folder"}),
        frozenset({"runtimes"}),
        frozenset({"model"}),
        frozenset({"dataset", "explain"}),
        frozenset({"evaluation"}),
        frozenset({"site"}),
        frozenset({"training"}),
    ),
    "app": (
        frozenset({"presentation", "ledger"}),
        frozenset({"config", "slides"}),
        frozenset({"review"}),
        frozenset({"pipeline"}),
        frozenset({"batch"}),
        frozenset({"reports"}),
        frozenset({"exchange", "commissioning", "upkeep"}),
        frozenset({"viewer"}),
        frozenset({"commands"}),
        frozenset({"cli"}),
    ),
}

Graph = Mapping[str, set[str]]
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[a-z_]+)+")


def modules(root: Path) -> dict[str, Path]:
    """Every module of the five packages by its dotted name; a package goes by the name of its folder."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of each import in a file; `from a import b` gives `a.b`, which may be a module or a name. A
    module in a table of what is loaded when it is asked for is imported, too."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found + _in_tables(tree)


def _in_tables(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, dotted name) of each module that stands in a tuple or a record, in a file that loads modules by name."""
    by_name = any(isinstance(node, ast.ImportFrom) and node.module == "importlib" for node in ast.walk(tree))
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Tuple | ast.Call)] if by_name else []
    return [
        (entry.lineno, entry.value)
        for node in tables
        for entry in (node.elts if isinstance(node, ast.Tuple) else node.args if len(node.args) > 1 else ())
        if isinstance(entry, ast.Constant) and isinstance(entry.value, str) and _DOTTED.fullmatch(entry.value)
    ]


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of the house that it imports, wherever in the file the import stands."""
    known = modules(root)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for _, target in imported(path):
            while target and target not in known:
                target = target.rpartition(".")[0]
            if target and target != name:
                graph[name].add(target)
    return graph


def siblings(graph: Graph, package: str) -> dict[str, set[str]]:
    """The graph among what stands at a package's top: a module's whole room counts as one."""
    depth = len(package.split("."))

    def room(name: str) -> str | None:
        parts = name.split(".")
        return parts[depth] if name.startswith(package + ".") else None

    among: dict[str, set[str]] = {}
    for name, targets in graph.items():
        if (here := room(name)) is not None:
            among.setdefault(here, set()).update(
                there for target in targets if (there := room(target)) not in (None, here)
            )
    return among


def circle(graph: Graph) -> list[str]:
    """The names of one circle, in the order of their imports; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name not in done:
            for target in sorted(graph.get(name, ())):
                if found := walk(target, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def upward(among: Graph, floors: Iterable[frozenset[str]]) -> list[str]:
    """`room imports room`, for every import of a room that does not lie below; `room has no floor` for unknown ones."""
    floor = {name: level for level, names in enumerate(floors) for name in names}
    wrong = [f"{name} has no floor" for name in sorted(among) if name not in floor]
    for name in sorted(set(among) & set(floor)):
        wrong += [f"{name} imports {there}" for there in sorted(among[name]) if floor.get(there, -1) >= floor[name]]
    return wrong
