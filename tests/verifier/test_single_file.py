"""The verifier as a file: what it depends on, how long it is, what it exits with, and that nodes hand out this one."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from node.http import verifier
from tests.verifier.judging import eras

FILE = Path(__file__).with_name("verify_receipt.py")
LINES_MAX = 300


def test_it_is_short_and_stands_on_the_standard_library_and_one_package() -> None:
    text = FILE.read_text()
    assert text.count("\n") <= LINES_MAX
    imported = set()
    for item in ast.walk(ast.parse(text)):
        if isinstance(item, ast.Import):
            imported |= {name.name.partition(".")[0] for name in item.names}
        elif isinstance(item, ast.ImportFrom):
            assert not item.level
            imported.add(str(item.module).partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}
    assert not any(word in text for word in ("eval(", "exec(", "__import__", "open(", "socket", "subprocess"))


def test_nodes_hand_out_this_file() -> None:
    beside = Path(str(verifier.__file__)).with_name("verify_receipt.txt")
    assert beside.resolve() == FILE.resolve(), "a link: there is one file, and a wheel gets its content"
    assert verifier._content() == FILE.read_bytes()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The file alone in a directory, with what an auditor has."""
    (tmp_path / "verifier.py").write_bytes(verifier._content())
    (tmp_path / "genesis.json").write_bytes(eras().store.genesis.document)
    (tmp_path / "block4.json").write_bytes(eras().checkpoint(4).document)
    (tmp_path / "receipt.json").write_bytes(eras().receipt(8))
    (tmp_path / "pinned.json").write_bytes(eras().receipt(3, 0, 4))
    (tmp_path / "damaged.json").write_bytes(eras().receipt(8).replace(b'"applied"', b'"failed_"'))
    (tmp_path / "none.json").write_bytes(b"{}")
    return tmp_path


RUNS = [
    (("receipt.json", "--genesis", "genesis.json"), 0, "yes, against the genesis of 'test'"),
    (
        ("receipt.json", "--checkpoint", "block4.json"),
        0,
        "3 of 3 validators signed its block, quorum 2: 'v0', 'v1', 'v4'",
    ),
    (("pinned.json", "--checkpoint", "block4.json"), 0, "it is in the log of the pinned block"),
    (("pinned.json", "--genesis", "genesis.json"), 10, "NOT verified: it is for holders of another checkpoint"),
    (("damaged.json", "--genesis", "genesis.json"), 10, "NOT verified"),
    (("none.json", "--genesis", "genesis.json"), 10, "NOT verified"),
    (("receipt.json", "--genesis", "none.json"), 2, "cannot begin"),
    (("receipt.json", "--genesis", "missing.json"), 2, "cannot begin"),
    (("receipt.json", "--trust-me", "genesis.json"), 2, "cannot begin"),
    (("receipt.json",), 2, "cannot begin"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), RUNS, ids=lambda value: str(value)[:40])
def test_what_it_exits_with(files: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    run = subprocess.run(
        [sys.executable, "-I", "verifier.py", *arguments], cwd=files, capture_output=True, text=True, check=False
    )
    assert (run.returncode, says in run.stdout + run.stderr) == (code, True), run
    assert bool(run.stdout) == (code == 0), "nothing is printed that is not proved"
