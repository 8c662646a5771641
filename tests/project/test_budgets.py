"""The sizes that keep the code readable; CONTRIBUTING.md explains them."""

import ast
import statistics

import pytest

from tests.project.source import FOLDERS, files, functions, named

MAX_FILE, MEDIAN_FILE = 250, 100
MAX_BODY, NINE_TENTHS_BODY, MEDIAN_BODY = 40, 20, 8
MAX_NESTING = 3
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
NAMES_THAT_SAY_NOTHING = {"utils.py", "util.py", "helpers.py", "common.py", "base.py", "misc.py"}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    documented = ast.get_docstring(function) is not None
    statements = function.body[1:] if documented else function.body
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def nesting(node: ast.AST) -> int:
    inner = (nesting(child) - is_elif(node, child) for child in ast.iter_child_nodes(node))
    return max(inner, default=0) + isinstance(node, BLOCKS)


def is_elif(node: ast.AST, child: ast.AST) -> bool:
    # To a reader an elif is no deeper than its if; to the parser it is an if in an else.
    return isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]


def test_files_are_short() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in files(*FOLDERS)}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE} == {}
    assert statistics.median(length for length in lengths.values() if length) <= MEDIAN_FILE


def test_functions_are_short() -> None:
    bodies = {
        f"{named(path)}:{each.lineno} {each.name}": body_lines(each)
        for path in files(*FOLDERS)
        for each in functions(path)
    }
    assert {name: length for name, length in bodies.items() if length > MAX_BODY} == {}
    assert statistics.median(bodies.values()) <= MEDIAN_BODY
    assert statistics.quantiles(bodies.values(), n=10)[-1] <= NINE_TENTHS_BODY


@pytest.mark.parametrize("folder", FOLDERS)
def test_functions_are_flat(folder: str) -> None:
    deep = [
        f"{named(path)}:{each.lineno} {each.name}"
        for path in files(folder)
        for each in functions(path)
        if nesting(each) > MAX_NESTING
    ]
    assert deep == []


def test_names_say_what_a_module_holds() -> None:
    assert [named(path) for path in files(*FOLDERS, "tests") if path.name in NAMES_THAT_SAY_NOTHING] == []


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" * 3)
    found = [named(path) for path in files(*FOLDERS, "tests") if any(m in path.read_text() for m in marks)]
    assert found == []
