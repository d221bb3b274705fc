"""What Byzantine validators sign and send, as scripts say it. Their signatures are good; what they say is not."""

from __future__ import annotations

from ledger.block import block_hash
from ledger.consensus import codec
from ledger.consensus.messages import (
    CommitVote,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    SignedStatement,
    TimeoutCertificate,
    TimeoutEntry,
    TimeoutVote,
    VoteSignature,
)
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    StatementType,
    TimeoutStatement,
)
from ledger.primitives import ZERO_DIGEST, Digest

from . import chain
from .world import WALL_START_MS, World


class Forger:
    """Signs with the keys of Byzantine validators; certificates are put together from whatever was signed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.certificates: dict[str, TimeoutCertificate] = {}

    def name_block(self, *words: str) -> None:
        """block X by 1 round 0 [time +5] [with a b]"""
        label, by, round = words[0], int(words[2]), int(words[4])
        tip = self.world.live()[0].tip
        rest = words[5:]
        time_ms = tip.time_ms + 1
        if rest[:1] == ("time",):
            time_ms, rest = WALL_START_MS + self.world.now_ms + int(rest[1]), rest[2:]
        transactions = tuple(chain.transaction(item) for item in rest[1:])
        made = chain.make_block(
            tip, self.world.validators, round=round, proposer=by, time_ms=time_ms, transactions=transactions
        )
        self.world.blocks[label] = (block_hash(made.header), made)

    def name_certificate(self, *words: str) -> None:
        """certificate J timeout 1/0 from 0,2,3 [bare]"""
        name, place, signers = words[0], words[2], [int(part) for part in words[4].split(",")]
        height, round = map(int, place.split("/"))
        entries = []
        for validator in sorted(signers):
            signed = self._newest(validator, height, round, StatementType.TIMEOUT)
            statement = signed.statement
            entries.append(TimeoutEntry(validator, statement.high_round, statement.high_hash, signed.signature))
        highest = max(entries, key=lambda entry: entry.high_round)
        prepared = None
        if highest.high_round != NO_ROUND and "bare" not in words:
            prepared = self._prepare_certificate(height, highest.high_round, highest.high_hash)
        self.certificates[name] = TimeoutCertificate(height, round, tuple(entries), prepared)

    def forge(self, signer: int, kind: str, *words: str) -> None:
        """forge 1 KIND ... to NODES"""
        assert signer in self.world.byzantine, "only Byzantine validators are spoken for"
        what, targets = list(words[: words.index("to")]), words[words.index("to") + 1]
        match kind:
            case "proposal":
                message = self._proposal(signer, what)
            case "prepare":
                height, round, hash_of_block = self._place(what)
                digest = codec.justification_digest(self._because(what))
                statement = PrepareStatement(height, round, hash_of_block, digest)
                message = PrepareVote(statement, signer, self.world.sign(signer, statement))
            case "commit":
                statement = CommitStatement(*self._place(what))
                message = CommitVote(statement, signer, self.world.sign(signer, statement))
            case "timeout":
                message = self._timeout(signer, what)
            case "certificate":
                message = self.certificates[what[0]]
            case _:
                raise AssertionError(f"forge what? {kind}")
        data = codec.encode_message(message)
        height = int(message.height if isinstance(message, TimeoutCertificate) else message.statement.height)
        nodes = [node.index for node in self.world.live()] if targets == "all" else map(int, targets.split(","))
        for target in nodes:
            self.world.send(signer, target, "message", height, data)

    def _proposal(self, signer: int, what: list[str]) -> Proposal:
        height, round, hash_of_block = self._place(what)
        justification = self._because(what)
        statement = ProposalStatement(height, round, hash_of_block, codec.justification_digest(justification))
        block = None if "hiding" in what else self.world.blocks[what[1]][1]
        return Proposal(statement, signer, self.world.sign(signer, statement), justification, block)

    def _timeout(self, signer: int, what: list[str]) -> TimeoutVote:
        height, round = map(int, what[0].split("/"))
        high_round, high_hash, prepared = NO_ROUND, ZERO_DIGEST, None
        if len(what) > 1:
            high_round, high_hash = int(what[2]), self.world.blocks[what[3]][0]
            if "bare" not in what:
                prepared = self._prepare_certificate(height, high_round, high_hash)
        statement = TimeoutStatement(height, round, high_round, high_hash)
        return TimeoutVote(statement, signer, self.world.sign(signer, statement), prepared)

    def _place(self, what: list[str]) -> tuple[int, int, Digest]:
        height, round = map(int, what[0].split("/"))
        return height, round, self.world.blocks[what[1]][0]

    def _because(self, what: list[str]) -> TimeoutCertificate | None:
        return self.certificates[what[what.index("because") + 1]] if "because" in what else None

    def _newest(self, validator: int, height: int, round: int, kind: StatementType) -> SignedStatement:
        return next(
            signed
            for signed in reversed(self.world.statements[validator, height])
            if signed.statement.round == round and signed.statement.type == kind
        )

    def _prepare_certificate(self, height: int, round: int, hash_of_block: Digest) -> PrepareCertificate:
        """The certificate that the prepare votes signed so far make; they must be a quorum."""
        by_statement: dict[PrepareStatement, dict[int, VoteSignature]] = {}
        for (validator, signed_height), statements in sorted(self.world.statements.items()):
            for signed in statements:
                statement = signed.statement
                if (
                    signed_height == height
                    and isinstance(statement, PrepareStatement)
                    and (statement.round, statement.block_hash) == (round, hash_of_block)
                ):
                    by_statement.setdefault(statement, {})[validator] = VoteSignature(validator, signed.signature)
        for statement, signatures in by_statement.items():
            if len(signatures) >= self.world.validators.quorum:
                return PrepareCertificate(
                    height, round, hash_of_block, statement.justification_digest, tuple(signatures.values())
                )
        raise AssertionError(f"no quorum prepared this block in {height}/{round}")
