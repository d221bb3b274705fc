"""What the composition root decides itself: who is a member, and what it refuses to run with."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from ledger.crypto import SigningKey
from ledger.primitives import PublicKey
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet
from node.app import members
from node.config import Endpoint, PinnedPeer
from node.net.peers import Member


def key_of(name: str) -> PublicKey:
    return SigningKey(hashlib.sha256(name.encode()).digest()).public_key


def validator(name: str, address: str) -> Validator:
    keys = {f"{kind}_key": key_of(f"{name} {kind}") for kind in ("consensus", "node", "cosigning")}
    return Validator(name=name, operator="acme", address=address, **keys)


def test_members_are_the_validators_at_their_addresses_and_the_pins() -> None:
    validators = ValidatorSet(
        (validator("v0", "v0.example:8471"), validator("v1", "[::1]:1"), validator("v2", "no address at all")),
        Quorum(QuorumRule.MAJORITY),
    )
    pins = (
        PinnedPeer(Endpoint("10.0.0.9", 9), key_of("v1 node")),
        PinnedPeer(None, key_of("v0 node")),
        PinnedPeer(Endpoint("follower", 8471), key_of("follower")),
        PinnedPeer(None, key_of("silent follower")),
    )
    assert members(validators, pins) == {
        key_of("v0 node"): Member(Endpoint("v0.example", 8471), is_validator=True),
        key_of("v1 node"): Member(Endpoint("10.0.0.9", 9), is_validator=True),
        key_of("v2 node"): Member(None, is_validator=True),
        key_of("follower"): Member(Endpoint("follower", 8471), is_validator=False),
        key_of("silent follower"): Member(None, is_validator=False),
    }


def test_it_does_not_run_without_assertions() -> None:
    script = "import node.app; node.app.run(None)"
    ended = subprocess.run([sys.executable, "-O", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "assertions are off" in ended.stderr
