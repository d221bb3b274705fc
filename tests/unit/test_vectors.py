"""Every signed or hashed format is what it was when it was agreed on (see `tests/vectors_registry.py`)."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from ledger.crypto import verify
from ledger.primitives import PublicKey, Signature
from tests.vectors_registry import DIRECTORY, TAGS, VECTORS, path_of, render


@pytest.mark.parametrize("name", VECTORS)
def test_the_code_gives_the_agreed_vectors(name: str) -> None:
    agreed = path_of(name)
    assert agreed.exists(), f"no agreed form of {name} yet: scripts/vectors --rewrite writes it"
    assert render(name) == agreed.read_text(), f"the format of {name} has changed; scripts/vectors shows how"


def test_there_is_no_vector_without_code() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(VECTORS)


@pytest.mark.parametrize("name", VECTORS)
def test_generation_is_deterministic(name: str) -> None:
    assert render(name) == render(name)


def test_every_domain_tag_is_listed() -> None:
    """Two formats under one tag could stand in for each other."""
    checkout = Path(__file__).parents[2]
    trees = [
        ast.parse(path.read_text())
        for package in ("ledger", "node", "wallet")
        for path in sorted((checkout / package).rglob("*.py"))
    ]
    found = {
        ast.literal_eval(node.args[0])
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tag"
    }
    assert found == set(TAGS)


def test_agreed_statements_verify() -> None:
    """The agreed bytes and signatures fit each other, whatever the code makes of the fields."""
    for case in json.loads(path_of("consensus_statements").read_text()):
        message, signature = bytes.fromhex(case["signed_bytes"]), Signature(bytes.fromhex(case["signature"]))
        assert verify(PublicKey(bytes.fromhex(case["public_key"])), message, signature)
