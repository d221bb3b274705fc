"""What arrives, while it waits for the replica: which signatures in it will be asked for, as far as its bytes tell.

A guess costs time when it is wrong and nothing else: see the package's docstring. Of transactions that were submitted
or gossiped, only the signatures by keys that are registered to the sender that they name are guessed, and only as many
as that needs, so that a stranger makes no worker do any curve arithmetic (design section 6).

The senders in certified blocks may be members only after the blocks before them. So blocks count only as far as they
are those that their sender was asked for, one after the other from the height asked for on: whoever makes those up is
blamed for it when the replica has come that far, while it passes over what comes unasked, or is of any other height,
and blames nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.inputs import PeerId
from ledger.errors import LedgerError
from ledger.limits import ENVELOPE_BYTES_MAX, VERIFY_AHEAD_MIN
from ledger.state import State
from ledger.transaction import claimed_sender, claimed_signatures
from node.replica.inputs import PeerMessageReceived, Submitted
from node.storage.chain_store import ChainStore
from node.storage.errors import StorageError
from node.verification.ahead import AheadVerifier, Claim
from node.wire import CertifiedBlock, Records, Transactions


class Arriving:
    """Told of each message and submission when it comes in, before any step has it.

    `chain` is the replica's; `asked` says from which height on the replica asked a peer for certified blocks, or None
    when it did not or has its answer.
    """

    def __init__(self, ahead: AheadVerifier, chain: ChainStore, asked: Callable[[PeerId], int | None]) -> None:
        self._ahead = ahead
        self._chain = chain
        self._asked = asked

    def __call__(self, item: PeerMessageReceived | Submitted) -> None:
        """Have the signatures of `item` verified meanwhile."""
        match item:
            case Submitted(_, envelopes) | PeerMessageReceived(_, Transactions(envelopes, _)):
                if len(envelopes) >= VERIFY_AHEAD_MIN:
                    self._ahead.expect(self._of_members(envelopes))
            case PeerMessageReceived(peer, Records(blocks)):
                if (height := self._asked(peer)) is not None:
                    self._ahead.expect(self._of_blocks(blocks, height))
            case _:
                pass

    def _of_members(self, envelopes: Sequence[bytes]) -> Iterator[Claim]:
        """The claims by keys of the accounts that the envelopes name."""
        state = State(self._chain.state)
        try:
            for envelope in envelopes:
                sender = claimed_sender(envelope)
                account = state.account(sender) if sender else None
                if account is not None and not account.suspended:
                    claims = [claim for claim in _claimed(envelope) if claim[0] in account.keys]
                    # With fewer it is refused unverified; what is beyond may be made up to cost more than one refusal.
                    if len(claims) >= account.threshold:
                        yield from claims[: account.threshold]
        except (StorageError, LedgerError):
            return  # the replica meets what is wrong with the state, and knows what to do

    def _of_blocks(self, blocks: Iterable[CertifiedBlock], first_height: int) -> Iterator[Claim]:
        """The claims in the bodies of the blocks that the chain does not have, as far as they follow one another."""
        tip = self._chain.tip.header.height
        for height, block in enumerate(blocks, first_height):
            try:
                header = parse_header(decode_commit_record(block.record).header)
            except LedgerError:
                return  # the replica says who is to blame
            if header.height != height or len(block.envelopes) != header.transaction_count:
                return
            if height > tip:
                for envelope in block.envelopes:
                    yield from _claimed(envelope)


def _claimed(envelope: bytes) -> list[Claim]:
    """What the signatures of an envelope claim, unless it is too long to be one."""
    if len(envelope) > ENVELOPE_BYTES_MAX:
        return []
    message, signers = claimed_signatures(envelope)
    return [(key, message, signature) for key, signature in signers]
