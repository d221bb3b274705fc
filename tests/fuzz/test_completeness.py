"""No decoder is forgotten: every public one in the source is reached when the targets are fed what they accept.

What counts as a decoder is read from the source: a public function or method whose name begins like one (parse_,
decode, read_, load_, unpack, unseal, verify_ of a file), or whose first parameter is bytes called data, document,
frame, body or the like. A few are no doors to the outside; each is named here with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.bounds import feed
from tests.fuzz.targets import all_targets

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"(parse|decode|unpack|unseal|read|load)(_|$)|(split|open)_(lines|blocks|exported)")
_BYTES = {"data", "document", "frame", "envelope", "line", "row", "payload", "text_bytes", "body"}

NO_DOORS = {
    "node/commands/options.py:echo_json": "writes",
    "node/commands/options.py:load_config": "node.config.load, for a command",
    "node/commands/options.py:parse_operator": "options of a command, each read by what is reached",
    "node/http/slices.py:SlicedBody.decode": "gives back a body of our own, for whoever logs it",
    "node/net/links.py:Channel.send": "sends",
    "node/ports.py:Guard.read": "a port; its implementations are reached",
    "node/runtime.py:read_clocks": "reads no bytes",
    "wallet/chaining.py:Chain.parse_args": "what click calls with the words of a command line",
    "wallet/output.py:Output.exact": "writes",
}


@cache
def decoders() -> frozenset[str]:
    """All of them, as path:qualified name."""
    found = set()
    for top in ("ledger", "node", "wallet"):
        for path in sorted((ROOT / top).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    inner = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
                    found |= {f"{path.relative_to(ROOT)}:{node.name}.{item.name}" for item in inner if _decodes(item)}
                elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _decodes(node):
                    found.add(f"{path.relative_to(ROOT)}:{node.name}")
    return frozenset(found)


def _decodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if function.name.startswith("_"):
        return False
    if _NAME.match(function.name):
        return True
    first = [item for item in function.args.args if item.arg not in ("self", "cls")][:1]
    return any(
        isinstance(item.annotation, ast.Name) and item.annotation.id == "bytes" and item.arg in _BYTES for item in first
    )


@cache
def reached() -> frozenset[str]:
    """Every function of the project that is called when all targets are fed all their examples."""
    called: set[str] = set()
    prefix = f"{ROOT}/"

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(prefix):
            called.add(f"{code.co_filename.removeprefix(prefix)}:{code.co_qualname}")

    prepared = [(target, target.examples()) for target in all_targets()]
    sys.setprofile(profile)
    try:
        for target, examples in prepared:
            for data in examples:
                feed(target, data)
                feed(target, data + b"\0")  # what remembers its answers is asked something new
    finally:
        sys.setprofile(None)
    return frozenset(called)


def test_every_decoder_is_reached() -> None:
    forgotten = decoders() - reached() - NO_DOORS.keys()
    assert not forgotten, "\n".join(["these need a target in tests/fuzz/targets:", *sorted(forgotten)])


def test_what_is_no_door_is_there_and_is_reached_by_no_target() -> None:
    assert set(NO_DOORS) <= decoders() - reached(), set(NO_DOORS) - (decoders() - reached())


def test_there_are_many() -> None:
    assert len(decoders()) > 150
    assert len(all_targets()) > 80
