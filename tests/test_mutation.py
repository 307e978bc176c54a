"""The mutation check itself: it makes the faults that it claims to make, in a copy, and tells kills from survivors."""

import ast

import pytest

from benchmarks import mutants
from benchmarks.accepted_mutants import ACCEPTED
from benchmarks.mutation import mutants_of

SOURCE = '''
"""A docstring of 3 words."""
import os

def share(part: int = 5, *, durable: bool = True) -> float:
    """Not 4."""
    if part < 0:
        raise ValueError
    with lock():
        os.fsync(part)
    told = {"part": part, **os.environ}
    return part / 2 if durable and not part == 7 else os.O_RDONLY | os.O_NOFOLLOW
'''


def test_each_kind_of_fault_is_made():
    made = {(mutant.before, mutant.after) for mutant in mutants_of(SOURCE)}
    assert made == {
        ("5", "6"),
        ("True", "False"),
        ("part < 0", "part <= 0"),
        ("0", "1"),
        ("if part < 0: raise ValueError", "pass"),
        ("with lock(): os.fsync(part)", "if True: os.fsync(part)"),
        ("os.fsync(part)", "pass"),
        ("{'part': part, **os.environ}", "{**os.environ}"),
        ("{'part': part, **os.environ}", "{'part': part}"),
        ("part / 2", "part * 2"),
        ("2", "3"),
        ("durable and (not part == 7)", "durable or not part == 7"),
        ("durable and (not part == 7)", "durable"),
        ("durable and (not part == 7)", "not part == 7"),
        ("not part == 7", "part == 7"),
        ("part == 7", "part != 7"),
        ("7", "8"),
        ("os.O_RDONLY | os.O_NOFOLLOW", "os.O_RDONLY"),
        ("os.O_RDONLY | os.O_NOFOLLOW", "os.O_NOFOLLOW"),
    }


def test_each_mutant_is_one_fault_in_valid_code():
    healthy = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants_of(SOURCE):
        changed = ast.unparse(ast.parse(mutant.source)).splitlines()
        assert changed != healthy and len(set(changed) ^ set(healthy)) <= 4
        assert SOURCE.splitlines()[mutant.line - 1].strip()


def test_survivors_are_told_from_the_killed_and_the_tree_is_left_healthy(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text("def f(x):\n    return x > 3\n\ndef g(x):\n    return x + 1\n")
    test = "from module import f, g\n\ndef test_f():\n    assert [f(x) for x in (3, 4)] == [False, True]\n    g(1)\n"
    (tmp_path / "test_module.py").write_text(test)
    monkeypatch.setitem(mutants.TESTS, "module.py", ("test_module.py",))
    outcome = mutants.judge(tmp_path, "module.py", None, 0)
    assert [str(mutant) for mutant in outcome.survivors] == ["line 5: `x + 1` -> `x - 1`", "line 5: `1` -> `2`"]
    assert outcome.tried == outcome.made == 4 and outcome.killed == pytest.approx(0.5)
    assert "x > 3" in (tmp_path / "module.py").read_text()


def test_tests_that_fail_anyway_prove_nothing(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text("X = 1\n")
    (tmp_path / "test_module.py").write_text("def test_x():\n    assert False\n")
    monkeypatch.setitem(mutants.TESTS, "module.py", ("test_module.py",))
    with pytest.raises(SystemExit):
        mutants.judge(tmp_path, "module.py", None, 0)


def test_every_module_that_is_measured_exists():
    assert [name for name in mutants.TESTS if not (mutants.ROOT / name).exists()] == []


def test_each_accepted_mutant_is_one_that_is_made_today():
    """By the line's text: one that was changed since is tried again, and its reason asked for."""
    for module, entries in ACCEPTED.items():
        healthy = (mutants.ROOT / module).read_text(encoding="utf-8")
        lines = healthy.splitlines()
        made = {(lines[one.line - 1].strip(), after) for one in mutants_of(healthy) for after in (one.after, "*")}
        assert [entry[:2] for entry in entries if entry[:2] not in made] == [], module
        assert all(why for _, _, why in entries)


def test_accepted_mutants_are_told_with_their_reason_and_not_tried(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text("def f(x):\n    return x > 3\n\ndef g(x):\n    return x > 4\n")
    (tmp_path / "test_module.py").write_text("import module\n\ndef test_f():\n    assert not module.f(3)\n")
    monkeypatch.setitem(mutants.TESTS, "module.py", ("test_module.py",))
    entries = (("return x > 4", "*", "nobody calls it"), ("return x > 3", "4", "never so"))
    monkeypatch.setitem(mutants.ACCEPTED, "module.py", entries)
    outcome = mutants.judge(tmp_path, "module.py", None, 0)
    assert (outcome.made, outcome.tried, outcome.survivors) == (4, 1, ())
    told = "\n".join(mutants.report_lines([outcome]))
    assert "| `module.py` | 4 | 3 | 1 | 1 | 100% |" in told and "line 5: `4` -> `5`: nobody calls it" in told
