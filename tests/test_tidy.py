"""House rules that no other tool holds: sizes, docstrings, banned words. (Style is a test, and it ratchets.)"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for top in ("ledger", "node", "wallet") for path in (ROOT / top).rglob("*.py"))
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.suffix in ("", ".py"))

MODULE_LINES_MAX = 420
FUNCTION_LINES_MAX = 60
BANNED_FILES = {"utils.py", "helpers.py", "common.py", "manager.py", "base.py", "misc.py"}
BANNED_WORDS = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=identify)
def test_a_module_can_be_held_in_the_head(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.name not in BANNED_FILES, "a name that says nothing"
    assert text.count("\n") <= MODULE_LINES_MAX, "split it by reason to exist"
    assert ast.get_docstring(tree), "a module says what it is for"
    assert not path.with_suffix("").is_dir() or not path.suffix, "a package of the same name hides it"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"
    for number, line in enumerate(text.splitlines(), 1):
        for word in BANNED_WORDS:
            assert word not in line, f"line {number}: {word}"


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_public_things_are_documented_and_no_exception_is_swallowed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not silent, f"line {node.lineno}: an exception is swallowed"
