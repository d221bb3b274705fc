"""Homes of nodes that come later, made as the README says: `init`, `genesis adopt`, pins, `ready`."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.genesis import parse_card
from ledger.governance.readiness import parse_ready_statement
from ledger.operations.validators import ValidatorReady
from ledger.primitives import PublicKey
from ledger.validators import Validator
from node.config import FILE_NAME
from tests.integration.processes.commands import quorum_node
from tests.integration.processes.network import ProcessNetwork


async def make_home(network: ProcessNetwork, index: int, *, name: str, operator: str, operator_key: PublicKey) -> None:
    """Make home number `index`, of the validator `name`, and have it take up the chain from genesis."""
    home = str(network.layout.validator_home(index))
    identity = ("--name", name, "--operator", operator, "--operator-key", operator_key.hex())
    addresses = ("--address", str(network.layout.peers(index)), "--api-listen", str(network.layout.api(index)))
    await quorum_node("init", "--home", home, *identity, *addresses)
    chain = network.genesis.chain.hex()
    await quorum_node("genesis", "adopt", str(network.layout.genesis), "--home", home, "--hash", chain)


def entry_of(network: ProcessNetwork, index: int) -> Validator:
    """The entry on the public card of a home."""
    return parse_card((network.layout.validator_home(index) / "card.json").read_bytes()).validator


def pin(network: ProcessNetwork, index: int, pinned: Iterable[int]) -> None:
    """Have home number `index` pin these nodes, and no others; it must be started afterwards."""
    path = network.layout.validator_home(index) / FILE_NAME
    text = path.read_text().split("\n[[peers.pinned]]\n")[0]
    for other in pinned:
        entry = entry_of(network, other)
        text += f'\n[[peers.pinned]]\naddress = "{entry.address}"\nnode_key = "{entry.node_key.hex()}"\n'
    path.write_text(text)


async def ready_of(network: ProcessNetwork, index: int) -> ValidatorReady:
    """The operation by which a node that follows says that its keys are ready, as `quorum-node ready` has signed it."""
    home = network.layout.validator_home(index)
    await quorum_node("ready", "--home", str(home), "--out", str(home / "ready.json"))
    statement = parse_ready_statement((home / "ready.json").read_bytes().strip())
    return ValidatorReady(statement.entry.operator, statement.entry, statement.height, statement.proofs)
