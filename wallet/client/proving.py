"""What is made of a node's word on a transaction by those who have pinned something: only what its receipt proves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.block import parse_header
from ledger.consensus.codec import parse_commit_record
from ledger.consensus.record import CertifiedHeader
from ledger.encoding import decode_form
from ledger.errors import MalformedError
from ledger.limits import RECEIPT_BYTES_MAX
from ledger.receipt import Certified, VerifiedReceipt, verify_receipt
from wallet.answers import Head, Outcome, as_object
from wallet.client.errors import RefusedError, UntrueAnswerError, Untruth
from wallet.client.following import held
from wallet.client.outcomes import Settled
from wallet.moments import rfc3339

if TYPE_CHECKING:
    from wallet.client.conversation import Client
    from wallet.client.witnesses import Witnesses


class ReceiptJudge:
    """The judge (`wallet.client.outcomes.Judge`) of those who hold an anchor."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses

    async def settle(self, node: Client, outcome: Outcome) -> Settled:
        """A committed `outcome`, proved by the receipt of the node that states it."""
        url = node.nodes[0]
        try:
            data, verified = await self._receipt_from(node, outcome.id)
            proved = (verified.leaf.height, verified.leaf.result)
            if proved != (outcome.height, outcome.result):
                stated = f"it states '{outcome.result}' in block {outcome.height}"
                reason = f"{stated}, and its receipt proves '{proved[1]}' in block {proved[0]}"
                raise UntrueAnswerError(Untruth.OUTCOME_CONTRADICTED, url, reason)
        except MalformedError as error:
            raise self._witnesses.distrust(UntrueAnswerError(Untruth.RECEIPT_UNPROVED, url, str(error))) from None
        except RefusedError as error:
            raise self._witnesses.distrust(UntrueAnswerError(Untruth.OUTCOME_UNPROVED, url, error.sentence)) from None
        except UntrueAnswerError as error:
            raise self._witnesses.distrust(error) from None
        own_block = isinstance(verified.proof, Certified)  # a pinned block may be later than the transaction's
        outcome = replace(
            outcome,
            index=verified.leaf.index,
            block_hash=verified.block_hash.hex() if own_block else None,
            time=rfc3339(verified.header.time_ms) if own_block else None,
        )
        return Settled(outcome, verified.signers, data, verified)

    async def ledger_time_ms(self, stated: Head) -> int:
        """The newest certified ledger time, at most the stated one."""
        light = self._witnesses.follower.light
        if light.head is None or light.head.header.time_ms < stated.time_ms:
            await self._witnesses.catch_up()
        return 0 if light.head is None else min(stated.time_ms, light.head.header.time_ms)

    async def _receipt_from(self, node: Client, transaction_id: str) -> tuple[bytes, VerifiedReceipt]:
        """The receipt that `node` has of a transaction, and what it proves, held against what is known."""
        url, follower = node.nodes[0], self._witnesses.follower
        query = {"from_height": follower.anchor.height or None}
        path = f"/v1/transactions/{transaction_id}/receipt"
        data = await node.get_bytes(path, query, bytes_max=RECEIPT_BYTES_MAX)
        fields = as_object(decode_form(data, bytes_max=RECEIPT_BYTES_MAX, what="receipt"), "a receipt")
        record = parse_commit_record(fields["record"]) if "record" in fields else None
        if record is not None:
            follower.check_chain(url, parse_header(record.header))
        with held(url, Untruth.RECEIPT_UNPROVED):
            verified = verify_receipt(data, follower.anchor)
        if verified.transaction.id.hex() != transaction_id:
            raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"the receipt is of {verified.transaction.id.hex()}")
        if record is not None:
            await follower.hold(node, CertifiedHeader(verified.header, verified.block_hash), record)
        return data, verified
