"""Restart: what the database says this node promised, and whether it may be believed.

A validator that lost its vote state, or was given an older one, could sign twice; so it must not sign at all. At
start-up the database must hold the promise in the guard (`node.storage.guard`): its very message, or a tip that has
passed its height. If it does not, or if the guard or the vote state is damaged, the node observes, and says why.
(design section 7, consensus research section 1.3 "Lost or rolled-back vote state" and section 6 rule 4)

What no local file can show, peers show later: a statement of ours that we do not remember (see `findings`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.consensus.codec import decode_message, decode_prepare_certificate, decode_timeout_certificate
from ledger.consensus.engine import Restored
from ledger.consensus.messages import SignedMessage, TimeoutCertificate
from ledger.errors import MalformedError
from node.ports import Guard
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from node.storage.guard import COSIGNED_STEP, SILENCED_STEP, promise
from node.storage.promises import Promises

REPLACE_KEY = "replace its consensus key by a change of the validator set"


@dataclass(frozen=True, slots=True)
class VoteState:
    """What is known of this node's own votes: `silence` is why it must not vote, or None; `newest_height` is the
    highest height with a promise, below which it never votes (amendment A4b), or 0."""

    silence: str | None
    newest_height: int


def read_vote_state(chain: ChainStore, guard: Guard, silenced: str | None = None) -> VoteState:
    """Compare database and guard. `silenced` is why this node stopped signing for good, as the database has it."""
    try:
        had_height = chain.height_before_rebuild()
        newest = max(chain.newest_promised_height() or 0, had_height + 1 if had_height else 0)
        decided_height = max(had_height, chain.tip.header.height)
        return VoteState(_missing_promise(chain, guard, decided_height, silenced), newest)
    except DamagedError as error:
        return VoteState(f"the vote state is damaged ({error}): {REPLACE_KEY}", 0)


def _missing_promise(chain: ChainStore, guard: Guard, decided_height: int, silenced: str | None) -> str | None:
    """Why the database cannot be trusted to hold every promise of this node, or None. Raises `DamagedError`.

    Up to `decided_height` all is decided, though blocks of it may have to be fetched again.
    """
    record = guard.read()
    if record is None:
        return (
            "the guard file is missing or damaged, or another key's, so an older vote state would not be noticed: "
            f"{REPLACE_KEY}"
        )
    if record.height <= decided_height:
        return None  # decided since, or nothing was ever promised
    if record.step == SILENCED_STEP:
        return silenced or (
            f"this node's key was told never to sign again, and the database does not say why: {REPLACE_KEY}"
        )
    if record.step == COSIGNED_STEP:
        return (
            f"the database is behind the guard file: the log was cosigned up to block {record.height}, which is "
            f"missing: {REPLACE_KEY}"
        )
    for message in chain.promises(record.height).messages:
        if (message.round, message.type) == (record.round, record.step):
            if promise(record.height, message.round, message.type, message.payload) == record:
                return None
            return f"the vote state contradicts the guard file at height {record.height}: {REPLACE_KEY}"
    return (
        f"the vote state is behind the guard file: a vote at height {record.height}, round {record.round} is "
        f"missing from the database: {REPLACE_KEY}"
    )


def renew_guard(promises: Promises, guard: Guard) -> None:
    """Bring the guard up to the newest stored message, before anything of it is sent again.

    The power may have been cut after the batch and before the guard was written: that message never left, but it is
    about to. A vote of a height that was decided, where the blocks are fetched again, is not: the guard never goes
    back. Raises `StorageFailedError`.
    """
    noted = guard.read()
    if promises.messages and (noted is None or noted.height <= promises.height):
        newest = promises.messages[-1]
        record = promise(promises.height, newest.round, newest.type, newest.payload)
        if guard.read() != record:
            guard.write(record)


def restore(promises: Promises) -> Restored:
    """What an engine restarts from. Raises `DamagedError` when a row is not what this node wrote."""
    try:
        messages = tuple(_own(item.payload) for item in promises.messages)
        return Restored(
            messages=messages,
            timeout_certificates=tuple(
                decode_timeout_certificate(item.payload) for item in promises.timeout_certificates
            ),
            prepare_certificates=tuple(
                decode_prepare_certificate(item.payload) for item in promises.prepare_certificates
            ),
        )
    except MalformedError as error:
        raise DamagedError(f"a promise of height {promises.height} is malformed: {error}") from error


def _own(payload: bytes) -> SignedMessage:
    message = decode_message(payload)
    if isinstance(message, TimeoutCertificate):
        raise MalformedError("a certificate stands where a message of our own must")
    return message
