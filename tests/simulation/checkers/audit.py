"""The end of a run: a stranger re-executes the longest honest chain, and compares all the others with it (I14, I19)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ledger.block import block_hash
from ledger.consensus.codec import decode_commit_record
from ledger.errors import LedgerError
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from node.http.receipts import receipt_of
from node.storage import keys
from node.storage.queries import Queries
from tests.simulation.violation import Violation, demand
from tests.unit.ledger.audited import audit_in_memory
from tests.verifier.verify_receipt import anchor_of as read_anchor
from tests.verifier.verify_receipt import verify as verify_receipt_again

if TYPE_CHECKING:
    from node.storage.chain_store import ChainStore
    from tests.simulation.checkers.accusations import Accusations
    from tests.simulation.checkers.agreement import Agreement
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "audit"


def audit(world: World, agreement: Agreement, accusations: Accusations, reported: Iterable[Digest]) -> int:
    """Audit the longest honest chain from genesis. Returns its height."""
    if not world.sound:
        return 0
    chain = max(world.sound, key=lambda machine: machine.durable_height).durable_chain()
    judge = audit_in_memory(world.genesis, world.memory.verify)
    found: dict[Digest, int] = {}
    for height in range(1, chain.tip.header.height + 1):
        try:
            block = judge.append(chain.record(height), chain.envelopes(height))
        except LedgerError as error:
            raise Violation(_NAME, f"height {height} does not pass: {error}") from error
        announced = agreement.chain.get(height, block.block_hash)
        demand(block.block_hash == announced, _NAME, f"height {height} is not the block that was announced")
        agreement.chain[height] = block.block_hash
        accusations.audited(height, block.block)
        for transaction in block.block.transactions:
            earlier = found.setdefault(transaction.id, height)
            demand(earlier == height, _NAME, f"{transaction.id.hex()[:8]} is in blocks {earlier} and {height}")
    _check_trail(world, chain)
    _check_receipts(world, chain)
    for machine in world.sound:
        _compare(machine, agreement)
        accusations.compare(machine)
    for transaction_id in reported:
        demand(transaction_id in found, _NAME, f"{transaction_id.hex()[:8]} was reported committed and is nowhere")
    return chain.tip.header.height


def _check_trail(world: World, chain: ChainStore) -> None:
    """What receipts lead with: every change of the set, and no other step."""
    heights = range(1, chain.tip.header.height + 1)
    sets = [chain.validators_of(height + 1) for height in heights]
    before = [world.genesis.validators, *sets]
    changed = [after for last, after in zip(before, sets, strict=False) if last != after]
    found = [step.validators for step in chain.trail(chain.tip.header.height + 1)]
    demand(found == changed, _NAME, f"the trail has {len(found)} steps, and the set changed {len(changed)} times")


def _check_receipts(world: World, chain: ChainStore) -> None:
    """Two verifiers, of which one shares no code with us, accept what nodes give of the newest block that has a
    transaction, and of the one that took the most rounds: from genesis, and from the block in the middle of the chain.
    """
    heights = [height for height in range(1, chain.tip.header.height + 1) if chain.header(height).transaction_count]
    if not heights:
        return
    middle = max(1, chain.tip.header.height // 2)
    checkpoint = build_pinned_checkpoint(
        network=world.genesis.network, header=chain.header(middle), validators=chain.validators_of(middle + 1)
    )
    pins = (
        (0, anchor_of(world.genesis), world.genesis.document),
        (middle, anchor_of_checkpoint(checkpoint), checkpoint.document),
    )
    for height in {
        heights[-1],
        max(heights, key=lambda height: decode_commit_record(chain.record(height)).certificate.round),
    }:
        leaf = chain.leaves(height)[0]
        item = Queries(chain).transaction(leaf.transaction_id)
        assert item is not None
        for from_height, anchor, document in pins:
            data = receipt_of(chain, item, from_height)
            try:
                verified = verify_receipt(data, anchor, world.memory.verify)
                proved = verify_receipt_again(data, read_anchor(document))
            except (LedgerError, ValueError) as error:
                raise Violation(_NAME, f"the receipt of block {height} from {from_height}: {error}") from error
            demand(verified.leaf == leaf, _NAME, f"the receipt of block {height} is of another transaction")
            demand(proved["transaction"] == leaf.transaction_id.hex(), _NAME, "the second verifier found another one")


def _compare(machine: Machine, agreement: Agreement) -> None:
    """Every header on this disk is the one that all have."""
    height = machine.durable_height
    announced = agreement.announced.get(machine.identity.index, 0)
    demand(height >= announced, _NAME, f"{machine.identity.name} is at {height} and had announced {announced}")
    for each in range(1, height + 1):
        header = machine.disk.durable(keys.header(each))
        same = header is not None and block_hash(header) == agreement.chain[each]
        demand(same, _NAME, f"{machine.identity.name} has another block {each} on its disk")
