"""Fetching what the engine waits for: blocks, their bodies, and justifications.

Each request goes to one peer: first to the leader of the current round, then round all validators in turn. The engine
repeats its wishes at every tick until they are fulfilled, also after the round has changed; nothing here keeps time.

A content that came with a proposal may be a lie whose bodies nobody has. So who is asked again is asked for the content
as well, once for each time; what nobody was asked for is not taken, so that a liar cannot push out what others gave.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.block import block_hash
from ledger.chain import CandidateBlock
from ledger.consensus.effects import CheckBlock, WantJustification
from ledger.consensus.inputs import BlockChecked, JustificationReceived, PeerId
from ledger.consensus.messages import ProposedBlock, TimeoutCertificate
from ledger.limits import BLOCK_TRANSACTIONS_MAX
from ledger.primitives import Digest
from ledger.refusals import Refusal
from node.replica.parts import Parts
from node.wire import FetchBlock, FetchJustification, FetchTransactions


def want_block(parts: Parts, wish: CheckBlock) -> None:
    """The engine waits for a block: check it if it is here, fetch what is missing otherwise."""
    deciding, name = parts.deciding, wish.block_hash
    deciding.blocks.want(name, wish.block)
    if _try(parts, name):
        return
    again = name in deciding.requests
    peer = _whom_to_ask(parts, name)
    if peer is None:
        return
    if again or not deciding.blocks.has_content(name):
        deciding.contents_asked.add((name, peer))
        parts.out.send(peer, FetchBlock(deciding.height, name))
    _fetch_bodies(parts, name, peer)


def want_justification(parts: Parts, wish: WantJustification) -> None:
    """The engine waits for a justification: ask for it."""
    peer = _whom_to_ask(parts, wish.digest)
    if peer is not None:
        parts.out.send(peer, FetchJustification(parts.deciding.height, wish.digest))


def take_content(parts: Parts, peer: PeerId, content: ProposedBlock) -> None:
    """A peer answered with the content of a block."""
    asked = block_hash(content.header), peer
    if asked not in parts.deciding.contents_asked:
        return
    parts.deciding.contents_asked.remove(asked)
    name = parts.deciding.blocks.offer(content)
    if name is not None and not _try(parts, name):
        _fetch_bodies(parts, name, peer)


def take_bodies(parts: Parts, named: Sequence[tuple[Digest, bytes]]) -> None:
    """Transactions came, each with its envelope hash: complete the wanted blocks with them, whether or not the mempool
    took them."""
    blocks = parts.deciding.blocks
    lacked = blocks.lacked(named)
    for (name, _), judged in zip(lacked, parts.door.judge(lacked, parts.deciding), strict=True):
        blocks.bring(name, None if isinstance(judged, Refusal) else judged)
    for wanted in blocks.complete():
        _try(parts, wanted)


def take_justification(parts: Parts, digest: Digest, justification: TimeoutCertificate) -> None:
    """A verified justification came."""
    if parts.deciding.requests.pop(digest, None) is not None:
        parts.deciding.inputs.append(JustificationReceived(digest, justification))


def _try(parts: Parts, name: Digest) -> bool:
    """Check a block and tell the engine if it is valid. Returns whether it was."""
    deciding = parts.deciding
    outcome = deciding.blocks.check(name)
    if isinstance(outcome, CandidateBlock):
        deciding.requests.pop(name, None)
        deciding.inputs.append(BlockChecked(name, deciding.blocks.facts(outcome)))
        return True
    if outcome is not None:
        deciding.refused_block = (name, outcome)
        parts.out.log("block_refused", height=deciding.height, block_hash=name.hex(), reason=outcome)
    return False


def _fetch_bodies(parts: Parts, name: Digest, peer: PeerId) -> None:
    if missing := parts.deciding.blocks.missing_bodies(name):
        parts.out.send(peer, FetchTransactions(missing[:BLOCK_TRANSACTIONS_MAX]))


def _whom_to_ask(parts: Parts, item: Digest) -> PeerId | None:
    """The peer whose turn it is to be asked for `item`, or None when no validator is connected."""
    deciding = parts.deciding
    first = deciding.engine.context.leader(deciding.engine.round)
    count = len(deciding.validators)
    order = [deciding.peer_of((first + offset) % count) for offset in range(count)]
    connected = [peer for peer in order if parts.peers.get(peer) is not None]
    if not connected:
        return None
    asked = deciding.requests.get(item, 0)
    deciding.requests[item] = asked + 1
    return connected[asked % len(connected)]
