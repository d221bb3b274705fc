"""The operators of a network of processes: how they propose, vote and decide, through the API of any node."""

from __future__ import annotations

import time

from ledger.crypto import SigningKey
from ledger.governance.changes import Change, GrantRole
from ledger.governance.proposals import proposal_digest
from ledger.operations.accounts import AccountAdd
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation
from ledger.primitives import Digest
from ledger.roles import Role
from node.identity import create_key, load_signing_key
from tests.integration.processes.network import ProcessNetwork

_OPEN_MS = 3_600_000


class Council:
    """The administrator `council` proposes; the operators approve whatever it is. All of them ask node `door`."""

    def __init__(self, network: ProcessNetwork) -> None:
        self._network = network
        self._proposals = 0
        self.keys = {"council": network.council}
        self.door = 0
        for index in range(network.layout.validators):
            self.keys[f"org{index}"] = load_signing_key(network.layout.home / f"org{index}.pem")

    async def do(self, *operations: Operation) -> int:
        """The height at which these operations were applied, together, each with the consent of whom it is by."""
        sender, *others = dict.fromkeys(operation.by for operation in operations)
        cosigners: dict[str, SigningKey] = {name: self.keys[name] for name in others}
        envelope = self._network.sign(sender, self.keys[sender], *operations, cosigners=cosigners)
        answer = await self._network.commit(envelope, self.door)
        assert answer["result"] == "applied", answer
        return int(str(answer["height"]))

    async def add_operators(self, *names: str) -> None:
        """New accounts that may operate validators."""
        for name in names:
            public_key = create_key(self._network.layout.home / f"{name}.pem")
            self.keys[name] = load_signing_key(self._network.layout.home / f"{name}.pem")
            await self.do(AccountAdd(by="council", name=name, keys=(public_key,), threshold=1))
        await self.decide(*(GrantRole(name, Role.OPERATOR) for name in names), delay=1)

    async def decide(self, *changes: Change, delay: int, evidence: tuple[Digest, ...] | None = None) -> int:
        """Propose these changes and vote, one operator after the other; the first height at which they are in force."""
        proposed = self._propose(changes, delay, evidence)
        await self.do(proposed)
        height = 0
        for vote in await self._votes(proposed):
            height = await self.do(vote)
        return height + delay

    async def decide_at_once(self, *changes: Change) -> int:
        """The same within one transaction that all sign, to be in force from the very next height on."""
        proposed = self._propose(changes, 1, None)
        return await self.do(proposed, *await self._votes(proposed)) + 1

    def _propose(self, changes: tuple[Change, ...], delay: int, evidence: tuple[Digest, ...] | None) -> ProposalCreate:
        self._proposals += 1
        return ProposalCreate("council", changes, time.time_ns() // 1_000_000 + _OPEN_MS, delay, evidence)

    async def _votes(self, proposed: ProposalCreate) -> list[ProposalVote]:
        """As many approvals by operators of the set in force as decide it."""
        named = proposal_digest(
            chain=self._network.genesis.chain,
            proposer=proposed.by,
            changes=proposed.changes,
            expires_ms=proposed.expires,
            delay=proposed.delay,
            evidence=proposed.evidence or (),
            memo=proposed.memo,
        )
        validators = await self._network.get(self.door, "/v1/validators")
        voters = [str(entry["operator"]) for entry in validators["validators"]]  # type: ignore[attr-defined]
        return [ProposalVote(voter, self._proposals, named, True) for voter in voters[: int(str(validators["q"]))]]
