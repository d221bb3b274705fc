"""Durable before visible: what a power cut would leave, at the instant at which something is said (I6, I7, I19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.codec import decode_prepare_certificate, decode_timeout_certificate, justification_digest
from ledger.consensus.messages import CommitVote, PrepareVote, Proposal, SignedMessage, TimeoutVote
from ledger.consensus.statements import StatementType, statement_type
from node.replica import BlockAppended, Committed
from node.storage import keys
from node.storage.guard import promise
from node.storage.keys import PromiseKind
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "durability"


def check_spoken(machine: Machine, message: SignedMessage, payload: bytes) -> None:
    """A signed message is about to leave: the table "Persist before send" and amendment A2, row by row."""
    disk, statement, who = machine.disk, message.statement, machine.identity.name
    height, round = statement.height, statement.round
    kind = statement_type(statement)
    own = disk.durable(keys.own_message(height, round, kind))
    demand(own == payload, _NAME, f"{who} sends {statement}, which is not on its disk")
    _check_guard(machine, message, payload)
    if isinstance(message, PrepareVote | CommitVote) or (isinstance(message, Proposal) and message.block is not None):
        candidate = disk.durable(keys.candidate(height, message.statement.block_hash))
        demand(candidate is not None, _NAME, f"{who} sends {statement}, and does not have the block")
    if isinstance(message, CommitVote):
        row = disk.durable(keys.certificate(height, PromiseKind.PREPARE_CERTIFICATE, round))
        block_hash = None if row is None else decode_prepare_certificate(row).block_hash
        demand(
            block_hash == message.statement.block_hash,
            _NAME,
            f"{who} sends {statement}, and does not have its prepare certificate",
        )
    if isinstance(message, TimeoutVote) and message.prepare_certificate is not None:
        row = disk.durable(keys.certificate(height, PromiseKind.PREPARE_CERTIFICATE, message.prepare_certificate.round))
        demand(row is not None, _NAME, f"{who} sends {statement}, and does not have the certificate that it names")
    if round > 0:
        row = disk.durable(keys.certificate(height, PromiseKind.TIMEOUT_CERTIFICATE, round - 1))
        demand(row is not None, _NAME, f"{who} sends {statement}, and cannot show how it got into its round")
        _check_justification(machine, message, row)


def _check_justification(machine: Machine, message: SignedMessage, row: bytes | None) -> None:
    """The certificate of the round is the one that its own proposal or prepare vote binds (amendment A8)."""
    statement, binding = message.statement, message
    if not isinstance(binding, Proposal | PrepareVote):
        prepared = machine.disk.durable(keys.own_message(statement.height, statement.round, StatementType.PREPARE))
        if prepared is None:
            return
        decoded = machine.world.memory.decode(prepared)
        assert isinstance(decoded, PrepareVote)
        binding = decoded
    bound = None if row is None else justification_digest(decode_timeout_certificate(row))
    demand(
        bound == binding.statement.justification_digest,
        _NAME,
        f"{machine.identity.name} sends {statement}, and does not have the justification that it binds",
    )


def _check_guard(machine: Machine, message: SignedMessage, payload: bytes) -> None:
    """The guard holds this message or a later one; a prepare vote may be later than the commit vote of its round."""
    statement, record = message.statement, machine.guard.read()
    kind = statement_type(statement)
    if record == promise(statement.height, statement.round, kind, payload):
        return
    place = (statement.height, statement.round, int(kind))
    at = (0, 0, 0) if record is None else (record.height, record.round, int(record.step))
    prepared_after = kind is StatementType.COMMIT and at == (*place[:2], StatementType.PREPARE)
    demand(
        at > place or prepared_after, _NAME, f"{machine.identity.name} sends {statement}, and its guard is at {record}"
    )


def check_appended(machine: Machine, block: BlockAppended) -> None:
    """A block is announced: it is the tip or below it, with its record and all its transactions."""
    disk, who = machine.disk, machine.identity.name
    tip = machine.durable_height
    demand(tip >= block.height, _NAME, f"{who} announces height {block.height}, and its disk is at {tip}")
    for what, key in (
        ("header", keys.header(block.height)),
        ("record", keys.record(block.height)),
        ("block hash", keys.block_hash(block.block_hash)),
    ):
        demand(disk.durable(key) is not None, _NAME, f"{who} announces height {block.height} without its {what}")
    for transaction_id in block.transaction_ids:
        found = disk.durable(keys.transaction(transaction_id))
        demand(found is not None, _NAME, f"{who} announces height {block.height} without a transaction of it")


def check_reported(machine: Machine, outcome: Committed) -> None:
    """A client is told that its transaction is committed."""
    found = machine.disk.durable(keys.transaction(outcome.transaction_id))
    demand(
        found is not None,
        _NAME,
        f"{machine.identity.name} reports {outcome.transaction_id.hex()[:8]} committed, and it is not on its disk",
    )
