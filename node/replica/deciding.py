"""Everything that belongs to the height being decided. Made when the height begins, thrown away when it is committed.

So nothing of one height can leak into the next (consensus research 2, row 9), and a node that took part is afterwards
in the same state as one that fetched the block (invariant I12).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ledger.admission import AdmissionContext
from ledger.chain import CandidateBlock, leader_order
from ledger.consensus.engine import HeightContext, HeightEngine, Restored, Timing
from ledger.consensus.inputs import Input, Now, PeerId
from ledger.consensus.messages import CommitCertificate, CommitRecord
from ledger.consensus.statements import CommitStatement, SigningContext, Statement
from ledger.consensus.verification import HeightKeys
from ledger.crypto import Verify
from ledger.governance.activation import UnknownRules, unknown_rules
from ledger.mempool import Mempool
from ledger.parameters import Parameters
from ledger.primitives import Digest, PublicKey
from ledger.state import State
from ledger.validators import ValidatorSet
from node.replica.blocks import Blocks
from node.replica.reading import TipReader
from node.storage.chain_store import ChainStore


@dataclass(frozen=True, slots=True)
class Decided:
    """A block that is final: valid on the tip, with its complete record, as a value and in its encoded form."""

    candidate: CandidateBlock
    record: CommitRecord
    encoded: bytes


@dataclass(slots=True)
class Deciding:
    """One height. `inputs` wait for the engine, in order; `statements` are this node's own of this height.

    `reader` is the chain that the blocks of this height are built and checked on.
    `decided` is the block that ends the height, from the engine or from a peer: nothing is decided after it.
    `unknown_rules` says from which height on the chain follows rules that this software does not know, if it will;
    `suspended` is whether this height does: then nothing is done at it.
    `requests` counts, for each block and justification that is being fetched, how often it was asked for;
    `contents_asked` has the blocks whose content a peer was asked for and has not given. `refused_block` is the newest
    block whose content was not valid, and why.
    """

    height: int
    state: State
    parameters: Parameters
    validators: ValidatorSet
    admission: AdmissionContext
    keys: HeightKeys
    me: int | None
    engine: HeightEngine
    reader: TipReader
    blocks: Blocks
    unknown_rules: UnknownRules | None
    suspended: bool
    statements: set[Statement] = field(default_factory=set)
    inputs: deque[Input] = field(default_factory=deque)
    decided: Decided | None = None
    requests: dict[Digest, int] = field(default_factory=dict)
    contents_asked: set[tuple[Digest, PeerId]] = field(default_factory=set)
    refused_block: tuple[Digest, str] | None = None

    def name(self, validator: int) -> str:
        """The name of a validator of this height."""
        return self.validators.validators[validator].name

    def peer_of(self, validator: int) -> PeerId:
        """The peer that a validator of this height is on the network."""
        return PeerId(self.validators.validators[validator].node_key.hex())

    def name_of_peer(self, peer: PeerId) -> str | None:
        """The validator name of a peer, or None for a follower."""
        index = self.index_of_peer(peer)
        return None if index is None else self.name(index)

    def index_of_peer(self, peer: PeerId) -> int | None:
        """The index of a peer in the validator set of this height, or None for a follower."""
        return self.validators.index_of_node_key(PublicKey(bytes.fromhex(peer)))

    def unknown_own_commit(self, certificate: CommitCertificate) -> bool:
        """Whether a verified commit certificate has our signature, and we do not remember giving it."""
        if self.me not in certificate.signers:
            return False
        given = CommitStatement(certificate.height, certificate.round, certificate.block_hash)
        return given not in self.statements


def begin(
    chain: ChainStore,
    *,
    key: PublicKey | None,
    may_vote: bool,
    restored: Restored | None,
    mempool: Mempool,
    verify: Verify,
    now: Now,
    tick_at_ms: int | None = None,
) -> Deciding:
    """The height on top of the chain's tip, at its beginning, or where `restored` left it.

    `tick_at_ms` is when the resend tick of the height before was due.
    """
    tip = chain.tip
    height = tip.header.height + 1
    state = chain.typed_state
    parameters, validators = state.parameters(), state.validators()
    me = None if key is None else validators.index_of_consensus_key(key)
    names = [validator.name for validator in validators.validators]
    rules = unknown_rules(state, tip.header.height)
    suspended = rules is not None and rules.height <= height
    context = HeightContext(
        height=height,
        parent_hash=tip.block_hash,
        parent_time_ms=tip.header.time_ms,
        validator_count=len(validators),
        quorum=validators.quorum,
        leader_order=leader_order(names, state.leaders(), height, parameters.demotion_heights),
        me=me,
        may_vote=may_vote and not suspended,
        timing=Timing(
            base_timeout_ms=parameters.base_timeout_ms,
            timeout_ms_max=parameters.timeout_ms_max,
            heartbeat_ms=parameters.heartbeat_ms,
            tick_ms=parameters.base_timeout_ms // 2,
        ),
        committed_at_ms=now.monotonic_ms,
        tick_at_ms=tick_at_ms,
    )
    reader = TipReader(chain, mempool)
    signing = SigningContext(chain.chain, tip.header.epoch)
    return Deciding(
        height=height,
        state=state,
        parameters=parameters,
        validators=validators,
        admission=AdmissionContext(chain.chain, height, tip.header.time_ms, parameters),
        keys=HeightKeys(signing, height, validators, verify),
        me=me,
        engine=HeightEngine(context, restored),
        unknown_rules=rules,
        suspended=suspended,
        reader=reader,
        blocks=Blocks(tip, reader, validators, mempool.get),
        statements=set() if restored is None else {message.statement for message in restored.messages},
    )
