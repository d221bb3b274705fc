"""Real processes while the validator set changes: a validator gets new keys in a fresh home beside its old one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import ModuleType

from click.testing import CliRunner

from ledger.execution import APPLIED
from ledger.genesis import Operator
from ledger.governance.changes import ValidatorRekey
from ledger.governance.proposals import proposal_digest
from ledger.governance.readiness import sign_ready
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation
from ledger.operations.validators import ValidatorReady
from ledger.pinned_checkpoint import anchor_of_checkpoint, parse_pinned_checkpoint
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from ledger.validators import Validator
from node.config import FILE_NAME, load
from node.home import adopt, make_validator_home
from node.identity import load_signing_key
from tests.integration.processes.network import ProcessNetwork, id_of
from wallet.audit_cli import main as quorum_audit

NEW = 4
"""The fresh home of v3: one more than the network was founded with."""


def make_new_home(network: ProcessNetwork) -> Validator:
    """A home with new keys for v3, which the others pin. Returns its entry."""
    layout = network.layout
    operator = load_signing_key(layout.home / "org3.pem").public_key
    card = make_validator_home(
        layout.validator_home(NEW),
        name="v3",
        operator=Operator("org3", (operator,), 1),
        address=layout.peers(NEW),
        peer_listen=layout.peers(NEW),
        api_listen=layout.api(NEW),
    )
    adopt(load(layout.validator_home(NEW) / FILE_NAME), network.genesis.document, expected=network.genesis.chain)
    for index in range(3):
        with (layout.validator_home(index) / FILE_NAME).open("a") as file:
            file.write(f'\n[[peers.pinned]]\nnode_key = "{card.validator.node_key.hex()}"\n')
    return card.validator


def ready_of(network: ProcessNetwork, entry: Validator, height: int) -> ValidatorReady:
    keys = network.layout.validator_home(NEW) / "keys"
    proofs = sign_ready(
        network.genesis.chain,
        entry,
        height,
        consensus_key=load_signing_key(keys / "consensus.pem"),
        node_key=load_signing_key(keys / "node.pem"),
        cosigning_key=load_signing_key(keys / "cosigning.pem"),
    )
    return ValidatorReady("org3", entry, height, proofs)


async def apply(network: ProcessNetwork, operation: Operation) -> None:
    """An operation by one of the operators, or the council, submitted to v0."""
    by = operation.by
    key = network.council if by == "council" else load_signing_key(network.layout.home / f"{by}.pem")
    answer = await network.submit(0, network.sign(by, key, operation))
    assert answer.get("result") == APPLIED, answer


async def test_a_validator_gets_new_keys_in_a_fresh_home_and_the_old_one_is_let_go(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        entry = make_new_home(network)
        network.start(0, 1, 2, 3, NEW)
        await network.until_ready()
        await network.until_ready(NEW, peers=3)
        await network.register()
        assert (await network.status(NEW))["role"] == "following"
        await apply(network, ready_of(network, entry, await network.height(0)))
        expires_ms = time.time_ns() // 1_000_000 + 3_600_000
        proposed = ProposalCreate("council", (ValidatorRekey("v3", entry.digest),), expires_ms, 1)
        await apply(network, proposed)
        digest = proposal_digest(
            chain=network.genesis.chain,
            proposer="council",
            changes=proposed.changes,
            expires_ms=expires_ms,
            delay=1,
            evidence=(),
            memo=None,
        )
        for index in range(3):
            await apply(network, ProposalVote(f"org{index}", 1, digest, True))

        async def is_let_go() -> bool:
            await network.submit(0, network.record("time passes"))
            old = await network.status(3)
            peers = [(await network.status(index))["peers"] for index in (0, 1, 2, NEW)]
            old_key = network.genesis.validators.validators[3].node_key.hex()
            linked = any(peer["node_key"] == old_key for each in peers for peer in each)  # type: ignore[attr-defined]
            return "it may be stopped" in str(old["reason"]) and not linked

        await network.until("the old home is let go", is_let_go)
        assert (await network.status(3))["role"] == "following"
        network.kill(3)
        network.kill(2)  # from here on nothing is appended without the new key of v3
        sent = network.record("signed by the new key")
        answer = await network.submit(0, sent)
        assert answer.get("result") == APPLIED, answer
        status = await network.status(NEW)
        assert (status["role"], status["validator"]) == ("voting", "v3")
        await network.until_committed(NEW, [sent])
        await auditors_are_content(network, id_of(sent), entry, tmp_path / "checkpoint.json")


async def auditors_are_content(network: ProcessNetwork, identifier: str, entry: Validator, pinned: Path) -> None:
    """A transaction after the change: its receipt from genesis, and from a checkpoint that was made across the change;
    each by both verifiers, of which one came from the node."""
    url = network.url(NEW)
    made = await asyncio.to_thread(
        CliRunner().invoke,
        quorum_audit,
        ["checkpoint", url, "--genesis", str(network.layout.genesis), "--out", str(pinned)],
    )
    assert made.exit_code == 0, made.output
    checkpoint = parse_pinned_checkpoint(await asyncio.to_thread(pinned.read_bytes))
    assert checkpoint.validators.validators[3] == entry
    async with network.session.get(f"{url}/verifier.py") as reply:
        second = ModuleType("verifier")
        exec(compile(await reply.read(), "verifier.py", "exec"), second.__dict__)
    for height, anchor, document in (
        (0, anchor_of(network.genesis), network.genesis.document),
        (checkpoint.header.height, anchor_of_checkpoint(checkpoint), checkpoint.document),
    ):
        path = f"/v1/transactions/{identifier}/receipt?from_height={height}"
        async with network.session.get(url + path) as reply:
            data = await reply.read()
        verified = verify_receipt(data, anchor)
        assert sorted(verified.signers) == ([] if height else ["v0", "v1", "v3"])
        assert second.verify(data, second.anchor_of(document))["transaction"] == identifier
