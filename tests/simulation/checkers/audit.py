"""I14: in the end a stranger re-executes every honest chain. No operation is in it twice, each was signed and verified,
and their order is that of the blocks; whatever a machine reported committed is in the chain of that machine (I19).
A disk that was damaged has of each row what every other has, or nothing that can be read.

There is one chain, of which some machines have more than others; only where the chain could fork, and did, each side is
audited by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.audit import AuditedBlock
from ledger.block import block_hash
from ledger.consensus.codec import decode_commit_record
from ledger.errors import LedgerError
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from node.http.receipts import receipt_of
from node.storage import keys
from node.storage.errors import DamagedError
from node.storage.queries import Queries
from node.storage.rows import unseal
from tests.simulation.checkers.accusations import Accusations
from tests.simulation.checkers.signers import check_signers
from tests.simulation.checkers.synced import record_of, shared
from tests.simulation.violation import Violation, demand
from tests.unit.ledger.audited import audit_in_memory
from tests.verifier.verify_receipt import anchor_of as read_anchor
from tests.verifier.verify_receipt import verify as verify_receipt_again

if TYPE_CHECKING:
    from node.storage.chain_store import ChainStore
    from tests.simulation.checkers.agreement import Agreement
    from tests.simulation.checkers.reporting import Reporting
    from tests.simulation.checkers.synced import Synced
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "audit"


@dataclass(frozen=True, slots=True)
class Branch:
    """A chain that was audited: the hash of each height from 1 on, and the height of each transaction."""

    hashes: tuple[Digest, ...]
    heights: dict[Digest, int]
    accusations: Accusations

    def has(self, chain: ChainStore) -> bool:
        """Whether `chain` is a part of it."""
        height = chain.tip.header.height
        return height <= len(self.hashes) and (height == 0 or self.hashes[height - 1] == chain.tip.block_hash)


def audit(
    world: World,
    synced: Synced,
    agreement: Agreement,
    reporting: Reporting,
    chains: list[tuple[Machine, ChainStore]],
) -> list[Branch]:
    """Audit the chains of honest machines from genesis, the longest first. Returns them; more than one after a fork."""
    branches: list[Branch] = []
    of_machine: dict[int, Branch] = {}
    for machine, chain in sorted(chains, key=lambda item: -item[1].tip.header.height):
        branch = next((branch for branch in branches if branch.has(chain)), None)
        if branch is None:
            branch = _branch(world, chain, _blocks(world, synced, chain))
            branches.append(branch)
        of_machine[machine.identity.index] = branch
        _compare(machine, branch, agreement)
        branch.accusations.compare(machine, chain)
        if agreement.within_bound:
            check_signers(machine, chain)
    demand(len(branches) <= 1 or not agreement.within_bound, _NAME, "honest disks have two chains")
    for machine in world.honest if agreement.within_bound else ():
        if machine.damaged:
            _check_damaged(machine, synced)
    if chains:
        longest = max(chains, key=lambda item: item[1].tip.header.height)[1]
        _check_trail(world, longest)
        _check_receipts(world, longest)
    for transaction_id, index in reporting.reported:
        lost = transaction_id not in of_machine.get(index, branches[0]).heights  # a damaged one may have lost its own
        demand(not lost, _NAME, f"{transaction_id.hex()[:8]} was reported committed and is nowhere")
    return branches


def _blocks(world: World, synced: Synced, chain: ChainStore) -> list[AuditedBlock]:
    """The blocks of `chain`, each of them executed again."""
    height = chain.tip.header.height
    if synced.follow(chain, height):
        return synced.blocks[:height]
    judge = audit_in_memory(world.genesis, world.memory.verify)
    try:
        return [judge.append(record_of(chain, each), chain.envelopes(each)) for each in range(1, height + 1)]
    except LedgerError as error:
        raise Violation(_NAME, f"a chain of {height} blocks does not pass: {error}") from error


def _branch(world: World, chain: ChainStore, blocks: list[AuditedBlock]) -> Branch:
    found: dict[Digest, int] = {}
    accusations = Accusations(world)
    for height, block in enumerate(blocks, 1):
        demand(
            block.block_hash == chain.block_hash(height), _NAME, f"height {height} is not the block that was audited"
        )
        accusations.audited(height, block.block)
        for transaction in block.block.transactions:
            earlier = found.setdefault(transaction.id, height)
            demand(earlier == height, _NAME, f"{transaction.id.hex()[:8]} is in blocks {earlier} and {height}")
    return Branch(tuple(block.block_hash for block in blocks), found, accusations)


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


def _check_damaged(machine: Machine, synced: Synced) -> None:
    """Damage is never read: each row of the chain is there, and unreadable or right; and so is what was repaired."""
    image = machine.disk.image()
    tip = image.get(keys.TIP)
    height = keys.unpack_height(tip) if tip is not None and _is_readable(keys.TIP, tip) else synced.height + 1
    if height > synced.height:  # the files are gone, or nobody else is as far
        return
    found, expected = shared(image, height), synced.rows(height)
    wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    wrong = [key for key in wrong if key not in found or _is_readable(key, found[key])]
    if keys.FORMAT in wrong and machine.refused is not None:  # of another version of the software, and not read
        return
    demand(not wrong, _NAME, f"{machine.identity.name}, whose disk was damaged, has wrong rows: {sorted(wrong)[:3]}")


def _is_readable(key: bytes, row: bytes) -> bool:
    try:
        unseal(key, row)
    except DamagedError:
        return False
    return True


def _compare(machine: Machine, branch: Branch, agreement: Agreement) -> None:
    """Every header on this disk is the one of its chain, and that is the one that was announced."""
    height = machine.durable_height
    announced = agreement.announced.get(machine.identity.index, 0)
    demand(height >= announced, _NAME, f"{machine.identity.name} is at {height} and had announced {announced}")
    for each in range(1, height + 1):
        header = machine.disk.durable(keys.header(each))
        expected = branch.hashes[each - 1]
        same = header is not None and block_hash(header) == expected
        demand(same, _NAME, f"{machine.identity.name} has another block {each} on its disk")
        first = agreement.chain.setdefault(each, expected)
        demand(
            first == expected or not agreement.within_bound, _NAME, f"height {each} is not the block that was announced"
        )
