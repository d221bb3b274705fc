"""Gathering cosignatures: those of all validators for one checkpoint, and the checkpoint that this node serves.

Each validator sends its own to the others, and takes them from nobody else; whoever has a quorum for a newer block than
before hands the whole checkpoint on to the peers that are no validators, and to one validator, each time another: so
it gets also to those whom the cosignatures do not reach. A new peer is sent what is newest here, and what is newest
here of its own: a validator that sees a cosignature of its key that it does not remember was set back, or is there
twice, and must not sign any more.

A checkpoint belongs to the block after which its log has this size, and the quorum is one of the validator set in force
after that block. What is of a block that is not here yet waits for it, one message of each peer.
"""

from __future__ import annotations

from ledger.consensus.inputs import PeerId
from ledger.errors import LedgerError
from ledger.limits import COSIGNATURES_IN_NOTE_MAX, VALIDATORS_MAX
from ledger.log.checkpoint import Checkpoint, cosigner_key, log_key
from ledger.log.policy import validators_policy, verify_checkpoint
from ledger.log.signed_note import (
    TIMESTAMP_BYTES,
    Note,
    SignatureLine,
    SignatureType,
    VerifierKey,
    check_line,
    parse_note,
)
from ledger.primitives import Digest
from ledger.validators import Validator, ValidatorSet
from node import wire
from node.replica.cosigned import Published
from node.replica.opening import REPLACE_KEY
from node.replica.parts import Parts
from node.storage import keys
from node.storage.errors import DamagedError
from node.wire import Cosignature


def hear(parts: Parts, peer: PeerId, message: Cosignature | wire.Checkpoint, *, late: bool = False) -> None:
    """Take in what a peer sent; `late` says that it has waited here for its block. Nothing in it is believed before it
    is verified."""
    cosigned = parts.cosigned
    ours = isinstance(message, Cosignature) and _is_ours(parts, message.key)
    if message.height > parts.chain.tip.header.height and not ours:
        waiting = cosigned.postponed.get(peer)
        if waiting is None or waiting.height <= message.height:
            cosigned.postponed[peer] = message
    elif not _is_old(parts, message) and cosigned.afford(peer, parts.now.monotonic_ms):
        try:
            if isinstance(message, wire.Checkpoint):
                _hear_checkpoint(parts, message)
            elif ours:
                _hear_own(parts, message)
            else:
                _hear_cosignature(parts, peer, message, late=late)
        except LedgerError as error:
            parts.out.blame(peer, f"checkpoint: {error}")
        except DamagedError as error:
            parts.out.log("block_damaged", height=message.height, reason=str(error))


def hear_postponed(parts: Parts) -> None:
    """A block was appended: take in what waited for it."""
    height, postponed = parts.chain.tip.header.height, parts.cosigned.postponed
    for peer in [peer for peer, message in postponed.items() if message.height <= height]:
        hear(parts, peer, postponed.pop(peer), late=True)


def greet(parts: Parts, peer: PeerId) -> None:
    """Send a new peer what is newest here: our cosignature, its own if it is a validator, and the checkpoint."""
    cosigned, deciding = parts.cosigned, parts.deciding
    name = deciding.name_of_peer(peer)
    if name is not None:
        newest = cosigned.newest
        may_sign = parts.key is not None and parts.silence is None  # else the guard may not know of it
        if newest is not None and may_sign and newest.height <= parts.chain.tip.header.height:
            parts.out.send(peer, newest)
        key_of_peer = next(item.cosigning_key for item in deciding.validators.validators if item.name == name)
        for item in cosigned.heard.get(key_of_peer, ())[-1:]:
            parts.out.send(peer, item)
    if (published := to_serve(parts)) is not None:
        parts.out.send(peer, _frame(published))


def take(parts: Parts, item: Cosignature) -> None:
    """Count a cosignature that was verified, or is our own, and publish what has a quorum."""
    cosigned = parts.cosigned
    cosigned.hold(item)
    if cosigned.published is not None and cosigned.published.height == item.height:
        cosigned.grown = True
    elif (published := _complete(parts, item.height)) is not None:
        _publish(parts, published)


def to_serve(parts: Parts) -> Published | None:
    """The checkpoint to serve, with all cosignatures of it that are here: put together when somebody asks."""
    cosigned = parts.cosigned
    if cosigned.grown and cosigned.published is not None:
        cosigned.grown = False
        height = cosigned.published.height
        try:
            cosigned.published = _complete(parts, height) or cosigned.published
        except DamagedError as error:  # what was complete is so still
            parts.out.log("block_damaged", height=height, reason=str(error))
    return cosigned.published


def _is_old(parts: Parts, message: Cosignature | wire.Checkpoint) -> bool:
    """Whether it is of no use, whatever it says: unless it is ours, which we might have forgotten."""
    cosigned = parts.cosigned
    served = 0 if cosigned.published is None else cosigned.published.height
    if isinstance(message, wire.Checkpoint):
        return message.height <= served
    held = cosigned.heard.get(message.key, ())
    if held and held[-1].time_s >= message.time_s:
        return True
    return message.height < served and not _is_ours(parts, message.key)


def _is_ours(parts: Parts, key: bytes) -> bool:
    own = parts.cosigned.key
    return own is not None and own.public_key == key


def _hear_cosignature(parts: Parts, peer: PeerId, message: Cosignature, *, late: bool) -> None:
    """Raises `VerificationError` when a signature in it is not what it says."""
    validators = _set_after(parts, message.height).validators
    validator = next((item for item in validators if item.cosigning_key == message.key), None)
    if validator is None or validator.node_key.hex() != peer:
        return
    _verify(parts, message, cosigner_key(parts.cosigned.origin, validator))
    if not late and parts.cosigned.fresh and message.height == parts.chain.tip.header.height:
        parts.watch.cosigned(validator.name, message.time_s, parts.now)
    if (message.size, message.root) == _size_and_root(parts, message.height):
        take(parts, message)
    else:
        _report_conflict(parts, message.height, validator.name)


def _hear_own(parts: Parts, message: Cosignature) -> None:
    """Of whatever height, also above the tip: before the blocks up to there are fetched, and cosigned a second time.

    Raises `VerificationError`.
    """
    key = message.key
    _verify(parts, message, VerifierKey(f"{parts.cosigned.origin}/this-node", SignatureType.COSIGNATURE, key))
    _see_own(parts, message.height, message.time_s)


def _verify(parts: Parts, message: Cosignature, cosigner: VerifierKey) -> None:
    """Raise `VerificationError` unless both signatures verify. The name of a cosigner is not signed."""
    checkpoint = Checkpoint(parts.cosigned.origin, message.size, message.root)
    note_line, line = _lines(message, checkpoint.origin, cosigner)
    check_line(log_key(checkpoint.origin, message.key), checkpoint.text, note_line)
    check_line(cosigner, checkpoint.text, line)


def _hear_checkpoint(parts: Parts, message: wire.Checkpoint) -> None:
    """Raises `LedgerError` when it is none, or has no quorum."""
    cosigned, validators = parts.cosigned, _set_after(parts, message.height)
    note = parse_note(message.note)
    policy = validators_policy(cosigned.origin, validators)
    verified = verify_checkpoint(note, policy)
    names = {f"validator:{item.name}": item for item in validators.validators}
    for name, time_s in verified.witnesses:
        if _is_ours(parts, names[name].cosigning_key):
            _see_own(parts, message.height, time_s)
    if (verified.checkpoint.size, verified.checkpoint.root) != _size_and_root(parts, message.height):
        _report_conflict(parts, message.height, "a quorum")
        return
    known = {(key.name, key.key_id) for key in (verified.logs[0], *(key for _, key in policy.witnesses))}
    lines: dict[tuple[str, bytes], SignatureLine] = {}
    for line in note.signatures:
        if (line.name, line.key_id) in known:
            lines.setdefault((line.name, line.key_id), line)
    _publish(parts, Published(message.height, verified.checkpoint, Note(note.text, tuple(lines.values()))))


def _see_own(parts: Parts, height: int, time_s: int) -> None:
    """A peer shows a cosignature of our key: do we remember it, or does our guard?

    A database that was lost, and fetched again past its guard, is no reason for silence: all that it had is known to be
    of blocks that are here.
    """
    cosigned, newest = parts.cosigned, parts.cosigned.newest
    if cosigned.lost is not None or (newest is not None and newest.time_s >= time_s):
        return
    if height <= cosigned.noted_height:
        cosigned.shown_s = max(cosigned.shown_s, time_s)
    else:
        parts.keep_silent(
            f"a peer shows a cosignature of this node's key, of time {time_s}, that this node does not remember: "
            f"{REPLACE_KEY}"
        )


def _report_conflict(parts: Parts, height: int, who: str) -> None:
    told = parts.cosigned.told
    if who not in told and len(told) < VALIDATORS_MAX:
        told.add(who)
        parts.out.log("checkpoint_conflict", height=height, reason=f"{who} cosigned another tree than this chain has")


def _complete(parts: Parts, height: int) -> Published | None:
    """The checkpoint of this block, if it has a quorum and says more than the one that is served."""
    cosigned, served = parts.cosigned, parts.cosigned.published
    if height < (1 if served is None else served.height):
        return None
    validators = _set_after(parts, height)
    found: list[tuple[Validator, Cosignature]] = []
    for validator in validators.validators:
        held = cosigned.heard.get(validator.cosigning_key, ())
        found += [(validator, item) for item in held if item.height == height][-1:]
    if len(found) < validators.quorum:
        return None
    if served is not None and served.height == height and len(served.note.signatures) > len(found):
        return None
    checkpoint = Checkpoint(cosigned.origin, *_size_and_root(parts, height))
    found = found[: max(validators.quorum, COSIGNATURES_IN_NOTE_MAX)]
    return Published(height, checkpoint, _note(parts, checkpoint, found))


def _note(parts: Parts, checkpoint: Checkpoint, found: list[tuple[Validator, Cosignature]]) -> Note:
    """The note with these cosignatures; its own signature is ours if we are among them, else that of the first."""
    origin = checkpoint.origin
    lines = [_lines(item, origin, cosigner_key(origin, validator)) for validator, item in found]
    own = next((index for index, (_, item) in enumerate(found) if _is_ours(parts, item.key)), 0)
    return Note(checkpoint.text, (lines[own][0], *(line for _, line in lines)))


def _publish(parts: Parts, published: Published) -> None:
    """Serve it from here on, in place of an older one, and hand it on."""
    cosigned = parts.cosigned
    keys_in_force = {item.cosigning_key for item in parts.deciding.validators.validators}
    for key in [key for key in cosigned.heard if key not in keys_in_force]:
        if cosigned.heard[key][-1].height < published.height:
            del cosigned.heard[key]
    frame = _frame(published)
    parts.chain.store.write({keys.CHECKPOINT: wire.encode(frame)}, sync=True)
    # Durable before visible: a node never serves less than it has served.
    cosigned.published, cosigned.grown = published, False
    validators = []
    for peer, _ in parts.peers:
        if parts.deciding.name_of_peer(peer) is None:
            parts.out.send(peer, frame)
        else:
            validators.append(peer)
    if validators:
        parts.out.send(sorted(validators)[published.height % len(validators)], frame)


def _frame(published: Published) -> wire.Checkpoint:
    return wire.Checkpoint(published.height, published.note.encode())


def _size_and_root(parts: Parts, height: int) -> tuple[int, Digest]:
    """Of the log after a committed block. Raises `DamagedError`."""
    header = parts.chain.header(height)
    return header.log_size, header.log_root


def _set_after(parts: Parts, height: int) -> ValidatorSet:
    """The validator set in force after a committed block. Raises `DamagedError`."""
    now = parts.deciding.validators
    return now if parts.chain.header(height).next_validators_hash == now.hash else parts.chain.validators_of(height + 1)


def _lines(item: Cosignature, origin: str, cosigner: VerifierKey) -> tuple[SignatureLine, SignatureLine]:
    """The two signature lines of what a validator sent: of the note, and its cosignature."""
    own = log_key(origin, item.key)
    timed = item.time_s.to_bytes(TIMESTAMP_BYTES, "big") + item.cosignature
    note_line = SignatureLine(own.name, own.key_id, item.note_signature)
    return note_line, SignatureLine(cosigner.name, cosigner.key_id, timed)
