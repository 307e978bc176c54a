"""One-line faults, made one at a time in a module's source: what `benchmarks.mutants` lets the tests look for.

Text in, texts out; nothing is run here. Annotations, decorators and docstrings are left alone: no test can see them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """A changed module: its whole `source`, and `line`, `before` and `after` of what was changed."""

    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"line {self.line}: `{self.before}` -> `{self.after}`"


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    for path in _paths(tree):
        for replacement in _replacements(_at(tree, path)):
            changed = copy.deepcopy(tree)
            old = _at(tree, path)
            _put(changed, path, replacement)
            text = ast.unparse(ast.fix_missing_locations(changed))
            found.append(Mutant(_line(old), _short(old), _short(replacement), text))
    return sorted(found, key=lambda mutant: mutant.line)


Path = tuple[tuple[str, int | None], ...]
_UNSEEN = {"annotation", "returns", "decorator_list"}


def _paths(node: ast.AST, path: Path = ()) -> Iterator[Path]:
    """The way to every node below `node` that a test could see."""
    for name, value in ast.iter_fields(node):
        if name in _UNSEEN or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            continue
        children = value if isinstance(value, list) else [value]
        for i, child in enumerate(children):
            if isinstance(child, ast.AST) and not _is_docstring(child):
                step: Path = (*path, (name, i if isinstance(value, list) else None))
                yield step
                yield from _paths(child, step)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _at(tree: ast.AST, path: Path) -> ast.AST:
    for name, index in path:
        value = getattr(tree, name)
        tree = value if index is None else value[index]
    return tree


def _put(tree: ast.AST, path: Path, node: ast.AST) -> None:
    *way, (name, index) = path
    parent = _at(tree, tuple(way))
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            yield from _other_comparisons(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for i in range(len(node.values)):
                rest = [*node.values[:i], *node.values[i + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(_another(node.value))
        case ast.BinOp(op=ast.BitOr()):  # a flag is dropped
            yield node.left
            yield node.right
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        case ast.Dict() if len(node.keys) > 1:  # an entry is dropped
            for i in range(len(node.keys)):
                yield ast.Dict(*([*entries[:i], *entries[i + 1 :]] for entries in (node.keys, node.values)))
        case ast.Expr(value=ast.Call()):  # a step is dropped: fsync, write, rename
            yield ast.Pass()
        case ast.With() if all(item.optional_vars is None for item in node.items):  # a lock is dropped
            yield ast.If(ast.Constant(True), node.body, [])
        case ast.If() if not node.orelse and isinstance(node.body[-1], ast.Raise | ast.Return | ast.Continue):
            yield ast.Pass()  # a guard is dropped


def _other_comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for i, op in enumerate(node.ops):
        yield ast.Compare(node.left, [*node.ops[:i], _COMPARE[type(op)](), *node.ops[i + 1 :]], node.comparators)


def _another(value: int | float) -> int | float:
    """Another number, a step away for a whole one, far for a fraction."""
    return value + 1 if isinstance(value, int) else 1.9 * value or 1.0


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:69]}…"
