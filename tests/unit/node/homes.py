"""Homes as tests make them: a network's only validator, with genesis beside it."""

from __future__ import annotations

from pathlib import Path

from ledger.genesis import Genesis, Operator, assemble_genesis
from ledger.parameters import Parameters
from ledger.primitives import PublicKey
from ledger.validators import default_quorum
from node.config import Config, Endpoint, load
from node.home import make_validator_home
from node.identity import load_signing_key
from tests.unit.ledger.founders import TIME_MS, signing_key

LISTEN = Endpoint("127.0.0.1", 9001)


def validator(home: Path) -> tuple[Config, Genesis]:
    """A validator's home, and genesis with it."""
    card = make_validator_home(
        home,
        name="acme-1",
        operator=Operator("acme", (signing_key("operator").public_key,), 1),
        address=LISTEN,
        peer_listen=LISTEN,
        api_listen=LISTEN,
    )
    genesis = assemble_genesis(
        network="test",
        salt=bytes(16),
        time_ms=TIME_MS,
        quorum=default_quorum(1),
        parameters=Parameters(),
        cards=(card,),
        administrators=("acme",),
    )
    return load(home / "node.toml"), genesis


def key_in(path: Path | None) -> PublicKey | None:
    """The public half of the key in a file; None where there is none to be."""
    return None if path is None else load_signing_key(path).public_key
