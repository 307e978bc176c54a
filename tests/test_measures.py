"""The measures that a stranger's patience sets: short functions, short modules, and a word where a signature says too
little."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house import modules

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE, LONG_FUNCTION, SHARE_BELOW = 400, 25, 0.95

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    """(dotted name, node) of every function, methods and inner ones included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{inside}{node.name}", node
        if isinstance(node, Function | ast.ClassDef):
            yield from functions(node, f"{inside}{node.name}.")


def length(function: Function) -> int:
    """Lines of the body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def public(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Functions and methods that others may call; what is defined inside a function is its own affair."""
    for node in tree.body:
        within = node.body if isinstance(node, ast.ClassDef) else [node]
        outer = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for one in within:
            if isinstance(one, Function) and not (one.name.startswith("_") or outer.startswith("_")):
                yield f"{outer}{one.name}", one


def wants_words(function: Function) -> bool:
    """Whether it takes or gives arrays, whose type says no shape."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    types = [ast.unparse(one.annotation) for one in arguments if one.annotation]
    types += [ast.unparse(function.returns)] if function.returns else []
    return any(text in type_ for type_ in types for text in ("NDArray", "Pixels"))


def parsed(root: Path) -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(root).items()}


def test_modules_are_short():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(ROOT).items()}
    assert {name: count for name, count in lines.items() if count >= LONGEST_MODULE} == {}


def test_functions_are_short():
    lengths = sorted(length(node) for tree in parsed(ROOT).values() for _, node in functions(tree))
    assert lengths[int(SHARE_BELOW * len(lengths))] < LONG_FUNCTION


def test_who_takes_or_gives_arrays_says_so_in_words():
    silent = [
        f"{module}.{name}"
        for module, tree in parsed(ROOT).items()
        for name, node in public(tree)
        if wants_words(node) and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_measures_measure():
    tree = ast.parse(
        "def f(x: NDArray[np.uint8]) -> int:\n"
        '    """Says."""\n'
        "    def inner(): ...\n"
        "    return y\n"
        "class A:\n"
        "    def _g(self): ...\n"
        "    def h(self) -> Pixels: ..."
    )
    found = dict(functions(tree))
    assert list(found) == ["f", "f.inner", "A._g", "A.h"] and length(found["f"]) == 2
    assert [name for name, _ in public(tree)] == ["f", "A.h"]
    assert wants_words(found["f"]) and wants_words(found["A.h"]) and not wants_words(found["A._g"])
